"""What is to be fetched of a market: reads the lake, asks the exchange, writes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from schemahub.core import page as pages
from schemahub.core import paging
from schemahub.core.axis import TIME
from schemahub.core.errors import (
    BadAnswer,
    IdsRestarted,
    ObjectCorrupt,
    ObjectMissing,
    SchemaHubError,
)
from schemahub.core.layout import Market, OriginName, raw_key
from schemahub.core.ledger import Ledger
from schemahub.core.page import Answer, Key
from schemahub.core.span import NOTHING, Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import Trade
from schemahub.core.wire import RowRefused
from schemahub.pipelines.lake import Lake
from schemahub.pipelines.source import BEGINNING, Fetched, Source, microseconds
from schemahub.ports import Tasks

RECENT = timedelta(minutes=45)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wish:
    """How far back and forward history is wanted. `full`: from the first id there is.

    `audit` asks again for what is attested absent, and in any case for `again`: there the
    exchange's word is in doubt.
    """

    since: datetime | None = None
    until: datetime | None = None
    full: bool = False
    audit: bool = False
    again: Coverage = NOTHING


@dataclass(frozen=True, slots=True)
class Start:
    """A new origin, if one is wanted: why, since when, and the answers that showed it."""

    reason: str = ""
    since: datetime | None = None
    origin: int | None = None
    hand: tuple[Fetched, ...] = ()
    short: bool = False

    def as_json(self) -> dict[str, str | None]:
        """What the origin's object says of itself."""
        since = None if self.since is None else self.since.isoformat()
        return {"reason": self.reason, "since": since}


@dataclass(frozen=True, slots=True)
class Plan:
    """`work` is what of `wanted` is neither held nor attested absent.

    `shown` is what of it the exchange still shows. `hand` are answers that planning needed
    anyway, and that may be part of the work. `newest` is the newest trade that is wanted,
    where it is walked through. `short`: what was asked for goes back farther than anything
    that can be had.
    """

    market: Market
    ledger: Ledger
    wanted: Span | None = None
    work: Coverage = NOTHING
    start: Start = Start()
    hand: tuple[Fetched, ...] = ()
    notes: tuple[str, ...] = ()
    newest: Key | None = None
    shown: Coverage = NOTHING
    short: bool = False


@dataclass(frozen=True, slots=True)
class _Ends:
    """The newest page of a market, and the lowest if it was asked for."""

    head: Fetched
    first: Fetched | None


