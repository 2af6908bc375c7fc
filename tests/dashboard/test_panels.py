"""What panels say is what the lake holds; and their parameters are literals, whatever they are."""

from __future__ import annotations

import io
import json
import shlex
import urllib.request
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemahub
from schemahub.core.errors import UsageError
from schemahub.core.layout import Market, spelt
from schemahub.dashboard.panels import panels
from tests.dashboard.lake import A_DAY, BTC, ETH, HOLE, IDS, PARAMS, run

KNOWN = panels("0.0395")


def fetch(address: str, panel: str, form: str = "json") -> bytes:
    params = {name: PARAMS[name] for name in KNOWN[panel].params}
    url = f"{address}/api/{panel}.{form}?{urlencode(params)}"
    with urllib.request.urlopen(url) as answer:  # noqa: S310  (our own server)
        found: bytes = answer.read()
        return found


def rows(address: str, panel: str) -> list[dict[str, Any]]:
    told = json.loads(fetch(address, panel))
    names = [column["name"] for column in told["columns"]]
    return [dict(zip(names, row, strict=True)) for row in told["rows"]]


@pytest.mark.parametrize("panel", sorted(KNOWN))
def test_a_panel_is_the_same_as_json_as_arrow_and_as_the_command(address: str, panel: str) -> None:
    told = json.loads(fetch(address, panel))
    with pa.ipc.open_stream(io.BytesIO(fetch(address, panel, "arrow"))) as reader:
        table = reader.read_all()
    assert table.column_names == [column["name"] for column in told["columns"]]
    assert table.num_rows == len(told["rows"])
    words = shlex.split(fetch(address, panel, "sh").decode())
    said = json.loads(run(*words[1:], "--output", "json"))
    assert [list(row.values()) for row in said["rows"]] == told["rows"]
    assert fetch(address, panel, "sql").decode().strip() == words[-1].strip()


def test_the_headline_is_the_lake(address: str, folder: Path) -> None:
    (one,) = rows(address, "headline")
    parts = list((folder / "unified_trades").rglob("*.parquet"))
    assert one["trades"] == schemahub.open(folder).trades().count() == IDS - 100 + A_DAY
    assert one["parquet_bytes"] >= sum(part.stat().st_size for part in parts)
    assert one["all_bytes"] == sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    assert (one["markets"], one["active_markets"], one["missing_ids"]) == (2, 1, 100)


def test_a_day_with_a_hole_is_missing_and_no_other(address: str) -> None:
    days = {(row["market"], row["day_ts"][:10]): row for row in rows(address, "days")}
    assert {name: row["state"] for name, row in days.items()} == {
        (str(BTC), "2024-03-01"): "proven",
        (str(BTC), "2024-03-02"): "missing",
        (str(BTC), "2024-03-03"): "proven",
        (str(BTC), "2024-03-04"): "proven",
        (str(ETH), "2024-03-01"): "proven",
    }
    assert days[str(BTC), "2024-03-02"]["missing"] == 100
    assert days[str(BTC), "2024-03-02"]["trades"] == A_DAY - 100
    (hole,) = rows(address, "holes")
    assert (hole["class"], hole["start_position"], hole["stop_position"]) == ("not_fetched", *HOLE)
    (proof,) = rows(address, "certificate")
    assert proof["status"] == "missing"


def test_candles_are_those_of_the_python_api(address: str, folder: Path) -> None:
    expected = schemahub.open(folder).bars(str(BTC), "1h").arrow().to_pylist()
    found = [row for row in rows(address, "candles") if row["market"] == str(BTC)]
    assert len(found) == len(expected) == 96
    for one, two in zip(found, expected, strict=True):
        assert datetime.fromisoformat(one["open_ts"]) == two["bar_ts"].astimezone(UTC)
        for name in ("open", "high", "low", "close", "volume"):
            assert Decimal(one[name]) == two[name]
        assert one["trades"] == two["trades"]


def test_the_spread_is_between_the_highest_and_the_lowest_close(address: str) -> None:
    closes: dict[str, list[Decimal]] = {}
    for row in rows(address, "candles"):
        closes.setdefault(row["open_ts"], []).append(Decimal(row["close"]))
    expected = {at: max(told) - min(told) for at, told in closes.items() if len(told) > 1}
    found = {row["open_ts"]: Decimal(row["spread"]) for row in rows(address, "spread")}
    assert found == expected
    assert len(found) == 24


def test_the_last_trades_are_the_last(address: str, folder: Path) -> None:
    found = rows(address, "last_trades")
    sql = "select trade_id from trades where symbol = 'BTC-USD' order by trade_ts desc limit 50"
    last = schemahub.open(folder).sql(sql).arrow().column(0).to_pylist()
    assert [row["trade_id"] for row in found] == last[: len(found)]
    assert len(found) == 50


def test_runs_and_checks_are_told(address: str) -> None:
    (one,) = rows(address, "runs")
    assert (one["command"], one["exit_code"]) == ("transform", 0)
    checks = {row["name"]: row["status"] for row in rows(address, "checks")}
    assert checks["id_gaps"] == "error"
    whole, *_ = rows(address, "scores")
    assert whole["market"] is None
    assert Decimal(whole["score"]) < 100


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("panel", "values"),
    [
        ("holes", {}),
        ("holes", {"market": "BTC-USD"}),
        ("holes", {"market": "coinbase:BTC-USD", "sql": "select 1"}),
        ("candles", PARAMS | {"every": "7m"}),
        ("candles", PARAMS | {"every": "1m' OR 1=1"}),
        ("days", PARAMS | {"since": "yesterday"}),
        ("candles", PARAMS | {"markets": ",".join(["coinbase:BTC-USD"] * 11)}),
    ],
)
def test_what_is_no_value_is_refused(panel: str, values: dict[str, str]) -> None:
    wanted = {k: v for k, v in values.items() if k in KNOWN[panel].params or k == "sql"}
    with pytest.raises(UsageError):
        KNOWN[panel].sql(wanted)


@given(symbol=st.text(alphabet="ABC'\";-/*\\:\n%$ é", min_size=1, max_size=20))
def test_whatever_a_market_is_called_it_stays_a_literal(symbol: str) -> None:
    name = f"coinbase:{symbol}"
    try:
        sql = KNOWN["holes"].sql({"market": name})
    except UsageError:
        return
    statements = duckdb.extract_statements(sql)
    assert len(statements) == 1
    literal = sql.partition("market = ")[2].partition(" ORDER BY start_position")[0]
    (found,) = duckdb.sql(f"SELECT {literal}").fetchone() or ()
    assert found == str(Market("coinbase", spelt(name)[1]))
