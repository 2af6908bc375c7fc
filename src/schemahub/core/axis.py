"""The integer axis on which the trades of a market lie, of one of three kinds.

`ids`: the exchange numbers a market's trades without holes; a position is an id, and every
position is a trade. `sparse_ids`: ids grow but skip; a position is an id, most are no trade.
`time`: a position is a microsecond since 1970 (UTC); many trades may share one, and keep the
order of their ids. On the last two a span that is held says "all trades in here", on the
exchange's word; the ids of the trades may prove it all the same (`spec.provable`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from schemahub.core.span import Span

Kind = Literal["ids", "sparse_ids", "time"]
SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Axis:
    """What is to be known of a kind of axis.

    `dense`: every position is a trade's. `cells`: the sizes of parts, each a multiple of the
    next. `step`: spans that are held begin and end at its multiples, so that all trades of
    one position, and of one instant that a float on the wire blurs, lie in the same object.
    `spread`: positions to a trade; on an axis that is not dense only a guess, to weigh work by.
    """

    kind: Kind
    dense: bool
    cells: tuple[int, int, int]
    step: int
    spread: int = 1

    @property
    def timed(self) -> bool:
        """Whether positions are times: microseconds since 1970."""
        return self.kind == "time"

    def rows(self, positions: int) -> int:
        """How many trades so many positions hold, about; exactly where the axis is dense."""
        return -(-positions // self.spread)

    def widened(self, span: Span) -> Span:
        """`span` out to the multiples of the step."""
        return Span(self.down(span.start), self.up(span.stop))

    def at(self, position: int) -> str:
        """A position as people read it: an id, or an ISO time."""
        if not self.timed:
            return str(position)
        try:
            moment = _EPOCH + position * _MICROSECOND
        except OverflowError:  # a name that says a year beyond 9999
            return str(position)
        digits = "seconds" if position % SECOND == 0 else "microseconds"
        return moment.isoformat(timespec=digits).removesuffix("+00:00") + "Z"

    def place(self, position: int) -> str:
        """The same with what it is: an id, or a time."""
        return self.at(position) if self.timed else f"id {position}"

    def between(self, span: Span) -> str:
        """A span as people read it, with what its positions are."""
        noun = "times" if self.timed else "ids"
        return f"{noun} [{self.at(span.start)}, {self.at(span.stop)})"

    def down(self, position: int) -> int:
        """The last multiple of the step that is not above `position`."""
        return position - position % self.step

    def up(self, position: int) -> int:
        """The first multiple of the step that is not below `position`."""
        return -(-position // self.step) * self.step


IDS = Axis("ids", dense=True, cells=(1 << 22, 1 << 18, 1 << 14), step=1)
# Exchanges that number all their markets together skip some thirty ids a trade.
SPARSE_IDS = Axis("sparse_ids", dense=False, cells=(1 << 28, 1 << 24, 1 << 20), step=1, spread=32)
TIME = Axis("time", dense=False, cells=(30 * DAY, DAY, HOUR), step=SECOND, spread=SECOND)
AXES: dict[Kind, Axis] = {axis.kind: axis for axis in (IDS, SPARSE_IDS, TIME)}
