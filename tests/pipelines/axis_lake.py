"""Lakes whose markets lie on an axis of time, or of ids that skip; and their trades, by hand.

The exchange's rows are told as Coinbase tells them; only the axis of its spec is another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from schemahub.adapters.parquet import parts
from schemahub.core.axis import AXES, SECOND, Kind
from schemahub.core.layout import AbsentName, RawName, part_key, raw_key
from schemahub.core.span import Span
from schemahub.core.spec import ExchangeSpec, Provable
from tests.pipelines.raw_lake import AT, RawLake, Row, coinbase, part_rows, wire

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON = int(datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp())  # the second that tests begin at
# Cells of 4, 16 and 64 seconds.
CELLS = (64 * SECOND, 16 * SECOND, 4 * SECOND)
NUMBERED = Provable(by="ids", basis="documented", why="ids count the trades of a market")
UNNUMBERED = Provable(by="nothing", basis="measured", why="ids count those of all markets")


@pytest.fixture
def small_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of some seconds, and of some ids; batches that end in the middle of an instant."""
    monkeypatch.setattr(parts, "BATCH", 3)
    monkeypatch.setitem(AXES, "time", replace(AXES["time"], cells=CELLS))
    monkeypatch.setitem(AXES, "sparse_ids", replace(AXES["sparse_ids"], cells=(64, 16, 4)))
    monkeypatch.setitem(AXES, "ids", replace(AXES["ids"], cells=(64, 16, 4)))


def spec_of(axis: Kind, provable: Provable) -> ExchangeSpec:
    return coinbase().model_copy(update={"axis": axis, "provable": provable})


@dataclass(frozen=True, order=True)
class Sold:
    """A trade: µs after NOON, its id, and what is told of it otherwise than usual."""

    at: int
    trade_id: int
    changed: tuple[tuple[str, object], ...] = ()

    @property
    def moment(self) -> int:
        return NOON * SECOND + self.at

    @property
    def told(self) -> dict[str, object]:
        when = EPOCH + timedelta(microseconds=self.moment)
        text = when.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return wire(self.trade_id, time=text) | dict(self.changed)

    def but(self, **changed: object) -> Sold:
        return replace(self, changed=tuple(changed.items()))


def trades(*at: float, first: int = 100, step: int = 1) -> list[Sold]:
    """Trades at so many seconds after NOON, numbered from `first`."""
    return [Sold(round(second * SECOND), first + step * number) for number, second in enumerate(at)]


def seconds(start: int, stop: int) -> Span:
    """From so many seconds after NOON to so many."""
    return Span((NOON + start) * SECOND, (NOON + stop) * SECOND)


@dataclass
class AxisLake(RawLake):
    """A lake of one market, `sold` by its exchange; raw holds what `tell` puts."""

    spec: ExchangeSpec = field(default_factory=lambda: spec_of("time", NUMBERED))
    sold: Sequence[Sold] = ()

    def place(self, one: Sold) -> int:
        return one.moment if self.spec.axis == "time" else one.trade_id

    def inside(self, span: Span) -> list[Sold]:
        return [one for one in self.sold if self.place(one) in span]

    def tell(
        self,
        span: Span,
        sold: Iterable[Sold] | None = None,
        *,
        revision: int = 0,
        hours: int = 0,
    ) -> str:
        """A raw object named `span`: what was sold there, or `sold`; newest first."""
        rows = [one.told for one in (self.inside(span) if sold is None else sold)]
        answer = self.answer(rows[::-1], AT + timedelta(hours=hours))
        key = raw_key(self.market, RawName(span, revision))
        assert self.store.create(key, self.packed([answer]))
        return key

    def attest(self, span: Span, pages: Sequence[tuple[int, Iterable[Sold]]]) -> str:
        """Evidence named `span`: answers of these minutes after AT."""
        answers = [
            replace(
                self.answer([one.told for one in sold], AT + timedelta(minutes=minutes)),
                date=(AT + timedelta(minutes=minutes)).strftime("%a, %d %b %Y %H:%M:%S GMT"),
            )
            for minutes, sold in pages
        ]
        key = raw_key(self.market, AbsentName(span))
        assert self.store.create(key, self.packed(answers))
        return key

    def shown(self) -> list[Row]:
        """Every row that a reader reads, in the order in which it does."""
        rows: list[Row] = []
        for piece in self.lake.slices(self.market):
            key = part_key(piece.version, self.market, piece.part)
            rows += [
                row
                for row in part_rows(self.store.read(key))
                if any(self._place(row) in span for span in piece.keep)
            ]
        return rows

    def _place(self, row: Row) -> int:
        if self.spec.axis != "time":
            return row[2]
        return (row[6] - EPOCH) // timedelta(microseconds=1)

    def ids(self) -> list[int]:
        return [row[2] for row in self.shown()]

    def truth(self, sold: Iterable[Sold] | None = None) -> list[Row]:
        """The rows of what was sold, in the table's order."""
        ordered = sorted(sold or self.sold, key=lambda one: (self.place(one), one.trade_id))
        return [_row(one) for one in ordered]


def _row(one: Sold) -> Row:
    told = one.told
    taker = {"buy": "sell", "sell": "buy"}[str(told["side"])]
    price, size = Decimal(str(told["price"])), Decimal(str(told["size"]))
    when = EPOCH + timedelta(microseconds=one.moment)
    return ("coinbase", "BTC-USD", one.trade_id, taker, price, size, when)


# Two of one microsecond, told in neither order; a second with none.
SOLD = trades(0.5, 1, 1.25, 1.25, 3.999999, 4, 9.5, 17)


def numbered(
    *, spans: tuple[tuple[int, int], ...] = ((0, 20),), sold: list[Sold] = SOLD
) -> AxisLake:
    """A market on an axis of time whose ids count its trades; raw holds these seconds."""
    lake = AxisLake(sold=sold)
    lake.origin((NOON + spans[0][0]) * SECOND)
    for start, stop in spans:
        lake.tell(seconds(start, stop))
    return lake
