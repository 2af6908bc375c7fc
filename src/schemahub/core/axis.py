"""The integer axis on which the trades of a market lie, of one of three kinds.

`ids`: the exchange numbers a market's trades without holes; a position is an id, and every
position is a trade. `sparse_ids`: ids grow but skip; a position is an id, most are no trade.
`time`: a position is a microsecond since 1970 (UTC); many trades may share one, and keep the
order of their ids. On the last two a span that is held says "all trades in here", on the
exchange's word; the ids of the trades may prove it all the same (`spec.provable`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["ids", "sparse_ids", "time"]
SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Axis:
    """What is to be known of a kind of axis.

    `dense`: every position is a trade's. `cells`: the sizes of parts, each a multiple of the
    next. `step`: spans that are held begin and end at its multiples, so that all trades of
    one position, and of one instant that a float on the wire blurs, lie in the same object.
    """

    kind: Kind
    dense: bool
    cells: tuple[int, int, int]
    step: int

    @property
    def timed(self) -> bool:
        """Whether positions are times: microseconds since 1970."""
        return self.kind == "time"

    def down(self, position: int) -> int:
        """The last multiple of the step that is not above `position`."""
        return position - position % self.step

    def up(self, position: int) -> int:
        """The first multiple of the step that is not below `position`."""
        return -(-position // self.step) * self.step


IDS = Axis("ids", dense=True, cells=(1 << 22, 1 << 18, 1 << 14), step=1)
# Exchanges that number all their markets together skip some thirty ids a trade.
SPARSE_IDS = Axis("sparse_ids", dense=False, cells=(1 << 28, 1 << 24, 1 << 20), step=1)
TIME = Axis("time", dense=False, cells=(30 * DAY, DAY, HOUR), step=SECOND)
AXES: dict[Kind, Axis] = {axis.kind: axis for axis in (IDS, SPARSE_IDS, TIME)}
