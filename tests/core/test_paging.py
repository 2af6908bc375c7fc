"""What is asked for, and what an answer may be taken to lack."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.core import paging
from schemahub.core.page import request
from schemahub.core.paging import Ask, silent
from schemahub.core.span import Coverage, Span
from schemahub.core.spec import Paging
from schemahub.core.spec_reading import build
from schemahub.core.values import iso_time
from tests.core.dialect import MARKET, data, spec
from tests.core.strategies import points, spans

SIZES = st.integers(2, 12)
ids = st.sets(st.integers(0, 40))


def newest(trades: set[int], ask: Ask, cap: int = 10_000) -> list[int]:
    """What an exchange that follows the rule answers."""
    below = sorted(one for one in trades if ask.stop is None or one < ask.stop)
    return below[-min(ask.limit, cap) :]


@given(st.sets(st.integers(0, 60)).map(Coverage.of_ids), SIZES)
def test_windows_hold_the_work_once_each_within_one_answer_highest_first(
    work: Coverage, size: int
) -> None:
    windows = list(paging.windows(work, spec(size).trades.paging))
    assert Coverage.of(one for window in windows for one in window) == work
    assert sum(len(window) for window in windows) == len(work)
    assert all(window.stop - window.start <= size for window in windows)
    assert all(later.stop <= earlier.start for earlier, later in pairwise(windows))
    # As few as can be: none could have held the next position as well.
    assert all(earlier.stop - (later.stop - 1) > size for earlier, later in pairwise(windows))


@given(spans(), SIZES)
def test_the_windows_of_a_span_are_as_few_answers_as_can_hold_it(span: Span, size: int) -> None:
    windows = list(paging.windows(Coverage((span,)), spec(size).trades.paging))
    assert len(windows) == -(-len(span) // size)
    for window in windows:
        (page,) = window.spans
        ask = paging.exactly(page, spec(size).trades.paging)
        assert newest(set(range(100)), ask) == list(range(page.start, page.stop))


@given(spans(), SIZES)
def test_once_more_shows_the_neighbour_above(span: Span, size: int) -> None:
    ask = paging.once_more(span, spec(size).trades.paging)
    told = newest(set(range(100)), ask)
    assert told[-1] == span.stop
    assert ask.limit <= size
    if len(span) + 2 <= size:
        assert told[0] == max(0, span.start - 1)


@given(st.integers(1, 80), st.integers(3, 12))
def test_from_above_shows_a_hole_below_all_the_rows_that_an_answer_can_hold(
    start: int, size: int
) -> None:
    hole = Span(start, start + 1)
    ask = paging.from_above(hole, spec(size).trades.paging)
    told = newest(set(range(100)) - {start}, ask)
    above = range(start + 1, start + size - 1)
    assert told == [*range(max(0, start - 2), start), *above]


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


@given(ids)
def test_an_answer_is_silent_about_every_hole_between_its_ids_and_about_nothing_else(
    told: set[int],
) -> None:
    between = set(range(min(told), max(told))) - told if told else set()
    assert points(silent(Coverage.of_ids(told))) == between


def test_an_empty_answer_says_nothing() -> None:
    """A faulty server says the same."""
    assert not silent(Coverage())


@given(asks, ids, st.integers(0, 12), st.integers(0, 45))
def test_neither_a_lowered_cap_nor_a_lagging_replica_makes_an_answer_silent_on_a_trade(
    ask: Ask, trades: set[int], cap: int, lag: int
) -> None:
    """Nor does a short page: only an exchange that skips an id does."""
    told = newest({one for one in trades if one < lag}, ask, cap) if cap else []
    assert not points(silent(Coverage.of_ids(told))) & trades


@given(spans(), st.integers(3, 12), ids)
def test_asked_once_more_an_answer_speaks_for_the_top_of_the_span(
    span: Span, size: int, trades: set[int]
) -> None:
    """With the trades around a hole in one answer, the hole is passed over."""
    trades = trades - {span.stop - 1} | {span.stop, 0}
    told = newest(trades, paging.once_more(span, spec(size).trades.paging))
    if span.stop - 1 > 0:
        assert span.stop - 1 in silent(Coverage.of_ids(told))


# ---------------------------------------------------------------- cursors of time

ISO = {"iso_s": 10**6, "iso_ms": 10**3, "iso_us": 1}  # µs that a cursor cannot tell apart
moments = st.integers(0, 2**53)


def timed(rule: str, unit: str, **more: object) -> Paging:
    names = {"start": "a", "stop": "b"} if rule == "time_window" else {"cursor": "c"}
    return Paging.model_validate({"rule": rule, "unit": unit, "page": 9, **names, **more})


@given(st.sampled_from(sorted(ISO)), moments)
def test_an_iso_cursor_is_never_too_narrow_nor_off_by_more_than_its_unit(
    unit: str, at: int
) -> None:
    for rule in ("oldest_from", "oldest_after"):
        ((_, text),) = Ask(start=at).params(timed(rule, unit))
        slack = (0, ISO[unit]) if rule == "oldest_from" else (1, 2 * ISO[unit])
        assert text.endswith("Z")
        assert min(at, slack[0]) <= at - iso_time(text) <= slack[1]
    ((_, text),) = Ask(stop=at).params(timed("newest_below", unit))
    assert 0 <= iso_time(text) - at < ISO[unit]


@given(st.sampled_from(sorted(ISO)), moments, moments)
def test_a_window_of_iso_times_reads_back(unit: str, start: int, stop: int) -> None:
    start, stop = (at // ISO[unit] * ISO[unit] for at in (start, stop))
    rules = timed("time_window", unit)
    ask = Ask(start=start, stop=stop, limit=9)
    assert Ask.of(dict(ask.params(rules)), rules) == ask


def test_an_iso_cursor_always_has_the_decimals_of_its_unit() -> None:
    told = {unit: dict(Ask(start=10**6).params(timed("oldest_from", unit)))["c"] for unit in ISO}
    assert told == {
        "iso_s": "1970-01-01T00:00:01Z",
        "iso_ms": "1970-01-01T00:00:01.000Z",
        "iso_us": "1970-01-01T00:00:01.000000Z",
    }
    with pytest.raises(ValueError, match="zone"):
        Ask.of({"c": "1970-01-01T00:00:01"}, timed("oldest_from", "iso_s"))


# ---------------------------------------------------------------- without a cursor


@pytest.mark.parametrize("rule", ["newest_below", "oldest_from", "oldest_after", "time_window"])
def test_what_brings_the_newest_is_sent_where_no_cursor_is(rule: str) -> None:
    rules = timed(rule, "ms", newest={"sort": "desc"})
    assert paging.head(rules).params(rules) == (("sort", "desc"),)
    assert "sort" not in dict(Ask(start=0, stop=7).params(rules))


@pytest.mark.parametrize("rule", ["newest_below", "time_window"])
def test_what_brings_the_oldest_is_sent_alone(rule: str) -> None:
    rules = timed(rule, "ms", newest={"sort": "desc"}, oldest={"sort": "asc"})
    assert Ask(oldest=True).params(rules) == (("sort", "asc"),)


def test_the_questions_parameters_take_the_place_of_the_specs_own() -> None:
    changed = data()
    changed["trades"]["params"] = {"by": "id", "sort": "asc"}
    changed["trades"]["paging"] |= {"rule": "oldest_from", "newest": {"sort": "desc"}}
    own = build(changed, {}, "acme.yaml")
    head = request(MARKET, own, paging.head(own.trades.paging)).params
    assert head == (("by", "id"), ("sort", "desc"), ("limit", "1000"))
    onward = request(MARKET, own, Ask(start=5, limit=3)).params
    assert onward == (("by", "id"), ("sort", "asc"), ("limit", "3"), ("after", "5"))
