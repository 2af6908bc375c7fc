"""Verify finds whatever is done to a lake, and says where; repair heals it."""

from __future__ import annotations

import random

import pytest

from schemahub.adapters.store_memory import MemoryStore
from schemahub.core import parts
from schemahub.core.layout import quarantine_prefix
from schemahub.core.span import Coverage, Span
from tests.pipelines.damage import DAMAGES, Bench
from tests.pipelines.exchange import FakeExchange
from tests.pipelines.raw_lake import BTC, ETH, RawLake, small_cells, truth, wire

pytestmark = pytest.mark.usefixtures("small_cells")
__all__ = ["small_cells"]

SEEDS = 7
LOW, HIGH = 60, 200
GROWN = 220  # the exchange's head goes on meanwhile
_stores: dict[str, dict[str, bytes]] = {}


def fresh(market: str = "BTC") -> RawLake:
    """A whole lake in three raw objects and five parts."""
    lake = RawLake(market=ETH if market == "ETH" else BTC)
    if market not in _stores:
        lake.origin(LOW)
        for start, stop in ((LOW, 100), (100, 150), (150, HIGH)):
            lake.put(start, stop)
        lake.transformed()
        assert lake.verify().status == "proven"
        _stores[market] = {entry.key: lake.store.read(entry.key) for entry in lake.store.list("")}
    store = MemoryStore()
    for key, data in _stores[market].items():
        store.create(key, data)
    return RawLake(market=lake.market, store=store)


def bench(kind: str, seed: int) -> Bench:
    return Bench(fresh(), random.Random(f"{kind} {seed}"), fresh("ETH"))


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("kind", DAMAGES)
def test_every_damage_is_found_and_its_span_named(kind: str, seed: int) -> None:
    it = bench(kind, seed)
    spans = DAMAGES[kind](it)
    found = it.lake.verify()
    if found.passes and kind == "raw renamed":
        # What its new name says too much is held by the object beside it.
        assert it.lake.shown() == truth(LOW, HIGH)
        return
    assert not found.passes
    named = Coverage.of(h.span for h in found.holes if "stand twice" not in h.reason)
    for span in spans:
        assert named.within(span), f"{kind} of {span}: {found.holes}"
    # And nothing else is accused, but what lies next to a name that was made wider.
    wide = Coverage.of(Span(max(0, span.start - 4), span.stop + 4) for span in spans)
    assert not named - wide


@pytest.mark.parametrize("kind", DAMAGES)
def test_repair_heals_what_can_be_healed(kind: str) -> None:
    it = bench(kind, 1)
    DAMAGES[kind](it)
    exchange = FakeExchange(it.lake, head=GROWN - 1)
    exchange.repair("run1")
    if not it.lake.verify().passes:  # what one damage hid of another shows at the second look
        exchange.repair("run2")
    found = it.lake.report()
    assert (found.certificate.status, found.certificate.holes) == ("proven", ()), kind
    assert (found.certificate.first_id, found.certificate.last_id) == (LOW, GROWN - 1)
    assert it.lake.shown() == truth(LOW, GROWN)


def test_many_damages_at_once_are_all_named_and_all_healed() -> None:
    for seed in range(6):
        it = bench("many", seed)
        spans = []
        for kind in it.dice.sample(sorted(DAMAGES), 4):
            if kind not in {"PLAN lost", "raw with another price"}:
                try:
                    spans += DAMAGES[kind](it)
                except (KeyError, OSError, ValueError, AssertionError):
                    continue  # the object was damaged beyond that already
        assert not it.lake.verify().passes
        exchange = FakeExchange(it.lake, head=GROWN - 1)
        for run in range(4):
            exchange.repair(f"run{run}")
        assert it.lake.verify().status == "proven"
        assert it.lake.shown() == truth(LOW, GROWN)


