"""A lake with everything in it that a lake can have, and what its exchange tells: the truth.

Three markets in one store: parts of several sizes, some superseded; raw that overlaps; raw
that was found corrupt and fetched again; absences; rows that the table refuses; and two
versions of the table, of one spec or of two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from schemahub.adapters.store_memory import MemoryStore
from schemahub.core.layout import Market
from schemahub.core.proof import Certificate
from schemahub.core.spec import ExchangeSpec
from schemahub.pipelines.verify import Report
from tests.pipelines.exchange import FakeExchange, HandClock
from tests.pipelines.raw_lake import BTC, ETH, RawLake, Row, expected

SOL = Market("coinbase", "SOL-USD")
ABSENT = {BTC: range(150, 153), ETH: range(30, 31)}
REFUSED = {20: {"size": "-1"}, 45: {"price": "x"}, 61: {"time": "yesterday"}}
ENDS = {BTC: (60, 230), ETH: (1, 70), SOL: (10, 90)}
# What raw holds when the older version is made, and what comes later.
FIRST = {
    BTC: [(60, 100), (90, 120), (120, 150), (153, 180)],
    ETH: [(1, 20), (20, 30), (31, 60)],
    SOL: [(10, 50), (40, 81)],
}
SECOND = {BTC: [(170, 200), (176, 180)], ETH: [(60, 64)], SOL: [(81, 85)]}
THIRD = {BTC: [(200, 230)], ETH: [(64, 70)], SOL: [(85, 90)]}
REPAIRS = 4


@cache
def the_truth(market: Market) -> list[Row]:
    """Every row that a reader must be shown."""
    low, stop = ENDS[market]
    absent, refused = ABSENT.get(market, ()), REFUSED if market == SOL else ()
    return [expected(n, market) for n in range(low, stop) if n not in absent and n not in refused]


@dataclass
class World:
    """The lake, its exchange, and a clock for both."""

    older: ExchangeSpec | None = None
    """The spec of the older version, if it is another one."""
    store: MemoryStore = field(default_factory=MemoryStore)
    clock: HandClock = field(default_factory=HandClock)
    runs: int = 0

    def lake(self, market: Market, spec: ExchangeSpec | None = None) -> RawLake:
        lake = RawLake(market=market, store=self.store, odd=REFUSED if market == SOL else {})
        return lake if spec is None else RawLake(market, spec, self.store, lake.odd)

    def exchange(self, market: Market) -> FakeExchange:
        head = ENDS[market][1] - 1
        return FakeExchange(self.lake(market), head, ABSENT.get(market, ()), self.clock)

    def make(self) -> None:
        for market, (low, _) in ENDS.items():
            self.lake(market).origin(low)
        self._grow(FIRST, self.older)
        self._grow(SECOND, self.older)
        lake = self.lake(BTC)
        lake.transform(rebuild=True)
        self._grow(THIRD, None)
        # One object was found corrupt once, and was fetched again.
        name = lake.lake.ledger(BTC).objects[2]
        self.store.put(f"raw_coinbase_trades/BTC-USD/{name.filename}", b"damaged")
        self.repair(BTC)
        for market in ABSENT:
            for _ in range(2):
                self.repair(market)

    def _grow(self, raw: dict[Market, list[tuple[int, int]]], spec: ExchangeSpec | None) -> None:
        for market, spans in raw.items():
            for start, stop in spans:
                self.lake(market).put(start, stop)
        self.lake(BTC, spec).transformed()

    def repair(self, market: Market, seen: Report | None = None) -> None:
        """One `schemahub repair`, a good while after the one before.

        `seen` is what verify found just now, so that it need not look again.
        """
        self.runs += 1
        self.clock.sleep(3600)
        self.exchange(market).repair(f"run{self.runs}", seen=seen)

    def heal(self, market: Market, right: Certificate, seen: Report | None = None) -> int:
        """How many repairs it took until the certificate is as it was; 0 if it never was."""
        for count in range(1, REPAIRS + 1):
            self.repair(market, seen if count == 1 else None)
            if self.lake(market).verify() == right:
                return count
        return 0

    def copy(self) -> World:
        store = MemoryStore()
        for entry in self.store.list(""):
            store.create(entry.key, self.store.read(entry.key))
        return World(self.older, store, HandClock(self.clock.time), self.runs)
