"""A lake and an exchange in memory, and one market's fetching between them: no threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from schemahub.adapters.store_memory import MemoryStore
from schemahub.adapters.zstd import Zstd
from schemahub.core import page as pages
from schemahub.core.errors import BadAnswer, SchemaHubError, Unreachable
from schemahub.core.ledger import Ledger
from schemahub.core.page import Answer, Request
from schemahub.core.paging import Ask
from schemahub.core.span import Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.pipelines.fetch import ChunkWork, Landed, land_chunks
from schemahub.pipelines.lake import Lake
from schemahub.pipelines.source import Source
from schemahub.ports import NoMetrics
from tests.core.dialect import MARKET, NOW, READER, Exchange, answer, body, spec

T = TypeVar("T")
R = TypeVar("R")

TRIES = 3


class InTurn:
    """ports.Tasks: one after another, in this thread."""

    def each(
        self, work: Callable[[T], R], items: Iterable[T], width: int
    ) -> Iterator[tuple[T, R | SchemaHubError]]:
        for item in items:
            try:
                yield item, work(item)
            except SchemaHubError as error:
                yield item, error


@dataclass
class Wire:
    """ports.Http over an exchange; `fault` damages answer number n, or raises."""

    exchange: Exchange
    now: datetime
    fault: Callable[[int, list[dict[str, object]]], list[dict[str, object]]] = lambda _, rows: rows
    requests: int = 0

    def fetch(self, request: Request, read: Callable[[Answer], T]) -> T:
        ask = Ask.of(dict(request.params), spec().trades.paging)
        for left in reversed(range(TRIES)):
            rows = self.fault(self.requests, self.exchange.rows(ask))
            self.requests += 1
            try:
                return read(answer(body(*rows), ask, self.now))
            except BadAnswer:
                if not left:
                    raise
        raise AssertionError


def down(_: int, rows: list[dict[str, object]]) -> list[dict[str, object]]:
    raise Unreachable("no answer", "the exchange is down")


@dataclass
class Lab:
    """Runs of one market, `spec.settle` and more apart."""

    exchange: Exchange
    spec: ExchangeSpec = field(default_factory=lambda: spec(page=8, chunk_pages=3))
    lake: Lake = field(default_factory=lambda: Lake(MemoryStore(), Zstd(), NoMetrics()))
    now: datetime = NOW
    runs: int = 0
    requests: int = 0

    def run(
        self,
        want: Span,
        fault: Callable[[int, list[dict[str, object]]], list[dict[str, object]]] | None = None,
        pause: float = 61,
        *,
        audit: bool = False,
        head: bool = False,
    ) -> list[Landed]:
        """Fetches what of `want` is neither held nor attested absent. Raises what stops it.

        `audit` asks for what was attested absent as well; `head` asks for the newest page
        first and has its answer at hand, as planning does.
        """
        self.runs += 1
        wire = Wire(self.exchange, self.now)
        if fault is not None:
            wire.fault = fault
        source = Source(self.spec, wire)
        ledger = self.ledger
        todo = ledger.held.missing(want) if audit else ledger.work(want)
        hand = (source.head(MARKET),) if head else ()
        work = ChunkWork(source, MARKET, ledger, todo, hand, f"run{self.runs}")
        try:
            return list(land_chunks(work, self.lake, InTurn(), 4))
        finally:
            self.requests = wire.requests
            self.now += timedelta(seconds=pause)

    @property
    def ledger(self) -> Ledger:
        return self.lake.ledger(MARKET)

    def proven(self) -> Coverage:
        """What the stored answers really prove, each object within its own name."""
        held = Coverage()
        for name in self.ledger.objects:
            window = Coverage((name.span,))
            for line in self.lake.raw(MARKET, name).lines.splitlines():
                kept = pages.decode(line)
                page = pages.read(kept, pages.asked(kept, self.spec), READER)
                held |= page.all_ids & window
        return held
