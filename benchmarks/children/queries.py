"""Runs the queries that it is given on a lake, or on a folder of Parquet files, and times them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

import schemahub

TIMES = 3  # each; the fastest counts
LONG = 20.0  # s after which once is enough


def main(where: str, kind: str, asked: str) -> None:
    ask = _lake(where) if kind == "lake" else _folder(where)
    queries: dict[str, dict[str, str]] = json.loads(asked)
    print(json.dumps({name: _timed(ask, query) for name, query in queries.items()}, default=str))


def _lake(where: str) -> Callable[[dict[str, str]], pa.Table]:
    lake = schemahub.open(where)

    def ask(query: dict[str, str]) -> pa.Table:
        if "every" in query:
            return lake.bars(query["market"], query["every"]).arrow()
        return lake.sql(query["sql"]).arrow()

    return ask


def _folder(where: str) -> Callable[[dict[str, str]], pa.Table]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET parquet_metadata_cache = true")
    files = str(Path(where, "*.parquet")).replace("'", "''")
    connection.execute(f"CREATE VIEW trades AS SELECT * FROM read_parquet('{files}')")

    def ask(query: dict[str, str]) -> pa.Table:
        return connection.execute(query["sql"]).to_arrow_table()

    return ask


def _timed(ask: Callable[[dict[str, str]], pa.Table], query: dict[str, str]) -> dict[str, Any]:
    spent: list[float] = []
    while True:
        started = time.perf_counter()
        table = ask(query)
        spent.append(time.perf_counter() - started)
        if len(spent) == TIMES or sum(spent) > LONG:
            break
    return {"seconds": min(spent), "rows": table.num_rows, "sums": _sums(table)}


def _sums(table: pa.Table) -> dict[str, float]:
    """Of the columns of numbers; other columns may be of another form."""
    return {
        name: float(pc.sum(pc.cast(table[name], pa.float64())).as_py() or 0)
        for name in table.column_names
        if pa.types.is_decimal(table[name].type)
        or pa.types.is_integer(table[name].type)
        or pa.types.is_floating(table[name].type)
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
