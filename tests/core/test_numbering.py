"""Ids that follow each other leave no room for a trade; what does not is named."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from schemahub.core.numbering import MOST_RUNS, IdHole, Run, Tally, joined, numbered
from schemahub.core.span import Coverage, Span
from tests.core.strategies import points

ids = st.sets(st.integers(0, 40), min_size=1, max_size=30)
EVERYWHERE = Coverage((Span(0, 10_000),))


def place(trade_id: int) -> int:
    """Where the tests put a trade: ids and positions agree, roughly."""
    return 100 + trade_id * 7


def runs_of(told: list[int]) -> list[Run]:
    return [Run(one, one, place(one), place(one)) for one in told]


@given(ids, st.randoms(use_true_random=False))
def test_runs_join_to_the_fewest_in_whatever_order(told: set[int], dice: Random) -> None:
    shuffled = list(told)
    dice.shuffle(shuffled)
    found = list(joined(runs_of(shuffled)))
    assert [Span(run.first, run.last + 1) for run in found] == list(Coverage.of_ids(told))
    for run in found:
        assert (run.first_at, run.last_at) == (place(run.first), place(run.last))


@given(ids, st.sets(st.integers(0, 40), max_size=10))
def test_every_id_between_the_first_and_the_last_is_told_refused_or_missing(
    told: set[int], refused: set[int]
) -> None:
    said = numbered(runs_of(list(told)), EVERYWHERE, Coverage.of_ids(refused))
    missing = points(Coverage.of(hole.ids for hole in said.holes))
    assert missing == set(range(min(told), max(told) + 1)) - told - refused
    assert not said.twice
    for hole in said.holes:
        below = max(one for one in told if one < hole.ids.start)
        above = min(one for one in told if one >= hole.ids.stop)
        assert hole.span == Span(place(below), place(above) + 1)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30))
def test_ids_that_stand_twice_are_named(told: list[int]) -> None:
    said = numbered(runs_of(told), EVERYWHERE, Coverage())
    twice = {one for one in told if told.count(one) > 1}
    assert points(Coverage.of(one.ids for one in said.twice)) == twice


def test_a_hole_counts_only_where_everything_between_its_neighbours_is_covered() -> None:
    runs = [Run(1, 4, 10, 40), Run(8, 9, 80, 90)]
    hole = IdHole(Span(5, 8), Span(40, 81))
    assert numbered(runs, Coverage((Span(40, 81),)), Coverage()).holes == (hole,)
    for lacking in (Span(40, 41), Span(60, 61), Span(80, 81)):
        covered = Coverage((Span(0, 100),)) - Coverage((lacking,))
        assert not numbered(runs, covered, Coverage()).holes


def test_neighbours_may_stand_in_the_other_order() -> None:
    said = numbered([Run(1, 4, 10, 70), Run(6, 9, 60, 90)], EVERYWHERE, Coverage())
    assert said.holes == (IdHole(Span(5, 6), Span(60, 71)),)


@given(st.lists(ids, max_size=5))
def test_tallies_add_up_however_they_are_cut(told: list[set[int]]) -> None:
    total = Tally()
    every: list[int] = []
    for some in told:
        every += some
        total.add(Tally(len(some), Span(min(some), max(some) + 1), tuple(runs_of(list(some)))))
    assert total.count == len(every)
    assert total.ids == (Span(min(every), max(every) + 1) if every else None)
    assert points(Coverage.of(Span(r.first, r.last + 1) for r in total.runs)) == set(every)


def test_too_many_holes_are_told_and_not_kept() -> None:
    runs = tuple(Run(n, n, n, n) for n in range(0, 2 * MOST_RUNS + 2, 2))
    total = Tally()
    total.add(Tally(len(runs), Span(0, 2 * MOST_RUNS + 1), runs))
    assert total.crowded
    assert not total.runs