def test_a_whole_lake_is_proven_deep_and_shallow() -> None:
    lake = fresh()
    for deep in (True, False):
        found = lake.verify(deep=deep)
        assert (found.status, found.count, found.holes) == ("proven", HIGH - LOW, ())
        assert (found.first_id, found.last_id, found.duplicates) == (LOW, HIGH - 1, 0)
        assert found.span == Span(LOW, HIGH)
    assert lake.report().bad_raw == lake.report().bad_parts == ()


def lake_with_quarantine() -> RawLake:
    lake = RawLake()
    lake.origin(1)
    rows = [wire(n, size="-1") if n in {30, 60} else wire(n) for n in range(1, 100)]
    lake.put(1, 100, [lake.answer([*rows, wire(7, trade_id=None), wire(8, time="?")])])
    lake.transformed()
    return lake


@pytest.mark.parametrize("harm", ["lost", "flipped", "emptied", "a line short"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_damage_to_a_quarantine_file_is_found_and_healed(harm: str, which: int) -> None:
    lake = lake_with_quarantine()
    whole = lake.verify()
    key = [entry.key for entry in lake.store.list(quarantine_prefix(BTC))][which]
    data = lake.store.read(key)
    at = len(data) // 2
    match harm:
        case "lost":
            lake.store.delete(key)
        case "flipped":
            lake.store.put(key, data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        case "emptied":
            lake.store.put(key, b"")
        case _:
            lake.store.put(key, data[: data.rstrip().rfind(b"\n") + 1])
    found = lake.verify()
    assert found.status == "missing"
    assert len(found.holes) > len(whole.holes) or (found.count or 0) < (whole.count or 0)
    FakeExchange(lake, head=99).repair("run1")
    assert lake.verify() == whole


def test_quarantined_rows_are_told_alike_by_deep_and_shallow() -> None:
    lake = lake_with_quarantine()
    deep, shallow = lake.verify(), lake.verify(deep=False)
    assert deep.status == shallow.status == "quarantined"
    assert (deep.count, deep.first_id, deep.last_id) == (97, 1, 99)
    assert (shallow.count, shallow.first_id, shallow.last_id) == (97, 1, 99)
    assert [h.span for h in deep.holes] == [h.span for h in shallow.holes]
    assert [h.span for h in deep.holes] == [Span(30, 31), Span(60, 61)]


def test_shallow_sees_what_names_show() -> None:
    for kind in ("part deleted", "raw deleted", "raw marked bad", "PLAN lost"):
        it = bench(kind, 0)
        (span,) = DAMAGES[kind](it)
        found = it.lake.verify(deep=False)
        assert not found.passes, kind
        assert Coverage.of(hole.span for hole in found.holes).within(span), kind
        if kind.startswith("raw"):
            assert "raw does not hold it" in found.holes[0].reason


def test_what_is_not_transformed_yet_is_said_to_be_missing_and_its_raw_is_read() -> None:
    lake = fresh()
    lake.put(200, 220)
    bad = lake.put(220, 240, [lake.answer([wire(n) for n in range(220, 239)])])
    found = lake.report()
    assert found.certificate.status == "missing"
    assert (found.bad_raw, found.stray_raw) == ((), (bad,))
    assert {hole.span for hole in found.certificate.holes} == {Span(200, 240), Span(220, 240)}


def test_a_market_of_which_nothing_is_held_is_missing_not_proven() -> None:
    lake = RawLake()
    assert (lake.verify().status, lake.verify().span) == ("missing", None)
    lake.origin(5)
    assert lake.verify().status == "missing"


def test_history_below_the_origin_is_not_wanted_and_above_it_all_is() -> None:
    lake = RawLake()
    lake.origin(10)
    lake.put(20, 30)
    lake.put(40, 50)
    lake.transformed()
    found = lake.verify()
    assert found.status == "missing"
    assert [hole.span for hole in found.holes] == [Span(10, 20), Span(30, 40)]
    assert found.count == 20
    assert parts.live(lake.parts())[0].start == 20
