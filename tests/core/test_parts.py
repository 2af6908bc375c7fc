"""Parts of a table are nested or disjoint, whoever made them, from however old a view."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemahub.core import parts
from schemahub.core.axis import IDS
from schemahub.core.parts import (
    Slice,
    any_contains,
    live,
    reading,
    reusable,
    superseded,
    to_write,
)
from schemahub.core.span import Coverage, Span
from tests.core.strategies import coverages, points, spans

CELLS = IDS.cells
LARGE, MIDDLE, SMALL = CELLS


def bounds() -> st.SearchStrategy[int]:
    """Positions near the edges of cells of every size, and anywhere."""
    near = st.builds(
        lambda cell, number, off: max(0, cell * number + off),
        st.sampled_from(CELLS), st.integers(0, 17), st.integers(-3, 3),
    )  # fmt: skip
    return st.one_of(near, st.integers(0, 2 * LARGE))


@st.composite
def wide_spans(draw: st.DrawFn) -> Span:
    one, other = draw(bounds()), draw(bounds())
    return Span(min(one, other), max(one, other) + 1)


wide_coverages = st.lists(wide_spans(), max_size=4).map(Coverage.of)


def nested_or_disjoint(left: Span, right: Span) -> bool:
    return not left.overlaps(right) or left.covers(right) or right.covers(left)


def strictly_inside(inner: Span, outer: Span) -> bool:
    return inner != outer and outer.covers(inner)


# ---------------------------------------------------------------- which parts there should be


@given(wide_coverages)
def test_the_parts_of_a_coverage_tile_it(held: Coverage) -> None:
    wanted = parts.wanted(held, CELLS)
    assert Coverage.of(wanted) == held
    assert wanted == sorted(wanted)
    assert all(left.stop <= right.start for left, right in pairwise(wanted))


@given(wide_coverages)
def test_a_part_is_the_largest_cell_held_whole_else_a_held_piece_of_a_smallest_cell(
    held: Coverage,
) -> None:
    for part in parts.wanted(held, CELLS):
        cells = [Span(part.start // size * size, (part.start // size + 1) * size) for size in CELLS]
        whole = [cell for cell in cells if held.covers(cell)]
        if whole:
            assert part == whole[0]
        else:
            piece = held.within(cells[-1])
            assert part in piece.spans


def test_cells_are_those_of_the_protocol() -> None:
    assert CELLS == (2**22, 2**18, 2**14)
    held = Coverage((Span(0, LARGE + MIDDLE + SMALL + 5),))
    assert parts.wanted(held, CELLS) == [
        Span(0, LARGE),
        Span(LARGE, LARGE + MIDDLE),
        Span(LARGE + MIDDLE, LARGE + MIDDLE + SMALL),
        Span(LARGE + MIDDLE + SMALL, LARGE + MIDDLE + SMALL + 5),
    ]


@settings(max_examples=80)
@given(st.lists(wide_spans(), min_size=1, max_size=5), st.data())
def test_parts_from_any_stale_view_and_from_now_are_nested_or_disjoint(
    names: list[Span], data: st.DataObject
) -> None:
    """A stale view of growing raw is a subset of its names, in the order they came."""
    early = data.draw(st.integers(0, len(names)))
    late = data.draw(st.integers(early, len(names)))
    then, now = Coverage.of(names[:early]), Coverage.of(names[:late])
    for old in parts.wanted(then, CELLS):
        assert all(nested_or_disjoint(old, new) for new in parts.wanted(now, CELLS))
        assert any(new.covers(old) for new in parts.wanted(now, CELLS))


@settings(max_examples=50)
@given(st.lists(wide_spans(), min_size=1, max_size=6), st.lists(st.integers(0, 6), max_size=6))
def test_whatever_writers_with_old_views_do_the_live_parts_are_disjoint_and_lose_nothing(
    names: list[Span], views: list[int]
) -> None:
    existing: list[Span] = []
    shown: set[Span] = set()
    for view in views:
        held = Coverage.of(names[:view])
        existing += to_write(held, existing, CELLS)
        before, shown = shown, set(live(existing))
        assert Coverage.of(live(existing)) == Coverage.of(existing)
        # What was shown once stays, as it was or inside something larger.
        assert all(any(part.covers(old) for part in shown) for old in before)
        ordered = live(existing)
        assert all(one.stop <= two.start for one, two in pairwise(ordered))
    assert Coverage.of(existing) == Coverage.of(names[: max(views, default=0)])


@given(wide_coverages)
def test_a_quiet_transform_writes_nothing(held: Coverage) -> None:
    assert to_write(held, [], CELLS) == parts.wanted(held, CELLS)
    assert to_write(held, parts.wanted(held, CELLS), CELLS) == []
    assert to_write(held, [Span(0, 2 * LARGE * 21)], CELLS) == []


@given(coverages(), st.lists(spans(), max_size=8))
def test_a_part_is_written_unless_one_part_contains_it(held: Coverage, there: list[Span]) -> None:
    """Two parts that hold it together are not enough: neither superseds it."""
    expected = [p for p in parts.wanted(held, CELLS) if not any(one.covers(p) for one in there)]
    assert to_write(held, there, CELLS) == expected


# ---------------------------------------------------------------- which parts count


@given(st.lists(spans(), max_size=10))
def test_live_is_every_part_but_those_strictly_inside_one_other(there: list[Span]) -> None:
    expected = {p for p in there if not any(strictly_inside(p, other) for other in there)}
    assert set(live(there)) == expected
    assert live(there) == sorted(expected)
    assert set(superseded(there)) == set(there) - expected


@given(st.lists(spans(), max_size=10))
def test_a_union_supersedes_nothing(there: list[Span]) -> None:
    """Only one part that holds it whole does, else both could be taken for superseded."""
    for gone in superseded(there):
        assert any(strictly_inside(gone, other) for other in live(there))


@given(st.lists(spans(), max_size=10))
def test_parts_are_deleted_in_ascending_order(there: list[Span]) -> None:
    order = [(part.stop, len(part)) for part in superseded(there)]
    assert order == sorted(order)


@given(st.lists(spans(), max_size=10), spans())
def test_one_live_part_contains_a_span_or_none_does(there: list[Span], span: Span) -> None:
    assert any_contains(live(there), span) == any(part.covers(span) for part in there)


# ---------------------------------------------------------------- what is read


versions = st.dictionaries(st.integers(1, 3), st.lists(spans(), max_size=6), max_size=3)


@given(versions)
def test_a_reader_reads_every_position_once_and_the_highest_version_wins(
    there: dict[int, list[Span]],
) -> None:
    read: dict[int, int] = {}
    for piece in reading(there):
        assert piece.part in there[piece.version]
        for keep in piece.keep:
            assert piece.part.covers(keep)
            for position in range(keep.start, keep.stop):
                assert position not in read
                read[position] = piece.version
    expected = {
        position: version
        for version in sorted(there)
        for part in there[version]
        for position in range(part.start, part.stop)
    }
    assert read == expected


@given(versions)
def test_a_reader_reads_by_position_and_never_a_superseded_part(
    there: dict[int, list[Span]],
) -> None:
    slices = reading(there)
    starts = [piece.keep[0].start for piece in slices]
    assert starts == sorted(starts)
    assert all(piece.part in live(there[piece.version]) for piece in slices)
    assert all(piece.keep for piece in slices)


@given(versions)
def test_a_slice_is_whole_if_all_of_its_part_counts(there: dict[int, list[Span]]) -> None:
    for piece in reading(there):
        kept = points(Coverage.of(piece.keep))
        assert piece.whole == (kept == points(Coverage((piece.part,))))


def test_of_crossing_parts_the_later_is_trimmed() -> None:
    assert reading({1: [Span(10, 30), Span(0, 20)]}) == [
        Slice(1, Span(0, 20), (Span(0, 20),)),
        Slice(1, Span(10, 30), (Span(20, 30),)),
    ]


def test_an_older_version_fills_what_the_newer_lacks() -> None:
    assert reading({1: [Span(0, 40)], 2: [Span(10, 20)]}) == [
        Slice(1, Span(0, 40), (Span(0, 10), Span(20, 40))),
        Slice(2, Span(10, 20), (Span(10, 20),)),
    ]


@given(spans(), st.lists(spans(), max_size=10))
def test_a_superseder_reuses_disjoint_parts_strictly_inside_it(
    span: Span, there: list[Span]
) -> None:
    used = reusable(span, sorted(there))
    assert all(part in there and strictly_inside(part, span) for part in used)
    assert all(left.stop <= right.start for left, right in pairwise(used))


@given(wide_spans(), st.integers(0, 10))
def test_a_superseder_reuses_all_that_was_written_within_it(names: Span, cuts: int) -> None:
    """Where no listing was torn, no row inside is mapped again."""
    held = Coverage((names,))
    assume(len(names) >= SMALL)
    span = parts.wanted(held, CELLS)[0]
    edges = [span.start + (span.stop - span.start) * n // (cuts + 1) for n in range(cuts + 2)]
    there = [Span(a, b) for a, b in pairwise(edges) if a < b]
    there = [part for part in there if part != span]
    assert reusable(span, there) == there


@pytest.mark.parametrize("there", [[], [Span(0, 10)], [Span(0, 20)], [Span(20, 30)]])
def test_nothing_outside_a_part_is_reused_for_it(there: list[Span]) -> None:
    assert reusable(Span(5, 15), there) == []


@given(st.lists(spans(), max_size=12))
def test_compaction_writes_whole_cells_that_parts_cover_and_none_contains(
    existing: list[Span],
) -> None:
    cells = (16, 8, 4)
    found = parts.to_compact(existing, cells)
    assert all(parts.is_cell(cell, cells) for cell in found)
    covered = Coverage.of(existing)
    for cell in found:
        assert covered.covers(cell)
        assert not any(part.covers(cell) for part in existing)
        # Of parts that cross, one is not read whole.
        assert Coverage.of(reusable(cell, existing)).covers(cell)
    # No largest cell is left out that could be made.
    for start in range(0, covered.stop if covered else 0, 16):
        cell = Span(start, start + 16)
        made_up = Coverage.of(reusable(cell, existing)).covers(cell)
        if made_up and not any(part.covers(cell) for part in existing):
            assert cell in found


@given(st.lists(spans(), max_size=12), spans())
def test_the_container_of_a_part_holds_it_if_any_live_one_does(
    existing: list[Span], part: Span
) -> None:
    there = live(existing)
    found = parts.container(there, part)
    holding = [one for one in there if one.covers(part)]
    assert (found in holding) if holding else found is None


def test_a_cell_is_as_long_as_one_and_aligned_as_one() -> None:
    assert parts.is_cell(Span(SMALL, 2 * SMALL), CELLS)
    assert not parts.is_cell(Span(SMALL - 1, 2 * SMALL - 1), CELLS)
    assert not parts.is_cell(Span(0, 3), CELLS)
