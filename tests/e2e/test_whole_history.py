"""A market's whole history: exact, proven, and at the price that it must cost."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from schemahub.sandbox import Recorded
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, moment

RATE, BURST = 10, 15


@pytest.mark.heavy
def test_fifty_thousand_trades_are_exact_and_proven_for_fifty_requests(make: Make) -> None:
    w = make(50_000)
    w.fetch()
    w.assert_whole()
    said = w.ok("verify", "--json")
    assert said.json() == {
        "schema_version": 1,
        "markets": [
            {
                "market": "coinbase:BTC-USD",
                "axis": "ids",
                "provable": {
                    "by": "ids",
                    "basis": "measured",
                    "why": "trade_id counts the trades of a product without holes",
                },
                "span": [1, 50_001],
                "count": 50_000,
                "first_id": 1,
                "last_id": 50_000,
                "status": "proven",
                "holes": [],
                "duplicates": 0,
                "damaged": [],
            }
        ],
    }
    assert w.box.stats().requests <= 1.05 * 50


@pytest.mark.alone
@pytest.mark.heavy
def test_the_limit_is_used_and_never_passed(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    w = make(50_000, rate=RATE, burst=BURST, latency=0.3)
    w.ok("ingest", BTC, "--full")
    stats = w.box.stats()
    assert stats.limited == 0
    assert 429 not in stats.by_status
    assert stats.requests <= 1.05 * 50
    seconds = stats.arrivals[-1] - stats.arrivals[0]
    could = BURST + RATE * seconds
    # Once the burst is gone only the rate counts.
    tail = stats.arrivals[BURST:]
    steady = (len(tail) - 1) / (tail[-1] - tail[0]) / RATE
    with capsys.disabled():
        print(  # noqa: T201  (a figure to look at)
            f"\n{stats.requests} requests in {seconds:.2f} s, none refused: "
            f"{stats.requests / could:.1%} of what burst and rate allow, "
            f"{steady:.1%} of the rate after the burst"
        )


def test_a_market_of_several_pages_is_exact_for_one_request_a_page(make: Make) -> None:
    w = make(6_000, rate=RATE, burst=BURST)
    w.fetch()
    assert w.box.stats().requests == 6
    assert w.box.stats().limited == 0
    w.assert_whole()


def test_query_prints_a_header_and_exact_decimals(make: Make) -> None:
    w = make(1_200)
    w.fetch()
    sql = "select trade_id, side, price, quantity, trade_ts, symbol from trades order by trade_id"
    said = w.ok("query", sql, "--output", "csv")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    truth = w.box.truth(BTC)
    assert [int(row["trade_id"]) for row in rows] == [one.trade_id for one in truth]
    assert [row["side"] for row in rows] == [one.side for one in truth]
    assert [Decimal(row["price"]) for row in rows] == [Decimal(one.price) for one in truth]
    assert [Decimal(row["quantity"]) for row in rows] == [Decimal(one.size) for one in truth]
    assert "e" not in "".join(row["price"] + row["quantity"] for row in rows).lower()
    stamps = [datetime.fromisoformat(row["trade_ts"]) for row in rows]
    assert stamps == [moment(one.time) for one in truth]


def test_any_other_tool_reads_the_same_from_the_files(make: Make) -> None:
    w = make(1_200)
    w.fetch()
    paths = [file["path"] for file in w.ok("files", "--json").json()["files"]]
    told = duckdb.sql(
        f"select count(*), count(distinct trade_id), sum(price * quantity)::varchar "
        f"from read_parquet({paths})"
    ).fetchall()
    truth = w.box.truth(BTC)
    worth = sum(Decimal(one.price) * Decimal(one.size) for one in truth)
    assert [(n, ids, Decimal(total)) for n, ids, total in told] == [(1_200, 1_200, worth)]


def test_recorded_rows_come_out_as_they_went_in(make: Make) -> None:
    source = Recorded.load(Path(__file__).parents[1] / "exchanges/coinbase/skl_usd_trades.jsonl")
    w = make({"SKL-USD": source})
    w.ok("ingest", "SKL-USD", "--since", "2009-01-02")
    w.ok("transform")
    w.assert_whole("SKL-USD", source.trades[0].trade_id)
