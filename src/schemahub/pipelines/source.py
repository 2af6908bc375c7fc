"""Asking an exchange: its head, the page of a span, the first trade at or after a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from schemahub.core import page as pages
from schemahub.core import paging
from schemahub.core.axis import SECOND
from schemahub.core.errors import BadAnswer
from schemahub.core.layout import Market
from schemahub.core.page import Answer, Key, Page
from schemahub.core.paging import Ask
from schemahub.core.spec import ExchangeSpec
from schemahub.core.told import Scan
from schemahub.core.wire import EARLIEST, Reader
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
    """One exchange, as its spec describes it. `scan` reads its answers faster, where it can."""

    spec: ExchangeSpec
    http: Http
    scan: Scan | None = None

    @cached_property
    def reader(self) -> Reader:
        return Reader(self.spec, self.scan)

    def ask(
        self,
        market: Market,
        ask: Ask,
        *,
        needs_good: bool = False,
        check: Callable[[Fetched], object] = lambda _: None,
    ) -> Fetched:
        """The answer, tried again until `check` raises no BadAnswer.

        Raises what ports.Http.fetch raises.
        """

        def read(answer: Answer) -> Fetched:
            page = pages.read(answer, ask, self.reader)
            if needs_good and page.rows and not page.ids:
                raise BadAnswer(
                    "no row of the newest page is good",
                    f"{next(iter(page.bad.values()), 'none can be placed')}: {answer.url}",
                    "if the exchange changed its format, its spec must follow",
                    body=answer.body,
                    url=answer.url,
                )
            found = Fetched(ask, answer, page)
            check(found)
            return found

        return self.http.fetch(pages.request(market, self.spec, ask), read)

    def head(self, market: Market) -> Fetched:
        """The newest page. One in which no row is good is no answer: BadAnswer.

        That there is no trade at all is believed only when told twice, and of the longest
        window that can be asked for.
        """
        rules = self.spec.trades.paging
        questions = [paging.head(rules), *(Ask(limit=rules.page, window=w) for w in rules.windows)]
        found = self.ask(market, questions[0], needs_good=True)
        for question in questions[1:] or questions:
            if found.page.rows:
                break
            found = self.ask(market, question, needs_good=True)
        return found

    def edge(self, answer: Answer) -> int:
        """The first time (µs since 1970) that the exchange still showed when it answered.

        0 where it shows all history, or where positions are no times.
        """
        reach = self.spec.reach
        if reach is None or not self.spec.line.timed:
            return 0
        return self.spec.line.up(microseconds(answer.served_at - reach))

    def shown_since(self, since: datetime, answer: Answer) -> tuple[datetime, bool]:
        """`since`, or the first time still shown if that is later; and whether it is.

        That first time is a settle time ahead: until it is asked for some more will be gone.
        """
        reach = self.spec.reach
        if reach is None:
            return since, False
        edge = answer.served_at - reach + timedelta(seconds=self.spec.settle)
        return max(since, edge), since < edge

    def first_page(self, market: Market) -> Fetched:
        """The lowest page of the axis."""
        return self.ask(market, paging.lowest(self.spec.first_id, self.spec.trades.paging))

    def first_since(self, market: Market, since: int, head: Fetched) -> int:
        """The lowest id of a trade at or after `since` (µs since 1970).

        One past the head if there is none. `BEGINNING` asks for the lowest id that there is.

        There is no time filter: gallops back from the head, then bisects. Costs about
        2 log2(pages back) requests.
        """
        rules = self.spec.trades.paging
        size = rules.page
        if not paging.descends(rules):

            def above(start: int) -> Page:
                return self.oldest(market, start)

            return find_first_above(above, since, head.page, self.spec.first_id, size)

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

    def oldest(self, market: Market, start: int) -> Page:
        """The oldest rows from a position on; that there is none is believed when told twice."""
        question = Ask(None, self.spec.trades.paging.page, start)
        page = self.ask(market, question).page
        return page if page.rows else self.ask(market, question).page

    def first_time(self, market: Market, newest: Key) -> int:
        """The time (µs since 1970) of a market's first trade, on an axis of time.

        What one answer lacks at its front, or altogether, is believed only when told twice.
        """
        rules = self.spec.trades.paging

        def below(stop: int) -> Page:
            return self.ask(market, Ask(stop, rules.page, 0)).page

        if rules.oldest or not paging.descends(rules):
            question = Ask(None, rules.page, 0, oldest=bool(rules.oldest))
            told = [self.ask(market, question).page.keys for _ in range(2)]
            first = min((keys[0][0] for keys in told if keys), default=newest[0])
            # An exchange that does not heed the parameters has older ones all the same.
            if not rules.oldest or not _older(below(first), first):
                return first
        return find_first_time(below, newest[0])


def find_first_time(below: Callable[[int], Page], newest: int) -> int:
    """A time no trade is older than, at most a second before the first one of all.

    For exchanges that can only be asked for windows. `newest` is the time of some trade.
    `below(stop)` answers the newest trades before a time. Bisects, to a second, what no answer
    reached; that there is nothing is believed only when told twice.
    """
    early, late = EARLIEST, newest
    while late - early > SECOND:
        middle = (early + late) // 2
        older = _older(below(middle), middle) or _older(below(middle), middle)
        if older:
            late = min(older)
        else:
            early = middle
    return early


def _older(page: Page, moment: int) -> list[int]:
    """The times before `moment`: a cursor of whole seconds tells of the rest of one as well."""
    return [position for position, _ in page.keys if position < moment]


def find_first_above(
    above: Callable[[int], Page], since: int, head: Page, first_id: int, size: int
) -> int:
    """See Source.first_since. `above(start)` answers the oldest `size` rows from an id on.

    Throughout, it is `late`, or one of `low` to `high` - 1.
    """
    low, late = first_id, head.ids.stop
    page, high, step, galloping = head, head.ids.stop, size, True
    start = head.ids.start
    while True:
        older, later = _sides(page, since)
        late = min([late, *later])
        if older:
            if later:
                return late
            low, galloping = max(low, older[-1] + 1), False
        else:
            high = min(high, start)
        if low >= high:
            return late
        if high - low <= size:
            start = low
        elif galloping:
            start, step = max(low, high - step), step * 2
        else:
            start = (low + high) // 2
        page = above(start)


def _sides(page: Page, since: int) -> tuple[list[int], list[int]]:
    """Positions of older trades, and of later ones that lie above all those."""
    older = [position for position, moment in page.times if moment < since]
    edge = max(older, default=-1)
    # A bad row has no time: it may belong to what is wanted.
    later = [position for position, moment in page.times if moment >= since and position > edge]
    return older, sorted([*later, *(position for position in page.bad if position > edge)])


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
