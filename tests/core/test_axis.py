"""Positions of three kinds: what a step, a cell and a text of each is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.core.axis import AXES, IDS, SECOND, SPARSE_IDS, TIME, Axis
from schemahub.core.span import Span

axes = st.sampled_from(list(AXES.values()))


@pytest.mark.parametrize("axis", AXES.values(), ids=AXES)
def test_cells_are_multiples_of_each_other_and_of_the_step(axis: Axis) -> None:
    large, middle, small = axis.cells
    assert large % middle == middle % small == small % axis.step == 0


@given(axes, st.integers(0, 2**60), st.integers(1, 2**40))
def test_a_span_is_widened_to_the_steps_around_it_and_no_farther(
    axis: Axis, start: int, length: int
) -> None:
    span = Span(start, start + length)
    wide = axis.widened(span)
    assert wide.covers(span)
    assert wide.start % axis.step == wide.stop % axis.step == 0
    assert span.start - wide.start < axis.step > wide.stop - span.stop


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_time_is_told_as_one_that_reads_back(moment: datetime) -> None:
    position = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)
    text = TIME.at(position)
    assert text.endswith("Z")
    assert datetime.fromisoformat(text) == moment
    assert SPARSE_IDS.at(position) == str(position)


def test_spans_are_told_with_what_their_positions_are() -> None:
    noon = int(datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp()) * SECOND
    span = Span(noon, noon + 1)
    assert TIME.between(span) == "times [2024-05-01T12:00:00Z, 2024-05-01T12:00:00.000001Z)"
    assert IDS.between(Span(1, 4)) == "ids [1, 4)"
    assert TIME.at(2**62) == str(2**62)  # a year that no calendar of ours has


def test_rows_are_positions_on_a_dense_axis_and_a_guess_elsewhere() -> None:
    assert IDS.rows(7) == 7
    assert TIME.rows(3600 * SECOND) == 3600
    assert SPARSE_IDS.rows(1) == 1
