"""Does an exchange do what its spec says? What observed answers say, point by point.

Nothing here asks: `pipelines/conformance.py` does. A verdict is `failed` only where what was
seen contradicts the spec; what a quiet market or a silent API leaves open is `unknown`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

from schemahub.core.page import Answer
from schemahub.core.paging import Ask, descends
from schemahub.core.sample import Sampled
from schemahub.core.spec import ExchangeSpec, Paging
from schemahub.core.trade import Trade
from schemahub.core.wire import Reader

Verdict = Literal["ok", "failed", "unknown"]
POINTS = (
    "symbols", "answers", "refusal", "order", "ids", "cursor", "adjacency", "contiguity",
    "page", "newest", "side", "clock",
)  # fmt: skip

_FEW = 4  # trades, too few to ask for those around one of them
_TICKS = 20  # changes of the price that say something
_MANY = 100  # trades without a skipped id are no accident
_RIGHT, _WRONG = 0.6, 0.4  # shares of up-ticks that takers bought
_QUIET = timedelta(hours=1)
_SKEW = timedelta(seconds=30)
_SEE_NEWEST = ": see paging.newest"


@dataclass(frozen=True, slots=True)
class Finding:
    """A point of the spec, the verdict on it, and a line of evidence."""

    point: str
    verdict: Verdict
    evidence: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A question and its answer, row by row as it came."""

    ask: Ask
    answer: Answer
    rows: tuple[Sampled, ...]

    @property
    def trades(self) -> list[Trade]:
        """The good ones, in the order of the wire."""
        return [row.trade for row in self.rows if row.trade is not None]

    @property
    def ids(self) -> list[int]:
        """Those of the good ones, and those that the exchange itself marks as void."""
        void = [row.position for row in self.rows if row.void and row.position is not None]
        return [trade.trade_id or 0 for trade in self.trades] + void

    @property
    def ordered(self) -> list[Trade]:
        """The same in axis order."""
        return sorted(self.trades, key=_place)


def _place(trade: Trade) -> tuple[int, int]:
    return trade.position, trade.trade_id or 0


# ---------------------------------------------------------------- one page


def answers(seen: Sequence[Seen]) -> Finding:
    """Every row of every answer is one that the table takes."""
    rows = [row for one in seen for row in one.rows if not row.void]
    refused = [row for row in rows if row.trade is None]
    if refused:
        shown = refused[0].raw[:120].decode("utf-8", "replace")
        why = refused[0].reason + (f" ({refused[0].advice})" if refused[0].advice else "")
        said = f"{len(refused)} of {len(rows)} rows are refused, as {why}: {shown}"
        return Finding("answers", "failed", said)
    if not rows:
        return Finding("answers", "failed", "no answer held a row: see trades.rows and the market")
    void = sum(row.void for one in seen for row in one.rows)
    also = f", {void} ids are void" if void else ""
    return Finding("answers", "ok", f"{len(rows)} rows in {len(seen)} answers read{also}")


def order(seen: Seen) -> Finding:
    """An answer has an order, whichever."""
    places = [trade.position for trade in seen.trades]
    if len(places) < 2:  # noqa: PLR2004  (one has no order)
        return Finding("order", "unknown", f"{len(places)} rows have no order")
    pairs = list(pairwise(places))
    for first, said in ((True, "newest first"), (False, "oldest first")):
        if all(one >= two if first else one <= two for one, two in pairs):
            return Finding("order", "ok", f"{len(places)} rows, {said}")
    return Finding(
        "order", "failed", "rows go up and down: are trade_id and trade_ts from the right fields?"
    )


def ids(seen: Sequence[Seen]) -> Finding:
    """An id means one trade, in an answer and in all."""
    known: dict[int, Trade] = {}
    told = 0
    for one in seen:
        here: set[int] = set()
        for trade in one.trades:
            number = trade.trade_id or 0
            told += 1
            if number in here:
                return Finding("ids", "failed", f"id {number} stands twice in one answer")
            if known.setdefault(number, trade) != trade:
                return Finding("ids", "failed", f"id {number} is told with two contents")
            here.add(number)
    if not known:
        return Finding("ids", "unknown", "no trade was told")
    return Finding("ids", "ok", f"{len(known)} ids, each of one trade, told {told} times")


