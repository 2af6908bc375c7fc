"""Exchanges that show a window of history, played from what is written of their APIs alone.

A venue is a list of trades and a clock that only the test moves. What each way of asking
answers stands in a function of its own; what is the same for all, in `Venue`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

NOON = datetime(2025, 6, 10, 12, tzinfo=UTC)
SECOND = 1_000_000  # µs


@dataclass(frozen=True)
class Trade:
    """A trade as it was: `at` is in µs since 1970, the texts are those of the wire."""

    id: int
    at: int
    price: str
    size: str
    side: str


Params = dict[str, str]
Wire = Callable[["Venue", list[Trade], Params], object]
Reply = tuple[int, object]


@dataclass
class Venue:
    """`trades` oldest first, of the one market `symbol`; `at` is the server's clock.

    `fault(path, params, reply)` may put another reply in the place of the right one.
    """

    kind: Kind
    trades: list[Trade] = field(default_factory=list)
    at: datetime = NOON
    page: int = 0
    asked: list[Params] = field(default_factory=list)
    fault: Callable[[str, Params, Reply], Reply] | None = None
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    reach: timedelta | None = None

    def __post_init__(self) -> None:
        self.reach = self.kind.reach

    # ------------------------------------------------------------ what happens there

    def happen(self, *seconds: float, step: int | None = None) -> list[Trade]:
        """Trades so many seconds after NOON, in this order; ids as the exchange counts."""
        new = []
        for one in seconds:
            last = self.trades[-1].id if self.trades else self.kind.first - 1
            number = len(self.trades)
            at = round((NOON + timedelta(seconds=one)).timestamp() * SECOND)
            new.append(
                Trade(
                    last + (step or self.kind.step(number)),
                    at - at % self.kind.tick,
                    f"{60_000 + number % 977}.{number % 100:02d}",
                    f"0.{number + 1:08d}",
                    "sell" if number % 3 else "buy",
                )
            )
            self.trades.append(new[-1])
        return new

    def every(self, gap: float, start: float, stop: float) -> list[Trade]:
        """A trade each `gap` seconds from `start` on, before `stop`."""
        return self.happen(*(start + gap * n for n in range(int((stop - start) / gap))))

    def wait(self, **passed: float) -> None:
        self.at += timedelta(**passed)

    # ------------------------------------------------------------ what it says of it

    @property
    def shown(self) -> list[Trade]:
        """Those that happened by now, and that are still shown."""
        return self.since(None)

    def since(self, moment: datetime | None) -> list[Trade]:
        """Those of them that are no older than `moment`."""
        now = self.at.timestamp() * SECOND
        edges = [0.0]
        if self.reach is not None:
            edges.append((self.at - self.reach).timestamp() * SECOND)
        if moment is not None:
            edges.append(moment.timestamp() * SECOND)
        return [one for one in self.trades if max(edges) <= one.at <= now]

    @property
    def due(self) -> list[Trade]:
        """What a poll must hold now: without those of the last minute, where ids do not tell."""
        edge = (self.at.timestamp() - self.kind.settle) * SECOND
        return [one for one in self.shown if one.at <= edge]

    def answer(self, path: str, params: Params) -> Reply:
        with self.lock:
            self.asked.append(params)
            mine = path == self.kind.path and self.kind.mine.items() <= params.items()
            reply = (200, self.kind.wire(self, self.shown, params)) if mine else self.kind.unknown
            return reply if self.fault is None else self.fault(path, params, reply)


@dataclass(frozen=True)
class Kind:
    """What is to be known of an exchange in order to play it."""

    name: str
    path: str
    wire: Wire
    unknown: Reply
    reach: timedelta | None
    first: int
    step: Callable[[int], int]
    tick: int = 1_000
    mine: Params = field(default_factory=dict)
    settle: float = 60


# ---------------------------------------------------------------- the ways of asking


def _cap(venue: Venue, params: Params, name: str, most: int) -> int:
    return min(int(params.get(name, most)), venue.page or most)


def okx(venue: Venue, shown: list[Trade], params: Params) -> object:
    """`after` = ids strictly below, newest first."""
    after = int(params.get("after", 2**63))
    rows = [one for one in reversed(shown) if one.id < after]
    told = [
        {
            "instId": "BTC-USD",
            "side": one.side,
            "sz": one.size,
            "px": one.price,
            "tradeId": str(one.id),
            "ts": str(one.at // 1_000),
        }
        for one in rows[: _cap(venue, params, "limit", 100)]
    ]
    return {"code": "0", "msg": "", "data": told}


def gate(venue: Venue, shown: list[Trade], params: Params) -> object:
    """Whole seconds, both ends included, pages from 1, newest first."""
    low, high = int(params.get("from", 0)), int(params.get("to", 2**40))
    rows = [one for one in reversed(shown) if low <= one.at // SECOND <= high]
    size, number = _cap(venue, params, "limit", 1_000), int(params.get("page", 1))
    return [
        {
            "id": str(one.id * 7 + 5_000_000),
            "create_time": str(one.at // SECOND),
            "create_time_ms": f"{one.at // 1_000}.{one.at % 1_000:03d}",
            "currency_pair": "BTC_USD",
            "side": one.side,
            "amount": one.size,
            "price": one.price,
            "sequence_id": str(one.id),
        }
        for one in rows[size * (number - 1) : size * number]
    ]


def gemini(venue: Venue, shown: list[Trade], params: Params) -> object:
    """The oldest after `since_tid`, else the newest; newest first either way."""
    size = _cap(venue, params, "limit_trades", 500)
    if "since_tid" in params:
        rows = [one for one in shown if one.id > int(params["since_tid"])][:size]
    else:
        rows = shown[-size:]
    return [
        {
            "timestamp": one.at // SECOND,
            "timestampms": one.at // 1_000,
            "tid": one.id,
            "price": one.price,
            "amount": one.size,
            "exchange": "gemini",
            "type": one.side,
        }
        for one in reversed(rows)
    ]


def bitstamp(venue: Venue, shown: list[Trade], params: Params) -> object:
    """The last minute, hour or day, whole."""
    back = {"minute": 60, "hour": 3_600, "day": 86_400}[params.get("time", "hour")]
    edge = (venue.at.timestamp() - back) * SECOND
    return [
        {
            "date": str(one.at // SECOND),
            "tid": str(one.id),
            "amount": one.size,
            "type": "0" if one.side == "buy" else "1",
            "price": one.price,
        }
        for one in reversed(shown)
        if one.at >= edge
    ]


def bitfinex(venue: Venue, shown: list[Trade], params: Params) -> object:
    """Milliseconds, both ends included, newest first; the sign of the amount is the side."""
    low, high = int(params.get("start", 0)), int(params.get("end", 2**53))
    rows = [one for one in reversed(shown) if low <= one.at // 1_000 <= high]
    if params.get("sort") == "1":
        rows.reverse()
    told = (
        # By hand: its numbers are written as they please.
        f"[{one.id},{one.at // 1_000},{'-' if one.side == 'sell' else ''}{one.size},{one.price}]"
        for one in rows[: _cap(venue, params, "limit", 10_000)]
    )
    return f"[{','.join(told)}]".encode()


def _skips(number: int) -> int:
    return 1 + number * 7919 % 60


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "okx",
            "/api/v5/market/history-trades",
            okx,
            (200, {"code": "51001", "msg": "Instrument ID does not exist", "data": []}),
            timedelta(days=90),
            first=1,
            step=lambda _: 1,
            mine={"instId": "BTC-USD", "type": "1"},
            settle=0,
        ),
        Kind(
            "gate",
            "/api/v4/spot/trades",
            gate,
            (400, {"label": "INVALID_CURRENCY_PAIR", "message": "Invalid currency pair"}),
            timedelta(days=30),
            first=1,
            step=lambda _: 1,
            tick=1,
            mine={"currency_pair": "BTC_USD"},
        ),
        Kind(
            "gemini",
            "/v1/trades/btcusd",
            gemini,
            (400, {"result": "error", "reason": "InvalidSymbol", "message": "no such symbol"}),
            timedelta(days=7),
            first=2_840_140_000,
            step=_skips,
        ),
        Kind(
            "bitstamp",
            "/api/v2/transactions/btcusd/",
            bitstamp,
            (404, {"error": "no such pair"}),
            timedelta(hours=24),
            first=360_000_000,
            step=_skips,
            tick=SECOND,
        ),
        Kind(
            "bitfinex",
            "/v2/trades/tBTCUSD/hist",
            bitfinex,
            (500, ["error", 10_020, "symbol: invalid"]),
            None,
            first=148_668_312,
            step=_skips,
        ),
    )
}


@contextmanager
def serving(venue: Venue) -> Iterator[Venue]:
    """The venue on a port of its own, on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, said = venue.answer(parts.path, dict(parse_qsl(parts.query)))
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response_only(status)
            self.send_header("Date", format_datetime(venue.at, usegmt=True))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name there)
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    venue.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield venue
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
