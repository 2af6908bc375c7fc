"""Ingest: wanted - held, fetched page by page, durable chunk by chunk.

Whatever stops a market, what its answers proved until then is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from schemahub.core import page as pages
from schemahub.core.errors import BadAnswer, Interrupted, LeaseHeld, SchemaHubError, StoreError
from schemahub.core.layout import Market, answer_key, market_lease
from schemahub.core.page import Answer
from schemahub.core.span import NOTHING, Coverage
from schemahub.core.spec import ExchangeSpec
from schemahub.pipelines.fetch import ChunkWork, Landed, land_chunks
from schemahub.pipelines.lake import Lake
from schemahub.pipelines.plan import Plan, Wish, cannot_be_had
from schemahub.pipelines.plan_walks import plan_market
from schemahub.pipelines.source import Source
from schemahub.pipelines.turn import LOST, turn
from schemahub.pipelines.walks import land_walks
from schemahub.ports import Clock, Lease, Leases, Metrics, NoLeases, Tasks


@dataclass
class Outcome:
    """What a run did for a market. Complete: every wanted id is held or attested absent.

    Held: nothing, because another run is at it. `gone` is what of `missing` the exchange does
    not show any more.
    """

    market: Market
    state: Literal["complete", "partial", "failed", "held"] = "complete"
    trades: int = 0
    objects: int = 0
    bytes: int = 0
    watermark: int | None = None
    missing: Coverage = field(default_factory=Coverage)
    gone: Coverage = field(default_factory=Coverage)
    absent: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    error: SchemaHubError | None = None


@dataclass(frozen=True)
class Ingest:
    """The pipeline with what it needs of the world.

    `markets` runs markets side by side, `tasks` the requests of each: when the process is
    asked to stop it must wait longer, so that what the requests proved is still stored.
    """

    lake: Lake
    markets: Tasks
    tasks: Tasks
    clock: Clock
    metrics: Metrics
    run_id: str
    requests_at_once: int = 15
    leases: Leases = field(default_factory=NoLeases)

    def run(
        self, markets: Sequence[tuple[Source, Market]], wish: Wish, workers: int
    ) -> Iterator[Outcome]:
        """Every market, `workers` at once, as they finish. One that fails stops no other.

        The markets that other runs are at come last: by then they may be free. Raises
        Interrupted, once what was proven is stored.
        """
        again: list[tuple[Source, Market]] = []

        def work(item: tuple[Source, Market]) -> Outcome:
            return self.market(*item, wish)

        def retry(item: tuple[Source, Market]) -> Outcome:
            return self.market(*item, wish, watch=True)

        for item, outcome in self._each(work, markets, workers):
            if outcome.state == "held":
                again.append(item)
            else:
                yield outcome
        for _, outcome in self._each(retry, again, workers):
            yield outcome

    def market(self, source: Source, market: Market, wish: Wish, *, watch: bool = False) -> Outcome:
        """One market, under its lease. What goes wrong is in the outcome.

        `watch`: as ports.Leases.acquire has it. Raises Interrupted alone.
        """
        try:
            got = self.leases.acquire(market_lease(market), watch=watch)
            with turn(got, str(market)) as lease:
                return self.under(lease, source, market, wish)
        except LeaseHeld as error:
            return Outcome(market, "held", error=error)

    def under(self, lease: Lease, source: Source, market: Market, wish: Wish) -> Outcome:
        """The same under a lease that the caller holds, and lets go."""
        outcome = Outcome(market)
        began = self.clock.monotonic()
        try:
            plan = plan_market(self.lake, self.tasks, source, market, wish)
            self.metrics.emit(
                "market.planned",
                market=str(market),
                # Nobody knows beforehand how many trades a time holds.
                trades=len(plan.work) if plan.newest is None else None,
                watermark=plan.ledger.watermark,
            )
            outcome.notes += plan.notes
            outcome.state = "partial" if plan.short else "complete"
            outcome.gone = plan.work - plan.shown
            self._land(source, plan, lease, outcome)
        except Interrupted:
            raise
        except SchemaHubError as error:
            self._fail(outcome, error)
        outcome.seconds = self.clock.monotonic() - began
        return outcome

    def _each(
        self,
        work: Callable[[tuple[Source, Market]], Outcome],
        items: Sequence[tuple[Source, Market]],
        workers: int,
    ) -> Iterator[tuple[tuple[Source, Market], Outcome]]:
        for item, result in self.markets.each(work, items, workers):
            if isinstance(result, SchemaHubError):
                outcome = Outcome(item[1])
                self._fail(outcome, result)
                yield item, outcome
            else:
                yield item, result

    def _land(self, source: Source, plan: Plan, lease: Lease, outcome: Outcome) -> None:
        self._create_origin(plan)
        work = ChunkWork(
            source, plan.market, plan.ledger, plan.shown, plan.hand, self.run_id, lease
        )
        held, absent = NOTHING, NOTHING
        try:
            for landed in self._landing(work, plan):
                held |= landed.held
                self._tell(source.spec, landed, outcome)
                absent |= landed.absent
                self._count(outcome, landed)
        finally:
            outcome.missing = plan.work - held - absent - plan.ledger.absent
            outcome.absent = len(absent)
            if outcome.missing:
                outcome.state = "partial"
                if not lease.held:
                    outcome.notes.append(LOST)
            with suppress(StoreError):  # must not take the place of what ended the market
                outcome.watermark = self.lake.quick_ledger(plan.market, source.spec).watermark
        if plan.wanted is not None:
            self.lake.save_checkpoint(plan.market, source.spec)

    def _landing(self, work: ChunkWork, plan: Plan) -> Iterator[Landed]:
        if plan.newest is None:
            return land_chunks(work, self.lake, self.tasks, self.requests_at_once)
        return land_walks(work, plan.newest, self.lake, self.tasks, self.requests_at_once)

    def _tell(self, spec: ExchangeSpec, landed: Landed, outcome: Outcome) -> None:
        """What a walk found that nobody may overlook."""
        outcome.gone |= landed.beyond
        for span in landed.beyond:
            outcome.notes.append(cannot_be_had(spec, Coverage((span,))))
        for before, after in landed.holes:
            outcome.state = "partial"
            outcome.notes.append(
                f"ids {before[1] + 1} to {after[1] - 1} are missing between two trades: "
                f"`schemahub repair {outcome.market}` asks for them again"
            )

    def _create_origin(self, plan: Plan) -> None:
        if plan.start.origin is None:
            return
        content = {
            **plan.start.as_json(),
            "run_id": self.run_id,
            "at": self.clock.now().isoformat(),
        }
        self.lake.create_origin(plan.market, plan.start.origin, content)

    def _count(self, outcome: Outcome, landed: Landed) -> None:
        outcome.trades += landed.trades
        outcome.objects += landed.objects
        outcome.bytes += landed.bytes
        market = str(outcome.market)
        self.metrics.emit(
            "chunk.landed",
            market=market,
            trades=landed.trades,
            objects=landed.objects,
            bytes=landed.bytes,
        )
        if landed.missing:
            self.metrics.emit("hole.seen", market=market, trades=len(landed.missing))

    def _fail(self, outcome: Outcome, error: SchemaHubError) -> None:
        outcome.state = "failed"
        outcome.error = error
        if isinstance(error, BadAnswer) and error.body:
            self._keep(outcome, error)
        self.metrics.emit("market.failed", market=str(outcome.market), code=error.code)

    def _keep(self, outcome: Outcome, error: BadAnswer) -> None:
        """An answer that could not be read goes into quarantine, whole."""
        digest = hashlib.sha256(error.body).hexdigest()[:16]
        key = answer_key(outcome.market, self.run_id, digest)
        kept = Answer(self.clock.now(), error.url, 200, "", error.body)
        try:
            self.lake.store.create(key, pages.encode(kept))
        except SchemaHubError as second:
            outcome.notes.append(f"the answer could not be kept: {second}")
        else:
            outcome.notes.append(f"the answer is kept as {key}")
