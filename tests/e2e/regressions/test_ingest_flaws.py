"""What a predecessor's ingest did wrong (PROTOCOL §10), flaw by flaw.

| flaw | test |
|---|---|
| newest ≤ 999 trades never fetched | test_the_newest_trades_are_fetched_however_few |
| fewer than 1,000 new trades: no progress, 1,000 duplicates a run | test_few_new_trades_are_progress_and_no_duplicates |
| a market with < 1,000 trades never starts | test_a_market_of_less_than_a_page_starts |
| a short page leaves a permanent hole | test_a_poor_page_leaves_no_permanent_hole[short] |
| an empty page does | test_a_poor_page_leaves_no_permanent_hole[empty] |
| a lagging page does | test_a_poor_page_leaves_no_permanent_hole[lagging] |
| a limit above the server's cap loses 45–90 % and reports success | test_a_cap_below_the_limit_loses_nothing[always] |
| a cap lowered mid-run does | test_a_cap_below_the_limit_loses_nothing[mid-run] |
| ids that restart mean "caught up" for ever | test_ids_that_restart_are_never_caught_up |
| one malformed trade throws away a chunk of 100,000 | test_one_malformed_trade_costs_itself_alone |
| one TCP reset does | test_one_reset_costs_a_retry |
| HTML with status 200 is taken as data | test_html_with_status_200_is_no_data |
| every resume rewrites 1,000 rows | test_a_resume_rewrites_nothing |
| "deterministic" keys with a random run id | test_names_are_what_they_hold_and_nothing_else |
| full refresh moves the watermark back | test_a_full_refresh_moves_no_watermark_back |
| a corrupt checkpoint cold-starts silently | test_a_corrupt_checkpoint_starts_nothing_anew_and_is_told |
| one corrupt checkpoint stops all markets | test_one_corrupt_checkpoint_stops_nobody |
| checkpoint without the exchange's name | test_a_checkpoint_names_its_exchange |
"""
# ruff: noqa: E501  (a row of a table is one line)

from __future__ import annotations

import json
from typing import Any

import pytest

from schemahub.sandbox import Fault
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, RECORDS, World, changed

ETH = "ETH-USD"


def checkpoint(w: World, market: str = BTC) -> Any:
    return json.loads((w.lake / f"checkpoints/coinbase/{market}.json").read_bytes())


def watermark(w: World) -> int:
    return int(w.ok("status", BTC, "--json").json()["markets"][0]["watermark"])


@pytest.mark.parametrize("new", [1, 999])
def test_the_newest_trades_are_fetched_however_few(make: Make, new: int) -> None:
    w = make(2_000)
    w.fetch()
    w.box.grow(BTC, new)
    w.ok("run", BTC)
    w.assert_whole()


def test_few_new_trades_are_progress_and_no_duplicates(make: Make) -> None:
    w = make(1_500)
    w.fetch()
    for _ in range(3):
        w.box.grow(BTC, 10)
        before = watermark(w)
        w.ok("run", BTC)
        assert watermark(w) == before + 10
    said = w.ok("query", "select count(*), count(distinct trade_id) from trades", "--output", "csv")
    assert said.out.splitlines()[1] == "1530,1530"


def test_a_market_of_less_than_a_page_starts(make: Make) -> None:
    w = make(37)
    w.ok("run", BTC)
    w.assert_whole()


POOR = {
    "short": Fault("short_page", keep=0.4, start=3, times=2),
    "empty": Fault("empty_list", start=3, times=2),
    "lagging": Fault("lag", by=1_200, start=3, times=2),
}


@pytest.mark.parametrize("fault", POOR.values(), ids=POOR)
def test_a_poor_page_leaves_no_permanent_hole(make: Make, fault: Fault) -> None:
    w = make(4_000)
    w.box.set_faults([fault])
    first = w.run("ingest", BTC, "--full")
    assert first.code in {0, 3}
    w.ok("transform")
    proven = w.run("verify").code == 0
    assert proven == (first.code == 0)  # a hole that is left is told
    w.ok("run", BTC)
    w.assert_whole()


@pytest.mark.parametrize("start", [1, 4], ids=["always", "mid-run"])
def test_a_cap_below_the_limit_loses_nothing(make: Make, start: int) -> None:
    w = make(3_000)
    w.box.set_faults([Fault("cap", rows=300, start=start)])
    w.fetch()
    w.assert_whole()


