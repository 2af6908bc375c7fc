"""Walks: each trade of a span exactly once, from servers with caps, holes and bursts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.core.axis import SECOND
from schemahub.core.page import Key, Page
from schemahub.core.paging import NANOSECONDS, Ask
from schemahub.core.span import Coverage, Span
from schemahub.core.spec import ExchangeSpec, Paging
from schemahub.core.spec_reading import build
from schemahub.core.sweep import NotThis, Stuck, Walk, sole, together
from tests.core.dialect import data

LEAST = 10
START = 1_700_000_000 * SECOND

RULES: dict[str, dict[str, object]] = {
    "oldest_from": {"cursor": "start"},
    "oldest_after": {"cursor": "since"},
    "newest_below": {"cursor": "end"},
    "time_window": {"start": "from", "stop": "to", "number": "page"},
    "latest_only": {"cursor": "time", "windows": ["hour", "day"]},
}
KINDS = [
    ("time", "oldest_from", "us"),
    ("time", "oldest_from", "ms"),
    ("time", "oldest_after", "ns"),
    ("time", "newest_below", "us"),
    ("time", "time_window", "ms"),
    ("time", "time_window", "s"),
    ("sparse_ids", "oldest_from", None),
    ("sparse_ids", "oldest_after", None),
    ("sparse_ids", "newest_below", None),
    ("sparse_ids", "latest_only", None),
]


def spec_of(axis: str, rule: str, unit: str | None, page: int, by: str = "nothing") -> ExchangeSpec:
    changed = data()
    changed["axis"] = axis
    changed["provable"] = {"by": by, "basis": "measured", "why": "as it is"}
    paging = {"rule": rule, "limit": "limit", "page": page, **RULES[rule]}
    if unit:
        paging["unit"] = unit
    changed["trades"]["paging"] = paging
    return build(changed, {}, "acme.yaml")


@dataclass(frozen=True)
class Server:
    """Trades by position and id, served as the rule says, at most `cap` at once."""

    paging: Paging
    trades: tuple[Key, ...]
    cap: int
    exact: bool = False  # whether windows compare the exact time, or whole units of the cursor

    def page(self, ask: Ask) -> Page:
        size = min(ask.limit, self.cap)
        rule, unit = self.paging.rule, self.paging.unit
        grain = max(1, NANOSECONDS[unit] // 1000) if unit else 1
        if rule == "latest_only":
            far = 20 if ask.window == "hour" else 10**9
            return page(self.trades[-min(far, len(self.trades)) :])
        if ask.start is None and ask.stop is None:
            newest = self.trades[-size:]
            return page(newest)
        found = self.trades
        params = dict(ask.params(self.paging))
        if rule == "oldest_from":
            found = tuple(k for k in found if k[0] // grain >= int(params["start"]))
            return page(found[:size])
        if rule == "oldest_after":
            after = int(params["since"])
            scale = 1000 if unit == "ns" else 1
            found = tuple(k for k in found if k[0] * scale > after)
            return page(found[:size])
        if rule == "newest_below":
            found = tuple(k for k in found if k[0] < int(params["end"]) * grain)
            return page(found[-size:])
        first, last = int(params["from"]), int(params["to"])
        if self.exact:
            found = tuple(k for k in found if first * grain <= k[0] <= last * grain)
        else:
            found = tuple(k for k in found if first <= k[0] // grain <= last)
        number = int(params.get("page", "1"))
        stop = len(found) - (number - 1) * size
        return page(found[max(0, stop - size) : max(0, stop)])


def page(keys: tuple[Key, ...]) -> Page:
    ids = Coverage.of_ids(position for position, _ in keys)
    return Page(ids, {}, 0, len(keys), tuple((k[0], 0) for k in keys), keys=tuple(sorted(keys)))


def walked(
    walk: Walk, server: Server, head: Page | None = None
) -> tuple[Coverage, list[Key], Walk]:
    """What a walk is told, the trades of the answers that told it, and its end."""
    told: list[Span] = []
    trades: list[Key] = []
    waiting: list[Page] = [head] if head else []
    for _ in range(10_000):
        ask = walk.ask
        if ask is None:
            return Coverage.of(told), trades, walk
        answers = [server.page(ask)]
        walk.check(answers[0])
        while walk.doubts(answers) and len(answers) < 3:
            answers.append(server.page(ask))
        walk, span = walk.take(answers)
        waiting += answers
        if span is not None:
            assert not Coverage.of(told).overlaps(span), "a span is told once"
            told.append(span)
            trades += [key for key in together(waiting) if key[0] in span]
            waiting = answers
    raise AssertionError("it would ask for ever")


@st.composite
def histories(draw: st.DrawFn, *, timed: bool, most_at_once: int) -> tuple[Key, ...]:
    """Trades in time or by ids that skip; bursts in one tick and in one second."""
    count = draw(st.integers(1, 70))
    trade_id, position = draw(st.integers(0, 5)), START if timed else draw(st.integers(1, 5))
    found: list[Key] = []
    at_once = 0
    for _ in range(count):
        if timed:
            step = draw(st.sampled_from([0, 0, 1, 900, 40_000, SECOND, 70 * SECOND, 3600 * SECOND]))
            at_once = at_once + 1 if step < 1_000 else 0
            if at_once >= most_at_once:
                step, at_once = 1_000, 0
            position += step
            trade_id += 1
            found.append((position, trade_id))
        else:
            position += draw(st.integers(1, 40))
            found.append((position, position))
    return tuple(found)


@pytest.mark.parametrize(("axis", "rule", "unit"), KINDS)
@given(st.data())
@settings(max_examples=80, deadline=None)
def test_each_trade_of_the_span_exactly_once(
    axis: str, rule: str, unit: str | None, given_: st.DataObject
) -> None:
    size = given_.draw(st.integers(LEAST, 14))
    spec = spec_of(axis, rule, unit, size)
    line = spec.line
    # So many trades in one tick of the cursor that an answer still holds one more.
    trades = given_.draw(histories(timed=line.timed, most_at_once=size - 2))
    newest = trades[-1]
    stop = line.down(newest[0]) + line.step if line.timed else newest[0] + 1
    lowest = line.down(trades[0][0])
    first = line.down(given_.draw(st.integers(max(0, lowest - 3 * line.step), newest[0])))
    span = Span(first, stop)
    joins = given_.draw(st.booleans())
    cap, exact = given_.draw(st.integers(size, size + 3)), given_.draw(st.booleans())
    server = Server(spec.trades.paging, trades, cap, exact)
    walk = Walk.through(spec, span, newest, joins=joins)
    told, got, end = walked(walk, server)
    wanted = [key for key in trades if key[0] in span]
    assert sorted(got) == [key for key in wanted if key[0] in told]
    if rule == "latest_only":
        assert told.covers(Span(max(first, trades[0][0]), stop))
    else:
        assert told == Coverage((span,))
        assert end.left is None


@pytest.mark.parametrize(("axis", "rule", "unit"), KINDS)
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_lowered_cap_loses_nothing(
    axis: str, rule: str, unit: str | None, given_: st.DataObject
) -> None:
    spec = spec_of(axis, rule, unit, 14)
    trades = given_.draw(histories(timed=spec.line.timed, most_at_once=3))
    newest = trades[-1]
    stop = spec.line.down(newest[0]) + spec.line.step if spec.line.timed else newest[0] + 1
    span = Span(spec.line.down(trades[0][0]), stop)
    server = Server(spec.trades.paging, trades, given_.draw(st.integers(LEAST, 14)))
    told, got, _ = walked(Walk.through(spec, span, newest, joins=False), server)
    assert told == Coverage((span,))
    assert sorted(got) == list(trades)


@pytest.mark.parametrize(("axis", "rule", "unit"), KINDS)
def test_an_answer_without_the_trade_told_before_is_refused(
    axis: str, rule: str, unit: str | None
) -> None:
    spec = spec_of(axis, rule, unit, 5)
    timed = spec.line.timed
    trades = tuple((START + n * 10 * SECOND, n) if timed else (n * 7, n * 7) for n in range(1, 40))
    newest = trades[-1]
    stop = spec.line.down(newest[0]) + spec.line.step if timed else newest[0] + 1
    walk = Walk.through(spec, Span(spec.line.down(trades[0][0]), stop), newest, joins=False)
    server = Server(spec.trades.paging, trades, 5)
    last = len(spec.trades.paging.windows) - 1
    with pytest.raises(NotThis):
        replace(walk, window=max(0, last)).check(page(()))
    first = server.page(walk.ask or Ask())
    walk.check(first)
    walk, _ = walk.take([first])
    if walk.ask is None:
        return
    second = server.page(walk.ask)
    assert walk.must in second.keys
    without = tuple(key for key in second.keys if key != walk.must)
    with pytest.raises(NotThis, match="told before"):
        walk.check(page(without))


def test_more_trades_in_an_instant_than_an_answer_holds_is_said() -> None:
    spec = spec_of("time", "oldest_after", "ns", 5)
    trades = (*((START, n) for n in range(9)), (START + 5 * SECOND, 9))
    span = Span(START, START + 6 * SECOND)
    with pytest.raises(Stuck):
        walked(
            Walk.through(spec, span, trades[-1], joins=False), Server(spec.trades.paging, trades, 5)
        )


def test_pages_by_number_get_through_an_instant() -> None:
    spec = spec_of("time", "time_window", "s", 5)
    trades = (*((START + n, n) for n in range(23)), (START + 5 * SECOND, 30))
    span = Span(START, START + 6 * SECOND)
    told, got, _ = walked(
        Walk.through(spec, span, trades[-1], joins=False), Server(spec.trades.paging, trades, 5)
    )
    assert told == Coverage((span,))
    assert sorted(got) == sorted(trades)


def test_what_a_window_shows_no_more_stays_missing() -> None:
    spec = spec_of("sparse_ids", "oldest_after", None, 5).model_copy(update={"history": "7d"})
    shown = tuple((n, n) for n in range(500, 560, 3))
    walk = Walk.through(spec, Span(101, shown[-1][0] + 1), shown[-1], joins=True)
    told, got, _ = walked(walk, Server(spec.trades.paging, shown, 5))
    assert told == Coverage((Span(500, shown[-1][0] + 1),))
    assert sorted(got) == list(shown)


def test_where_all_history_is_shown_an_empty_seam_is_no_gap() -> None:
    spec = spec_of("time", "oldest_after", "ns", 5)
    trades = tuple((START + n * 100 * SECOND, n) for n in range(20))
    start = START + 250 * SECOND
    walk = Walk.through(spec, Span(start, trades[-1][0] + SECOND), trades[-1], joins=True)
    told, got, _ = walked(walk, Server(spec.trades.paging, trades, 5))
    assert told == Coverage((Span(start, trades[-1][0] + SECOND),))
    assert sorted(got) == [key for key in trades if key[0] >= start]


def test_a_seam_of_more_trades_than_an_answer_holds_is_walked_through() -> None:
    spec = spec_of("time", "oldest_after", "ns", 5)
    seam = tuple((START + n * 1_000, n) for n in range(23))
    trades = (*seam, *((START + SECOND + n * SECOND, 23 + n) for n in range(9)))
    span = Span(START + SECOND, trades[-1][0] + SECOND)
    told, got, _ = walked(
        Walk.through(spec, span, trades[-1], joins=True), Server(spec.trades.paging, trades, 5)
    )
    assert told == Coverage((span,))
    assert sorted(got) == [key for key in trades if key[0] in span]


def test_an_answer_proves_itself_only_if_it_reaches_as_far_as_the_others() -> None:
    whole = page(tuple((START + n, n) for n in range(10)))
    wrong = page((*whole.keys[:4], (START + 4, 4_000), *whole.keys[5:]))
    short = page(whole.keys[2:])
    assert sole([wrong, whole]) is whole
    assert sole([wrong, short]) is None
    assert sole([wrong]) is None
    assert sole([replace(whole, unreadable=1)]) is None
    assert sole([page(()), short]) is short


@pytest.mark.parametrize(("axis", "rule", "unit"), KINDS)
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_head_saves_asking_and_says_nothing_wrong(
    axis: str, rule: str, unit: str | None, given_: st.DataObject
) -> None:
    spec = spec_of(axis, rule, unit, 12)
    trades = given_.draw(histories(timed=spec.line.timed, most_at_once=3))
    newest = trades[-1]
    stop = spec.line.down(newest[0]) + spec.line.step if spec.line.timed else newest[0] + 1
    span = Span(spec.line.down(given_.draw(st.sampled_from(trades))[0]), stop)
    server = Server(spec.trades.paging, trades, 12)
    head = server.page(Ask(limit=12, window="hour"))
    walk, offered = Walk.through(spec, span, newest, joins=False).offer(head)
    told, got, _ = walked(walk, server, head if offered else None)
    if offered is not None:
        assert not told.overlaps(offered)
        told = told.add(offered)
        got += [key for key in head.keys if key[0] in offered]
    wanted = [key for key in trades if key[0] in span]
    assert sorted(got) == wanted
    assert told == Coverage((span,))


def test_a_hole_in_ids_that_have_none_is_a_doubt() -> None:
    spec = replace_by(spec_of("time", "oldest_after", "ns", 5))
    walk = Walk.through(spec, Span(START, START + 9 * SECOND), (START + 8 * SECOND, 9), joins=False)
    whole = page(tuple((START + n * SECOND, n) for n in range(1, 5)))
    holed = replace(whole, keys=whole.keys[:1] + whole.keys[2:])
    assert walk.doubts([holed])
    assert not walk.doubts([holed, whole])


def replace_by(spec: ExchangeSpec) -> ExchangeSpec:
    provable = spec.provable.model_copy(update={"by": "ids"})
    return spec.model_copy(update={"provable": provable})


def test_what_left_the_window_while_it_was_walked_is_not_told() -> None:
    spec = spec_of("time", "time_window", "ms", 10)
    span = Span(START, START + 100 * SECOND)
    trade = (START + 50 * SECOND, 7)
    walk = Walk.through(spec, span, trade, joins=False)
    walk, _ = walk.take([page((trade,))])
    walk, told = walk.take([page(())], START + 20 * SECOND)
    assert walk.ask is None
    assert walk.left == Span(START, START + 20 * SECOND)
    assert told is not None
    assert told.start == START + 20 * SECOND


def test_a_trade_that_left_the_window_need_not_be_told_again() -> None:
    spec = spec_of("time", "newest_below", "ms", 10)
    trade = (START + 50 * SECOND, 7)
    walk = Walk.through(spec, Span(START, START + 100 * SECOND), trade, joins=False)
    with pytest.raises(NotThis):
        walk.check(page(()), START + 50 * SECOND)
    walk.check(page(()), START + 51 * SECOND)


def test_a_seam_that_is_shown_no_more_is_lost_and_the_walk_goes_on() -> None:
    spec = spec_of("sparse_ids", "oldest_after", None, 10).model_copy(update={"history": "7d"})
    walk = Walk.through(spec, Span(100, 301), (300, 300), joins=True)
    walk, told = walk.take([page(((200, 200), (300, 300)))])
    assert (walk.ask, walk.lost, told) == (None, Span(100, 200), Span(200, 301))


def test_a_first_trade_that_is_shown_no_more_is_lost() -> None:
    spec = spec_of("sparse_ids", "oldest_after", None, 10).model_copy(update={"history": "7d"})
    walk = Walk.through(spec, Span(100, 301), (300, 300), joins=False)
    walk, told = walk.take([page(((101, 101), (300, 300)))])
    assert (walk.lost, told) == (Span(100, 101), Span(101, 301))


@pytest.mark.parametrize("unit", ["us", "ms"])
def test_a_market_of_one_burst_alone_is_whole(unit: str) -> None:
    rule = "newest_below" if unit == "us" else "time_window"
    spec = spec_of("time", rule, unit, 50)
    trades = tuple((START, n) for n in range(1, 31))
    span = Span(START, START + SECOND)
    walk = Walk.through(spec, span, trades[-1], joins=False)
    told, got, _ = walked(walk, Server(spec.trades.paging, trades, 50))
    assert told == Coverage((span,))
    assert sorted(got) == list(trades)
