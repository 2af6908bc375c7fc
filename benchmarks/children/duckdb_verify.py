"""DuckDB as a verifier: rows of the table, ids that stand twice, rows that differ from raw.

By all its threads, and by its quickest way to exact decimals: text → decimal(18,8) → (38,12),
which rounds what has more decimals without a word.
"""

from __future__ import annotations

import json
import sys

import duckdb

ROW = 'STRUCT(trade_id BIGINT, side VARCHAR, size VARCHAR, price VARCHAR, "time" TIMESTAMPTZ)[]'
EXACT = "::DECIMAL(18,8)::DECIMAL(38,12)"


def main(raw: str, *files: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows, twice = connection.execute(
            "SELECT count(*), count(*) - count(DISTINCT trade_id) FROM read_parquet(?)",
            [list(files)],
        ).fetchone() or (0, 0)
        (differing,) = connection.execute(
            f"""
            WITH told AS (
                SELECT DISTINCT ON (t.trade_id)
                    t.trade_id AS trade_id,
                    CASE t.side WHEN 'buy' THEN 'sell' WHEN 'sell' THEN 'buy' END AS side,
                    t.price{EXACT} AS price, t.size{EXACT} AS quantity, t.time AS trade_ts
                FROM (
                    SELECT unnest(body) AS t
                    FROM read_json(
                        '{raw}/*.jsonl.zst', format = 'newline_delimited',
                        maximum_object_size = 33554432, columns = {{body: '{ROW}'}}
                    )
                )
            )
            SELECT count(*)
            FROM told FULL JOIN read_parquet(?) AS shown USING (trade_id)
            WHERE told.side IS DISTINCT FROM shown.side
               OR told.price IS DISTINCT FROM shown.price
               OR told.quantity IS DISTINCT FROM shown.quantity
               OR told.trade_ts IS DISTINCT FROM shown.trade_ts
            """,
            [list(files)],
        ).fetchone() or (0,)
    print(json.dumps({"rows": rows, "twice": twice, "differing": differing}))


main(*sys.argv[1:])
