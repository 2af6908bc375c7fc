"""Ingest: wanted - held, fetched page by page, durable chunk by chunk.

`plan` asks the exchange where its head is and says what is to be fetched; `land` fetches
it. Whatever stops a market, what its answers proved until then is stored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from schemahub.core import page as pages
from schemahub.core.errors import BadAnswer, IdsRestarted, Interrupted, SchemaHubError
from schemahub.core.layout import Market, OriginName, answer_key, raw_key
from schemahub.core.ledger import Ledger
from schemahub.core.page import Answer
from schemahub.core.span import Coverage, Span
from schemahub.core.wire import RowRefused
from schemahub.pipelines.fetch import ChunkWork, Landed, land_chunks
from schemahub.pipelines.lake import Lake
from schemahub.pipelines.source import BEGINNING, Fetched, Source, microseconds
from schemahub.ports import Clock, Metrics, Tasks

RECENT = timedelta(minutes=45)


@dataclass(frozen=True, slots=True)
class Wish:
    """How far back and forward history is wanted. `full`: from the first id there is."""

    since: datetime | None = None
    until: datetime | None = None
    full: bool = False
    audit: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be fetched of a market.

    `origin` is a new one to be created (with what it says of itself); `hand` are answers
    that planning needed anyway, and that are part of the work.
    """

    market: Market
    ledger: Ledger
    wanted: Span | None
    work: Coverage
    head: int | None
    origin: int | None = None
    reason: str = ""
    hand: tuple[Fetched, ...] = ()
    notes: tuple[str, ...] = ()


State = Literal["complete", "partial", "failed"]


@dataclass
class Outcome:
    """What a run did for a market. Complete: every wanted id is held or attested absent."""

    market: Market
    state: State = "complete"
    trades: int = 0
    objects: int = 0
    bytes: int = 0
    watermark: int | None = None
    missing: Coverage = field(default_factory=Coverage)
    absent: int = 0
    notes: list[str] = field(default_factory=list)
    error: SchemaHubError | None = None


