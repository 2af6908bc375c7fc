"""Where history begins: the recent window, a time, everything; and what the watermark then is."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from schemahub.sandbox import Fault, Generated, Trade
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, World, moment

GAP = 1.0
TRADES = 12_000  # 3 h 20 min


def slow(trades: int = TRADES, **more: Any) -> Generated:
    return Generated(seed=5, trades=trades, mean_gap=GAP, **more)


def first_since(w: World, seconds: float) -> Trade:
    """The first trade no older than so many seconds before the newest, give or take the run."""
    edge = datetime.fromtimestamp(w.clock(), UTC) - timedelta(seconds=seconds)
    return next(one for one in w.box.truth(BTC) if moment(one.time) >= edge)


def status(w: World) -> dict[str, Any]:
    (row,) = w.ok("status", "--json").json()["markets"]
    return dict(row)


def near(w: World, seconds: float) -> range:
    """Ids at which history may begin: the clock goes on while the program runs."""
    wanted = first_since(w, seconds).trade_id
    return range(wanted - 60, wanted + 1)


def test_a_cold_start_takes_45_minutes_and_says_so(make: Make) -> None:
    w = make({BTC: slow()})
    said = w.ok("ingest", BTC)
    start = status(w)["from_id"]
    assert start in near(w, 45 * 60)
    assert f"history begins with id {start}" in said.err
    assert "--full asks for more" in said.err
    w.ok("transform")
    w.assert_whole(start=start)
    assert w.certificate()["span"] == [start, TRADES + 1]
    # Found by galloping back, not by bisecting all history.
    assert w.box.stats().requests <= 10


def test_a_market_that_was_quiet_for_hours_begins_with_its_newest_trade(make: Make) -> None:
    w = make({BTC: slow(500, end_ts=time.time() - 3 * 3600)})
    w.ok("run", BTC)
    assert w.ids() == [500]
    w.assert_whole(start=500)


def test_history_since_a_time_begins_with_the_first_trade_at_or_after_it(make: Make) -> None:
    w = make({BTC: slow()})
    wanted = w.box.truth(BTC, 7_777, 7_778)[0]
    w.ok("ingest", BTC, "--since", wanted.time)
    ties = [one.trade_id for one in w.box.truth(BTC) if moment(one.time) == moment(wanted.time)]
    assert status(w)["from_id"] == ties[0]
    w.ok("transform")
    w.assert_whole(start=ties[0])


def test_history_since_before_the_first_trade_is_everything(make: Make) -> None:
    w = make({BTC: slow(1_500)})
    w.ok("ingest", BTC, "--since", "2010-01-01")
    w.ok("transform")
    w.assert_whole()
    asked = w.box.stats().requests
    w.ok("ingest", BTC, "--since", "2010-01-01")
    assert w.box.stats().requests == asked + 1


def test_older_history_later_does_not_lower_the_watermark(make: Make) -> None:
    w = make({BTC: slow()})
    w.ok("ingest", BTC, "--since", "10m")
    top = status(w)["watermark"]
    assert top == TRADES + 1
    # The older part fails halfway: what is above stays as good as it was.
    w.box.set_faults([Fault("http_status", status=403, start=6)])
    assert w.run("ingest", BTC, "--since", "2h").code == 1
    assert status(w)["watermark"] == top
    assert status(w)["from_id"] in near(w, 2 * 3600)
    w.box.set_faults()
    w.ok("ingest", BTC)  # no flag needed: the origin is remembered
    assert status(w)["missing"] == 0
    w.ok("ingest", BTC, "--since", "30m")  # newer than what is wanted: nothing to do
    assert status(w)["from_id"] in near(w, 2 * 3600)
    w.ok("ingest", BTC, "--full")
    assert (status(w)["from_id"], status(w)["watermark"]) == (1, top)
    w.ok("transform")
    w.assert_whole()


def test_until_leaves_out_what_is_newer_and_a_later_run_goes_on(make: Make) -> None:
    w = make({BTC: slow()})
    first, last = w.box.truth(BTC, 3_000, 3_001)[0], w.box.truth(BTC, 4_500, 4_501)[0]
    w.ok("ingest", BTC, "--since", first.time, "--until", last.time)
    w.ok("transform")
    expected = [
        one.trade_id
        for one in w.box.truth(BTC)
        if moment(first.time) <= moment(one.time) < moment(last.time)
    ]
    assert w.ids() == expected
    w.ok("run", BTC)
    w.assert_whole(start=expected[0])


def test_until_before_all_history_plants_nothing(make: Make) -> None:
    w = make({BTC: slow()})
    w.run("ingest", BTC, "--until", "2010-01-01")
    assert not (w.lake / "raw_coinbase_trades").exists()
    w.ok("ingest", BTC)
    assert status(w)["from_id"] in near(w, 45 * 60)


def test_a_time_between_two_trades_holds_no_trade_and_promises_none(make: Make) -> None:
    w = make({BTC: slow(300)})
    truth = w.box.truth(BTC)
    gap = timedelta(milliseconds=50)
    pair = next(p for p in pairwise(truth) if moment(p[1].time) - moment(p[0].time) > gap)
    since = moment(pair[0].time) + timedelta(milliseconds=10)
    until = moment(pair[1].time) - timedelta(milliseconds=10)
    w.run("ingest", BTC, "--since", since.isoformat(), "--until", until.isoformat())
    w.run("transform")
    if w.raw():
        assert len(w.ids()) <= 1


@pytest.mark.parametrize("trades", [1, 1_000, 1_001])
@pytest.mark.parametrize("since", ["2009-01-02", "1s"])
def test_either_end_of_a_small_market_is_found(make: Make, trades: int, since: str) -> None:
    w = make({BTC: slow(trades, end_ts=time.time() - 60)})
    w.ok("ingest", BTC, "--since", since)
    w.ok("transform")
    w.assert_whole(start=1 if since != "1s" else trades)
