"""Walks at their ends: quiet hours, outages, pages of bad rows, windows that moved on."""

from __future__ import annotations

from dataclasses import replace

from schemahub.core.axis import SECOND
from schemahub.core.page import Page
from schemahub.core.span import Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.sweep import Walk
from tests.core.test_sweep import START, Server, page, spec_of, walked


def test_where_the_last_hour_is_quiet_the_day_is_asked_for() -> None:
    spec = spec_of("sparse_ids", "latest_only", None, 50)
    walk = Walk.through(spec, Span(5, 101), (100, 100), joins=False)
    hour = page(())
    walk.check(hour)
    walk, told = walk.take([hour])
    assert told is None
    assert walk.ask is not None
    assert walk.ask.window == "day"
    walk, told = walk.take([page(((40, 40), (100, 100)))])
    assert told == Span(40, 101)
    assert walk.left == Span(5, 40)


def test_a_gap_that_the_last_hour_does_not_reach_is_looked_for_in_the_day() -> None:
    spec = spec_of("sparse_ids", "latest_only", None, 50)
    walk = Walk.through(spec, Span(5, 50), (100, 100), joins=False)
    walk, told = walk.take([page(((80, 80), (100, 100)))])
    assert told is None
    assert walk.ask is not None
    walk, told = walk.take([page(((2, 2), (30, 30), (80, 80), (100, 100)))])
    assert told == Span(5, 50)
    assert walk.left is None


def one_window() -> ExchangeSpec:
    spec = spec_of("time", "time_window", "ms", 50)
    paging = spec.trades.paging.model_copy(update={"number": None})
    return spec.model_copy(update={"trades": spec.trades.model_copy(update={"paging": paging})})


def test_that_there_is_nothing_is_asked_below_the_window_as_well() -> None:
    """An outage of the archive looks like ten years without a trade: six answers must say so."""
    span = Span(START, START + 900 * SECOND)
    walk = Walk.through(one_window(), span, (START + 5_000 * SECOND, 9), joins=False)
    nothing = page(())
    asked = []
    while walk.ask is not None:
        answers = [nothing]
        while walk.doubts(answers) and len(answers) < 3:
            answers.append(nothing)
        asked += [walk.ask.start] * len(answers)
        walk, _ = walk.take(answers)
    assert asked == [START - SECOND] * 3 + [0] * 3


def test_a_time_without_trades_is_held_if_one_below_it_is_shown() -> None:
    span = Span(START, START + 900 * SECOND)
    walk = Walk.through(one_window(), span, (START + 5_000 * SECOND, 9), joins=False)
    below = Server(one_window().trades.paging, ((START - 77 * SECOND, 1),), 50)
    told, _, end = walked(walk, below)
    assert told == Coverage((span,))
    assert end.left is None


def test_a_page_of_bad_rows_alone_is_not_the_last_one() -> None:
    spec = spec_of("time", "time_window", "s", 5)
    newest = (START + 8 * SECOND, 9)
    walk = Walk.through(spec, Span(START, START + 9 * SECOND), newest, joins=False)
    only = replace(page((newest,)), rows=5)
    walk, _ = walk.take([only, only])
    bad = Page(Coverage(), {}, 5, 5, ())
    walk.check(bad)
    walk, told = walk.take([bad])
    assert told is None
    assert walk.ask is not None
    assert walk.ask.number == 3
    walk, told = walk.take([page(((START + SECOND, 3),))])
    assert told is not None
