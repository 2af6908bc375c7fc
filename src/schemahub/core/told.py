"""What a fast reader says of a whole answer, and the port behind which it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, overload

from schemahub.core.span import Coverage


@dataclass(frozen=True, slots=True, eq=False)
class Pairs(Sequence[tuple[int, int]]):
    """Two sequences of one length side by side; a pair is made when it is looked at."""

    left: Sequence[int]
    right: Sequence[int]

    def __len__(self) -> int:
        return len(self.left)

    @overload
    def __getitem__(self, index: int) -> tuple[int, int]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[int, int]]: ...

    def __getitem__(self, index: int | slice) -> tuple[int, int] | Sequence[tuple[int, int]]:
        if isinstance(index, slice):
            return Pairs(self.left[index], self.right[index])
        return self.left[index], self.right[index]


@dataclass(frozen=True, slots=True)
class Told:
    """The rows of an answer in which every row is good by the wire contract.

    `ids` and `times` (µs since 1970) row by row. `runs` are the ids, if they rise from row to
    row; None if not.
    """

    ids: Sequence[int]
    times: Sequence[int]
    runs: Coverage | None


class Scan(Protocol):
    """Reads answers of one spec that are of a strict form. Safe to call from many threads."""

    def __call__(self, body: bytes, latest: int) -> Told | None:
        """None if anything is odd: `core.wire.Reader` must read it row by row then.

        What is not None says as well that `body` is JSON in ASCII, and nests no deeper than an
        answer may. `latest`: when it was served, as `Answer.latest` has it.
        """
        ...
