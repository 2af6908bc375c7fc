"""Spans and coverages are sets of integers, only shorter to write."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.core.span import Coverage, Span, cut, cut_down
from tests.core.strategies import SMALL, coverages, is_normal, points, spans

positions = st.integers(0, SMALL + 2)


def ints(span: Span) -> set[int]:
    return set(range(span.start, span.stop))


# ---------------------------------------------------------------- span


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (5, 5), (5, 4), (-1, 3), (-2, -1)])
def test_a_span_is_never_empty_nor_negative(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="not a span"):
        Span(start, stop)


@given(spans(), positions)
def test_a_span_holds_its_start_and_not_its_stop(span: Span, position: int) -> None:
    assert (position in span) == (position in ints(span))
    assert len(span) == len(ints(span))
    assert str(span) == f"[{span.start}, {span.stop})"


@given(spans(), spans())
def test_two_spans_compare_as_sets(left: Span, right: Span) -> None:
    both = ints(left) & ints(right)
    clipped = left.clip(right)
    assert left.overlaps(right) == bool(both)
    assert left.covers(right) == (ints(left) >= ints(right))
    assert (set() if clipped is None else ints(clipped)) == both


@given(spans(10_000), st.integers(1, 700))
def test_a_cut_tiles_the_span_at_the_multiples(span: Span, size: int) -> None:
    pieces = list(cut(span, size))
    assert [position for piece in pieces for position in range(piece.start, piece.stop)] == list(
        range(span.start, span.stop)
    )
    assert all(piece.start // size == (piece.stop - 1) // size for piece in pieces)
    assert all(piece.stop % size == 0 for piece in pieces[:-1])
    assert list(cut_down(span, size)) == pieces[::-1]


@given(spans(3_000), spans(3_000), st.integers(1, 200))
def test_everybody_cuts_alike(left: Span, right: Span, size: int) -> None:
    """Pieces of two spans that lie whole in both are the same pieces."""
    both = left.clip(right)
    mine = {piece for piece in cut(left, size) if len(piece) == size}
    theirs = {piece for piece in cut(right, size) if len(piece) == size}
    inside = {piece for piece in mine | theirs if both is not None and both.covers(piece)}
    assert inside <= mine & theirs


# ---------------------------------------------------------------- coverage


@given(st.lists(spans(), max_size=10), st.randoms())
def test_a_coverage_is_the_union_in_whatever_order(parts: list[Span], dice: random.Random) -> None:
    made = Coverage.of(parts)
    assert points(made) == {position for part in parts for position in ints(part)}
    assert is_normal(made)
    dice.shuffle(parts)
    assert Coverage.of(parts + parts) == made


@given(st.lists(positions, max_size=40))
def test_a_coverage_of_ids_holds_these_ids(ids: list[int]) -> None:
    made = Coverage.of_ids(ids)
    assert points(made) == set(ids)
    assert is_normal(made)


@given(coverages(), coverages())
def test_coverages_add_subtract_and_intersect_as_sets(left: Coverage, right: Coverage) -> None:
    mine, theirs = points(left), points(right)
    for made, expected in (
        (left | right, mine | theirs),
        (left & right, mine & theirs),
        (left - right, mine - theirs),
    ):
        assert points(made) == expected
        assert is_normal(made)


@given(coverages(), spans())
def test_a_coverage_and_a_span_compare_as_sets(coverage: Coverage, span: Span) -> None:
    held = points(coverage)
    assert points(coverage.missing(span)) == ints(span) - held
    assert points(coverage.within(span)) == ints(span) & held
    assert points(coverage.add(span)) == ints(span) | held
    assert coverage.covers(span) == (ints(span) <= held)


@given(coverages())
def test_a_coverage_tells_its_size_bounds_and_members(coverage: Coverage) -> None:
    held = points(coverage)
    assert len(coverage) == len(held)
    assert bool(coverage) == bool(held)
    assert {n for n in range(SMALL + 2) if n in coverage} == held
    if held:
        assert (coverage.start, coverage.stop) == (min(held), max(held) + 1)
    assert list(coverage) == list(coverage.spans)


def test_every_coverage_of_seven_positions_with_every_span_and_every_other() -> None:
    """Nothing is left to chance at the edges."""
    universe = range(7)
    sets = [{n for n in universe if bits >> n & 1} for bits in range(1 << 7)]
    made = [(held, Coverage.of_ids(held)) for held in sets]
    every = [Span(start, stop) for stop in range(1, 9) for start in range(stop)]
    for held, coverage in made:
        for span in every:
            assert coverage.covers(span) == (ints(span) <= held)
            assert points(coverage.missing(span)) == ints(span) - held
            assert points(coverage.add(span)) == ints(span) | held
            assert coverage.within(span) == Coverage.of_ids(ints(span) & held)
            assert coverage.overlaps(span) == bool(ints(span) & held)
        for other, theirs in made:
            assert coverage - theirs == Coverage.of_ids(held - other)
            assert coverage & theirs == Coverage.of_ids(held & other)
            assert coverage | theirs == Coverage.of_ids(held | other)


def test_an_empty_coverage_has_no_bounds() -> None:
    with pytest.raises(ValueError, match="no bounds"):
        _ = Coverage().start
    with pytest.raises(ValueError, match="no bounds"):
        _ = Coverage().stop


@given(coverages(), positions)
def test_the_watermark_is_the_first_position_from_the_origin_on_that_is_not_held(
    coverage: Coverage, origin: int
) -> None:
    held = points(coverage)
    expected = origin
    while expected in held:
        expected += 1
    assert coverage.watermark(origin) == expected


@given(coverages(), coverages(), positions)
def test_the_watermark_never_falls_as_coverage_grows(
    coverage: Coverage, more: Coverage, origin: int
) -> None:
    assert (coverage | more).watermark(origin) >= coverage.watermark(origin)


@given(st.integers(2**62, 10**20 - 10), st.integers(1, 9))
def test_positions_may_have_twenty_digits(start: int, length: int) -> None:
    span = Span(start, start + length)
    assert points(Coverage((Span(0, 10**20 - 1),)) & Coverage((span,))) == ints(span)
    assert list(cut(span, 10**20)) == [span]


def test_spans_longer_than_any_list_are_merged() -> None:
    whole = Span(0, 1 << 63)
    assert Coverage.of([Span(5, 9), whole]).spans == (whole,)
