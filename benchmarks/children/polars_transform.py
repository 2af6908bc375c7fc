"""Polars on raw: scan_ndjson, explode, exact decimals, unique, sort, write as Parquet."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = "1"

import polars as pl

ROW = pl.Struct(
    {
        "trade_id": pl.Int64,
        "side": pl.String,
        "size": pl.String,
        "price": pl.String,
        "time": pl.String,
    }
)


def main(raw: str, out: str, _how: str) -> None:
    rows = 0
    for folder in sorted(Path(raw).iterdir()):
        rows += transform(folder, Path(out, f"{folder.name}.parquet"))
    print(json.dumps({"rows": rows}))


def transform(raw: Path, out: Path) -> int:
    exact = pl.Decimal(38, 12)
    schema: dict[str, pl.DataType] = {"at": pl.String(), "body": pl.List(ROW)}
    lines = pl.scan_ndjson(f"{raw}/*.jsonl.zst", schema=schema)
    trades = lines.explode("body", empty_as_null=False).unnest("body")
    rows = trades.select(
        pl.lit("coinbase").alias("exchange"),
        pl.lit(raw.name).alias("symbol"),
        "trade_id",
        pl.lit(None, pl.String).alias("trade_ref"),
        pl.col("side").replace_strict({"buy": "sell", "sell": "buy"}),
        pl.col("price").cast(exact),
        pl.col("size").cast(exact).alias("quantity"),
        _time("time", "Z").alias("trade_ts"),
        _time("at", "%:z").alias("ingest_ts"),
    )
    rows.unique("trade_id", keep="any").sort("trade_id").sink_parquet(
        out, compression="zstd", compression_level=3, row_group_size=1 << 20
    )
    return int(pl.scan_parquet(out).select(pl.len()).collect().item())


def _time(column: str, zone: str) -> pl.Expr:
    return pl.col(column).str.to_datetime(
        f"%Y-%m-%dT%H:%M:%S%.f{zone}", time_unit="us", time_zone="UTC"
    )


main(*sys.argv[1:])
