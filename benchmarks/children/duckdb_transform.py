"""DuckDB on raw: read_json, distinct, order, COPY to Parquet with exact decimals.

DuckDB 1.5 casts a text to decimal(38,12) in 8 µs. The way through decimal(18,8) is quick, and
rounds what has more decimals without a word.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import duckdb

ROW = 'STRUCT(trade_id BIGINT, side VARCHAR, size VARCHAR, price VARCHAR, "time" TIMESTAMPTZ)[]'
CASTS = {
    "text → decimal(38,12)": "::DECIMAL(38,12)",
    "text → decimal(18,8) → (38,12)": "::DECIMAL(18,8)::DECIMAL(38,12)",
}


def main(raw: str, out: str, how: str) -> None:
    rows = 0
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.execute("SET TimeZone = 'UTC'")
        for folder in sorted(Path(raw).iterdir()):
            rows += transform(connection, folder, Path(out, f"{folder.name}.parquet"), CASTS[how])
    print(json.dumps({"rows": rows}))


def transform(connection: duckdb.DuckDBPyConnection, raw: Path, out: Path, cast: str) -> int:
    copied = connection.execute(
        f"""
        COPY (
            SELECT DISTINCT ON (t.trade_id)
                'coinbase' AS exchange, '{raw.name}' AS symbol, t.trade_id AS trade_id,
                NULL::VARCHAR AS trade_ref,
                CASE t.side WHEN 'buy' THEN 'sell' WHEN 'sell' THEN 'buy' END AS side,
                t.price{cast} AS price, t.size{cast} AS quantity,
                t.time AS trade_ts, "at" AS ingest_ts
            FROM (
                SELECT unnest(body) AS t, "at"
                FROM read_json(
                    '{raw}/*.jsonl.zst', format = 'newline_delimited',
                    maximum_object_size = 33554432,
                    columns = {{"at": 'TIMESTAMPTZ', body: '{ROW}'}}
                )
            )
            ORDER BY trade_id
        ) TO '{out}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 1048576)
        """
    ).fetchone()
    return int(copied[0]) if copied else 0


main(*sys.argv[1:])