def side(trades: Sequence[Trade], spec: ExchangeSpec) -> Finding:
    """Takers that buy lift the price: by the shares of up-ticks and down-ticks they took."""
    agree = ticks = 0
    for before, trade in pairwise(trades):
        if trade.price != before.price and trade.side is not None:
            ticks += 1
            agree += (trade.price > before.price) == (trade.side == "buy")
    if ticks < _TICKS:
        return Finding("side", "unknown", f"the price changed {ticks} times: too few to tell")
    share = agree / ticks
    said = f"{share:.0%} of {ticks} changes of the price agree with the side"
    if share >= _RIGHT:
        return Finding("side", "ok", said)
    if share <= _WRONG:
        other = "taker" if spec.trades.fields.side.of == "maker" else "maker"
        why = f"{said}: `of` is probably the wrong way round, try `of: {other}`"
        return Finding("side", "failed", why)
    return Finding("side", "unknown", f"{said}: too close to half to tell")


def clock(seen: Seen) -> Finding:
    """The newest trade is about as old as a trade can be by the server's clock."""
    if not seen.trades:
        return Finding("clock", "unknown", "no trade was told")
    newest = datetime.fromtimestamp(max(trade.trade_ts for trade in seen.trades) / 1e6, UTC)
    age = seen.answer.served_at - newest
    whose = "the server's Date" if seen.answer.date else "our clock"
    said = f"the newest trade is {_seconds(age)} old by {whose}"
    if age < -_SKEW:
        return Finding("clock", "failed", f"{said}: is its time in UTC, and in the unit of `as`?")
    skew = abs(seen.answer.at - seen.answer.served_at)
    if skew > _SKEW:
        return Finding("clock", "unknown", f"{said}; our clock differs by {_seconds(skew)}")
    if age > _QUIET:
        return Finding("clock", "unknown", f"{said}: a quiet market, or another unit or zone")
    return Finding("clock", "ok", said)


def _seconds(age: timedelta) -> str:
    return f"{age.total_seconds():,.1f} s"


# ---------------------------------------------------------------- asking around known trades


