"""A lake in memory whose raw objects are made by hand, and an oracle of what it must show.

The oracle knows the trades by arithmetic and reads tables with pyarrow alone: it shares no
code with what it judges.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemahub.adapters import specs as spec_files
from schemahub.adapters.clock import Stop
from schemahub.adapters.parquet import ArrowMapper, ParquetTable
from schemahub.adapters.store_memory import MemoryStore
from schemahub.adapters.tasks import Processes
from schemahub.adapters.zstd import Zstd
from schemahub.core import page
from schemahub.core.axis import AXES, IDS
from schemahub.core.layout import Market, RawName, part_key, raw_key
from schemahub.core.page import Answer
from schemahub.core.proof import Certificate
from schemahub.core.span import Span
from schemahub.core.spec import ExchangeSpec
from schemahub.pipelines.build import Builder, RawRows
from schemahub.pipelines.compact import GRACE, Choose, Compact
from schemahub.pipelines.compact import Outcome as CompactOutcome
from schemahub.pipelines.compare import Comparer
from schemahub.pipelines.garbage import Garbage
from schemahub.pipelines.lake import Lake, Specs
from schemahub.pipelines.transform import Outcome, Transform
from schemahub.pipelines.verify import Report, Verify
from schemahub.ports import NoMetrics, Store

BTC = Market("coinbase", "BTC-USD")
ETH = Market("coinbase", "ETH-USD")
AT = datetime(2024, 6, 1, 12, 0, 0, 123457, tzinfo=UTC)
DATE = "Sat, 01 Jun 2024 12:00:00 GMT"
GENESIS = datetime(2024, 1, 1, tzinfo=UTC)

Row = tuple[str, str, int, str, Decimal, Decimal, datetime]


@pytest.fixture
def small_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of 4, 16 and 64 positions: the same rules, with rows that a test can name."""
    monkeypatch.setitem(AXES, "ids", replace(IDS, cells=(64, 16, 4)))


@cache
def coinbase() -> ExchangeSpec:
    return spec_files.load(spec_files.installed()["coinbase"])


