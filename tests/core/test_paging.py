"""What is asked for, and what an answer may be taken to lack."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.core import paging
from schemahub.core.paging import Ask, silent
from schemahub.core.span import Coverage, Span
from tests.core.dialect import spec
from tests.core.strategies import points, spans

SIZES = st.integers(2, 12)
ids = st.sets(st.integers(0, 40))


def newest(trades: set[int], ask: Ask, cap: int = 10_000) -> list[int]:
    """What an exchange that follows the rule answers."""
    below = sorted(one for one in trades if ask.below is None or one < ask.below)
    return below[-min(ask.limit, cap) :]


@given(spans(), SIZES)
def test_the_pages_of_a_span_tile_it_in_as_few_answers_as_can_hold_it(
    span: Span, size: int
) -> None:
    pages = paging.pages(span, spec(size).trades.paging)
    assert Coverage.of(pages) == Coverage((span,))
    assert all(later.stop == earlier.start for earlier, later in pairwise(pages))
    assert len(pages) == -(-len(span) // size)


@given(spans(), SIZES)
def test_a_page_is_asked_for_from_its_top_and_no_larger_than_it_is(span: Span, size: int) -> None:
    for page in paging.pages(span, spec(size).trades.paging):
        ask = paging.newest_below(page, spec(size).trades.paging)
        assert newest(set(range(100)), ask) == list(range(page.start, page.stop))


@given(spans(), SIZES)
def test_once_more_shows_the_neighbour_above(span: Span, size: int) -> None:
    ask = paging.once_more(span, spec(size).trades.paging)
    told = newest(set(range(100)), ask)
    assert told[-1] == span.stop
    assert ask.limit <= size
    if len(span) + 2 <= size:
        assert told[0] == max(0, span.start - 1)


def test_the_head_is_asked_for_without_a_cursor() -> None:
    assert paging.head(spec(7).trades.paging) == Ask(None, 7)


@given(st.one_of(st.none(), st.integers(0, 2**63)), st.integers(1, 10_000))
def test_a_question_reads_back_from_its_parameters(below: int | None, limit: int) -> None:
    rules = spec().trades.paging
    assert Ask.of(dict(Ask(below, limit).params(rules)), rules) == Ask(below, limit)


@pytest.mark.parametrize(
    "params", [{}, {"after": "5"}, {"limit": "x"}, {"limit": "1", "after": ""}]
)
def test_parameters_that_are_not_ours_are_no_question(params: dict[str, str]) -> None:
    with pytest.raises((ValueError, KeyError)):
        Ask.of(params, spec().trades.paging)


# ---------------------------------------------------------------- silence


asks = st.builds(Ask, st.one_of(st.none(), st.integers(1, 45)), st.integers(1, 20))


@given(asks, ids, st.integers(0, 20))
def test_an_answer_is_never_silent_about_what_is_in_it(
    ask: Ask, there: set[int], repeats: int
) -> None:
    silence = silent(ask, Coverage.of_ids(there), len(there) + repeats)
    assert not points(silence) & there


@given(asks, st.integers(0, 20))
def test_an_empty_answer_says_nothing(ask: Ask, rows: int) -> None:
    assert not silent(ask, Coverage(), rows)


@given(asks, ids)
def test_an_answer_says_nothing_at_or_above_its_cursor(ask: Ask, there: set[int]) -> None:
    below = {one for one in there if ask.below is None or one < ask.below}
    edge = max(below, default=0) + 1 if ask.below is None else ask.below
    silence = points(silent(ask, Coverage.of_ids(below), len(below)))
    assert all(position < edge for position in silence)


@given(asks, ids, st.integers(2, 12), st.integers(0, 3))
def test_a_lowered_cap_never_hides_a_trade(
    ask: Ask, trades: set[int], cap: int, repeats: int
) -> None:
    """Nor does a full page: only an exchange that skips an id makes an answer silent on it."""
    told = newest(trades, ask, cap)
    silence = points(silent(ask, Coverage.of_ids(told), len(told) + repeats))
    assert not silence & trades


@given(asks, ids, st.integers(2, 12))
def test_an_answer_is_silent_about_every_hole_between_its_ids(
    ask: Ask, trades: set[int], cap: int
) -> None:
    told = newest(trades, ask, cap)
    silence = points(silent(ask, Coverage.of_ids(told), len(told)))
    if told:
        assert set(range(told[0], told[-1])) - trades <= silence


@given(st.integers(0, 30), st.integers(2, 12), st.integers(2, 12))
def test_the_beginning_of_history_can_be_told(first: int, limit: int, cap: int) -> None:
    """Asked just above the lowest trade, it alone comes back: there is nothing below."""
    ask = Ask(first + 1, limit)
    told = newest(set(range(first, 40)), ask, cap)
    assert points(silent(ask, Coverage.of_ids(told), len(told))) == set(range(first))


@given(st.integers(2, 30))
def test_an_answer_with_no_room_for_more_says_nothing_below_it(below: int) -> None:
    assert not silent(Ask(below, 1), Coverage.of_ids([below - 1]), 1)


@given(st.integers(5, 30), st.integers(1, 4))
def test_a_single_row_far_below_the_cursor_is_no_proof_that_history_ends(
    below: int, off: int
) -> None:
    silence = silent(Ask(below, 10), Coverage.of_ids([below - 1 - off]), 1)
    assert points(silence) == set(range(below - off, below))
