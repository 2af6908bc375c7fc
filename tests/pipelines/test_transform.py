"""Transform: from whatever raw holds, seen however, to each row once, as raw tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.core import parts
from schemahub.core.axis import AXES, IDS
from schemahub.core.layout import part_key, quarantine_prefix
from schemahub.core.span import Coverage, Span
from schemahub.pipelines.build import PartTask
from tests.pipelines.raw_lake import AT, BTC, ETH, RawLake, expected, small_cells, truth, wire
from tests.pipelines.stores import Torn

pytestmark = pytest.mark.usefixtures("small_cells")
__all__ = ["small_cells"]


def lake_of(*spans: tuple[int, int]) -> RawLake:
    lake = RawLake()
    for start, stop in spans:
        lake.put(start, stop)
    return lake


def test_every_increment_is_shown_at_once_and_each_row_once() -> None:
    lake = RawLake()
    for start in range(1, 400, 19):
        lake.put(start, start + 19)
        lake.transformed()
        assert lake.shown() == truth(1, start + 19)
    assert lake.verify().status == "proven"


def test_parts_are_the_largest_aligned_cells_that_raw_holds_whole() -> None:
    lake = lake_of((1, 200))
    lake.transformed()
    assert [str(part) for part in sorted(lake.parts())] == [
        "[1, 4)", "[4, 8)", "[8, 12)", "[12, 16)", "[16, 32)", "[32, 48)", "[48, 64)",
        "[64, 128)", "[128, 192)", "[192, 196)", "[196, 200)",
    ]  # fmt: skip


def test_a_second_transform_writes_nothing() -> None:
    lake = lake_of((1, 100), (150, 170))
    lake.transformed()
    before = {entry.key: lake.store.read(entry.key) for entry in lake.store.list("")}
    assert lake.transformed().parts == 0
    assert {entry.key: lake.store.read(entry.key) for entry in lake.store.list("")} == before


def test_who_sees_less_than_there_is_writes_nothing_into_parts_that_are_there() -> None:
    lake = lake_of(*((start, start + 8) for start in range(0, 200, 8)))
    lake.transformed()
    before = lake.parts()
    for seed in range(10):
        RawLake(store=Torn(lake.store, seed)).transform(markets=[BTC])
    assert lake.parts() == before


def test_the_same_raw_makes_the_same_bytes() -> None:
    one, other = lake_of((1, 100)), lake_of((1, 100))
    one.transformed()
    other.transformed()
    for part in one.parts():
        key = part_key(1, BTC, part)
        assert one.store.read(key) == other.store.read(key)


def test_a_superseder_takes_rows_as_they_are_and_adds_from_raw_what_they_lack() -> None:
    lake = lake_of((64, 74))
    lake.transformed()
    # The same trades told again later, in an object that is read first: only ingest_ts could
    # show whose rows are taken.
    later = AT + timedelta(hours=1)
    lake.put(62, 128, lake.answers(Span(62, 128), later))
    lake.transformed()
    assert Span(64, 128) in lake.parts()
    data = lake.store.read(part_key(1, BTC, Span(64, 128)))
    rows = lake.builder().table.decode(data, "it")
    told = {row["trade_id"]: row["ingest_ts"] for one in rows for row in one.table.to_pylist()}  # type: ignore[attr-defined]
    assert {n for n, at in told.items() if at == AT} == set(range(64, 74))
    assert {n for n, at in told.items() if at == later} == set(range(74, 128))
    assert lake.shown() == truth(62, 128)


def test_the_published_row_stays_when_the_source_changes_its_story() -> None:
    lake = lake_of((64, 74))
    lake.transformed()
    liar = [wire(n, price="1.25") if n == 70 else wire(n) for n in range(127, 69, -1)]
    lake.put(70, 128, [lake.answer(liar)])
    lake.transformed()
    assert lake.shown() == truth(64, 128)
    found = lake.verify()
    assert (found.status, [hole.span for hole in found.holes]) == ("conflict", [Span(70, 71)])
    # Both tellings stand in quarantine of the part that took the published row as it is.
    assert lake.quarantined(64, 128) == [70, 70]


def test_a_conflict_is_carried_from_part_to_part_once() -> None:
    lake = lake_of((64, 74))
    lake.transformed()
    liar = [wire(n, price="1.25") if n == 70 else wire(n) for n in range(79, 69, -1)]
    lake.put(70, 80, [lake.answer(liar)])
    lake.transformed()
    assert lake.quarantined(64, 80) == [70, 70]
    lake.put(80, 128)
    lake.transformed()
    assert lake.quarantined(64, 128) == [70, 70]
    assert lake.shown() == truth(64, 128)


def test_the_quarantine_of_superseded_parts_goes_into_the_superseder() -> None:
    lake = RawLake()
    rows = [wire(n, size="0") if n in {65, 71} else wire(n) for n in range(64, 74)]
    lake.put(64, 74, [lake.answer(rows)])
    first = lake.transformed()
    assert (first.rows, first.rejected) == (8, 2)
    more = [wire(n, side="?") if n == 100 else wire(n) for n in range(74, 128)]
    lake.put(74, 128, [lake.answer(more)])
    second = lake.transformed()
    assert (second.rows, second.rejected) == (61, 3)
    assert lake.quarantined(64, 128) == [65, 71, 100]
    assert lake.shown() == [expected(n) for n in range(64, 128) if n not in {65, 71, 100}]
    found = lake.verify()
    assert found.status == "quarantined"
    assert [hole.span.start for hole in found.holes] == [65, 71, 100]


@pytest.mark.parametrize(
    ("rows", "bad", "stops"),
    [(100, 5, False), (100, 6, True), (600, 6, False), (600, 7, True), (3, 3, False)],
)
def test_more_than_a_hundredth_and_more_than_five_bad_rows_stop_a_market(
    rows: int, bad: int, stops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(AXES, "ids", IDS)
    lake = RawLake()
    told = [wire(n, size="-1") if n < 1 + bad else wire(n) for n in range(1, rows + 1)]
    lake.put(1, rows + 1, [lake.answer(told)])
    other = RawLake(market=ETH, store=lake.store)
    other.put(1, 31)
    outcome = lake.transform()
    assert (outcome.state == "failed") == stops
    if stops:
        assert outcome.error is not None
        assert outcome.error.code == "SH-TOO-MANY-REJECTS"
        assert f"{bad} of {rows}" in outcome.error.what
        assert lake.shown() == []
        assert not list(lake.store.list(quarantine_prefix(BTC)))
        assert lake.verify().status == "missing"
    else:
        assert lake.shown() == truth(1 + bad, rows + 1)
    assert other.shown() == truth(1, 31, ETH)


def test_markets_with_names_that_begin_alike_do_not_mix() -> None:
    lake = lake_of((1, 30))
    longer = RawLake(market=type(BTC)("coinbase", "BTC-USDT"), store=lake.store)
    longer.put(20, 50)
    lake.transformed()
    assert lake.shown() == truth(1, 30)
    assert longer.shown() == truth(20, 50, longer.market)


@dataclass(frozen=True)
class Do:
    """A step of a history: raw lands, transform runs (with what it fails to see), a zombie."""

    what: str
    start: int
    length: int
    seed: int


steps = st.lists(
    st.builds(
        Do,
        st.sampled_from(["land", "land", "transform", "torn", "plan", "zombie"]),
        st.integers(0, 150),
        st.integers(1, 70),
        st.integers(0, 1000),
    ),
    max_size=14,
)


@settings(max_examples=60)
@given(steps)
def test_at_every_instant_each_row_is_shown_at_most_once_and_right_and_at_the_end_all(
    history: list[Do],
) -> None:
    lake = RawLake()
    held = Coverage()
    zombies: list[PartTask] = []
    for do in history:
        span = Span(do.start, do.start + do.length)
        if do.what == "land":
            if span not in [name.span for name in lake.lake.ledger(BTC).objects]:
                lake.put(span.start, span.stop)
            held = held.add(span)
        elif do.what == "plan":  # by a process that will sleep before it acts
            zombies += lake.pipeline().plan([BTC], {"coinbase": 1})
        elif do.what == "zombie" and zombies:
            lake.builder()(zombies.pop(do.seed % len(zombies)))
        elif do.what in {"transform", "torn"} and held:
            view = RawLake(store=Torn(lake.store, do.seed if do.what == "torn" else None))
            view.transform(markets=[BTC])
        shown = [row[2] for row in lake.shown()]
        assert len(shown) == len(set(shown))
        assert Coverage.of_ids(shown) - held == Coverage()
    lake.transform(markets=[BTC])
    assert lake.shown() == [expected(n) for span in held for n in range(span.start, span.stop)]
    # Crossing parts, left by torn listings, are united by then.
    live = parts.live(lake.parts())
    assert all(not one.overlaps(other) for one in live for other in live if one != other)


def test_crossing_parts_are_trimmed_by_readers_and_united_by_the_next_transform() -> None:
    lake = lake_of((64, 74))
    lake.transformed()
    # Of the cell [72, 76) one view saw [72, 74), another [73, 75).
    lake.put(74, 76)
    crossing = PartTask(
        BTC, lake.spec, 1, Span(73, 75), lake.lake.ledger(BTC).overlapping(Span(73, 75)), ()
    )
    lake.builder()(crossing)
    assert Span(72, 74) in lake.parts()
    assert Span(73, 75) in lake.parts()
    assert lake.shown() == truth(64, 75)
    assert lake.verify(deep=True).count == 11
    lake.transformed()
    assert lake.shown() == truth(64, 76)
    assert parts.live(lake.parts()) == [Span(64, 68), Span(68, 72), Span(72, 76)]
    assert lake.verify().status == "proven"
