"""Queries on years of trades of 20 markets, beside DuckDB over float64 Parquet in one folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.figures import Row, at_most
from benchmarks.lake import history, size
from benchmarks.process import BenchmarkFailed, Setting, Spent

MARKETS = 20
PART = 1 << 22  # trades, as many as a part holds
LARGE = 12  # parts a market: a billion trades
MEGA = 1_000_000
MAKING = 2 * 3600.0  # s that a billion may take
ONE = "symbol = 'M07-USD'"
DAY = f"{ONE} AND trade_ts >= '2023-05-05' AND trade_ts < '2023-05-06'"
SECONDS = {"5m": 300, "1h": 3_600, "1d": 86_400}


@dataclass(frozen=True, slots=True)
class Asked:
    """A query on the lake and in the folder (None: not there); its goal in seconds.

    Without one it is to be no slower than the peer.
    """

    title: str
    goal: float | None
    ours: dict[str, str]
    theirs: str | None


def both(title: str, goal: float | None, sql: str) -> Asked:
    return Asked(title, goal, {"sql": sql}, sql)


def candles(every: str) -> Asked:
    """All bars of a market as `lake.bars` gives them."""
    sql = f"""
SELECT symbol, epoch_us(trade_ts) // {SECONDS[every] * MEGA} AS bar,
    arg_min(price, trade_id) AS open, max(price) AS high, min(price) AS low,
    arg_max(price, trade_id) AS close, sum(quantity) AS volume,
    sum(price * quantity) AS quote_volume,
    sum(quantity) FILTER (side = 'buy') AS buy_volume, count(*) AS trades
FROM trades WHERE {ONE} GROUP BY symbol, bar ORDER BY bar"""
    return Asked(
        f"{every} candles of a market, all its history", 2,
        {"market": "coinbase:M07-USD", "every": every}, sql,
    )  # fmt: skip


QUERIES = (
    both("one market, one day, summed up", 0.3,
         f"SELECT count(*), sum(quantity), max(price) FROM trades WHERE {DAY}"),
    both("one market, one day, its rows", 0.3, f"SELECT * FROM trades WHERE {DAY}"),
    *map(candles, SECONDS),
    Asked("hourly candles of all markets", 10, {"sql": """
SELECT symbol, date_trunc('hour', bar_ts) AS bar, arg_min(open, first_position) AS open,
    max(high) AS high, min(low) AS low, arg_max(close, last_position) AS close,
    sum(volume) AS volume
FROM bars_1m GROUP BY symbol, bar"""}, """
SELECT symbol, date_trunc('hour', trade_ts) AS bar, arg_min(price, trade_id) AS open,
    max(price) AS high, min(price) AS low, arg_max(price, trade_id) AS close,
    sum(quantity) AS volume
FROM trades GROUP BY symbol, bar"""),
    Asked("the latest bars of all", 10,
          {"sql": "SELECT * FROM bars_1m ORDER BY bar_ts DESC LIMIT 3"}, None),
    both("how many trades", 1, "SELECT count(*) FROM trades"),
    both("how many trades of each market", 1,
         "SELECT symbol, count(*) AS trades FROM trades GROUP BY symbol"),
    both("how many trades of each market, and the latest", 10,
         "SELECT symbol, count(*) AS trades, max(trade_ts) AS latest FROM trades GROUP BY symbol"),
    Asked("coverage and gaps of each market", 1,
          {"sql": "SELECT market, first_id, watermark, held, missing FROM markets"}, None),
    both("the latest trades of all", 10, "SELECT * FROM trades ORDER BY trade_ts DESC LIMIT 10"),
    both("price and quantity, all of them", None, "SELECT sum(price), sum(quantity) FROM trades"),
)  # fmt: skip


def run(setting: Setting) -> list[Row]:
    parts = LARGE if setting.large else 1
    folder = history(setting, MARKETS, parts, PART, MAKING)
    lake, plain = folder / "lake", folder / "float64"
    trades = MARKETS * parts * PART
    ours = _ask(setting, lake, "lake", {one.title: one.ours for one in QUERIES})
    asked = {one.title: {"sql": one.theirs} for one in QUERIES if one.theirs}
    theirs = _ask(setting, plain, "folder", asked)
    verify = setting.schemahub("verify", "--shallow", "--lake", lake, "-q")
    title = f"queries on {trades / MEGA:,.0f} M trades of {MARKETS} markets"
    rows = [row for one in QUERIES for row in _rows(title, one, ours.json(), theirs.json())]
    rows += [
        at_most(f"{title}: holes and duplicates: verify --shallow, a process", verify.wall, "s", 2),
        Row(f"{title}: peak memory of all queries", ours.rss / MEGA, "MB", "peer",
            _peer(), theirs.rss / MEGA),
    ]  # fmt: skip
    sizes = {
        "the table": size(lake / "unified_trades"),
        "its minute bars": size(lake / "bars_1m"),
        "float64, the peer's": size(plain),
    }
    rows += [Row(f"{title}: {what}", found / trades, "B/trade") for what, found in sizes.items()]
    return rows


def _rows(title: str, asked: Asked, ours: dict[str, Any], theirs: dict[str, Any]) -> list[Row]:
    name, found = f"{title}: {asked.title}", ours[asked.title]
    rows = [] if asked.goal is None else [at_most(name, found["seconds"], "s", asked.goal)]
    if asked.theirs is not None:
        other = theirs[asked.title]
        if not _alike(found, other):
            raise BenchmarkFailed(f"{name}: {found} here, {other} there")
        rows.append(Row(name, found["seconds"], "s", "peer", _peer(), other["seconds"]))
    return rows


def _alike(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """As many rows, and the same sums but for what is lost in float64."""
    mine, other = ours["sums"], theirs["sums"]
    return bool(ours["rows"] == theirs["rows"]) and all(
        isclose(mine[name], other[name], rel_tol=1e-9) for name in mine.keys() & other.keys()
    )


def _ask(setting: Setting, where: Path, kind: str, queries: dict[str, dict[str, str]]) -> Spent:
    return setting.child("queries", where, kind, json.dumps(queries), longest=MAKING)


def _peer() -> str:
    return f"DuckDB {machine.installed('duckdb')} over float64"