@dataclass(frozen=True)
class Planner:
    """Plans against one lake."""

    lake: Lake
    tasks: Tasks

    def plan(self, source: Source, market: Market, wish: Wish) -> Plan:
        """Raises ExchangeError, StoreError, Interrupted."""
        lake = self.lake
        ledger = lake.ledger(market) if wish.audit else lake.quick_ledger(market, source.spec)
        ends = self._ends(source, market, both=self._wants_first(source, wish, ledger))
        head = ends.head
        if not head.page.ids:
            return Plan(market, ledger, notes=(no_trade(lake, source, market, ledger, head),))
        notes = self._check_head(source, market, ledger, head)
        stop = head.page.ids.stop
        if wish.until is not None:
            stop = source.first_since(market, microseconds(wish.until), head)
        start = self._start(source, market, wish, ledger, ends)
        if start.origin is not None:
            # The newest trade at least: even a quiet market shows where its history begins.
            newest = stop - 1 if wish.until is None else stop
            origin = min(start.origin, newest)
            start = replace(start, origin=origin)
            if origin < stop:
                ledger = replace(ledger, origins=tuple(sorted({*ledger.origins, origin})))
        wanted = ledger.wanted(stop)
        if wanted is None:
            start = Start(short=start.short)
            lowest = ledger.lowest_origin
            why = f"; history begins at id {lowest}" if lowest is not None else ""
            notes = (*notes, f"nothing is wanted before --until{why}; --since asks for more")
        elif start.origin is not None:
            more = "" if wish.full else "; --since or --full asks for more"
            notes = (*notes, f"history begins with id {start.origin} ({start.reason}){more}")
        if start.short:
            notes = (*notes, cut_short(source, head, wish))
        known = ledger.held if wish.audit else ledger.known
        work = NOTHING if wanted is None else known.missing(wanted)
        shown, bottom = self._shown(source, market, work, head)
        if work - shown:
            notes = (*notes, cannot_be_had(source.spec, work - shown))
        hand = (head, *start.hand, *bottom)
        return Plan(
            market, ledger, wanted, work, start, hand, notes, shown=shown, short=start.short
        )

    def _shown(
        self, source: Source, market: Market, work: Coverage, head: Fetched
    ) -> tuple[Coverage, tuple[Fetched, ...]]:
        """What of `work` the exchange still shows, and the answer that says so.

        Asks where it shows only a window: else each page below that were asked for in vain,
        by every run to come.
        """
        rules = source.spec.trades.paging
        if source.spec.reach is None or not work or head.page.all_ids.start <= work.start:
            return work, ()
        page = Span(work.start, min(work.stop, work.start + rules.page - 2))
        lowest = source.ask(market, paging.once_more(page, rules))
        told = lowest.page.all_ids
        if told and told.start <= work.start:
            return work, (lowest,)
        edge = source.first_since(market, BEGINNING, head)
        return work - Coverage((Span(0, edge),) if edge else ()), (lowest,)

    def _ends(self, source: Source, market: Market, *, both: bool) -> _Ends:
        """The newest page, and the lowest one at the same time if `both` are needed."""

        def ask(question: Callable[[Market], Fetched]) -> Fetched:
            return question(market)

        found: dict[Callable[[Market], Fetched], Fetched] = {}
        asks = [source.head, source.first_page] if both else [source.head]
        for question, answer in self.tasks.each(ask, asks, len(asks)):
            if isinstance(answer, SchemaHubError):
                raise answer
            # An empty answer is what a faulty server gives too.
            found[question] = answer if answer.page.ids else question(market)
        return _Ends(found[source.head], found.get(source.first_page))

    # ------------------------------------------------------------ the head

    def _check_head(
        self, source: Source, market: Market, ledger: Ledger, head: Fetched
    ) -> tuple[str, ...]:
        """A head that contradicts what is held: ids that began again, or another market's.

        One that is merely behind is a lagging replica, which is noted.
        """
        held = ledger.held
        if not held:
            return ()
        newest = head.page.ids.stop - 1
        behind = held.stop - 1 - newest
        why = f"its newest id is {newest}, but {held.stop - 1} is held"
        if behind > source.spec.head_slack or not self._agrees(source, market, ledger, head):
            raise IdsRestarted(
                f"the ids of {market} began again, or it was answered about another market",
                why if behind > 0 else "rows of ids that are held have other content now",
                "nothing was written; to begin anew, move this market's folders away: of raw, "
                "of checkpoints/ and of the table",
            )
        return (f"the exchange lags: {why}; nothing newer can be known now",) if behind > 0 else ()

    def _agrees(self, source: Source, market: Market, ledger: Ledger, head: Fetched) -> bool:
        """Whether any row that the head shares with what is held is the same.

        True as well if none is shared, or if what is held cannot be read: others report that.
        """
        shared = head.page.ids & ledger.held
        if not shared:
            return True
        last = Span(shared.stop - 1, shared.stop)
        names = ledger.overlapping(last) or self.lake.ledger(market).overlapping(last)
        theirs = _trades(source, head.answer)
        for name in names:
            try:
                # Lines ascend, so the last one holds the newest rows.
                for line in reversed(self.lake.raw(market, name).lines.splitlines()):
                    mine = _trades(source, pages.decode(line))
                    common = mine.keys() & theirs.keys()
                    if common:
                        return any(mine[position] == theirs[position] for position in common)
            except (ObjectCorrupt, ObjectMissing, ValueError):
                continue
        return True

    # ------------------------------------------------------------ the origin

    def _wants_first(self, source: Source, wish: Wish, ledger: Ledger) -> bool:
        """Whether all history is wanted, and may not have been held so far."""
        lowest = ledger.lowest_origin
        # An origin above the first id is looked at again: a short answer may have put it there.
        return wish.full and (lowest is None or lowest > source.spec.first_id)

    def _start(
        self, source: Source, market: Market, wish: Wish, ledger: Ledger, ends: _Ends
    ) -> Start:
        """How far back is wanted now, if that is farther than ever before."""
        if ends.first is not None:
            origin = self._lowest(source, market, ends.head, ends.first)
            known = ledger.lowest_origin is not None and ledger.lowest_origin <= origin
            reason, since = "full history", None
            if origin > source.spec.first_id:
                reason, since = everything(source, ends.head)
            return Start(reason, since, None if known else origin, (ends.first,))
        since, reason = self._since(wish, ledger, ends.head)
        if since is None:
            return Start()
        lowest = ledger.lowest_origin
        if lowest is not None and reaches(self.lake, market, lowest, since):
            return Start()
        since, short = source.shown_since(since, ends.head.answer)
        if short and lowest is not None and reaches(self.lake, market, lowest, since):
            return Start(short=True)
        origin = source.first_since(market, microseconds(since), ends.head)
        short = short and origin > source.spec.first_id
        new = lowest is None or origin < lowest
        return Start(reason, since, origin, short=short) if new else Start(short=short)

    def _lowest(self, source: Source, market: Market, head: Fetched, first: Fetched) -> int:
        """The lowest id that the exchange has: the spec's if it is there, else searched for.

        Ids below it can never be shown to be absent, so they are not wanted.
        """
        ids = first.page.all_ids
        if ids and ids.start <= source.spec.first_id:
            return source.spec.first_id
        return source.first_since(market, BEGINNING, first if first.page.ids else head)

    def _since(self, wish: Wish, ledger: Ledger, head: Fetched) -> tuple[datetime | None, str]:
        """The time from which on history is wanted, and in whose words; None if all is well."""
        if wish.full:
            return None, ""
        if wish.since is not None:
            return wish.since, f"since {wish.since.isoformat()}"
        if ledger.lowest_origin is not None:
            return None, ""
        since = (wish.until or head.answer.served_at) - RECENT
        return since, f"the recent window, since {since.isoformat()}"


