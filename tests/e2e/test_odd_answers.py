"""Answers that are sound JSON and yet not what was asked for: only the set of ids counts."""

from __future__ import annotations

import pytest

from schemahub.sandbox import Fault, Generated
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, RECORDS, World, changed

SETTLE = 61.0


def heal(w: World) -> None:
    """One run without faults of each job is all that it takes."""
    w.box.set_faults()
    w.ok("ingest", BTC, "--full")
    w.ok("transform")
    w.assert_whole()


@pytest.mark.parametrize("left", [10, 700])
def test_ids_that_begin_again_stop_the_market_and_write_nothing(make: Make, left: int) -> None:
    """Far below what is held, and within what a lagging exchange may be behind."""
    w = make(1_500)
    w.fetch()
    before = w.files()
    w.box.set_faults([Fault("restart_ids", left=left)])
    said = w.run("ingest", BTC)
    assert said.code == 1
    assert "SH-IDS-RESTARTED" in said.err
    assert changed(before, w.files(), RECORDS) == []
    heal(w)


def test_a_lagging_exchange_is_told_and_takes_nothing_back(make: Make) -> None:
    w = make(1_500)
    w.fetch()
    before = w.files()
    w.box.set_faults([Fault("lag", by=50)])
    said = w.ok("ingest", BTC)
    assert "lags" in said.err
    assert changed(before, w.files(), RECORDS) == []
    (row,) = w.ok("status", "--json").json()["markets"]
    assert row["watermark"] == 1_501
    w.box.grow(BTC, 70)
    w.ok("ingest", BTC)
    assert w.ok("status", "--json").json()["markets"][0]["watermark"] == 1_521
    w.box.grow(BTC, 30)
    heal(w)


def test_a_page_cap_lowered_in_the_middle_loses_nothing(make: Make) -> None:
    w = make(5_000)
    w.box.set_faults([Fault("cap", rows=400, start=4)])
    w.ok("ingest", BTC, "--full")
    w.ok("transform")
    w.assert_whole()


@pytest.mark.parametrize("rows", [1, 7])
def test_a_page_cap_next_to_nothing_is_never_taken_for_absence(make: Make, rows: int) -> None:
    w = make({BTC: Generated(seed=5, trades=40, mean_gap=60)})
    for _ in range(2):
        w.box.set_faults([Fault("cap", rows=rows)])
        w.run("ingest", BTC, "--full")
        w.clock.ahead += SETTLE
    heal(w)


MIX = ["short_page:0.2", "empty_list:0.05", "duplicate:0.3", "unsorted:0.3", "stale:0.05"]


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(n, marks=pytest.mark.heavy) for n in range(2, 12))]
)
def test_short_stale_doubled_and_unsorted_pages_lose_nothing(make: Make, seed: int) -> None:
    w = make(9_000)
    w.box.set_faults(MIX, seed=seed)
    code = w.run("ingest", BTC, "--full").code
    assert code in {0, 3}
    w.ok("transform")
    if code == 0:
        w.assert_whole()
    heal(w)


def test_a_replica_that_lags_in_two_runs_is_never_taken_for_absence(make: Make) -> None:
    w = make(5_000)
    w.box.set_faults([Fault("lag", by=1_500, start=3)])
    w.run("ingest", BTC, "--full")
    w.clock.ahead += SETTLE
    w.box.grow(BTC, 10)
    w.box.set_faults([Fault("lag", by=1_500, start=2)])
    w.run("ingest", BTC)
    w.clock.ahead += SETTLE
    heal(w)


def test_pages_that_are_short_in_two_runs_are_never_taken_for_absence(make: Make) -> None:
    w = make(1_500)
    for _ in range(2):
        w.box.set_faults([Fault("short_page", keep=0.5, start=2)])
        w.run("ingest", BTC, "--full")
        w.clock.ahead += SETTLE
    heal(w)


def test_stale_pages_in_two_runs_are_never_taken_for_absence(make: Make, hurried: None) -> None:
    w = make(5_000)
    for _ in range(2):
        w.box.set_faults([Fault("stale", start=3, times=8)])
        w.run("ingest", BTC, "--full")
        w.clock.ahead += SETTLE
        w.box.grow(BTC, 5)
    heal(w)


def test_empty_pages_in_two_runs_are_never_taken_for_absence(make: Make) -> None:
    w = make(3_000)
    for start in (3, 2, 2):
        w.box.set_faults([Fault("empty_list", start=start)])
        assert w.run("ingest", BTC, "--full").code == 3
        w.clock.ahead += SETTLE
    heal(w)


def test_a_run_that_ends_early_leaves_no_evidence_behind(make: Make) -> None:
    """A short answer, then an error before it could be asked again, twice."""
    w = make(6_000)
    for _ in range(3):
        w.box.set_faults(
            [
                Fault("short_page", keep=0.5, start=3, stop=6),
                Fault("http_status", status=403, start=6),
            ]
        )
        assert w.run("ingest", BTC, "--full").code == 1
        w.clock.ahead += SETTLE
    heal(w)


def test_two_tellings_of_one_id_are_a_conflict_and_the_first_stays(make: Make) -> None:
    """Rows of another market under this one's ids: nothing on the wire says so but overlap."""
    w = make({BTC: 900, "ETH-USD": 2_000})
    w.fetch(BTC)
    before = w.table()
    w.box.grow(BTC, 100)
    # Half of a run: what lands overlaps what another run lands with other words.
    w.box.set_faults([Fault("wrong_symbol")])
    w.run("ingest", BTC)
    w.run("transform")
    after = w.table()
    mine = [one for one in after.to_pylist() if one["trade_id"] <= 900]
    assert mine == before.to_pylist()
