"""A plain loop on raw: json.loads, a dict a trade, float64, pandas, Parquet. Not exact."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from schemahub.adapters.zstd import Zstd

OTHER = {"buy": "sell", "sell": "buy"}


def main(raw: str, out: str) -> None:
    rows: list[dict[str, Any]] = []
    for path in sorted(Path(raw).glob("*.jsonl.zst")):
        for line in Zstd().unpack(path.read_bytes(), path.name).splitlines():
            answer = json.loads(line)
            rows += [
                {
                    "exchange": "coinbase",
                    "symbol": "BTC-USD",
                    "trade_id": trade["trade_id"],
                    "side": OTHER[trade["side"]],
                    "price": float(trade["price"]),
                    "quantity": float(trade["size"]),
                    "trade_ts": trade["time"],
                    "ingest_ts": answer["at"],
                }
                for trade in answer["body"]
            ]
    frame = pd.DataFrame(rows)
    for column in ("trade_ts", "ingest_ts"):
        frame[column] = pd.to_datetime(frame[column], format="ISO8601", utc=True)
    frame = frame.drop_duplicates("trade_id").sort_values("trade_id")
    frame.to_parquet(out, compression="zstd", index=False)
    print(json.dumps({"rows": len(frame)}))


main(*sys.argv[1:])
