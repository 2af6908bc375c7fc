"""Old versions and traces of dead writers: they go once nobody reads them, and not before."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemahub.adapters.store_memory import MemoryStore
from schemahub.core import parts
from schemahub.core.layout import complete_key, part_key, plan_key
from schemahub.core.span import Span
from tests.pipelines.raw_lake import BTC, RawLake, small_cells, truth
from tests.pipelines.stores import Killed, Mortal, Watched
from tests.pipelines.test_compact import DAY, Hand, _part, clock, lake, spans

pytestmark = pytest.mark.usefixtures("small_cells")
__all__ = ["MemoryStore", "clock", "lake", "small_cells"]


@pytest.fixture
def rebuilt(lake: RawLake) -> RawLake:
    assert lake.transform(rebuild=True).state == "complete"
    return lake


def test_an_old_version_goes_only_after_the_grace(rebuilt: RawLake, clock: Hand) -> None:
    garbage = rebuilt.garbage()
    (old,) = garbage.old_versions("coinbase")
    assert (old.version, old.newest) == (1, 2)
    assert not garbage.remove(old)
    clock.time += DAY
    (old,) = garbage.old_versions("coinbase")
    assert old.stays == []
    assert garbage.remove(old)
    assert rebuilt.lake.every_version("coinbase") == [2]
    assert list(rebuilt.store.list("unified_trades/v1/")) == []
    assert rebuilt.shown() == truth(1, 40)
    assert rebuilt.verify().status == "proven"
    rebuilt.put(40, 44)
    rebuilt.transformed()
    assert rebuilt.shown() == truth(1, 44)
    assert garbage.old_versions("coinbase") == []


def test_an_old_version_stays_while_it_alone_holds_something(rebuilt: RawLake, clock: Hand) -> None:
    span = Span(200, 204)
    rebuilt.store.create(part_key(1, BTC, span), _part(rebuilt, span))
    clock.time += DAY
    garbage = rebuilt.garbage()
    (old,) = garbage.old_versions("coinbase")
    assert "200" in old.stays[0]
    assert not garbage.remove(old)
    assert span in spans(rebuilt)


def test_an_old_version_stays_while_the_newer_one_is_damaged(rebuilt: RawLake, clock: Hand) -> None:
    clock.time += DAY
    key = part_key(2, BTC, parts.live(spans(rebuilt, 2))[0])
    rebuilt.store.put(key, rebuilt.store.read(key)[:-1])
    garbage = rebuilt.garbage()
    (old,) = garbage.old_versions("coinbase")
    assert not garbage.remove(old)
    assert key in old.stays[0]
    assert spans(rebuilt)


def test_a_rebuild_that_a_newer_one_passed_goes_as_well(lake: RawLake, clock: Hand) -> None:
    lake.store.create(plan_key(2, "coinbase"), b"of another spec\n")
    lake.store.create(part_key(2, BTC, Span(1, 3)), _part(lake, Span(1, 3)))
    assert lake.transform(rebuild=True).state == "complete"
    assert lake.lake.complete(3, "coinbase")
    clock.time += DAY
    garbage = lake.garbage()
    for old in garbage.old_versions("coinbase"):
        assert garbage.remove(old), old
    assert lake.lake.every_version("coinbase") == [3]
    assert lake.shown() == truth(1, 40)


def test_killed_while_a_version_is_removed_readers_see_all_and_it_ends_later(
    rebuilt: RawLake, clock: Hand
) -> None:
    clock.time += DAY
    (old,) = rebuilt.garbage().old_versions("coinbase")
    assert old.entries
    bars = len(list(rebuilt.store.list("bars_1m/v1/")))
    assert bars
    for _ in range(bars + len(old.entries)):
        (left,) = rebuilt.garbage().old_versions("coinbase")
        with pytest.raises(Killed):
            RawLake(store=Mortal(rebuilt.store, at=1, after=True)).garbage().remove(left)
        assert rebuilt.shown() == truth(1, 40)
    (left,) = rebuilt.garbage().old_versions("coinbase")
    assert left.entries == []
    assert rebuilt.garbage().remove(left)
    assert rebuilt.garbage().old_versions("coinbase") == []


def test_readers_see_every_row_once_at_every_write_of_a_rebuild(lake: RawLake) -> None:
    looks = 0

    def look(key: str) -> None:
        nonlocal looks
        looks += 1
        assert lake.shown() == truth(1, 40), key

    RawLake(store=Watched(lake.store, look)).transform(rebuild=True)
    assert looks > 3
    assert lake.store.read(complete_key(2, "coinbase")) == b""


def test_probes_that_died_are_swept_by_age(lake: RawLake, clock: Hand) -> None:
    lake.store.create("probe-0123", b"x")
    assert lake.garbage().sweep() == []
    clock.time += DAY + timedelta(seconds=1)
    lake.store.create("probe-4567", b"x")
    assert lake.garbage().sweep() == ["probe-0123"]
    assert [entry.key for entry in lake.store.list("probe-")] == ["probe-4567"]
