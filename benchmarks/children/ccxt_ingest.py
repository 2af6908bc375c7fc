"""ccxt's own way through a history: fetch_trades page after page, its rate limiter on.

Keeps the trades in memory; nothing is written or checked. A limit of 0 asks for no number of
rows: the exchange sends as many as it does by default.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import ccxt


def main(url: str, pages: int, limit: int) -> None:
    exchange = ccxt.coinbaseexchange()
    exchange.urls["api"] = {"public": url, "private": url}
    exchange.session.trust_env = False
    exchange.load_markets()
    trades: list[dict[str, Any]] = []
    after: dict[str, int] = {}
    started = time.perf_counter()
    for _ in range(pages):
        page = exchange.fetch_trades("BTC/USD", limit=limit or None, params=after)
        trades += page
        after = {"after": min(int(trade["id"]) for trade in page)}
    print(json.dumps({"trades": len(trades), "seconds": time.perf_counter() - started}))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
