"""Any trades, on any axis, cut into raw in any way: the table is the trades, and verify sees."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise, starmap

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemahub.adapters.parquet import ArrowRows, ParquetTable
from schemahub.core.axis import SECOND, Kind
from schemahub.core.layout import part_key
from schemahub.core.span import Coverage, Span
from schemahub.core.spec import Provable
from schemahub.ports import Refused
from tests.pipelines.axis_lake import (
    NUMBERED,
    UNNUMBERED,
    AxisLake,
    Sold,
    seconds,
    small_axes,
    spec_of,
)

pytestmark = pytest.mark.usefixtures("small_axes")
__all__ = ["small_axes"]
AXES: list[tuple[Kind, Provable]] = [
    ("ids", NUMBERED), ("sparse_ids", UNNUMBERED), ("time", NUMBERED), ("time", UNNUMBERED),
]  # fmt: skip
STOP = 70
anything = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def markets(draw: st.DrawFn) -> tuple[AxisLake, Span]:
    """A market of some trades with crowded instants, and all that there is of its axis."""
    axis, provable = draw(st.sampled_from(AXES))
    near = st.sampled_from([0, 1, 999_999, 500_000])
    moments = sorted(
        second * SECOND + rest
        for second, rest in draw(st.lists(st.tuples(st.integers(0, STOP - 1), near), max_size=40))
    )
    if axis == "ids":
        moments = list(range(STOP))
    step = 1 if provable.by == "ids" else draw(st.integers(2, 3))
    first = 0 if axis != "time" else 1_000
    sold = [Sold(at, first + step * number) for number, at in enumerate(moments)]
    if axis == "sparse_ids":
        sold = [one for one in sold if one.trade_id < STOP]
    lake = AxisLake(spec=spec_of(axis, provable), sold=sold)
    whole = seconds(0, STOP) if axis == "time" else Span(0, STOP)
    lake.origin(whole.start)
    return lake, whole


@st.composite
def cuts(draw: st.DrawFn) -> list[Span]:
    """Spans that cover 0 to STOP, overlapping here and there, in any order."""
    bounds = sorted({0, STOP, *draw(st.lists(st.integers(1, STOP - 1), max_size=8))})
    spans = list(starmap(Span, pairwise(bounds)))
    for start, length in draw(
        st.lists(st.tuples(st.integers(0, STOP - 1), st.integers(1, 20)), max_size=3)
    ):
        spans.append(Span(start, min(STOP, start + length)))
    return list(dict.fromkeys(draw(st.permutations(spans))))


def placed(span: Span, whole: Span) -> Span:
    """A cut where it lies on the market's axis."""
    size = len(whole) // STOP
    return Span(whole.start + span.start * size, whole.start + span.stop * size)


def check_unique(lake: AxisLake) -> None:
    keys = [(row[6], row[2]) for row in lake.shown()]
    order = [key[::-1] if lake.spec.axis != "time" else key for key in keys]
    assert len(set(keys)) == len(keys)
    assert order == sorted(order)


@anything
@given(markets(), cuts(), st.lists(st.sampled_from(["transform", "compact", "nothing"])))
def test_the_table_is_the_trades_and_each_is_there_once_at_every_instant(
    market: tuple[AxisLake, Span], spans: list[Span], jobs: list[str]
) -> None:
    lake, whole = market
    for index, span in enumerate(spans):
        lake.tell(placed(span, whole), hours=index)
        job = jobs[index] if index < len(jobs) else "transform"
        if job == "transform":
            lake.transformed()
        elif job == "compact":
            lake.compact(timedelta(0))
        check_unique(lake)
        known = Coverage.of(placed(one, whole) for one in spans[: index + 1])
        if job == "transform":
            held = [one for one in lake.sold if lake.place(one) in known]
            assert lake.shown() == (lake.truth(held) if held else [])
    lake.transformed()
    lake.compact(timedelta(0))
    check_unique(lake)
    assert lake.shown() == (lake.truth() if lake.sold else [])
    made = lake.verify()
    assert made.count == len(lake.sold)
    proven = lake.spec.provable.by == "ids" and lake.sold
    assert made.status == ("proven" if proven else "unproven")


@anything
@given(markets(), cuts(), st.data())
def test_verify_finds_a_row_that_a_part_lacks_doubles_or_changes(
    market: tuple[AxisLake, Span], spans: list[Span], data: st.DataObject
) -> None:
    lake, whole = market
    if not lake.sold:
        return
    for span in spans:
        lake.tell(placed(span, whole))
    lake.transformed()
    victim = data.draw(st.sampled_from(list(lake.sold)))
    how = data.draw(st.sampled_from(["dropped", "changed", "added"]))
    (part,) = [
        piece.part
        for piece in lake.lake.slices(lake.market)
        if any(lake.place(victim) in span for span in piece.keep)
    ]
    sold = [one for one in lake.inside(part) if how != "dropped" or one != victim]
    if how == "changed":
        sold = [one.but(price="0.5") if one == victim else one for one in sold]
    if how == "added":
        if lake.spec.axis != "time":
            return  # there is no room for another id
        sold = sorted([*sold, replace(victim, trade_id=9_999)])
    _forge(lake, part, sold)
    report = lake.report()
    assert not report.certificate.passes
    assert report.bad_parts or report.disputes


@anything
@given(markets(), cuts(), st.data())
def test_a_trade_that_no_raw_tells_is_missed_where_ids_are_numbered(
    market: tuple[AxisLake, Span], spans: list[Span], data: st.DataObject
) -> None:
    lake, whole = market
    if lake.spec.axis != "time" or lake.spec.provable.by != "ids" or len(lake.sold) < 3:
        return
    ordered = sorted(lake.sold)
    index = data.draw(st.integers(1, len(ordered) - 2))
    lost = ordered[index]
    lake.sold = [one for one in lake.sold if one != lost]
    for span in spans:
        lake.tell(placed(span, whole))
    lake.transformed()
    report = lake.report()
    (hole,) = report.certificate.holes
    assert hole.status == "missing"
    assert f"id {lost.trade_id} is missing" in hole.reason
    assert hole.span.start <= lost.moment < hole.span.stop
    assert report.suspect == Coverage((hole.span,))
    assert hole.span.start % SECOND == hole.span.stop % SECOND == 0


def _forge(lake: AxisLake, part: Span, sold: list[Sold]) -> None:
    """A part of that name with these rows, sound by its own word."""
    told = AxisLake(spec=lake.spec, sold=sold)
    told.tell(part, sold)
    builder = told.builder()
    source = told.lake.raw(told.market, told.lake.ledger(told.market).objects[0])
    mapped = builder.raw.mapper.map([source], part, told.market, told.spec)
    assert isinstance(mapped.rows, ArrowRows)
    made = ParquetTable().encode(
        [mapped.rows], lake.market, part, lake.spec.line, lake.spec.shape(), Refused
    )
    lake.store.put(part_key(1, lake.market, part), made.data)
