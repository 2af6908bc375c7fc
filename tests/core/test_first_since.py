"""The first trade at or after a time is found by asking for pages, and by few of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemahub.core.page import Page
from schemahub.core.paging import Ask
from schemahub.pipelines.source import BEGINNING, find_first, microseconds
from tests.core.dialect import ENOUGH, EPOCH, NOW, NOW_US, Exchange, page_of, row

SECOND = 1_000_000
START = NOW_US - 4_000_000 * SECOND


def find(trades: dict[int, int], since: int, size: int, cap: int = 1_000) -> tuple[int, int]:
    """The id found, and how many questions it took after the head."""
    exchange = Exchange(trades, cap=cap)
    head = exchange.page(Ask(None, size))
    found = find_first(lambda below: exchange.page(Ask(below, size)), since, head, 1, size)
    return found, len(exchange.asked) - 1


def truth(trades: dict[int, int], since: int) -> int:
    """By looking at all of them."""
    return min((one for one, at in trades.items() if at >= since), default=max(trades) + 1)


@st.composite
def markets(draw: st.DrawFn) -> dict[int, int]:
    """Ids with holes, in bursts of one instant, with quiet hours between them."""
    position, moment = draw(st.sampled_from([0, 0, 5, 300])), START
    trades = {}
    for step, pause, burst in draw(
        st.lists(
            st.tuples(
                st.sampled_from([1, 1, 1, 2, 7, 90]),
                st.sampled_from([0, 0, 1, SECOND, 7_000 * SECOND]),
                st.integers(1, 12),
            ),
            min_size=1,
            max_size=12,
        )
    ):
        position += step
        moment += pause
        for _ in range(burst):
            trades[position] = moment
            position += 1
    return trades


@st.composite
def questions(draw: st.DrawFn) -> tuple[dict[int, int], int]:
    trades = draw(markets())
    some = st.sampled_from(sorted(trades.values()))
    since = draw(
        st.one_of(
            some, some.map(lambda at: at + 1), some.map(lambda at: at - 1),
            st.sampled_from([BEGINNING, START, NOW_US]),
        )
    )  # fmt: skip
    return trades, since


sizes = st.integers(2, 9)


@settings(max_examples=150)
@given(questions(), sizes)
@example(({1: START}, START), 2)
@example(({1: START}, START + 1), 2)
@example(({500: START}, BEGINNING), 2)
def test_the_lowest_id_at_or_after_a_time_is_found(
    question: tuple[dict[int, int], int], size: int
) -> None:
    trades, since = question
    found, _ = find(trades, since, size)
    assert found == truth(trades, since)


@settings(max_examples=60)
@given(questions(), sizes, sizes)
def test_it_is_found_with_a_lowered_cap_too(
    question: tuple[dict[int, int], int], size: int, cap: int
) -> None:
    trades, since = question
    assert find(trades, since, size, cap)[0] == truth(trades, since)


@settings(max_examples=60)
@given(questions(), sizes)
def test_it_takes_about_two_questions_a_doubling(
    question: tuple[dict[int, int], int], size: int
) -> None:
    trades, since = question
    found, asked = find(trades, since, size)
    back = max(trades) + 1 - min(found, *trades)
    assert asked <= 2 * math.log2(max(trades) / size + 2) + 2 * math.log2(back / size + 2) + 4


class Endless:
    """A market of a billion trades, ten a second, made as they are asked for."""

    def __init__(self, highest: int, size: int) -> None:
        self.highest, self.size, self.asked = highest, size, 0

    def page(self, below: int) -> Page:
        self.asked += 1
        assert self.asked < ENOUGH, "it would ask for ever"
        ids = range(max(1, below - self.size), min(below, self.highest + 1))
        return page_of(*(row(one, self.at(one)) for one in ids))

    def at(self, position: int) -> int:
        return NOW_US - (self.highest - position) * SECOND // 10


@pytest.mark.parametrize("back", [0, 1, 99, 100, 101, 2_700, 86_400, 10**6, 5 * 10**8, 10**9 - 1])
def test_in_a_billion_trades_the_questions_grow_with_the_logarithm(back: int) -> None:
    highest, size = 10**9, 20
    market = Endless(highest, size)
    head = market.page(highest + 1)
    wanted = highest - back
    assert find_first(market.page, market.at(wanted), head, 1, size) == wanted
    assert market.asked <= 2 * math.log2(back / size + 2) + 4


def test_the_recent_window_of_a_busy_market_costs_little() -> None:
    market = Endless(10**9, 1_000)
    head = market.page(10**9 + 1)
    found = find_first(market.page, NOW_US - 45 * 60 * SECOND, head, 1, 1_000)
    assert found == 10**9 - 45 * 60 * 10
    assert market.asked <= 12


def test_what_the_head_shows_costs_nothing() -> None:
    trades = {one: START + one * SECOND for one in range(1, 100)}
    assert find(trades, START + 95 * SECOND, 10) == (95, 0)
    assert find(trades, START + 200 * SECOND, 10) == (100, 0)


def test_the_beginning_is_the_lowest_id_there_is() -> None:
    assert find(dict.fromkeys(range(40, 90), START), BEGINNING, 7)[0] == 40
    assert find(dict.fromkeys(range(1, 90), START), BEGINNING, 7)[0] == 1


def test_a_bad_row_may_belong_to_what_is_wanted() -> None:
    """It has no time: it is left in rather than out."""
    trades = {one: START + one * SECOND for one in range(1, 60)}
    exchange = Exchange(trades, bad=frozenset({30, 31}))
    head = exchange.page(Ask(None, 5))
    found = find_first(lambda below: exchange.page(Ask(below, 5)), START + 32 * SECOND, head, 1, 5)
    assert found == 30


def test_a_page_of_bad_rows_alone_does_not_end_history() -> None:
    trades = {one: START + one * SECOND for one in range(1, 60)}
    exchange = Exchange(trades, bad=frozenset(range(20, 50)))
    head = exchange.page(Ask(None, 5))
    found = find_first(lambda below: exchange.page(Ask(below, 5)), START + 10 * SECOND, head, 1, 5)
    assert found == 10


def test_an_answer_that_contradicts_an_earlier_one_ends_in_the_right_place_all_the_same() -> None:
    """A replica that knew nothing of old trades, once."""
    trades = {one: START + one * SECOND for one in range(1, 400)}
    exchange = Exchange(trades)
    head = exchange.page(Ask(None, 5))

    def ask(below: int) -> Page:
        page = exchange.page(Ask(below, 5))
        return page_of() if len(exchange.asked) == 5 else page

    found = find_first(ask, START + 40 * SECOND, head, 1, 5)
    assert found in range(40, 400)
    assert len(exchange.asked) < 40


def test_a_moment_is_microseconds_since_1970() -> None:
    assert microseconds(NOW) == NOW_US
    assert microseconds(EPOCH) == 0
    assert microseconds(NOW.replace(microsecond=123_457)) == NOW_US + 123_457
