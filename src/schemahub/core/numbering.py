"""What the ids of trades prove on an axis whose positions are not ids.

Ids that follow each other without a hole, over positions that are all held, leave no room
for another trade between the first and the last of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from schemahub.core.span import Coverage, Span

# So many runs are not holes: the ids are not numbered as the spec says, and naming them all
# would take more memory than a part does.
MOST_RUNS = 100_000


@dataclass(frozen=True, order=True, slots=True)
class Run:
    """Trades whose ids follow each other, `first` to `last`, and where these two lie."""

    first: int
    last: int
    first_at: int
    last_at: int


@dataclass(frozen=True, slots=True)
class IdHole:
    """Ids of which something is wrong, and `span`: where.

    Of ids that no trade has, from the trade before them to one past the trade after.
    """

    ids: Span
    span: Span


@dataclass
class Tally:
    """What the trades of a table add up to; grows with the holes between their ids alone.

    `ids` reaches from the lowest to one past the highest. `runs` stay empty where nobody
    asked for them, and once there are too many of them (`crowded`).
    """

    count: int = 0
    ids: Span | None = None
    runs: tuple[Run, ...] = ()
    crowded: bool = False

    def add(self, other: Tally) -> None:
        self.count += other.count
        both = [ids for ids in (self.ids, other.ids) if ids is not None]
        if both:
            self.ids = Span(min(ids.start for ids in both), max(ids.stop for ids in both))
        self.runs = tuple(joined((*self.runs, *other.runs)))
        self.crowded |= other.crowded or len(self.runs) > MOST_RUNS
        if self.crowded:
            self.runs = ()


@dataclass(frozen=True, slots=True)
class Numbered:
    """What runs of ids say: the holes between them, and ids that stand more than once."""

    holes: tuple[IdHole, ...] = ()
    twice: tuple[IdHole, ...] = ()


def joined(runs: Iterable[Run]) -> Iterator[Run]:
    """The same runs, lowest first, those that touch as one; those that overlap stay apart."""
    last: Run | None = None
    for run in sorted(runs):
        if last is not None and run.first == last.last + 1:
            last = Run(last.first, run.last, last.first_at, run.last_at)
            continue
        if last is not None:
            yield last
        last = run
    if last is not None:
        yield last


def numbered(runs: Iterable[Run], covered: Coverage, refused: Coverage) -> Numbered:
    """The ids that are missing between `runs`, and those told twice.

    A hole counts where all positions between its two neighbours are `covered`: elsewhere it
    is no wonder. `refused` are ids that were told, and are no rows for reasons of their own.
    """
    holes: list[IdHole] = []
    twice: list[IdHole] = []
    for below, above in pairwise(_climbing(runs, twice)):
        if above.first <= below.last + 1:
            continue
        span = Span(min(below.last_at, above.first_at), max(below.last_at, above.first_at) + 1)
        if covered.covers(span):
            gap = Coverage((Span(below.last + 1, above.first),)) - refused
            holes += (IdHole(ids, span) for ids in gap)
    return Numbered(tuple(holes), tuple(twice))


def _climbing(runs: Iterable[Run], twice: list[IdHole]) -> Iterator[Run]:
    """The runs that reach farther than all before them; notes what others repeat of those."""
    top: Run | None = None
    for run in joined(runs):
        if top is not None and run.first <= top.last:
            ids = Span(run.first, min(run.last, top.last) + 1)
            low, high = sorted((run.first_at, run.last_at))
            twice.append(IdHole(ids, Span(low, high + 1)))
            if run.last <= top.last:
                continue
        top = run
        yield run
