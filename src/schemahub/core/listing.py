"""Listings of a raw folder, however long: names of the usual kind are read all at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import lt
from typing import overload

from schemahub.core.layout import DIGITS, MAX_STOP, RawName
from schemahub.core.span import Coverage, Span

_TAIL = ".jsonl.zst"
_STOP = slice(DIGITS + 1, 2 * DIGITS + 1)
_LENGTH = 2 * DIGITS + 1 + len(_TAIL)
_USUAL = re.compile(rf"(?:[0-9]{{{DIGITS}}}-[0-9]{{{DIGITS}}}{re.escape(_TAIL)}\n)*")
_MAX_STOP = f"{MAX_STOP:0{DIGITS}}"


@dataclass(frozen=True, slots=True, eq=False)
class UsualNames(Sequence[RawName]):
    """Names of data objects as they are fetched first, in order; each is read when looked at.

    Names are zero-padded, so their texts compare as their numbers do.
    """

    filenames: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.filenames)

    @overload
    def __getitem__(self, at: int) -> RawName: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[RawName, ...]: ...
    def __getitem__(self, at: int | slice) -> RawName | tuple[RawName, ...]:
        if isinstance(at, slice):
            return tuple(map(_read, self.filenames[at]))
        return _read(self.filenames[at])

    def __iter__(self) -> Iterator[RawName]:
        return map(_read, self.filenames)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    @property
    def held(self) -> Coverage:
        """The union of their spans."""
        starts = [name[:DIGITS] for name in self.filenames]
        stops = [name[_STOP] for name in self.filenames]
        # Where a name does not begin at the end of the one before it, in most folders nowhere.
        breaks = [
            at for at, (start, stop) in enumerate(zip(starts[1:], stops, strict=False), 1)
            if start != stop
        ]  # fmt: skip
        bounds = [0, *breaks, len(starts)] if starts else []
        return Coverage.of(
            Span(int(starts[first]), int(stops[end - 1])) for first, end in pairwise(bounds)
        )


@dataclass(frozen=True, slots=True)
class SortedOut:
    """The names of a folder: the usual ones, and those that are to be looked at one by one."""

    usual: UsualNames
    others: Sequence[str]


def sort_out(filenames: Iterable[str]) -> SortedOut:
    """Every name is either a valid usual one or among the others."""
    usual: list[str] = []
    others: list[str] = []
    for name in filenames:
        alike = len(name) == _LENGTH and name.endswith(_TAIL)
        (usual if alike else others).append(name)
    usual.sort()
    if not _valid(usual):
        return SortedOut(UsualNames(), [*usual, *others])
    return SortedOut(UsualNames(tuple(usual)), others)


def _valid(names: Sequence[str]) -> bool:
    """Whether all of them are names of spans."""
    if not names:
        return True
    if _USUAL.fullmatch("\n".join(names) + "\n") is None:
        return False
    stops = [name[_STOP] for name in names]
    return all(map(lt, names, stops)) and max(stops) <= _MAX_STOP


def _read(name: str) -> RawName:
    return RawName(Span(int(name[:DIGITS]), int(name[_STOP])))
