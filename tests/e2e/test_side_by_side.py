"""Jobs at once: by turns where they share leases, twice the work without, never a wrong row."""

from __future__ import annotations

import time

import pytest

from tests.e2e.conftest import Make
from tests.e2e.world import BTC, World, ended

FULL = ("ingest", BTC, "--full")


def both(w: World, *commands: tuple[str, ...]) -> list[int]:
    running = [w.start(*command) for command in commands]
    return [ended(process).code for process in running]


def test_two_ingests_of_one_market_at_once_are_right(make: Make) -> None:
    w = make(5_000, latency=0.03)
    assert set(both(w, FULL, FULL)) <= {0, 5}
    w.ok("ingest", BTC)
    w.ok("transform")
    w.assert_whole()


def test_two_jobs_at_once_without_leases_do_it_twice_and_are_right(make: Make) -> None:
    w = make(5_000, latency=0.03)
    w.lake.mkdir()
    (w.lake / "leases").write_text("in the way")
    assert both(w, FULL, FULL) == [0, 0]
    assert both(w, ("transform",), ("transform",)) == [0, 0]
    w.assert_whole()


def test_ingest_and_two_transforms_and_a_reader_at_once_are_right(make: Make) -> None:
    w = make(3_000)
    w.fetch()
    w.box.grow(BTC, 2_000)
    running = [w.start("ingest", BTC), w.start("transform"), w.start("transform")]
    while any(process.poll() is None for process in running):
        ids = w.ids()
        assert ids == list(range(1, len(ids) + 1))
        assert len(ids) >= 3_000
        time.sleep(0.2)
    codes = [ended(process).code for process in running]
    assert codes[0] == 0
    assert {0} <= set(codes[1:]) <= {0, 5}
    w.ok("transform")
    w.assert_whole()


@pytest.mark.heavy
def test_four_writers_of_everything_at_once_are_right(make: Make) -> None:
    w = make(9_000, latency=0.05)
    run = ("run", BTC)
    for _ in range(2):
        assert set(both(w, run, FULL, ("transform",), ("repair",))) <= {0, 2, 3, 4, 5}
        w.box.grow(BTC, 500)
    w.ok("ingest", BTC, "--full")
    w.ok("transform")
    w.assert_whole()
