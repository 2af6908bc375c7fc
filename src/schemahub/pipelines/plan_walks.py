"""What is to be fetched on axes of time and of ids that skip: reads, asks, writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from schemahub.core.axis import Axis
from schemahub.core.errors import IdsRestarted
from schemahub.core.layout import Market
from schemahub.core.ledger import Ledger
from schemahub.core.page import Key, Page
from schemahub.core.paging import Ask, descends
from schemahub.core.span import NOTHING, Span
from schemahub.pipelines.lake import Lake
from schemahub.pipelines.plan import (
    RECENT,
    Plan,
    Planner,
    Start,
    Wish,
    cannot_be_had,
    cut_short,
    everything,
    no_trade,
    reaches,
    tells_again,
)
from schemahub.pipelines.source import BEGINNING, Fetched, Source, find_first_above, microseconds
from schemahub.ports import Tasks


def plan_market(lake: Lake, tasks: Tasks, source: Source, market: Market, wish: Wish) -> Plan:
    """What is to be fetched of a market on any axis.

    Raises ExchangeError, StoreError, Interrupted.
    """
    if source.spec.line.dense:
        return Planner(lake, tasks).plan(source, market, wish)
    return WalkPlanner(lake, source, market, wish).plan()


@dataclass(frozen=True, slots=True)
class _Settled:
    """The newest trade that is old enough to be believed, and one past what it ends."""

    newest: Key
    stop: int


@dataclass(frozen=True)
class WalkPlanner:
    """Plans one market of such an exchange against one lake."""

    lake: Lake
    source: Source
    market: Market
    wish: Wish

    def plan(self) -> Plan:
        """Raises ExchangeError, StoreError, Interrupted."""
        market, spec = self.market, self.source.spec
        if self.wish.audit or self.wish.again:
            ledger = self.lake.ledger(market, spec.line)
        else:
            ledger = self.lake.quick_ledger(market, spec)
        head = self._head()
        if not head.page.keys:
            note = no_trade(self.lake, self.source, market, ledger, head)
            return Plan(market, ledger, notes=(note,))
        settled = self._settled(head)
        if settled is None:
            return Plan(market, ledger, notes=(self._young,))
        notes = self._check_head(ledger, settled, head)
        stop = settled.stop
        if self.wish.until is not None:
            stop = min(stop, self._first_since(self.wish.until, head))
        start = self._start(ledger, head, settled)
        if start.origin is not None:
            # The newest trade at least: even a quiet market shows where its history begins.
            origin = min(start.origin, self.axis.down(settled.newest[0]))
            start = replace(start, origin=origin)
            if origin < stop:
                ledger = replace(ledger, origins=tuple(sorted({*ledger.origins, origin})))
        wanted = ledger.wanted(stop)
        if wanted is None:
            why = "nothing is wanted before --until; --since asks for more"
            notes += (self._young if self.wish.until is None else why,)
            if start.short:
                notes += (cut_short(self.source, head, self.wish),)
            return Plan(market, ledger, notes=notes, short=start.short)
        notes += self._begins(start, head)
        work = ledger.held.missing(wanted) | self.wish.again.within(wanted)
        edge = self.source.edge(head.answer)
        gone = work.within(Span(0, edge)) if edge else NOTHING
        if gone:
            notes += (cannot_be_had(spec, gone),)
        return Plan(
            market,
            ledger,
            wanted,
            work,
            start,
            (head, *start.hand),
            notes,
            settled.newest,
            work - gone,
            start.short,
        )

    def _begins(self, start: Start, head: Fetched) -> tuple[str, ...]:
        """What there is to say of where history begins, if that is new."""
        found: tuple[str, ...] = ()
        if start.origin is not None:
            more = "" if self.wish.full else "; --since or --full asks for more"
            found += (f"history begins at {self.axis.place(start.origin)} ({start.reason}){more}",)
        if start.short:
            found += (cut_short(self.source, head, self.wish),)
        return found

    @property
    def axis(self) -> Axis:
        return self.source.spec.line

    def _head(self) -> Fetched:
        found = self.source.head(self.market)
        # An empty answer is what a faulty server gives too.
        return found if found.page.keys else self.source.head(self.market)

    @property
    def _young(self) -> str:
        return f"its trades are younger than {self.source.spec.settle:g} s, and not settled yet"

    # ------------------------------------------------------------ the head

    def _settled(self, head: Fetched) -> _Settled | None:
        """Trades may come late for so long as the spec says: what is younger is not wanted."""
        edge = microseconds(head.answer.served_at - timedelta(seconds=self.source.spec.settle))
        old = [
            key
            for key, (_, moment) in zip(head.page.keys, head.page.times, strict=True)
            if moment <= edge
        ]
        if not old:
            return self._below(edge, head)
        newest = old[-1]
        stop = newest[0] + 1
        if self.axis.timed:
            stop = min(self.axis.down(newest[0]) + self.axis.step, self.axis.down(edge))
        return _Settled(newest, stop)

    def _below(self, edge: int, head: Fetched) -> _Settled | None:
        """The same where the newest page holds only what is younger: so many trades at once.

        None if there is nothing else. Of a time it is asked when it is walked through.
        """
        oldest = head.page.keys[0]
        if self.axis.timed:
            return _Settled(oldest, self.axis.down(edge))
        stop = self._search(edge, head)
        return _Settled(oldest, stop) if self._search(BEGINNING, head) < stop else None

    def _check_head(self, ledger: Ledger, settled: _Settled, head: Fetched) -> tuple[str, ...]:
        """A head that is merely behind is a lagging replica, which is noted."""
        if not ledger.held:
            return ()
        behind = ledger.held.stop - settled.stop
        if behind <= 0:
            return ()
        newest, held = self.axis.place(settled.stop), self.axis.place(ledger.held.stop)
        why = f"its trades end at {newest}, but what is held ends at {held}"
        far = not self.axis.timed and behind > self.source.spec.head_slack
        if far and not tells_again(self.lake, self.source, self.market, ledger, head):
            raise IdsRestarted(
                f"the ids of {self.market} began again, or it was answered about another market",
                why,
                "nothing was written; to begin anew, move this market's folders away: of raw, "
                "of checkpoints/ and of the table",
            )
        return (f"the exchange lags: {why}; nothing newer can be known now",)

    # ------------------------------------------------------------ the origin

    def _start(self, ledger: Ledger, head: Fetched, settled: _Settled) -> Start:
        """How far back is wanted now, if that is farther than ever before."""
        lowest = ledger.lowest_origin
        if self.wish.full:
            origin = self._first(head, settled)
            known = lowest is not None and lowest <= origin
            reason, since = everything(self.source, head)
            return Start(reason, since, None if known else origin)
        since, reason = self.wish.since, "since"
        if since is None:
            if lowest is not None:
                return Start()
            since = (self.wish.until or head.answer.served_at) - RECENT
            reason = "the recent window, since"
        if lowest is not None and reaches(self.lake, self.market, lowest, since):
            return Start()
        reason = f"{reason} {since.isoformat()}"
        since, short = self.source.shown_since(since, head.answer)
        if short and lowest is not None and reaches(self.lake, self.market, lowest, since):
            return Start(short=True)
        origin = self._first_since(since, head)
        if lowest is not None and origin >= lowest:
            return Start(short=short)
        return Start(reason, since, origin, short=short)

    def _first(self, head: Fetched, settled: _Settled) -> int:
        """The position from which on the exchange shows history."""
        if self.axis.timed:
            _, since = everything(self.source, head)
            if since is not None:
                return self.axis.up(microseconds(since))
            return self.axis.down(self.source.first_time(self.market, settled.newest))
        return self._search(BEGINNING, head)

    def _first_since(self, since: datetime, head: Fetched) -> int:
        """The lowest position that belongs to a time, as far as the exchange shows it."""
        if self.axis.timed:
            return self.axis.down(max(0, microseconds(since)))
        return self._search(microseconds(since), head)

    def _search(self, since: int, head: Fetched) -> int:
        """The lowest id of a trade at or after `since`; one past the head if there is none."""
        rules = self.source.spec.trades.paging
        told = head
        for window in rules.windows[1:]:
            if told.page.times and told.page.times[0][1] < since:
                break
            told = self.source.ask(self.market, Ask(limit=rules.page, window=window))
        if rules.rule == "latest_only":
            later = (position for position, moment in told.page.times if moment >= since)
            return min(later, default=head.page.ids.stop)
        if descends(rules):
            return self.source.first_since(self.market, since, head)

        def above(start: int) -> Page:
            return self.source.oldest(self.market, start)

        first = above(self.source.spec.first_id)
        if not first.keys or first.times[0][1] >= since:
            return first.keys[0][0] if first.keys else head.page.ids.start
        low = first.keys[0][0]
        return find_first_above(above, since, head.page, low, rules.page)
