"""A pool of threads that asks for pages by their ids as fast as it can, without a limiter.

What is answered 429 is either given up, as a plain loop would, or asked for again after the
second that the exchange tells to wait. Keeps the trades in memory; nothing is checked.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import requests

PAGE, THREADS = 1_000, 16
OK, TOO_MANY = 200, 429

_here = threading.local()


def fetch(url: str, stop: int, *, again: bool) -> tuple[int, int]:
    """(trades, answers of 429) of the page below an id."""
    if not hasattr(_here, "session"):
        _here.session = requests.Session()
        _here.session.trust_env = False
    limited = 0
    while True:
        asked = {"after": stop, "limit": PAGE}
        reply = _here.session.get(f"{url}/products/BTC-USD/trades", params=asked, timeout=30)
        if reply.status_code == OK:
            return len(reply.json()), limited
        if reply.status_code != TOO_MANY:
            reply.raise_for_status()
        limited += 1
        if not again:
            return 0, limited
        time.sleep(float(reply.headers.get("Retry-After", 1)))


def main(url: str, pages: int, *, again: bool) -> None:
    started = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        stops = range(pages * PAGE + 1, 1, -PAGE)
        found = list(pool.map(lambda stop: fetch(url, stop, again=again), stops))
    print(
        json.dumps(
            {
                "trades": sum(trades for trades, _ in found),
                "limited": sum(limited for _, limited in found),
                "seconds": time.perf_counter() - started,
            }
        )
    )


main(sys.argv[1], int(sys.argv[2]), again=sys.argv[3] == "again")
