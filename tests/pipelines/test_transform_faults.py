"""Transform among crashes, races, vanishing and corrupt objects."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from schemahub.adapters.clock import Stop
from schemahub.adapters.store_local import LocalStore
from schemahub.adapters.tasks import Processes
from schemahub.core import parts
from schemahub.core.errors import Interrupted
from schemahub.core.layout import (
    Market,
    RawName,
    part_key,
    quarantine_prefix,
    raw_key,
    raw_prefix,
)
from schemahub.core.span import Coverage, Span
from schemahub.pipelines import transform
from schemahub.pipelines.transform import Transform
from schemahub.ports import NoMetrics
from tests.pipelines.raw_lake import BTC, ETH, RawLake, expected, small_cells, truth, wire
from tests.pipelines.stores import Killed, Meddled, Mortal, Torn, Vanishing

pytestmark = pytest.mark.usefixtures("small_cells")
__all__ = ["small_cells"]

BAD = {67, 90, 130}


def lake_with_bad_rows(start: int = 60, stop: int = 140) -> RawLake:
    lake = RawLake()
    rows = [wire(n, price="free") if n in BAD else wire(n) for n in range(start, stop)]
    lake.put(start, stop, [lake.answer(rows)])
    return lake


def shown_of(start: int, stop: int) -> list[object]:
    return [expected(n) for n in range(start, stop) if n not in BAD]


# ---------------------------------------------------------------- crashes


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 13))
def test_a_kill_at_any_write_costs_nothing(at: int, after: bool) -> None:
    lake = lake_with_bad_rows()
    try:
        RawLake(store=Mortal(lake.store, at, after=after)).transform()
    except Killed:
        seen = lake.shown()
        assert seen == [row for row in shown_of(60, 140) if row in seen]
    lake.transformed()
    assert lake.shown() == shown_of(60, 140)
    assert [hole.span.start for hole in lake.verify().holes] == sorted(BAD)
    assert lake.report().bad_parts == ()


def test_a_kill_between_quarantine_and_part_and_then_better_raw_leaves_no_trace() -> None:
    lake = lake_with_bad_rows()
    # Writes: PLAN, then parts by position, bars after each; [64, 128) is the second part, its
    # quarantine first.
    with pytest.raises(Killed):
        RawLake(store=Mortal(lake.store, 5, after=False)).transform()
    assert [entry.key[-14:] for entry in lake.store.list(quarantine_prefix(BTC))]
    assert Span(64, 128) not in lake.parts()
    # The raw object turns out corrupt, is marked and fetched again; now its rows are good.
    marker = raw_prefix(BTC) + RawName(Span(60, 140)).bad_marker
    lake.store.create(marker, b"")
    lake.put(60, 140, revision=1)
    lake.transformed()
    assert lake.shown() == truth(60, 140)
    found = lake.report()
    assert (found.certificate.status, found.bad_parts) == ("proven", ())


# ---------------------------------------------------------------- races


def test_two_transforms_at_once_leave_what_one_leaves() -> None:
    alone = lake_with_bad_rows()
    alone.transformed()
    lake = lake_with_bad_rows()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            RawLake(store=lake.store).transformed()
        except BaseException as error:  # noqa: BLE001  (told by the main thread)
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    objects = [(entry.key, lake.store.read(entry.key)) for entry in lake.store.list("")]
    assert objects == [(entry.key, alone.store.read(entry.key)) for entry in alone.store.list("")]


def test_a_loser_of_a_race_counts_no_rows() -> None:
    lake = RawLake()
    lake.put(1, 20)
    tasks = lake.pipeline().plan([BTC], {"coinbase": 1})
    lake.transformed()
    built = [lake.builder()(task) for task in tasks]
    assert not any(one.written for one in built)


def test_an_object_that_vanishes_between_listing_and_reading_makes_a_new_plan() -> None:
    lake = RawLake()
    lake.put(64, 74)
    lake.transformed()
    lake.put(74, 128)
    gone = part_key(1, BTC, Span(68, 72))
    view = RawLake(store=Vanishing(lake.store, gone))
    assert view.transform().state == "complete"
    assert lake.shown() == truth(64, 128)
    assert lake.verify().status == "proven"


# ---------------------------------------------------------------- corrupt raw


def corrupt(lake: RawLake, key: str, how: Callable[[bytes], bytes]) -> None:
    lake.store.put(key, how(lake.store.read(key)))


HARM: dict[str, Callable[[bytes], bytes]] = {
    "a byte flipped": lambda data: data[:50] + bytes([data[50] ^ 1]) + data[51:],
    "truncated": lambda data: data[:-7],
    "emptied": lambda data: b"",
    "not zstd": lambda data: b"{}",
    "zeros": lambda data: bytes(len(data)),
}
UNREAD: dict[str, Callable[[bytes], bytes]] = {
    "another market": lambda data: RawLake(market=ETH).packed(
        RawLake(market=ETH).answers(Span(100, 150))
    ),
    "other ids": lambda data: RawLake().packed(RawLake().answers(Span(200, 250))),
    "one id short": lambda data: RawLake().packed(RawLake().answers(Span(101, 150))),
    "one id short inside": lambda data: RawLake().packed(
        [*RawLake().answers(Span(100, 120)), *RawLake().answers(Span(121, 150))]
    ),
    "an error page": lambda data: RawLake().packed([RawLake().answer([])]),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
def test_corrupt_raw_is_marked_and_the_rest_goes_on(harm: Callable[[bytes], bytes]) -> None:
    lake = RawLake()
    lake.origin(50)
    lake.put(50, 100)
    key = lake.put(100, 150)
    lake.put(150, 200)
    other = RawLake(market=ETH, store=lake.store)
    other.put(1, 20)
    corrupt(lake, key, harm)
    outcome = lake.transform()
    assert (outcome.state, outcome.error) == ("partial", None)
    assert key in outcome.notes[0]
    assert lake.lake.ledger(BTC).held == Coverage((Span(50, 100), Span(150, 200)))
    # Rows of the corrupt object that were in a part before it was found may show; all are right.
    shown = lake.shown()
    assert [row for row in truth(50, 200) if row in shown] == shown
    assert [row for row in shown if not 100 <= row[2] < 150] == truth(50, 100) + truth(150, 200)
    assert other.shown() == truth(1, 20, ETH)
    found = lake.verify()
    assert Coverage.of(hole.span for hole in found.holes) == Coverage((Span(100, 150),))
    assert {hole.status for hole in found.holes} == {"missing"}

    # The refetch has a name of its own, and then all is whole.
    again = lake.lake.ledger(BTC).name_for(Span(100, 150))
    assert raw_key(BTC, again).endswith("100-00000000000000000150.r1.jsonl.zst")
    lake.put(100, 150, revision=again.revision)
    lake.transformed()
    assert lake.shown() == truth(50, 200)
    assert lake.verify().status == "proven"


@pytest.mark.parametrize("harm", UNREAD.values(), ids=UNREAD.keys())
def test_raw_of_sound_bytes_that_does_not_hold_what_its_name_says_is_told_and_left(
    harm: Callable[[bytes], bytes],
) -> None:
    # The spec may be what is wrong: transform sets nothing aside for that, repair decides.
    lake = RawLake()
    lake.origin(50)
    lake.put(50, 100)
    key = lake.put(100, 150)
    lake.put(150, 200)
    corrupt(lake, key, harm)
    outcome = lake.transform()
    assert (outcome.state, outcome.error) == ("partial", None)
    assert key in outcome.notes[0]
    assert not lake.lake.ledger(BTC).bad
    # Of the object itself cells may show that it does hold; all is right, and the rest is there.
    shown = lake.shown()
    assert [row for row in truth(50, 200) if row in shown] == shown
    assert [row for row in shown if not 100 <= row[2] < 150] == truth(50, 100) + truth(150, 200)
    assert not lake.verify().passes
    assert (lake.report().bad_raw, lake.report().stray_raw) == ((), (key,))


def test_corrupt_raw_that_other_objects_hold_as_well_costs_nothing() -> None:
    lake = RawLake()
    key = lake.put(100, 150)
    lake.put(90, 160)
    corrupt(lake, key, HARM["truncated"])
    assert lake.transform().state == "partial"
    assert lake.shown() == truth(90, 160)


@pytest.mark.parametrize(
    "harm", [lambda data: b"", lambda data: data[:-9], lambda data: b"PAR1" + data[4:][::-1]]
)
def test_a_corrupt_part_is_not_built_upon_nor_does_it_stop_a_market(
    harm: Callable[[bytes], bytes],
) -> None:
    lake = RawLake()
    lake.put(64, 74)
    lake.transformed()
    corrupt(lake, part_key(1, BTC, Span(68, 72)), harm)
    lake.put(74, 128)
    outcome = lake.transform()
    assert outcome.error is None
    assert lake.shown() == truth(64, 128)
    assert lake.verify().status == "proven"


@pytest.mark.parametrize("foreign", [ETH, Market("coinbase", "LTC-USD"), BTC])
def test_a_part_that_is_not_what_its_name_says_is_not_built_upon(foreign: Market) -> None:
    lake = RawLake()
    lake.put(64, 74)
    lake.transformed()
    other = RawLake(market=foreign)
    other.put(60, 63) if foreign == BTC else other.put(65, 79)
    other.transformed()
    wrong = Span(68, 72) if foreign != BTC else Span(60, 63)
    data = other.store.read(part_key(1, foreign, wrong))
    lake.store.put(part_key(1, BTC, Span(68, 72)), data)
    lake.put(74, 128)
    lake.transform()
    assert parts.live(lake.parts()) == [Span(64, 128)]
    assert lake.shown() == truth(64, 128)
    assert lake.verify().status == "proven"


def test_a_lost_quarantine_file_does_not_stop_a_market() -> None:
    lake = RawLake()
    rows = [wire(n, size="0") if n == 69 else wire(n) for n in range(64, 74)]
    lake.put(64, 74, [lake.answer(rows)])
    lake.transformed()
    for entry in list(lake.store.list(quarantine_prefix(BTC))):
        lake.store.delete(entry.key)
    lake.put(74, 128)
    outcome = lake.transform()
    assert outcome.error is None
    assert lake.quarantined(64, 128) == [69]


def test_a_torn_listing_hides_rows_for_a_while_and_never_for_good() -> None:
    lake = RawLake()
    for start in range(0, 200, 5):
        lake.put(start, start + 5)
    for seed in range(12):
        RawLake(store=Torn(lake.store, seed)).transform(markets=[BTC])
        ids = [row[2] for row in lake.shown()]
        assert len(ids) == len(set(ids))
    lake.transformed()
    assert lake.shown() == truth(0, 200)
    assert lake.verify().status == "proven"


# ---------------------------------------------------------------- processes and signals


@pytest.mark.heavy  # each process compiles pyarrow's modules anew where no bytecode is kept
def test_in_processes_it_makes_the_same_and_corruption_comes_back_as_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transform, "ROWS_WORTH_A_PROCESS", 1)
    alone = RawLake()
    lake = RawLake(store=LocalStore(str(tmp_path)))
    for one in (alone, lake):
        one.put(60, 100)
        corrupt(one, one.put(100, 140), HARM["truncated"])
        one.put(140, 200)
    (outcome,) = lake.pipeline().run([BTC], rebuild=False, workers=2)
    assert (outcome.state, outcome.error) == ("partial", None)
    assert alone.transform().rows == outcome.rows
    assert lake.parts() == alone.parts()
    for part in lake.parts():
        key = part_key(1, BTC, part)
        assert lake.store.read(key) == alone.store.read(key)


def test_a_signal_stops_it_between_parts_and_the_next_run_goes_on() -> None:
    lake = RawLake()
    lake.put(1, 60)
    stop = Stop()
    suffix = "12-00000000000000000004.parquet"
    view = RawLake(store=Meddled(lake.store, suffix, lambda _, __: stop.request(15)))
    pipeline = Transform(view.lake, view.builder, view.specs, Processes(stop), NoMetrics())
    with pytest.raises(Interrupted) as caught:
        list(pipeline.run([BTC], rebuild=False, workers=1))
    assert caught.value.exit_code == 143
    assert lake.parts() == [Span(1, 4), Span(4, 8), Span(8, 12)]
    assert lake.shown() == truth(1, 12)
    lake.transformed()
    assert lake.shown() == truth(1, 60)
