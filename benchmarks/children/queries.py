"""Runs the queries that it is given on a lake, or on a folder of Parquet files, and times them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

import schemahub

if TYPE_CHECKING:
    import pyarrow as pa

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
    return {"seconds": min(spent), "rows": table.num_rows, "first": table.slice(0, 1).to_pylist()}


if __name__ == "__main__":
    main(*sys.argv[1:])
