"""Compaction and deletion: what goes had a whole heir for long enough; no reader notices."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemahub.adapters.store_memory import MemoryStore
from schemahub.core import parts
from schemahub.core.layout import (
    RawName,
    part_key,
    part_prefix,
    plan_key,
    quarantine_prefix,
    raw_key,
)
from schemahub.core.span import Coverage, Span
from tests.pipelines.raw_lake import BTC, RawLake, small_cells, truth, wire
from tests.pipelines.stores import Killed, Mortal, Vanishing, Watched

pytestmark = pytest.mark.usefixtures("small_cells")
__all__ = ["small_cells"]

DAY = timedelta(hours=24)


class Hand:
    """The store's clock, moved by hand."""

    def __init__(self) -> None:
        self.time = datetime(2024, 6, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def lake(clock: Hand) -> RawLake:
    """Raw that grew in small steps, a transform after each: parts inside parts."""
    made = RawLake(store=MemoryStore(clock))
    made.origin(1)
    for start, stop in ((1, 3), (3, 10), (10, 14), (14, 40)):
        made.put(start, stop)
        made.transformed()
        clock.time += timedelta(hours=1)
    return made


def spans(lake: RawLake, version: int = 1) -> set[Span]:
    return set(lake.parts(version))


def test_superseded_parts_go_once_their_heir_is_older_than_the_grace(
    lake: RawLake, clock: Hand
) -> None:
    before = spans(lake)
    dead = set(parts.superseded(before))
    assert dead
    outcome = lake.compact()
    assert (outcome.removed, outcome.waiting) == (0, len(dead))
    assert spans(lake) == before
    clock.time += DAY
    outcome = lake.compact()
    assert (outcome.state, outcome.removed, outcome.waiting) == ("complete", len(dead), 0)
    assert outcome.freed > 0
    assert spans(lake) == before - dead
    assert lake.shown() == truth(1, 40)
    assert lake.verify().status == "proven"
    assert lake.compact().removed == 0


def test_the_grace_counts_from_the_heir_not_from_what_goes(lake: RawLake, clock: Hand) -> None:
    clock.time += timedelta(days=30)
    lake.put(40, 65)
    lake.transformed()  # a cell of 16 and one of 64 take the place of month-old parts
    waiting = lake.compact().waiting
    assert waiting > 0
    clock.time += DAY - timedelta(seconds=1)
    assert lake.compact().waiting == waiting
    clock.time += timedelta(seconds=1)
    assert lake.compact().waiting == 0


def test_removal_is_in_the_order_of_the_names(lake: RawLake, clock: Hand) -> None:
    clock.time += DAY
    gone: list[str] = []
    inner = lake.store

    def look(key: str) -> None:
        if key.startswith(part_prefix(1, BTC)):
            gone.append(key)

    RawLake(store=Watched(inner, look)).compact()
    assert len(gone) > 1
    assert gone == sorted(gone)


def test_a_reader_sees_the_same_rows_after_every_single_removal(lake: RawLake, clock: Hand) -> None:
    clock.time += DAY
    looks = 0

    def look(key: str) -> None:
        nonlocal looks
        looks += 1
        assert lake.shown() == truth(1, 40), key

    RawLake(store=Watched(lake.store, look)).compact()
    assert looks > 1


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_write_it_loses_nothing_and_goes_on(
    lake: RawLake, clock: Hand, *, after: bool
) -> None:
    clock.time += DAY
    kills = 0
    for at in range(1, 50):
        try:
            RawLake(store=Mortal(lake.store, at=at, after=after)).compact()
        except Killed:
            kills += 1
            assert lake.shown() == truth(1, 40)
            continue
        break
    assert kills
    lake.compact()
    assert not parts.superseded(spans(lake))
    assert lake.verify().status == "proven"


def test_nothing_goes_in_favour_of_a_damaged_part(lake: RawLake, clock: Hand) -> None:
    clock.time += DAY
    there = spans(lake)
    heir = parts.container(parts.live(there), parts.superseded(there)[0])
    assert heir is not None
    key = part_key(1, BTC, heir)
    data = bytearray(lake.store.read(key))
    data[len(data) // 2] ^= 1
    lake.store.put(key, bytes(data))
    before = spans(lake)
    inside = {dead for dead in parts.superseded(before) if heir.covers(dead)}
    clock.time += DAY  # put is younger than create
    outcome = lake.compact()
    assert outcome.state == "partial"
    assert key in outcome.notes[0]
    assert outcome.waiting == len(inside)
    assert inside <= spans(lake)


def test_only_one_part_that_holds_all_of_it_takes_a_parts_place(clock: Hand) -> None:
    # As two torn listings can leave them: each crosses the next, no one holds the middle one.
    lake = RawLake(store=MemoryStore(clock))
    lake.origin(1)
    lake.put(1, 14)
    for start, stop in ((1, 8), (6, 11), (9, 14)):
        span = Span(start, stop)
        lake.store.create(part_key(1, BTC, span), _part(lake, span))
    before = spans(lake)
    clock.time += DAY
    lake.compact()
    kept = {span for span in before if span not in parts.superseded(before)}
    assert kept <= spans(lake)
    assert lake.shown() == truth(1, 14)


def _part(lake: RawLake, span: Span) -> bytes:
    """The part of `span`, made by the product in a lake of its own."""
    from schemahub.pipelines.build import PartTask

    other = RawLake()
    other.put(span.start, span.stop)
    ledger = other.lake.ledger(BTC)
    other.builder()(PartTask(BTC, lake.spec, 1, span, tuple(ledger.objects), ()))
    return other.store.read(part_key(1, BTC, span))


def test_cells_are_written_from_parts_even_where_raw_is_gone(clock: Hand) -> None:
    lake = RawLake(store=MemoryStore(clock))
    lake.origin(0)
    raw = [lake.put(start, start + 4) for start in range(0, 64, 4)]
    for start in range(0, 64, 4):
        span = Span(start, start + 4)
        lake.store.create(part_key(1, BTC, span), _part(lake, span))
    lake.store.create(plan_key(1, "coinbase"), lake.spec.shape().encode() + b"\n")
    for key in raw:
        lake.store.delete(key)
    outcome = lake.compact()
    assert (outcome.state, outcome.parts, outcome.rows) == ("complete", 1, 64)
    assert parts.live(spans(lake)) == [Span(0, 64)]
    assert lake.shown() == truth(0, 64)


def test_an_uncovered_cell_is_not_written(clock: Hand) -> None:
    lake = RawLake(store=MemoryStore(clock))
    lake.origin(0)
    lake.put(0, 64)
    for start in range(0, 64, 4):
        span = Span(start, start + 4)
        if start != 20:
            lake.store.create(part_key(1, BTC, span), _part(lake, span))
    lake.store.create(plan_key(1, "coinbase"), lake.spec.shape().encode() + b"\n")
    lake.compact()
    assert Span(0, 64) not in spans(lake)
    assert Span(16, 32) not in spans(lake)
    assert Span(0, 16) in spans(lake)


def test_a_missing_input_starts_the_compaction_anew(clock: Hand) -> None:
    lake = RawLake(store=MemoryStore(clock))
    lake.origin(0)
    lake.put(0, 16)
    for start in range(0, 16, 4):
        span = Span(start, start + 4)
        lake.store.create(part_key(1, BTC, span), _part(lake, span))
    lake.store.create(plan_key(1, "coinbase"), lake.spec.shape().encode() + b"\n")
    victim = part_key(1, BTC, Span(4, 8))
    outcome = RawLake(store=Vanishing(lake.store, victim)).compact()
    assert (outcome.state, outcome.parts) == ("complete", 0)  # no longer covered by parts
    lake.transformed()
    assert lake.shown() == truth(0, 16)


def test_what_a_zombie_makes_again_goes_again(lake: RawLake, clock: Hand) -> None:
    clock.time += DAY
    dead = min(parts.superseded(spans(lake)))
    key = part_key(1, BTC, dead)
    data = lake.store.read(key)
    lake.compact()
    assert dead not in spans(lake)
    lake.store.create(key, data)
    assert lake.shown() == truth(1, 40)
    assert lake.compact().removed == 1
    assert lake.shown() == truth(1, 40)


def test_quarantine_is_never_removed(clock: Hand) -> None:
    """Its names know no versions: a rebuild may just rely on an object that was there."""
    lake = RawLake(store=MemoryStore(clock))
    lake.origin(1)
    rows = [wire(n, price="-1") if n == 2 else wire(n) for n in range(9, 0, -1)]
    lake.put(1, 3, [lake.answer(rows)])
    lake.transformed()
    lake.put(3, 10)
    lake.transformed()
    before = list(lake.store.list(quarantine_prefix(BTC)))
    assert len(before) == 2
    clock.time += DAY
    assert lake.compact().removed == 1
    assert list(lake.store.list(quarantine_prefix(BTC))) == before
    found = lake.verify()
    assert [(hole.span, hole.status) for hole in found.holes] == [(Span(2, 3), "quarantined")]


def test_a_cell_is_not_written_from_parts_of_which_one_cannot_be_read(clock: Hand) -> None:
    lake = RawLake(store=MemoryStore(clock))
    lake.origin(0)
    lake.put(0, 16)
    for start in range(0, 16, 4):
        span = Span(start, start + 4)
        lake.store.create(part_key(1, BTC, span), _part(lake, span))
    lake.store.create(plan_key(1, "coinbase"), lake.spec.shape().encode() + b"\n")
    lake.lake.mark_bad(BTC, raw_key(BTC, RawName(Span(0, 16))))
    key = part_key(1, BTC, Span(4, 8))
    lake.store.put(key, lake.store.read(key)[:-1])
    outcome = lake.compact(timedelta())
    assert (outcome.state, outcome.parts) == ("failed", 0)
    assert key in str(outcome.error)
    assert Span(0, 16) not in spans(lake)


def test_crossing_parts_are_no_cover_of_a_cell(clock: Hand) -> None:
    lake = RawLake(store=MemoryStore(clock))
    lake.origin(0)
    for start, stop in ((0, 3), (1, 4)):
        span = Span(start, stop)
        lake.store.create(part_key(1, BTC, span), _part(lake, span))
    lake.store.create(plan_key(1, "coinbase"), lake.spec.shape().encode() + b"\n")
    assert lake.compact(timedelta()).parts == 0
    assert spans(lake) == {Span(0, 3), Span(1, 4)}
    assert lake.shown() == truth(0, 4)


# ---------------------------------------------------------------- any history


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32))
def test_any_history_of_growth_and_compaction_shows_exactly_what_raw_holds(seed: int) -> None:
    dice, clock = random.Random(seed), Hand()
    lake = RawLake(store=MemoryStore(clock))
    lake.origin(0)
    held = Coverage()
    for _ in range(dice.randrange(3, 9)):
        start = dice.randrange(0, 120)
        span = Span(start, start + dice.randrange(1, 40))
        if not held.covers(span):
            held = held.add(span)
            lake.store.create(lake.put(span.start, span.stop), b"")
        if dice.random() < 0.7:
            lake.transformed()
        clock.time += timedelta(hours=dice.choice([1, 12, 30]))
        if dice.random() < 0.6:
            shown = lake.shown()
            outcome = lake.compact()
            assert outcome.state == "complete"
            assert lake.shown() == shown
    lake.transformed()
    clock.time += DAY
    lake.compact()
    wanted = [row for span in held for row in truth(span.start, span.stop)]
    assert lake.shown() == wanted
    assert not parts.superseded(spans(lake))