def wire(position: int, market: Market = BTC, **changed: object) -> dict[str, object]:
    """The row of the wire with this id, as the exchange tells it; `changed` fields differ."""
    dice = random.Random(f"{market} {position}")
    moment = GENESIS + timedelta(microseconds=position * 750_001)
    row: dict[str, object] = {
        "trade_id": position,
        "side": dice.choice(["buy", "sell"]),
        "size": f"{dice.randrange(10**9) + 1}e-8" if dice.random() < 0.001 else _money(dice),
        "price": _money(dice),
        "time": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
    return row | changed


def _money(dice: random.Random) -> str:
    text = f"{dice.randrange(100_000)}.{dice.randrange(1, 10**8):08d}"
    cut = text[: -dice.randrange(9) or None].rstrip(".")
    return cut if Decimal(cut) else text


def expected(position: int, market: Market = BTC) -> Row:
    """The table's row for `wire(position)`."""
    row = wire(position, market)
    taker = {"buy": "sell", "sell": "buy"}[str(row["side"])]
    return (
        market.exchange,
        market.symbol,
        position,
        taker,
        Decimal(str(row["price"])),
        Decimal(str(row["size"])),
        GENESIS + timedelta(microseconds=position * 750_001),
    )


def body(rows: Iterable[Mapping[str, object] | bytes]) -> bytes:
    texts = (row if isinstance(row, bytes) else msgspec.json.encode(row) for row in rows)
    return b"[" + b",".join(texts) + b"]"


@dataclass
class RawLake:
    """`market`'s raw objects are put by hand; the pipelines over it are the real ones."""

    market: Market = BTC
    spec: ExchangeSpec = field(default_factory=coinbase)
    store: Store = field(default_factory=MemoryStore)
    odd: Mapping[int, Mapping[str, object]] = field(default_factory=dict)
    """Fields that the exchange tells otherwise, by id."""

    @property
    def lake(self) -> Lake:
        return Lake(self.store, Zstd(), NoMetrics())

    @property
    def specs(self) -> Specs:
        return Specs({self.spec.exchange: self.spec})

    # ------------------------------------------------------------ making raw

    def row(self, position: int) -> dict[str, object]:
        """The row of the wire as this market's exchange tells it."""
        return wire(position, self.market, **self.odd.get(position, {}))

    def later(self, hours: int = 0) -> datetime:
        return AT + timedelta(hours=hours)

    def answer(
        self,
        rows: Iterable[Mapping[str, object] | bytes],
        at: datetime = AT,
        market: Market | None = None,
        below: int = 0,
    ) -> Answer:
        path = page.path(market or self.market, self.spec)
        url = f"https://api.exchange.coinbase.com{path}?limit=1000&after={below}"
        return Answer(at, url, 200, DATE, body(rows))

    def answers(self, span: Span, at: datetime = AT) -> list[Answer]:
        """Pages of a thousand, newest row first, as they are fetched."""
        return [
            self.answer([self.row(n) for n in range(stop - 1, start - 1, -1)], at,
                        below=stop)
            for start in range(span.start, span.stop, 1000)
            for stop in [min(span.stop, start + 1000)]
        ]  # fmt: skip

    def packed(self, answers: Iterable[Answer]) -> bytes:
        return b"".join(Zstd().pack(page.encode(one)) for one in answers)

    def put(
        self, start: int, stop: int, answers: Sequence[Answer] | None = None, revision: int = 0
    ) -> str:
        """A raw object named start..stop; by default it holds what its name says."""
        span = Span(start, stop)
        told = self.answers(span) if answers is None else answers
        key = raw_key(self.market, RawName(span, revision))
        assert self.store.create(key, self.packed(told))
        return key

    def origin(self, start: int) -> None:
        self.lake.create_origin(self.market, start, {"since": None})

    # ------------------------------------------------------------ the pipelines

    def builder(self) -> Builder:
        return Builder(self.lake, RawRows(self.lake, ArrowMapper()), ParquetTable())

    def pipeline(self) -> Transform:
        return Transform(self.lake, self.builder, self.specs, Processes(Stop()), NoMetrics())

    def transform(self, *, rebuild: bool = False, markets: Sequence[Market] = ()) -> Outcome:
        """The outcome of this lake's market."""
        chosen = list(markets) or self.lake.markets()
        outcomes = {
            one.market: one for one in self.pipeline().run(chosen, rebuild=rebuild, workers=1)
        }
        return outcomes[self.market]

    def transformed(self) -> Outcome:
        outcome = self.transform()
        assert (outcome.state, outcome.error) == ("complete", None), outcome
        return outcome

    def compact(self, grace: timedelta = GRACE) -> CompactOutcome:
        """The outcome of this lake's market."""

        def transform(choose: Choose) -> Transform:
            return replace(self.pipeline(), choose=choose)

        pipeline = Compact(self.lake, ParquetTable(), transform, NoMetrics(), grace)
        (outcome,) = pipeline.run([self.market], workers=1)
        return outcome

    def garbage(self, grace: timedelta = GRACE) -> Garbage:
        return Garbage(self.lake, ParquetTable(), NoMetrics(), grace)

    def report(self, *, deep: bool = True) -> Report:
        return self.verifier().market(self.market, deep=deep)

    def verifier(self) -> Verify:
        return Verify(
            self.lake,
            self.comparer,
            ParquetTable(),
            self.specs,
            Processes(Stop()),
            NoMetrics(),
        )

    def comparer(self) -> Comparer:
        return Comparer(self.lake, RawRows(self.lake, ArrowMapper()), ParquetTable())

    def verify(self, *, deep: bool = True) -> Certificate:
        return self.report(deep=deep).certificate

    # ------------------------------------------------------------ what it shows

    def shown(self) -> list[Row]:
        """Every row that a reader reads (of a whole part: all), by id; ids may stand twice."""
        rows: list[Row] = []
        for piece in self.lake.slices(self.market):
            key = part_key(piece.version, self.market, piece.part)
            rows += [
                row
                for row in part_rows(self.store.read(key))
                if piece.whole or any(row[2] in span for span in piece.keep)
            ]
        return sorted(rows, key=lambda row: row[2])

    def parts(self, version: int = 1) -> list[Span]:
        return self.lake.parts(version, self.market)

    def quarantined(self, start: int, stop: int, version: int = 1) -> list[int]:
        """The positions in quarantine of a part."""
        key = part_key(version, self.market, Span(start, stop))
        facts = ParquetTable().facts(self.store.read(key), key)
        found = self.lake.quarantined(self.market, facts.span, facts.refused)
        return [row.position for row in found]


@lru_cache(1 << 12)  # tests look at the same part again and again
def part_rows(data: bytes) -> tuple[Row, ...]:
    """The rows of a Parquet file without ingest_ts."""
    table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    return tuple(map(_row, table.to_pylist()))


def _row(row: dict[str, Any]) -> Row:
    assert row["trade_ref"] is None
    return (
        row["exchange"],
        row["symbol"],
        row["trade_id"],
        row["side"],
        row["price"],
        row["quantity"],
        row["trade_ts"],
    )


def truth(start: int, stop: int, market: Market = BTC) -> list[Row]:
    return [expected(n, market) for n in range(start, stop)]