def around(known: Sequence[Trade], spec: ExchangeSpec) -> Ask | None:
    """A question whose answer `known` tells in part: it cuts through these, in axis order.

    None if they are too few, or the rule has no cursor.
    """
    paging = spec.trades.paging
    # Asked at whole steps, as it is fetched; many trades may lie on one of them.
    places = sorted({spec.line.down(trade.position) for trade in known})
    if len(places) < _FEW or paging.rule == "latest_only":
        return None
    middle = places[len(places) // 2]
    if paging.rule == "time_window":
        return Ask(start=places[len(places) // 4], stop=middle, limit=paging.page)
    if descends(paging):
        return Ask(stop=middle, limit=paging.page)
    return Ask(start=middle, limit=paging.page)


def cursor(seen: Seen | None, known: Sequence[Trade], spec: ExchangeSpec) -> Finding:
    """Nothing beyond the cursor is told, and the end is open or closed as the rule says.

    `seen` is the answer to `around(known)`.
    """
    paging = spec.trades.paging
    if seen is None or not known:
        return Finding("cursor", "unknown", _why_not(paging))
    name = " and ".join(name for name in (paging.cursor, paging.start, paging.stop) if name)
    places = [trade.position for trade in seen.ordered]
    if not places:
        said = f"no row came for {seen.answer.url}, where some are known"
        return Finding("cursor", "failed", said)
    near, far = _beyond(seen.ask, places, spec)
    if far:
        why = "it is ignored, in another unit, or goes the other way"
        said = f"{far} of {len(places)} rows lie beyond {name}: {why}"
        return Finding("cursor", "failed", said)
    nearest = _within(known, seen.ask)[:1]
    if not descends(paging) and not set(nearest) <= set(seen.ordered):
        hint = "; the rule is oldest_after" if paging.rule == "oldest_from" else ""
        said = f"known trade {nearest[0].trade_id} did not come: {name} is exclusive{hint}"
        return Finding("cursor", "failed", said)
    if near and not spec.line.timed:
        hint = "; the rule is oldest_from" if paging.rule == "oldest_after" else ""
        said = f"the row of the cursor itself came: {name} is inclusive{hint}"
        return Finding("cursor", "failed", said)
    said = f"{len(places)} rows, all on the side of {name} asked for"
    if near:
        said = f"{name} is inclusive: what is told twice counts once"
    return Finding("cursor", "ok", said)


def _beyond(ask: Ask, places: Sequence[int], spec: ExchangeSpec) -> tuple[int, int]:
    """How many of these were not asked for: at the very cursor, and far from it."""
    paging = spec.trades.paging
    told = Ask.of(dict(ask.params(paging)), paging)  # in the cursor's own unit
    slack = spec.line.step if spec.line.timed else 1
    past = [at - told.stop for at in places if told.stop is not None and at >= told.stop]
    past += [told.start - at - 1 for at in places if told.start is not None and at < told.start]
    far = sum(distance >= slack for distance in past)
    return len(past) - far, far


def adjacency(seen: Seen | None, known: Sequence[Trade], spec: ExchangeSpec) -> Finding:
    """The trades next to the cursor come, and none between is skipped.

    `seen` is the answer to `around(known)`.
    """
    paging = spec.trades.paging
    if seen is None or not known:
        return Finding("adjacency", "unknown", _why_not(paging))
    wanted, told = (_within(trades, seen.ask) for trades in (known, seen.ordered))
    if descends(paging):
        wanted, told = wanted[::-1], told[::-1]
    if not told:
        return Finding("adjacency", "failed", f"none of {len(wanted)} known trades came")
    for place, (one, two) in enumerate(zip(wanted, told, strict=False)):
        if one != two:
            said = f"known trade {one.trade_id} is number {place + 1} from the cursor"
            return Finding("adjacency", "failed", f"{said}; the answer has {two.trade_id} there")
    if paging.rule == "time_window" and len(told) < len(wanted) and len(seen.rows) < paging.page:
        said = f"{len(wanted) - len(told)} known trades at the start of the window did not come"
        return Finding("adjacency", "failed", said)
    compared = min(len(wanted), len(told))
    said = f"the {compared} known trades next to the cursor came, none was skipped"
    return Finding("adjacency", "ok", said)


def _within(trades: Sequence[Trade], ask: Ask) -> list[Trade]:
    return [
        trade
        for trade in trades
        if (ask.start is None or trade.position >= ask.start)
        and (ask.stop is None or trade.position < ask.stop)
    ]


def _why_not(paging: Paging) -> str:
    return "the rule has no cursor" if paging.rule == "latest_only" else "too few trades to tell"


# ---------------------------------------------------------------- several pages


def beside(known: Sequence[Trade], spec: ExchangeSpec) -> Ask | None:
    """What asks for the page of trades just older than these, in axis order."""
    paging = spec.trades.paging
    if not known or paging.rule == "latest_only":
        return None
    line, length = spec.line, known[-1].position - known[0].position
    first = line.down(known[0].position)
    # Trades of one time may be cut apart by the end of a page: that time is asked for again.
    stop = first + (line.step if line.timed else 0)
    if paging.rule == "time_window":
        return Ask(start=max(0, line.down(first - length)), stop=stop, limit=paging.page)
    if descends(paging):
        return Ask(stop=stop, limit=paging.page)
    back = paging.page if line.dense else max(length, 1)
    return Ask(start=max(spec.first_id, line.down(first - back)), limit=paging.page)


def joined(older: Seen, known: Sequence[Trade]) -> bool:
    """Whether these two pages are neighbours, or overlap: by ids, as a time may be cut apart."""
    return bool(older.ids) and max(older.ids) + 1 >= (known[0].trade_id or 0)


def contiguity(pages: Sequence[Seen], spec: ExchangeSpec) -> Finding:
    """Ids follow each other without a hole just where the spec says so. `pages` are neighbours."""
    held = sorted({number for page in pages for number in page.ids})
    if len(held) < _FEW:
        return Finding("contiguity", "unknown", "too few trades to tell")
    skipped = held[-1] - held[0] + 1 - len(held)
    said = f"{len(held)} ids from {held[0]} to {held[-1]}"
    if spec.provable.by == "ids":
        if not skipped:
            return Finding("contiguity", "ok", f"{said}: none is skipped")
        before = next(one for one, two in pairwise(held) if two != one + 1)
        why = f"{said}: {skipped} are skipped, the first after {before}"
        return Finding("contiguity", "failed", f"{why}; such ids prove nothing")
    if not skipped and len(held) >= _MANY:
        why = f"{said}: none is skipped; if that is so always, they could prove completeness"
        return Finding("contiguity", "unknown", why)
    return Finding("contiguity", "ok", f"{said}: {skipped} are skipped, as the spec says")


def page(declared: Sequence[Seen], more: Seen | None, spec: ExchangeSpec) -> Finding:
    """An answer holds as many rows as the spec says, and not more.

    `declared` are answers to questions for a page, the newest first; `more` is asked for twice
    as many (None: it cannot be said how many, or more is refused).
    """
    size = spec.trades.paging.page
    counts = [len(one.rows) for one in declared]
    most = max(counts, default=0)
    # Where two pages tell the same trades there are no more: that says nothing of a cap.
    told = sum(len(one.ids) for one in declared)
    apart = 2 * len({number for one in declared for number in one.ids}) > told + 1
    if most > size:
        return Finding("page", "failed", f"{most} rows came: page is {most}, not {size}")
    if most < size and len(counts) > 1 and min(counts) == most and apart:
        why = f"{most} rows came each time, {size} were asked for: page is probably {most}"
        return Finding("page", "failed", why)
    if most < size:
        why = f"at most {most} rows came, {size} were asked for: too few trades to tell"
        return Finding("page", "unknown", why)
    if more is not None and len(more.rows) > size:
        why = f"{size} rows came; asked for {more.ask.limit}, {len(more.rows)}: page may be larger"
        return Finding("page", "ok", why)
    return Finding("page", "ok", f"{size} rows came, and never more")


def newest(first: Seen, last: Seen, others: Sequence[Seen], beyond: Seen | None) -> Finding:
    """A question without a cursor is answered with the newest trades.

    `first` and `last` are such answers, `others` what came between; `beyond` what lies above
    `last`, where that can be asked.
    """
    before = [trade for one in (first, *others) for trade in one.trades]
    if not before or not last.trades:
        return Finding("newest", "unknown", "no trade was told")
    top, head = max(before, key=_place), last.ordered[-1]
    if _place(head) < _place(top):
        why = f"id {top.trade_id} was told, and an answer without a cursor ends at {head.trade_id}"
        return Finding("newest", "failed", why + _SEE_NEWEST)
    above = 0 if beyond is None else sum(_place(trade) > _place(head) for trade in beyond.trades)
    if above > max(_FEW, len(last.rows) // 2):
        why = f"{above} trades lie above id {head.trade_id}, where an answer without a cursor ends"
        return Finding("newest", "failed", why + _SEE_NEWEST)
    said = f"no trade seen is newer than id {head.trade_id}, the newest told"
    return Finding("newest", "ok", said)


def after(seen: Seen, spec: ExchangeSpec) -> Ask | None:
    """What asks for the page that follows this one, where pages go up."""
    paging = spec.trades.paging
    if descends(paging) or not seen.trades:
        return None
    return Ask(start=spec.line.down(seen.ordered[-1].position), limit=paging.page)


def above(last: Seen, spec: ExchangeSpec) -> Ask | None:
    """What asks for trades above the newest told, where an answer without a cursor may not be."""
    paging = spec.trades.paging
    if descends(paging) or not last.trades:
        return None
    return Ask(start=spec.line.up(last.ordered[-1].position + 1), limit=paging.page)


def refusal(answer: Answer, complaint: tuple[str, str] | None, reader: Reader) -> Finding:
    """An answer of status 200 about a market that there is not, told apart from a page of it."""
    if complaint is not None:
        kind, said = complaint
        if kind == "refused":
            return Finding("refusal", "ok", f"a market that there is not, with status 200: {said}")
        hint = "add a part of it to errors.refused, or it is tried again and again"
        return Finding("refusal", "failed", f"a market that there is not: {said}; {hint}")
    try:
        rows = reader.split(answer.body)
    except ValueError:
        shown = answer.body[:120].decode("utf-8", "replace")
        hint = "say in errors how it is told apart"
        return Finding(
            "refusal", "failed", f"a market that there is not, status 200: {shown}; {hint}"
        )
    if rows:
        why = f"{len(rows)} trades of a market that there is not: is {{symbol}} in its place?"
        return Finding("refusal", "failed", why)
    why = "a market that there is not is an empty list: a misspelt one looks like a quiet one"
    return Finding("refusal", "unknown", why)
