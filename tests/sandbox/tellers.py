"""How a client reads each dialect: written from the facts alone, to check the sandbox against.

A `Teller` walks all of a market's history as a careful client would, and decodes what it is told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.sandbox.client import get

_OTHER = {"buy": "sell", "sell": "buy"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Told:
    """A trade as a client knows it: the taker's side, exact numbers, whole microseconds."""

    trade_id: int
    side: str
    price: Decimal
    size: Decimal
    us: int


@dataclass(frozen=True)
class Teller:
    tick: int  # µs: how fine the wire's times are
    row: Callable[[Any], Told]
    rows: Callable[[Any], list[Any]]  # of a page that is parsed
    path: str  # a page of BTC-USD: `?` and parameters follow
    size: str  # the parameter for the number of rows
    walk: Callable[[Callable[[str], list[Told]], int], Iterator[list[Told]]]

    def page(self, url: str, query: str) -> list[Told]:
        answer = get(url, f"{self.path}{query}")
        assert answer.status == 200, answer
        return [self.row(one) for one in self.rows(parsed(answer.body))]

    def all(self, url: str, limit: int) -> list[Told]:
        """Every trade of BTC-USD, each once, in the order of ids."""
        found: dict[int, Told] = {}
        for page in self.walk(lambda query: self.page(url, query), limit):
            found |= {one.trade_id: one for one in page}
        return [found[trade_id] for trade_id in sorted(found)]


def parsed(body: bytes) -> Any:
    return json.loads(body, parse_float=Decimal)


def microseconds(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


def _coinbase(row: Any) -> Told:
    side, time = _OTHER[row["side"]], microseconds(row["time"])
    return Told(row["trade_id"], side, Decimal(row["price"]), Decimal(row["size"]), time)


def _binance(row: Any) -> Told:
    assert isinstance(row["time"], int)
    side = "sell" if row["isBuyerMaker"] else "buy"
    price, size = Decimal(row["price"]), Decimal(row["qty"])
    return Told(row["id"], side, price, size, row["time"] * 1000)


def _kraken(row: Any) -> Told:
    price, size, time, side, order, nothing, trade_id = row
    assert (order in {"m", "l"}, nothing) == (True, "")
    assert isinstance(time, Decimal)
    taker = {"b": "buy", "s": "sell"}[side]
    return Told(trade_id, taker, Decimal(price), Decimal(size), int(time * 1_000_000))


def _bitfinex(row: Any) -> Told:
    trade_id, millis, amount, price = row
    assert isinstance(millis, int)
    side = "sell" if amount < 0 else "buy"
    return Told(trade_id, side, Decimal(price), abs(Decimal(amount)), millis * 1000)


_Ask = Callable[[str], list[Told]]


def _down_on_after(ask: _Ask, limit: int) -> Iterator[list[Told]]:
    page = ask(f"?limit={limit}")
    while page:
        yield page
        page = ask(f"?limit={limit}&after={page[-1].trade_id}")


def _up_on_from_id(ask: _Ask, limit: int) -> Iterator[list[Told]]:
    start = 0
    while page := ask(f"&limit={limit}&fromId={start}"):
        yield page
        start = page[-1].trade_id + 1


def _up_on_since(ask: _Ask, limit: int) -> Iterator[list[Told]]:
    # A whole µs before the last row, since its nanoseconds are blurred and others may share them.
    since, last = 0, 0
    while (page := ask(f"&count={limit}&since={since}")) and page[-1].trade_id > last:
        yield page
        last, since = page[-1].trade_id, (page[-1].us - 1) * 1000


def _up_on_start(ask: _Ask, limit: int) -> Iterator[list[Told]]:
    start, last = 0, 0
    while (page := ask(f"?limit={limit}&sort=1&start={start}")) and page[-1].trade_id > last:
        yield page
        last, start = page[-1].trade_id, page[-1].us // 1000


TELLERS = {
    "coinbase": Teller(1, _coinbase, list, "/products/BTC-USD/trades", "limit", _down_on_after),
    "binance": Teller(
        1000, _binance, list, "/api/v3/historicalTrades?symbol=BTCUSD", "limit", _up_on_from_id
    ),
    "kraken": Teller(
        1,
        _kraken,
        lambda page: list(page["result"]["XXBTZUSD"]),
        "/0/public/Trades?pair=XBTUSD",
        "count",
        _up_on_since,
    ),
    "bitfinex": Teller(1000, _bitfinex, list, "/v2/trades/tBTCUSD/hist", "limit", _up_on_start),
}
