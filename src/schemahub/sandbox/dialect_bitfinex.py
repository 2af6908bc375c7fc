"""Bitfinex's public REST, version 2, as recorded and documented.

GET /v2/trades/{symbol}/hist?limit=&sort=&start=&end=, /v2/conf/pub:list:pair:exchange.
`start` and `end` are milliseconds, both inclusive. A page holds the newest `limit` trades between
them, newest first; with sort=1 the oldest, oldest first. Rows are arrays of JSON numbers, written
as JavaScript does: no zeros at the end, small ones with an exponent. A negative amount says that
the taker sold. Ids count the trades of all markets there, so those of one market skip here too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

from schemahub.sandbox.body import Number, Verbatim, printed
from schemahub.sandbox.history import Trade
from schemahub.sandbox.times import iso, micros
from schemahub.sandbox.walk import mix
from schemahub.sandbox.wire import Ask, Listing, Reply, Row, currencies, integer

__all__ = ["Bitfinex"]

_DEFAULT_LIMIT, _MAX_LIMIT = 125, 10_000
_ROUTE = re.compile(r"/v2/trades/(?P<symbol>[^/]+)/hist")
_PAIRS = "/v2/conf/pub:list:pair:exchange"
_ALIASES = {"USDT": "UST"}
_SHORT = 3  # letters of a currency that needs no colon
_TINY = "0.000000"  # from here down JavaScript writes an exponent


class Bitfinex:
    """The dialect; see the module's docstring."""

    by_time = True
    fields: Mapping[str, int] = {"id": 0, "time": 1, "size": 2, "price": 3}  # size says the side

    def spellings(self, symbol: str) -> tuple[str, ...]:
        return ("t" + _pair(symbol),)

    def parse(self, path: str, query: str, symbols: Mapping[str, str]) -> Ask | Reply:
        path = unquote(path)
        if path == _PAIRS:
            return Ask("products")
        route = _ROUTE.fullmatch(path)
        if route is None:
            return self.error(404)
        if route["symbol"] not in symbols:
            return _invalid("symbol")
        return _trades(symbols[route["symbol"]], dict(parse_qsl(query, keep_blank_values=True)))

    def answer(self, _ask: Ask, listings: Sequence[Listing], _now: float) -> Reply:
        # A market that is closed is not in this list; its trades can still be asked for.
        return Reply(200, printed([[_pair(one.symbol) for one in listings if one.market.trading]]))

    def error(self, status: int, _wait: int = 1) -> Reply:
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return Reply(status, printed({"error": "ERR_RATE_LIMIT"}))
        return Reply(status, printed(["error", 10000, "unknown: error"]))

    def told(self, trade: Trade) -> Trade:
        time = iso(_millis(trade.time) * 1000)
        return trade._replace(trade_id=_global(trade.trade_id), time=time)

    def row(self, trade: Trade) -> list[object]:
        return [
            _global(trade.trade_id),
            _millis(trade.time),
            Number(_amount(trade.side, trade.size)),
            Number(_number(trade.price)),
        ]

    def page(
        self, _ask: Ask, trades: Sequence[Trade], rows: Sequence[Row | Verbatim] | None = None
    ) -> bytes:
        if rows is not None:
            return printed(rows)
        texts = [
            f"[{_global(trade_id)},{_millis(time)},{_amount(side, size)},{_number(price)}]"
            for trade_id, side, price, size, time in trades
        ]
        return ("[" + ",".join(texts) + "]").encode()

    def page_headers(self, _trades: Sequence[Trade]) -> dict[str, str]:
        return {}

    def budget(self, _used: Mapping[str, int]) -> dict[str, str]:
        return {}


def _trades(symbol: str, asked: dict[str, str]) -> Ask | Reply:
    given: dict[str, int] = {}
    for name in ("limit", "sort", "start", "end"):
        if name in asked:
            number = integer(asked[name])
            if number is None:
                return _invalid(name)
            given[name] = number
    limit, sort = given.get("limit", _DEFAULT_LIMIT), given.get("sort", -1)
    if not 1 <= limit <= _MAX_LIMIT:
        return _invalid("limit")
    if sort not in (1, -1):
        return _invalid("sort")
    return Ask(
        "trades",
        symbol,
        start_us=given["start"] * 1000 if "start" in given else None,
        stop_us=(given["end"] + 1) * 1000 if "end" in given else None,  # inclusive
        limit=limit,
        takes="oldest" if sort == 1 else "newest",
        first="oldest" if sort == 1 else "newest",
    )


def _pair(symbol: str) -> str:
    base, quote = (_ALIASES.get(one, one) for one in currencies(symbol))
    return f"{base}:{quote}" if max(len(base), len(quote)) > _SHORT else base + quote


def _global(trade_id: int) -> int:
    """The id told for a market's n-th trade: grows with n, and skips."""
    return trade_id * 3 + mix(trade_id) % 3


def _millis(time: str) -> int:
    return micros(time) // 1000


def _amount(side: str, size: str) -> str:
    return "-" + _number(size) if side == "sell" else _number(size)  # the taker's side


@lru_cache(maxsize=8192)
def _number(text: str) -> str:
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if not text.startswith(_TINY):
        return text
    places = text[2:]
    digits = places.lstrip("0")
    rest = "." + digits[1:] if digits[1:] else ""
    return f"{digits[0]}{rest}e-{len(places) - len(digits) + 1}"


def _invalid(name: str) -> Reply:
    return Reply(500, printed(["error", 10020, f"{name}: invalid"]))
