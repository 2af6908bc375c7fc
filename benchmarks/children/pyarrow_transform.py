"""pyarrow.json with the types said beforehand: exact decimals, distinct, sorted, Parquet."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet as pq

from schemahub.adapters.zstd import Zstd

TIME = pa.timestamp("us", "UTC")
DECIMAL = pa.decimal128(38, 12)
ROW = pa.struct(
    {
        "trade_id": pa.int64(), "side": pa.string(), "size": DECIMAL, "price": DECIMAL,
        "time": TIME,
    }
)  # fmt: skip
LINE = pa.schema({"at": TIME, "body": pa.list_(ROW)})


def main(raw: str, out: str, _how: str) -> None:
    pa.set_cpu_count(1)
    rows = 0
    for folder in sorted(Path(raw).iterdir()):
        table = pa.concat_tables(map(parsed, sorted(folder.glob("*.jsonl.zst"))))
        table = unique(table.append_column("symbol", pa.repeat(folder.name, len(table))))
        settings = {"compression": "zstd", "row_group_size": 1 << 20}
        pq.write_table(table, Path(out, f"{folder.name}.parquet"), **settings)
        rows += len(table)
    print(json.dumps({"rows": rows}))


def parsed(path: Path) -> pa.Table:
    lines = Zstd().unpack(path.read_bytes(), path.name)
    told = pyarrow.json.read_json(
        pa.BufferReader(lines),
        pyarrow.json.ReadOptions(use_threads=False, block_size=1 << 23),
        pyarrow.json.ParseOptions(explicit_schema=LINE, unexpected_field_behavior="ignore"),
    )
    body = told["body"].combine_chunks()
    row = pc.list_flatten(body)
    at = told["at"].combine_chunks().take(pc.list_parent_indices(body))
    taker = pc.if_else(pc.equal(pc.struct_field(row, "side"), "buy"), "sell", "buy")
    return pa.table(
        {
            "exchange": pa.repeat("coinbase", len(row)),
            "trade_id": pc.struct_field(row, "trade_id"),
            "trade_ref": pa.nulls(len(row), pa.string()),
            "side": taker,
            "price": pc.struct_field(row, "price"),
            "quantity": pc.struct_field(row, "size"),
            "trade_ts": pc.struct_field(row, "time"),
            "ingest_ts": at,
        }
    )


def unique(table: pa.Table) -> pa.Table:
    table = table.sort_by("trade_id")
    ids = table["trade_id"].combine_chunks()
    again = pc.equal(ids.slice(1), ids.slice(0, len(ids) - 1))
    return table.filter(pa.concat_arrays([pa.array([True]), pc.invert(again)]))


main(*sys.argv[1:])