def test_ids_that_restart_are_never_caught_up(make: Make) -> None:
    w = make(2_500)
    w.fetch()
    w.box.set_faults([Fault("restart_ids", left=5)])
    for _ in range(2):
        assert "SH-IDS-RESTARTED" in w.run("ingest", BTC).err
        assert w.run("run", BTC).code == 1
        w.box.grow(BTC, 100)


def test_one_malformed_trade_costs_itself_alone(make: Make, hurried: None) -> None:
    for kind in ("missing_price", "missing_id"):
        w = make(3_000)
        w.lake = w.lake.with_name(kind)
        w.box.set_faults([Fault("bad_row", ids=[1_700], kind=kind)])
        assert w.run("ingest", BTC, "--full").code == 3
        w.ok("transform")
        assert w.ids() == [one for one in range(1, 3_001) if one != 1_700]


def test_one_reset_costs_a_retry(make: Make) -> None:
    w = make(5_000)
    w.box.set_faults([Fault("reset", on=[3]), Fault("reset", on=[5], after=5_000)])
    w.fetch()
    w.assert_whole()
    assert w.box.stats().requests <= 5 + 2


def test_html_with_status_200_is_no_data(make: Make, hurried: None) -> None:
    w = make(900)
    w.box.set_faults([Fault("html_200")])
    assert w.run("ingest", BTC).code == 1
    assert w.raw() == []
    w.box.set_faults([Fault("html_200", on=[1, 2])])
    w.fetch()
    w.assert_whole()


def test_a_resume_rewrites_nothing(make: Make) -> None:
    w = make(2_000)
    w.fetch()
    before = w.files()
    w.box.grow(BTC, 300)
    w.ok("run", BTC)
    fresh = changed(before, w.files(), RECORDS)
    assert not set(fresh) & set(before)
    bars, raw, part = sorted(name for name in fresh if not name.endswith("/"))
    assert bars == part.replace("unified_trades", "bars_1m")
    assert raw.endswith(f"{2_001:020}-{2_301:020}.jsonl.zst")
    assert part.endswith(f"{2_301:020}-{2_300:020}.parquet")


def test_names_are_what_they_hold_and_nothing_else(make: Make) -> None:
    w = make(1_500)
    w.fetch()
    first = w.lake
    w.lake = first.with_name("again")
    w.fetch()

    def names(lake: World) -> set[str]:
        return {name for name in lake.files() if not name.startswith("runs/")}

    mine = names(w)
    w.lake = first
    assert names(w) == mine
    assert [path.name for path in w.raw()] == [f"{1:020}-{1_501:020}.jsonl.zst"]


def test_a_full_refresh_moves_no_watermark_back(make: Make) -> None:
    w = make(6_000)
    w.ok("ingest", BTC, "--since", "5m")
    top = watermark(w)
    w.box.set_faults([Fault("http_status", status=403, start=4)])
    w.run("ingest", BTC, "--full")
    assert watermark(w) == top
    w.box.set_faults()
    w.ok("ingest", BTC, "--full")
    assert watermark(w) == top


def test_a_corrupt_checkpoint_starts_nothing_anew_and_is_told(make: Make) -> None:
    w = make(5_000)
    w.fetch()
    (w.lake / "checkpoints/coinbase/BTC-USD.json").write_bytes(b"\x00garbage")
    w.box.grow(BTC, 10)
    asked = w.box.stats().requests
    said = w.ok("ingest", BTC)
    assert w.box.stats().requests == asked + 1
    assert "checkpoint" in said.err
    w.ok("transform")
    w.assert_whole()


def test_one_corrupt_checkpoint_stops_nobody(make: Make) -> None:
    w = make({BTC: 50, ETH: 50})
    w.fetch(BTC, ETH)
    (w.lake / "checkpoints/coinbase/BTC-USD.json").write_bytes(b"{")
    w.box.grow(BTC, 5)
    w.box.grow(ETH, 5)
    w.ok("run", BTC, ETH)
    w.assert_whole(BTC)
    w.assert_whole(ETH)


def test_a_checkpoint_names_its_exchange(make: Make) -> None:
    w = make(50)
    w.fetch()
    assert checkpoint(w)["market"] == "coinbase:BTC-USD"
    path = w.lake / "checkpoints/coinbase/BTC-USD.json"
    path.write_bytes(path.read_bytes().replace(b"coinbase", b"binance"))
    w.box.grow(BTC, 5)
    w.ok("run", BTC)
    assert checkpoint(w)["market"] == "coinbase:BTC-USD"
    w.assert_whole()
