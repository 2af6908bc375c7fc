"""The made-up exchange of docs/add-an-exchange.md on loopback: a real server, for one spec.

Written from the words of that page alone, and able to break each of them.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

PAIRS = {"BTC_USD": ("BTC", "USD"), "ETH_USD": ("ETH", "USD")}
Row = dict[str, Any]


def history(trades: int = 3_000, seed: int = 1, step: int = 1) -> list[Row]:
    """Oldest first, ending now. `s` is the side of the order that rested: B if a seller took it."""
    dice = random.Random(seed)
    now = time.time_ns() // 1_000_000
    price = 6_500_000
    moment = 0
    rows: list[Row] = []
    for number in range(trades):
        bought = dice.random() < 0.5
        price += dice.choice((0, 1, 2)) * (1 if bought else -1)
        moment += dice.choice((0, 0, 150, 600))
        rows.append({
            "i": 1 + number * step, "t": moment,
            "p": f"{price // 100}.{price % 100:02}", "q": f"0.{dice.randint(1, 9999):04}",
            "s": "S" if bought else "B",
        })  # fmt: skip
    return [{**row, "t": row["t"] - moment + now} for row in rows]


@dataclass
class Acme:
    """`rows` are its trades of every pair. The rest are ways not to do what the page says.

    `cursor`: what the parameter of that name is taken for. `nobody`: the answer about a pair
    that there is not, with its status.
    """

    rows: list[Row] = field(default_factory=history)
    cap: int = 500
    cursor: str = "from"
    nobody: tuple[int, Any] = (200, {"error": "unknown pair", "trades": []})
    head: str = "newest"
    disorder: bool = False
    asked: list[str] = field(default_factory=list)

    def answer(self, target: str) -> tuple[int, Any]:
        self.asked.append(target)
        url = urlsplit(target)
        params = dict(parse_qsl(url.query))
        if url.path == "/v1/pairs":
            listed = [
                {"name": name, "base": base, "quote": quote, "state": "open"}
                for name, (base, quote) in PAIRS.items()
            ]
            return 200, {"error": None, "pairs": listed}
        if url.path.removeprefix("/v1/trades/") not in PAIRS:
            return self.nobody
        limit = min(int(params.get("limit", 100)), self.cap)
        rows = self.page(params, limit)
        if self.disorder:
            rows = random.Random(2).sample(rows, len(rows))
        return 200, {"error": None, "trades": rows}

    def page(self, params: dict[str, str], limit: int) -> list[Row]:
        """Of the trades at or after `from`, or after `after`, or before `before`; or the newest."""
        if "start" in params:
            start, end = int(params["start"]), int(params["end"])
            inside = [row for row in self.rows if start <= row["t"] <= end]
            return inside[-limit:][::-1]
        given = next((name for name in ("from", "after", "before", "since") if name in params), "")
        if not given or self.cursor == "ignored":
            return self.rows[-limit:] if self.head == "newest" else self.rows[:limit]
        at = int(params[given])
        taken: dict[str, Callable[[Row], bool]] = {
            "from": lambda row: row["i"] >= at,
            "near": lambda row: row["i"] >= at - 1,
            "skips": lambda row: row["i"] >= at + 3,
            "after": lambda row: row["i"] > at,
            "since": lambda row: row["t"] > at,
            "before": lambda row: row["i"] < at,
        }
        rows = list(filter(taken[self.cursor if given == "from" else given], self.rows))
        return rows[-limit:][::-1] if given == "before" else rows[:limit]


class Answering(Protocol):
    """What is asked for `target` is answered with a status, and JSON or the text of it."""

    def answer(self, target: str) -> tuple[int, Any]: ...


@contextmanager
def serving(exchange: Answering) -> Iterator[str]:
    """Its URL while it answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, content = exchange.answer(self.path)
            body = (content if isinstance(content, str) else json.dumps(content)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
