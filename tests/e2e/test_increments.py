"""Small markets, small steps, quiet runs and plans: nothing is missed and nothing is written."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Make
from tests.e2e.world import BTC, RECORDS, changed


@pytest.mark.parametrize("trades", [1, 2, 899, 999, 1_000, 1_001])
def test_a_market_about_a_page_long_is_whole(make: Make, trades: int) -> None:
    w = make(trades)
    w.fetch()
    w.assert_whole()
    assert w.box.stats().requests <= 2  # the newest page and the first


@pytest.mark.parametrize("trades", [1, 1_001])
def test_a_new_market_about_a_page_long_is_whole_without_full(make: Make, trades: int) -> None:
    w = make(trades)  # all of them within the recent window
    w.ok("run", BTC)
    w.assert_whole()


def test_a_market_without_trades_is_done_and_begins_with_its_first(make: Make) -> None:
    w = make({BTC: 0, "ETH-USD": 3})
    assert "no trade" in w.ok("ingest", BTC, "--full").err
    w.ok("run", BTC, "ETH-USD")
    assert w.run("verify", "ETH-USD").code == 0
    w.box.grow(BTC, 1)
    w.ok("run", BTC)
    w.assert_whole()
    w.box.grow(BTC, 1_500)
    w.ok("run", BTC)
    w.assert_whole()


def test_ten_steps_of_a_hundred_trades_are_each_whole_for_a_request(make: Make) -> None:
    w = make(100)
    w.fetch()
    for step in range(1, 11):
        w.box.grow(BTC, 100)
        before = w.files()
        w.ok("ingest", BTC)
        w.ok("transform")
        assert w.ids() == list(range(1, 101 + 100 * step))
        after = w.files()
        rewritten = [name for name in changed(before, after, RECORDS) if name in before]
        assert rewritten == []
        # One object for the hundred, one part that holds all so far, and its bars.
        assert len(changed(before, after, RECORDS)) == 3
    assert w.box.stats().requests <= 2 + 10
    w.assert_whole()


def test_steps_of_one_trade_and_of_more_than_a_page_are_whole(make: Make) -> None:
    w = make(998)
    w.fetch()
    for step in (1, 1, 1, 999, 1_000, 1_001, 1):
        w.box.grow(BTC, step)
        w.ok("run", BTC)
    w.assert_whole()


def test_a_quiet_run_writes_records_alone(make: Make) -> None:
    w = make(1_500)
    w.fetch()
    before = w.files()
    for command in (("ingest", BTC), ("ingest", BTC, "--full"), ("transform",), ("run", BTC)):
        w.ok(*command)
    w.ok("repair")
    assert changed(before, w.files(), RECORDS) == []
    assert all(name.startswith(RECORDS) for name in changed(before, w.files()))


READS = [
    ("verify",), ("verify", "--shallow"), ("status",), ("runs",), ("runs", "show"), ("files",),
    ("query", "select * from trades limit 1"), ("config", "show"), ("doctor",),
]  # fmt: skip


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_reading_writes_nothing(make: Make, command: tuple[str, ...]) -> None:
    w = make(10)
    w.fetch()
    before = w.files()
    # A subcommand takes its own options.
    w.ok(*command)
    assert changed(before, w.files()) == []


PLANS = [
    ("ingest", BTC, "--dry-run"), ("ingest", BTC, "--full", "--dry-run"),
    ("ingest", BTC, "--since", "1h", "--dry-run", "--json"), ("transform", "--dry-run"),
    ("run", BTC, "--dry-run"), ("run", BTC, "--dry-run", "--json"),
    ("transform", "--rebuild", "--dry-run"), ("repair", "--dry-run"),
    ("repair", "--audit", "--dry-run", "--json"), ("update-seed", "--dry-run"),
    ("compact", "--dry-run"), ("compact", "--old-versions", "--dry-run", "--json"),
]  # fmt: skip


@pytest.mark.parametrize("command", PLANS, ids=" ".join)
def test_a_plan_leaves_the_lake_byte_identical(make: Make, command: tuple[str, ...]) -> None:
    w = make(900)
    w.fetch()
    w.box.grow(BTC, 300)
    w.ok("ingest", BTC)
    w.box.grow(BTC, 300)
    damaged = w.raw()[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    before = w.files()
    # What repair would heal is told by the exit code too.
    assert w.run(*command).code == (4 if command[0] == "repair" else 0)
    assert changed(before, w.files()) == []


@pytest.mark.parametrize("command", PLANS, ids=" ".join)
def test_a_plan_for_a_lake_that_is_not_there_makes_no_folder(
    make: Make, command: tuple[str, ...]
) -> None:
    w = make(900)
    needs_a_lake = command[0] in {"transform", "repair", "compact"}
    assert w.run(*command).code == (2 if needs_a_lake else 0)
    assert not w.lake.exists()


def test_a_plan_says_what_the_run_then_does(make: Make) -> None:
    w = make(2_500)
    (plan,) = w.ok("ingest", BTC, "--full", "--dry-run", "--json").json()["markets"]
    assert (plan["trades"], plan["requests"], plan["spans"]) == (2_500, 3, [[1, 2_501]])
    w.ok("ingest", BTC, "--full")
    (plan,) = w.ok("ingest", BTC, "--dry-run", "--json").json()["markets"]
    assert (plan["trades"], plan["spans"]) == (0, [])
    parts = w.ok("transform", "--dry-run", "--json").json()["parts"]
    assert [part["span"] for part in parts] == [[1, 2_501]]
    w.ok("transform")
    assert w.ok("transform", "--dry-run", "--json").json()["parts"] == []