def reaches(lake: Lake, market: Market, lowest: int, since: datetime | None) -> bool:
    """Whether the lowest origin says that it goes back to `since` (None: to the first id).

    Saves asking the exchange.
    """
    key = raw_key(market, OriginName(lowest))
    try:
        said = json.loads(lake.store.read(key))["since"]
        return said is None or (since is not None and datetime.fromisoformat(said) <= since)
    except (SchemaHubError, ValueError, KeyError, TypeError, RecursionError):
        return False


def everything(source: Source, head: Fetched) -> tuple[str, datetime | None]:
    """Whatever an exchange shows, in words, and since when (None: since its first trade)."""
    spec = source.spec
    since, cut = source.shown_since(_LONG_AGO, head.answer)
    if not cut:
        return "full history", None
    return f"{spec.title} shows only the last {spec.history}", since


def cut_short(source: Source, head: Fetched, wish: Wish) -> str:
    """What there is to say where --since asks for more than the exchange shows."""
    spec, since = source.spec, wish.since or head.answer.served_at
    edge, _ = source.shown_since(since, head.answer)
    return (
        f"{spec.title} shows only the last {spec.history}: what happened from "
        f"{at_second(since)} to {at_second(edge)} cannot be had"
    )


def at_second(moment: datetime) -> str:
    """A time as people read it."""
    return TIME.at(microseconds(moment.replace(microsecond=0)))


def cannot_be_had(spec: ExchangeSpec, gone: Coverage) -> str:
    """What there is to say of positions that the exchange shows no longer."""
    where = spec.line.between(Span(gone.start, gone.stop))
    return (
        f"possible gap: {where} cannot be had any more, {spec.title} shows only the last "
        f"{spec.history}"
    )


def no_trade(lake: Lake, source: Source, market: Market, ledger: Ledger, head: Fetched) -> str:
    """What there is to say where the exchange shows no trade at all.

    Raises BadAnswer if it did before, and they cannot have left its window since.
    """
    if not ledger.extent and not ledger.origins:
        return "the exchange has no trade of this market yet"
    reach = source.spec.reach
    newest = None if reach is None else _newest_held(lake, source, market)
    if reach is None or newest is None or newest > microseconds(head.answer.served_at - reach):
        raise BadAnswer(
            f"the exchange shows no trade of {market}",
            f"it showed some before, which are held: {head.answer.url}",
            "nothing was written; try again later",
        )
    return f"{source.spec.title} shows no trade of the last {source.spec.history}: nothing is new"


def tells_again(lake: Lake, source: Source, market: Market, ledger: Ledger, head: Fetched) -> bool:
    """Whether the newest page has a trade that is held, and tells it as it was told then."""
    theirs = _trades(source, head.answer)
    newest = Span(head.page.ids.stop - 1, head.page.ids.stop)
    names = ledger.overlapping(newest) or lake.ledger(market, source.spec.line).overlapping(newest)
    for name in names:
        try:
            for line in lake.raw(market, name).lines.splitlines():
                mine = _trades(source, pages.decode(line))
                if any(mine[position] == theirs[position] for position in mine.keys() & theirs):
                    return True
        except (ObjectCorrupt, ObjectMissing, ValueError):
            continue
    return False


def _newest_held(lake: Lake, source: Source, market: Market) -> int | None:
    """When the newest trade was that is held (µs since 1970); None if nobody can tell."""
    for name in reversed(lake.ledger(market, source.spec.line).objects):
        try:
            lines = lake.raw(market, name).lines.splitlines()
            found = [_trades(source, pages.decode(line)) for line in lines]
        except (ObjectCorrupt, ObjectMissing, ValueError):
            return None
        times = [one.trade_ts for trades in found for one in trades.values()]
        if times:
            return max(times)
    return None


def _trades(source: Source, answer: Answer) -> dict[int, Trade]:
    """The good rows of an answer. Raises ValueError if it is not a list."""
    found = {}
    for raw in source.reader.split(answer.body):
        try:
            trade = source.reader.trade(raw, answer.latest)
        except RowRefused:
            continue
        found[trade.position] = trade
    return found
