"""Asking an exchange: its head, the page of a span, the first trade at or after a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from schemahub.core import page as pages
from schemahub.core import paging
from schemahub.core.errors import BadAnswer
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
        return Reader(self.spec.trades.fields, self.spec.line)

    def ask(self, market: Market, ask: Ask, *, needs_good: bool = False) -> Fetched:
        """Raises what ports.Http.fetch raises."""
        request = Request(pages.path(market, self.spec), ask.params(self.spec.trades.paging))

        def read(answer: Answer) -> Fetched:
            page = pages.read(answer, ask, self.reader)
            if needs_good and page.rows and not page.ids:
                raise BadAnswer(
                    "no row of the newest page is good",
                    f"{next(iter(page.bad.values()))}: {answer.url}",
                    "if the exchange changed its format, its spec must follow",
                    body=answer.body,
                    url=answer.url,
                )
            return Fetched(ask, answer, page)

        return self.http.fetch(request, read)

    def head(self, market: Market) -> Fetched:
        """The newest page. One in which no row is good is no answer: BadAnswer."""
        question = paging.head(self.spec.trades.paging)
        return self.ask(market, question, needs_good=True)

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
        size = self.spec.trades.paging.page

        def once(below: int) -> Page:
            return self.ask(market, Ask(below, size)).page

        def ask(below: int) -> Page:
            page = once(below)
            if page.all_ids and page.all_ids.stop == below:
                return page
            # Nothing right below the id, or nothing at all: a lagging replica and a faulty
            # server say so too. It is believed only when told twice.
            return max(page, once(below), key=lambda one: one.all_ids.stop if one.all_ids else -1)

        return find_first(ask, since, head.page, self.spec.first_id, size)


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
        if late <= early:
            # An answer contradicts an earlier one that said there was nothing: begin again.
            early = first_id - 1
    return late


def _narrow(page: Page, since: int, below: int, early: int, late: int) -> tuple[int, int]:
    older = [position for position, moment in page.times if moment < since]
    late_ids = [position for position, moment in page.times if moment >= since]
    # A bad row has no time: it may belong to what is wanted.
    late_ids += [position for position in page.bad if position > max(older, default=-1)]
    if not late_ids:
        # All that there is below `below` is older, or there is nothing.
        return max(early, below - 1), late
    late = min(late, *late_ids)
    return max([early, *(position for position in older if position < late)]), late


def microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
