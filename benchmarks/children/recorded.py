"""Recorded trades as a part of the table, and the same in other forms: bytes of each."""

from __future__ import annotations

import gzip
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.children.storage import float64
from schemahub.adapters.parquet import ARROW_SCHEMA, ArrowRows, ParquetTable
from schemahub.core.axis import IDS
from schemahub.core.layout import Market
from schemahub.core.span import Span
from schemahub.ports import Refused

PAGE = 1_000  # trades that come in one answer, and so at one time


def main(recorded: str, folder: str) -> None:
    found: dict[str, int] = {"trades": 0, "ours": 0}
    for path in sorted(Path(recorded).glob("*.gz")):
        trades = frames(path)
        market = Market("binance", path.name.partition("_2")[0].upper())
        table = rows(trades, market)
        span = Span(trades[0]["t"], trades[-1]["t"] + 1)
        part = ParquetTable().encode([ArrowRows(table)], market, span, IDS, "0" * 64, Refused)
        found["trades"] += len(trades)
        found["ours"] += len(part.data)
        for name, size in {
            "JSONL, rows of the wire": jsonl(trades),
            **float64(table, folder),
        }.items():
            found[name] = found.get(name, 0) + size
    print(json.dumps(found))


def frames(path: Path) -> list[dict[str, Any]]:
    """The trades of a stream, by id."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        told = [json.loads(line.partition("\t")[2])["data"] for line in lines]
    return sorted((one for one in told if one["e"] == "trade"), key=lambda one: int(one["t"]))


def rows(trades: list[dict[str, Any]], market: Market) -> pa.Table:
    made = [
        {
            "exchange": market.exchange,
            "symbol": market.symbol,
            "trade_id": one["t"],
            "trade_ref": None,
            "side": "sell" if one["m"] else "buy",
            "price": Decimal(one["p"]),
            "quantity": Decimal(one["q"]),
            "trade_ts": one["T"] * 1_000,
            "ingest_ts": trades[number // PAGE * PAGE]["E"] * 1_000,
        }
        for number, one in enumerate(trades)
    ]
    return pa.Table.from_pylist(made, schema=ARROW_SCHEMA)


def jsonl(trades: list[dict[str, Any]]) -> int:
    """As the exchange's REST API prints its trades."""
    return sum(
        len(
            json.dumps(
                {
                    "id": one["t"], "price": one["p"], "qty": one["q"], "time": one["T"],
                    "isBuyerMaker": one["m"],
                },
                separators=(",", ":"),
            )
        )
        + 1
        for one in trades
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