@dataclass(frozen=True)
class Ingest:
    """The pipeline with what it needs of the world."""

    lake: Lake
    tasks: Tasks
    clock: Clock
    metrics: Metrics
    run_id: str
    chunk_concurrency: int = 5

    def plan(self, source: Source, market: Market, wish: Wish) -> Plan:
        """Reads the lake and asks the exchange; writes nothing."""
        spec = source.spec
        if wish.audit:
            ledger = self.lake.ledger(market)
        else:
            ledger = self.lake.quick_ledger(market, spec)
        head = source.head(market)
        if not head.page.ids:
            note = "the exchange has no trade of this market yet"
            return Plan(market, ledger, None, Coverage(), None, notes=(note,))
        notes = self._check_head(source, market, ledger, head)
        first, stop = source.spec.first_id, head.page.ids.stop
        if wish.until is not None:
            stop = source.first_since(market, microseconds(wish.until), head)
        origin, reason, hand = self._origin(source, market, wish, ledger, head)
        if origin is not None:
            # At least one trade, so that even a quiet market shows where its history begins.
            origin = max(first, min(origin, stop - 1))
        planned = ledger if origin is None else _with_origin(ledger, origin)
        wanted = planned.wanted(stop)
        known = ledger.held if wish.audit else ledger.known
        work = Coverage() if wanted is None else known.missing(wanted)
        hands = (head, *hand)
        return Plan(market, ledger, wanted, work, stop - 1, origin, reason, hands, tuple(notes))

    def land(self, source: Source, plan: Plan) -> Outcome:
        """Carries out a plan. Never raises for the market's sake: see Outcome.error."""
        outcome = Outcome(plan.market, notes=list(plan.notes))
        try:
            if plan.origin is not None:
                self._create_origin(plan)
            self._land(source, plan, outcome)
        except SchemaHubError as error:
            self._fail(plan.market, outcome, error)
        return outcome

    def market(self, source: Source, market: Market, wish: Wish) -> Outcome:
        """plan and land, for a run over many markets. Raises Interrupted alone."""
        try:
            plan = self.plan(source, market, wish)
        except Interrupted:
            raise
        except SchemaHubError as error:
            outcome = Outcome(market)
            self._fail(market, outcome, error)
            return outcome
        self.metrics.emit("market.planned", market=str(market), trades=len(plan.work))
        outcome = self.land(source, plan)
        if isinstance(outcome.error, Interrupted):
            raise outcome.error
        return outcome

    def run(
        self, markets: Sequence[tuple[Source, Market]], wish: Wish, workers: int
    ) -> Iterator[Outcome]:
        """Every market, `workers` at once, as they finish. One that fails stops no other.

        Raises Interrupted.
        """

        def work(item: tuple[Source, Market]) -> Outcome:
            return self.market(*item, wish)

        for (_, market), result in self.tasks.each(work, markets, workers):
            if isinstance(result, SchemaHubError):
                outcome = Outcome(market)
                self._fail(market, outcome, result)
                yield outcome
            else:
                yield result

    # ------------------------------------------------------------ planning

    def _check_head(
        self, source: Source, market: Market, ledger: Ledger, head: Fetched
    ) -> list[str]:
        """A head below what is held is a lagging replica, or ids that began again."""
        held = ledger.held
        newest = head.page.ids.stop - 1
        if not held or newest >= held.stop - 1:
            return []
        behind = held.stop - 1 - newest
        why = f"its newest id is {newest}, but {held.stop - 1} is held"
        if behind > source.spec.head_slack or not self._same(source, market, head, newest):
            raise IdsRestarted(
                f"the ids of {market} began again",
                why,
                "nothing was written; move this market's raw folder away to begin anew",
            )
        return [f"the exchange lags: {why}; nothing newer can be known now"]

    def _same(self, source: Source, market: Market, head: Fetched, position: int) -> bool:
        """Whether the head's newest row is the one that is held under its id."""
        for name in self.lake.ledger(market).overlapping(Span(position, position + 1)):
            raw = self.lake.raw(market, name)
            for line in raw.lines.splitlines():
                mine = _row(source, pages.decode(line), position)
                if mine is not None:
                    return mine == _row(source, head.answer, position)
        return True

    def _origin(
        self, source: Source, market: Market, wish: Wish, ledger: Ledger, head: Fetched
    ) -> tuple[int | None, str, tuple[Fetched, ...]]:
        """A new origin if more is wanted than ever before, why, and answers used for it."""
        first = source.spec.first_id
        lowest = ledger.lowest_origin
        if wish.full:
            if lowest is not None and lowest <= first:
                return None, "", ()
            reason = "full history"
            if head.page.ids.start <= first:
                return first, reason, ()
            page = source.first_page(market)
            if page.page.ids:
                return first, reason, (page,)
            return source.first_since(market, BEGINNING, head), reason, ()
        since = wish.since
        reason = "" if since is None else f"since {since.isoformat()}"
        if since is None:
            if lowest is not None:
                return None, "", ()
            since = (wish.until or head.answer.served_at) - RECENT
            reason = f"the recent window, since {since.isoformat()}"
        elif lowest is not None and self._reaches(market, lowest, since):
            return None, "", ()
        origin = source.first_since(market, microseconds(since), head)
        if lowest is not None and lowest <= origin:
            return None, "", ()
        return origin, reason, ()

    def _reaches(self, market: Market, lowest: int, since: datetime) -> bool:
        """Whether the lowest origin is known to lie before `since`: saves asking for it."""
        key = raw_key(market, OriginName(lowest))
        try:
            said = json.loads(self.lake.store.read(key))
            return said["since"] is None or datetime.fromisoformat(said["since"]) <= since
        except (SchemaHubError, ValueError, KeyError, TypeError):
            return False

    def _create_origin(self, plan: Plan) -> None:
        if plan.origin is None:
            return
        _, _, since = plan.reason.rpartition("since ")
        content = {
            "reason": plan.reason,
            "since": since if "since " in plan.reason else None,
            "run_id": self.run_id,
            "at": self.clock.now().astimezone(UTC).isoformat(),
        }
        key = raw_key(plan.market, OriginName(plan.origin))
        self.lake.store.create(key, json.dumps(content).encode() + b"\n")

    # ------------------------------------------------------------ landing

    def _land(self, source: Source, plan: Plan, outcome: Outcome) -> None:
        work = ChunkWork(
            source=source,
            market=plan.market,
            ledger=plan.ledger,
            work=plan.work,
            hand=plan.hand,
            run_id=self.run_id,
        )
        held, absent = Coverage(), Coverage()
        try:
            for landed in land_chunks(work, self.lake, self.tasks, self.chunk_concurrency):
                held |= landed.held
                absent |= landed.absent
                self._count(plan.market, outcome, landed)
        finally:
            outcome.missing = plan.work - held - absent - plan.ledger.absent
            outcome.absent = len(absent)
            if outcome.missing:
                outcome.state = "partial"
        self._checkpoint(source, plan, outcome)

    def _count(self, market: Market, outcome: Outcome, landed: Landed) -> None:
        outcome.trades += len(landed.held)
        outcome.objects += landed.objects
        outcome.bytes += landed.bytes
        self.metrics.emit(
            "chunk.landed",
            market=str(market),
            trades=len(landed.held),
            objects=landed.objects,
            bytes=landed.bytes,
        )
        if landed.missing:
            self.metrics.emit("hole.seen", market=str(market), trades=len(landed.missing))

    def _checkpoint(self, source: Source, plan: Plan, outcome: Outcome) -> None:
        if plan.wanted is not None:
            self.lake.save_checkpoint(plan.market, source.spec)
        outcome.watermark = self.lake.quick_ledger(plan.market, source.spec).watermark

    def _fail(self, market: Market, outcome: Outcome, error: SchemaHubError) -> None:
        outcome.state = "failed"
        outcome.error = error
        if isinstance(error, BadAnswer) and error.body:
            digest = hashlib.sha256(error.body).hexdigest()[:16]
            key = answer_key(market, self.run_id, digest)
            kept = Answer(self.clock.now(), error.url, 200, "", error.body)
            try:
                self.lake.store.create(key, pages.encode(kept))
            except SchemaHubError as second:
                outcome.notes.append(f"the answer could not be kept: {second}")
            else:
                outcome.notes.append(f"the answer is kept as {key}")
        self.metrics.emit("market.failed", market=str(market), code=error.code)


def _with_origin(ledger: Ledger, origin: int) -> Ledger:
    origins = tuple(sorted({*ledger.origins, origin}))
    return Ledger(ledger.objects, ledger.held, ledger.absent, origins, ledger.seen, ledger.bad)


def _row(source: Source, answer: Answer, position: int) -> object:
    for raw in source.reader.split(answer.body):
        try:
            trade = source.reader.trade(raw, answer.latest)
        except RowRefused:
            continue
        if trade.position == position:
            return trade
    return None
