"""Asking an exchange: its head, the page of a span, the first trade at or after a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from schemahub.core import page as pages
from schemahub.core import paging
from schemahub.core.layout import Market
from schemahub.core.page import Answer, Page, Request
from schemahub.core.paging import Ask
from schemahub.core.spec import ExchangeSpec
from schemahub.core.wire import Reader
from schemahub.ports import Http

BEGINNING = -(2**63)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A question, the answer as it came, and what it proves."""

    ask: Ask
    answer: Answer
    page: Page


@dataclass(frozen=True)
class Source:
    """One exchange, as its spec describes it."""

    spec: ExchangeSpec
    http: Http

    @cached_property
    def reader(self) -> Reader:
        return Reader(self.spec.trades.fields)

    def ask(self, market: Market, ask: Ask) -> Fetched:
        """Raises what ports.Http.fetch raises."""
        request = Request(pages.path(market, self.spec), ask.params(self.spec.trades.paging))

        def read(answer: Answer) -> Fetched:
            return Fetched(ask, answer, pages.read(answer, ask, self.reader))

        return self.http.fetch(request, read)

    def head(self, market: Market) -> Fetched:
        return self.ask(market, paging.head(self.spec.trades.paging))

    def first_page(self, market: Market) -> Fetched:
        """The lowest page of the axis."""
        size = self.spec.trades.paging.page
        return self.ask(market, Ask(self.spec.first_id + size, size))

    def first_since(self, market: Market, since: int, head: Fetched) -> int:
        """The lowest id of a trade at or after `since` (µs since 1970).

        One past the head if there is none. `BEGINNING` asks for the lowest id that there is.

        There is no time filter: gallops back from the head, then bisects. Costs about
        2 log2(pages back) requests.
        """
        return find_first(
            lambda below: self.ask(market, Ask(below, self.spec.trades.paging.page)).page,
            since,
            head.page,
            self.spec.first_id,
            self.spec.trades.paging.page,
        )


def find_first(ask: Callable[[int], Page], since: int, head: Page, first_id: int, size: int) -> int:
    """See Source.first_since. `ask(below)` answers the newest `size` rows below an id.

    Throughout, ids up to `early` are older than `since` or do not exist, and `late` is the
    lowest id known to be no older. Each answer moves one of them.
    """
    early, late = _narrow(head, since, head.ids.stop, first_id - 1, head.ids.stop)
    step = size
    while late - early > 1:
        if early < first_id:
            middle = late - step + size  # still galloping: nothing older than `since` seen
            step *= 2
        else:
            middle = (early + late + size) // 2
        below = max(early + 2, min(late, middle))
        early, late = _narrow(ask(below), since, below, early, late)
    return late


def _narrow(page: Page, since: int, below: int, early: int, late: int) -> tuple[int, int]:
    late_ids = [position for position, moment in page.times if moment >= since]
    if not late_ids:
        # All that there is below `below` is older, or there is nothing.
        return max(early, below - 1), late
    late = min(late, late_ids[0])
    older = [position for position, moment in page.times if moment < since and position < late]
    return max([early, *older]), late


def microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
