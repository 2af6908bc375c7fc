"""Planning and verifying grow with the number of holes, not with its square."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.core.layout import RawName
from schemahub.core.ledger import Ledger
from schemahub.core.span import Coverage, Span
from schemahub.pipelines.build import PartTask
from tests.core.strategies import coverages, spans
from tests.pipelines.raw_lake import BTC, RawLake, small_cells

__all__ = ["small_cells"]

FEW, MANY = 5_000, 50_000


def holed(count: int) -> tuple[RawLake, list[Span]]:
    """A market of so many objects of one trade, with a hole after each: names alone."""
    lake = RawLake()
    spans = [Span(n, n + 1) for n in range(0, 2 * count, 2)]
    prefix = "raw_coinbase_trades/BTC-USD/"
    for span in spans:
        lake.store.put(prefix + RawName(span).filename, b"")
    return lake, spans


def steps(work: Callable[[], object]) -> int:
    """Function calls that it takes, Python's own and those of C: no clock."""
    count = 0

    def step(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        del frame, arg
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(step)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def test_what_overlaps_a_span_is_found_without_looking_at_the_rest() -> None:
    spans = [Span(n, n + 1) for n in range(0, 2 * MANY, 2)]
    ledger = Ledger(objects=tuple(map(RawName, spans)), held=Coverage(tuple(spans)))
    ledger.overlapping(Span(0, 1))  # once, to know how far each object reaches
    assert steps(lambda: ledger.overlapping(Span(MANY, MANY + 10))) < 200
    assert ledger.overlapping(Span(MANY, MANY + 4)) == tuple(
        RawName(Span(n, n + 1)) for n in (MANY, MANY + 2)
    )


def test_an_object_that_reaches_far_is_found_behind_shorter_ones() -> None:
    names = tuple(map(RawName, [Span(0, 100), Span(10, 11), Span(20, 21), Span(90, 95)]))
    ledger = Ledger(objects=names, held=Coverage((Span(0, 100),)))
    assert ledger.overlapping(Span(50, 60)) == names[:1]
    assert ledger.overlapping(Span(20, 91)) == (names[0], names[2], names[3])
    assert ledger.overlapping(Span(100, 200)) == ()


def test_an_object_that_reaches_over_all_others_costs_each_part_one_more(
    small_cells: None,
) -> None:
    def planned(count: int) -> int:
        lake, largest = RawLake(), 64
        spans = [Span(n, n + largest) for n in range(0, count * largest, largest)]
        for span in [Span(0, count * largest), *spans]:
            lake.store.put(f"raw_coinbase_trades/BTC-USD/{RawName(span).filename}", b"")
        tasks: list[PartTask] = []
        taken = steps(lambda: tasks.extend(lake.pipeline().plan([BTC], {"coinbase": 1})))
        assert [task.span for task in tasks] == spans
        assert all(len(task.raws) == 2 for task in tasks[1:])
        return taken

    assert planned(2_000) < 15 * planned(200)


@given(st.lists(spans(), max_size=12), coverages())
def test_one_pass_over_the_objects_finds_what_each_span_alone_finds(
    objects: list[Span], wanted: Coverage
) -> None:
    ledger = Ledger.of(map(RawName, objects))
    alone = [(span, ledger.overlapping(span)) for span in wanted]
    assert list(ledger.sweep(wanted)) == alone


@pytest.mark.heavy
def test_fifty_thousand_holes_are_planned_in_as_many_steps() -> None:
    def planned(count: int) -> int:
        lake, spans = holed(count)
        tasks: list[PartTask] = []
        taken = steps(lambda: tasks.extend(lake.pipeline().plan([BTC], {"coinbase": 1})))
        assert [task.span for task in tasks] == spans
        assert all(len(task.raws) == 1 for task in tasks)
        return taken

    assert planned(MANY) < 15 * planned(FEW)


@pytest.mark.heavy
def test_fifty_thousand_parts_are_looked_at_in_as_many_steps() -> None:
    def compared(count: int) -> int:
        lake, spans = holed(count)
        for span in spans:
            name = f"{span.stop:020}-{1:020}.parquet"
            lake.store.put(f"unified_trades/v1/exchange=coinbase/symbol=BTC-USD/{name}", b"")
        lake.store.put("unified_trades/v1/exchange=coinbase/PLAN", lake.spec.shape().encode())
        return steps(lambda: lake.verifier().market(BTC, deep=False))

    assert compared(MANY) < 15 * compared(FEW)
