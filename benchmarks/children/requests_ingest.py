"""The loop that one writes first: requests, json.loads, and a line of json.dumps a trade.

Nothing is checked, packed or made durable.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import requests

PAGE = 1_000


def main(url: str, trades: int, target: Path) -> None:
    written = 0
    with requests.Session() as session, target.open("w", encoding="utf-8") as lines:
        session.trust_env = False
        after = trades + 1
        while after > 1:
            reply = session.get(
                f"{url}/products/BTC-USD/trades",
                params={"after": after, "limit": PAGE},
                timeout=30,
            )
            reply.raise_for_status()
            page = json.loads(reply.content)
            for trade in page:
                lines.write(json.dumps(trade) + "\n")
            written += len(page)
            after = page[-1]["trade_id"]
    print(json.dumps({"trades": written}))


main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
