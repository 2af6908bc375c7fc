"""Which parts a table has, should have, and shows.

A part is the largest aligned cell that raw holds whole, else a maximal held interval
clipped to a smallest cell. Raw coverage only grows, so parts computed by anyone, at any
time, from any stale view, are nested or disjoint; of nested ones the largest is live.
Two torn listings can make two parts cross: readers trim the later one, and the next
transform builds the union.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemahub.core.span import NOTHING, Coverage, Span, cut

Cells = tuple[int, int, int]
"""Sizes of aligned cells, each a multiple of the next: `Axis.cells`."""


def wanted(held: Coverage, cells: Cells) -> list[Span]:
    """The parts of `held`, lowest first."""
    found: list[Span] = []
    for span in held:
        found.extend(_cells(span, cells))
    return found


def _cells(span: Span, sizes: tuple[int, ...]) -> list[Span]:
    size, smaller = sizes[0], sizes[1:]
    if not smaller:
        return list(cut(span, size))
    found: list[Span] = []
    for piece in cut(span, size):
        found.extend([piece] if len(piece) == size else _cells(piece, smaller))
    return found


def to_write(held: Coverage, existing: Iterable[Span], cells: Cells) -> list[Span]:
    """The parts of `held` that no existing part contains, lowest first."""
    there = live(existing)
    return [part for part in wanted(held, cells) if not any_contains(there, part)]


def to_compact(existing: Iterable[Span], cells: Cells) -> list[Span]:
    """Whole cells that existing parts, disjoint ones, make up and none contains, lowest first.

    Cells only: the union of parts is not what raw held at any one time, so an interval of
    it could cross a part that somebody else makes. Of parts that cross, one is not read
    whole: their union is transform's to make, from raw.
    """
    there = list(existing)
    missing = to_write(Coverage.of(there), there, cells)
    whole = (part for part in missing if is_cell(part, cells))
    return [cell for cell in whole if Coverage.of(reusable(cell, there)).covers(cell)]


def is_cell(part: Span, cells: Cells) -> bool:
    return len(part) in cells and part.start % len(part) == 0


def any_contains(parts: list[Span], part: Span) -> bool:
    """Whether one of `parts` (live: by start, none inside another) contains `part`."""
    return container(parts, part) is not None


def container(parts: list[Span], part: Span) -> Span | None:
    """The last of `parts` (live: by start, none inside another) that contains `part`."""
    # Starts and stops of live parts both increase: the last that starts in time reaches farthest.
    index = bisect_right(parts, part.start, key=lambda one: one.start) - 1
    return parts[index] if index >= 0 and parts[index].stop >= part.stop else None


def live(existing: Iterable[Span]) -> list[Span]:
    """`existing` without the parts that lie strictly inside one other, by start."""
    found: list[Span] = []
    for part in sorted(set(existing), key=lambda part: (part.start, -part.stop)):
        if not found or part.stop > found[-1].stop:
            found.append(part)
    return found


def superseded(existing: Iterable[Span]) -> list[Span]:
    """Parts strictly inside one listed part, in the order in which they may be deleted."""
    parts = set(existing)
    return sorted(parts - set(live(parts)), key=lambda part: (part.stop, len(part)))


@dataclass(frozen=True, slots=True)
class Slice:
    """A part to read, and the spans of it that count; `keep` is all of it as a rule."""

    version: int
    part: Span
    keep: tuple[Span, ...]

    @property
    def whole(self) -> bool:
        return self.keep == (self.part,)


def reading(versions: Mapping[int, Iterable[Span]]) -> list[Slice]:
    """What a reader reads, by position, each position from one part.

    `versions` holds the parts of the versions that may be read; the highest version wins
    where it holds a position, older ones fill the rest.
    """
    taken = NOTHING
    slices: list[Slice] = []
    for version in sorted(versions, reverse=True):
        reached = 0
        shown: list[Span] = []
        for part in live(versions[version]):
            # Live parts come by start and by stop: only the one before can cross this one.
            own = Span(max(part.start, reached), part.stop)
            reached = part.stop
            # The newest version is nearly always the only one.
            keep = (Coverage((own,)) - taken.within(own)).spans if taken else (own,)
            if keep:
                slices.append(Slice(version, part, keep))
                shown += keep
        taken |= Coverage.of(shown)
    return sorted(slices, key=lambda piece: piece.keep[0])


def reusable(span: Span, existing: Sequence[Span]) -> list[Span]:
    """Disjoint parts inside `span` whose rows a superseder takes as they are, by start.

    `existing` is sorted: only those that start inside `span` are looked at.
    """
    found: list[Span] = []
    first = bisect_left(existing, span.start, key=lambda part: part.start)
    stop = bisect_left(existing, span.stop, key=lambda part: part.start)
    inside = existing[first:stop]
    for part in live(part for part in inside if span.covers(part) and part != span):
        if not found or part.start >= found[-1].stop:
            found.append(part)
    return found
