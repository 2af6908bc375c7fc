"""A certificate says proven only of what is, and is as bad as the worst of its spans."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from schemahub.core.proof import PASSING, STATUSES, Certificate, Hole, Status, certify
from schemahub.core.span import Coverage, Span
from tests.core.dialect import MARKET
from tests.core.strategies import SMALL, coverages, points, spans

holes = st.lists(
    st.builds(Hole, spans(), st.sampled_from(STATUSES[1:]), st.just("because")), max_size=5
)
SPAN = Span(1, 11)
WHOLE = Coverage((SPAN,))
RANK = {status: rank for rank, status in enumerate(STATUSES)}


def worst(*statuses: Status) -> Status:
    return max(statuses, key=RANK.__getitem__, default="proven")


def test_statuses_go_from_best_to_worst() -> None:
    assert STATUSES == (
        "proven", "absent_at_source", "unproven", "quarantined", "missing", "conflict",
    )  # fmt: skip
    assert {"proven", "absent_at_source", "unproven"} == PASSING


@given(spans(), coverages(), holes, st.integers(0, 3))
@example(SPAN, WHOLE - Coverage((Span(3, 4),)), [Hole(Span(3, 4), "absent_at_source", "")], 3)
def test_it_passes_only_if_every_position_is_a_row_once_or_excused(
    span: Span, rows: Coverage, why: list[Hole], duplicates: int
) -> None:
    made = certify(MARKET, span, rows & Coverage((span,)), why, duplicates)
    excused = points(Coverage.of(hole.span for hole in why if hole.status in PASSING))
    if made.passes:
        assert set(range(span.start, span.stop)) <= points(rows) | excused
        assert duplicates == 0
        assert all(hole.status in PASSING for hole in why)
    if made.status == "proven":
        assert made.first_id is not None
        assert made.last_id is not None
        assert made.count == made.last_id - made.first_id + 1 == len(span)


@given(spans(), coverages(), holes)
def test_every_position_is_a_row_or_explained(span: Span, rows: Coverage, why: list[Hole]) -> None:
    rows &= Coverage((span,))
    made = certify(MARKET, span, rows, why, 0)
    explained = points(Coverage.of(hole.span for hole in made.holes))
    assert set(range(span.start, span.stop)) <= points(rows) | explained
    assert made.status == worst(*(hole.status for hole in made.holes))
    assert set(why) <= set(made.holes)
    assert list(made.holes) == sorted(made.holes)
    # What nobody explains is missing, and only that.
    added = [hole for hole in made.holes if hole not in why]
    assert {hole.status for hole in added} <= {"missing"}
    known = points(rows) | points(Coverage.of(hole.span for hole in why))
    assert points(Coverage.of(hole.span for hole in added)) == {
        n for n in range(span.start, span.stop) if n not in known
    }


def test_a_whole_table_is_proven() -> None:
    assert certify(MARKET, SPAN, WHOLE, [], 0) == Certificate(
        MARKET, SPAN, 10, 1, 10, "proven", (), 0
    )


def test_a_row_that_is_there_twice_is_a_conflict() -> None:
    made = certify(MARKET, SPAN, WHOLE, [], 2)
    assert (made.status, made.count, made.duplicates) == ("conflict", 12, 2)
    assert not made.passes
    assert made.holes[0].span == SPAN


def test_a_market_without_anything_is_missing_and_not_proven() -> None:
    made = certify(MARKET, None, Coverage(), [], 0)
    assert (made.status, made.count, made.first_id, made.last_id) == ("missing", 0, None, None)
    assert not made.passes
    assert made.as_json()["span"] is None


def test_a_span_without_rows_is_missing() -> None:
    made = certify(MARKET, SPAN, Coverage(), [], 0)
    assert made.holes == (Hole(SPAN, "missing", "not held"),)
    assert not made.passes


def test_its_json_is_as_documented() -> None:
    rows = WHOLE - Coverage((Span(4, 6),))
    made = certify(MARKET, SPAN, rows, [Hole(Span(4, 5), "absent_at_source", "two runs")], 0)
    assert made.as_json() == {
        "market": "acme:BTC-USD",
        "axis": "ids",
        "provable": None,
        "span": [1, 11],
        "count": 8,
        "first_id": 1,
        "last_id": 10,
        "status": "missing",
        "holes": [
            {"span": [4, 5], "status": "absent_at_source", "reason": "two runs"},
            {"span": [5, 6], "status": "missing", "reason": "not held"},
        ],
        "duplicates": 0,
        "damaged": [],
    }


@given(st.integers(0, SMALL - 2), st.integers(1, 9))
def test_the_ids_are_the_first_and_last_that_are_rows(start: int, length: int) -> None:
    span = Span(start, start + length)
    made = certify(MARKET, Span(0, SMALL + 20), Coverage((span,)), [], 0)
    assert (made.first_id, made.last_id, made.count) == (start, start + length - 1, length)
