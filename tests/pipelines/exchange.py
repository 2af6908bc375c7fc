"""An exchange without a socket: serves the oracle's trades as Coinbase does."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from schemahub.adapters.clock import Stop
from schemahub.adapters.tasks import Threads
from schemahub.core.page import Answer, Request
from schemahub.pipelines.ingest import Ingest, Outcome
from schemahub.pipelines.plan import Wish
from schemahub.pipelines.repair import Damage, Repair
from schemahub.pipelines.source import Source
from schemahub.pipelines.verify import Report
from schemahub.ports import NoMetrics
from tests.pipelines.raw_lake import RawLake, body

T = TypeVar("T")


@dataclass
class HandClock:
    """ports.Clock: time passes only by sleeping."""

    time: datetime = datetime(2024, 6, 2, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class FakeExchange:
    """ports.Http: ids 1..head newest first, strictly below `after`, at most 1000; no `hidden`."""

    lake: RawLake
    head: int
    hidden: Collection[int] = ()
    clock: HandClock = field(default_factory=HandClock)
    asked: list[Request] = field(default_factory=list)

    def fetch(self, request: Request, read: Callable[[Answer], T]) -> T:
        self.asked.append(request)
        params = dict(request.params)
        below = min(int(params.get("after", self.head + 1)), self.head + 1)
        limit = min(int(params.get("limit", 1000)), 1000)
        ids = [n for n in range(below - 1, 0, -1) if n not in self.hidden][:limit]
        query = "&".join(f"{name}={value}" for name, value in request.params)
        return read(
            Answer(
                self.clock.now(),
                f"https://api.exchange.coinbase.com{request.path}?{query}",
                200,
                self.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT"),
                body(self.lake.row(n) for n in ids),
            )
        )

    # ------------------------------------------------------------ pipelines over it

    def pipeline(self, run_id: str) -> Ingest:
        tasks = Threads(Stop())
        return Ingest(self.lake.lake, tasks, tasks, self.clock, NoMetrics(), run_id, 2)

    def ingest(self, run_id: str, wish: Wish | None = None) -> Outcome:
        source = Source(self.lake.spec, self)
        return self.pipeline(run_id).market(source, self.lake.market, wish or Wish())

    def repair(self, run_id: str, *, audit: bool = False, seen: Report | None = None) -> Outcome:
        """What `schemahub repair` does, without its printing; without looking, if it was `seen`."""
        pipeline = Repair(self.lake.lake, self.lake.verifier(), self.pipeline(run_id))
        market = self.lake.market
        (damage,) = pipeline.look([market]) if seen is None else (Damage(market, seen),)
        outcome = pipeline.heal(Source(self.lake.spec, self), damage, audit=audit)
        self.lake.transform(markets=[self.lake.market])
        return outcome
