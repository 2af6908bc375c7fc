"""Binance's public spot REST, as recorded and documented.

GET /api/v3/historicalTrades?symbol=&fromId=&limit=, /trades?symbol=&limit=, /exchangeInfo, /time.
A page is oldest first. `fromId` is inclusive; without it, and in /trades always, the page holds
the newest `limit` trades. Times are whole milliseconds. `isBuyerMaker` says that the taker sold.
A `limit` above 1000 is cut to 1000 without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import parse_qsl

from schemahub.sandbox.body import Verbatim, printed
from schemahub.sandbox.history import Trade
from schemahub.sandbox.times import iso, micros
from schemahub.sandbox.walk import scaled
from schemahub.sandbox.wire import Ask, Listing, Reply, Row, currencies, decimals, integer

__all__ = ["Binance"]

_DEFAULT_LIMIT, _MAX_LIMIT = 500, 1000
_WEIGHTS = {"trades": 25, "products": 20, "product": 20, "time": 1}
_QUOTE_UNIT = 10**8  # eight decimals
_KINDS = {
    "/api/v3/historicalTrades": "trades",
    "/api/v3/trades": "trades",
    "/api/v3/exchangeInfo": "products",
    "/api/v3/time": "time",
}
_MESSAGES = {
    403: (-1002, "You are not authorized to execute this request."),
    418: (-1003, "Way too much request weight used; IP banned."),
    429: (
        -1003,
        "Too much request weight used; current limit is 6000 request weight per 1 MINUTE.",
    ),
    503: (-1008, "Server is currently overloaded with other requests."),
}
_TOLD_TO_WAIT = {418, 429}


class Binance:
    """The dialect; see the module's docstring."""

    by_time = False
    fields: Mapping[str, str] = {
        "id": "id",
        "side": "isBuyerMaker",
        "size": "qty",
        "price": "price",
        "time": "time",
    }

    def spellings(self, symbol: str) -> tuple[str, ...]:
        return (symbol.replace("-", ""),)

    def parse(self, path: str, query: str, symbols: Mapping[str, str]) -> Ask | Reply:
        kind = _KINDS.get(path)
        if kind is None:
            return self.error(404)
        asked = dict(parse_qsl(query, keep_blank_values=True))
        symbol = symbols.get(asked.get("symbol", ""))
        if kind == "time" or (kind == "products" and "symbol" not in asked):
            return Ask(kind)
        if not asked.get("symbol"):
            missing = "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."
            return _message(400, -1102, missing)
        if symbol is None:
            return _message(400, -1121, "Invalid symbol.")
        if kind == "products":
            return Ask("product", symbol)
        if path == "/api/v3/trades":
            asked.pop("fromId", None)
        return _trades(symbol, asked)

    def answer(self, ask: Ask, listings: Sequence[Listing], now: float) -> Reply:
        if ask.kind == "time":
            return Reply(200, printed({"serverTime": int(now * 1000)}))
        shown = [_symbol(one) for one in listings if ask.symbol in (None, one.symbol)]
        about = {"timezone": "UTC", "serverTime": int(now * 1000), "rateLimits": [_LIMIT]}
        return Reply(200, printed({**about, "exchangeFilters": [], "symbols": shown}))

    def error(self, status: int, wait: int = 1) -> Reply:
        code, message = _MESSAGES.get(
            status, (-1000, "An unknown error occurred while processing the request.")
        )
        reply = _message(status, code, message)
        if status in _TOLD_TO_WAIT:
            reply.headers["Retry-After"] = str(wait)
        return reply

    def told(self, trade: Trade) -> Trade:
        return trade._replace(time=iso(_millis(trade.time) * 1000))

    def row(self, trade: Trade) -> dict[str, object]:
        return {
            "id": trade.trade_id,
            "price": trade.price,
            "qty": trade.size,
            "quoteQty": _quote(trade.price, trade.size),
            "time": _millis(trade.time),
            "isBuyerMaker": trade.side == "sell",  # the buyer made the price: the taker sold
            "isBestMatch": True,
        }

    def page(
        self, _ask: Ask, trades: Sequence[Trade], rows: Sequence[Row | Verbatim] | None = None
    ) -> bytes:
        if rows is not None:
            return printed(rows)
        texts = [
            f'{{"id":{trade_id},"price":"{price}","qty":"{size}",'
            f'"quoteQty":"{_quote(price, size)}","time":{_millis(time)},'
            f'"isBuyerMaker":{"true" if side == "sell" else "false"},"isBestMatch":true}}'
            for trade_id, side, price, size, time in trades
        ]
        return ("[" + ",".join(texts) + "]").encode()

    def page_headers(self, _trades: Sequence[Trade]) -> dict[str, str]:
        return {}

    def budget(self, used: Mapping[str, int]) -> dict[str, str]:
        weight = sum(_WEIGHTS[kind] * count for kind, count in used.items())
        return {"X-MBX-USED-WEIGHT-1M": str(weight)}


def _trades(symbol: str, asked: dict[str, str]) -> Ask | Reply:
    for name in ("fromId", "limit"):
        if name in asked and (integer(asked[name]) is None or asked[name].startswith("-")):
            legal = (
                f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
            )
            return _message(400, -1100, legal)
    limit = min(int(asked.get("limit", _DEFAULT_LIMIT)), _MAX_LIMIT)
    if limit < 1:
        return _message(400, -1130, "Data sent for parameter 'limit' is not valid.")
    if "fromId" not in asked:
        return Ask("trades", symbol, limit=limit, takes="newest", first="oldest")
    lo = int(asked["fromId"])
    return Ask("trades", symbol, lo=lo, limit=limit, takes="oldest", first="oldest")


_LIMIT = {
    "rateLimitType": "REQUEST_WEIGHT",
    "interval": "MINUTE",
    "intervalNum": 1,
    "limit": 6000,
}


def _symbol(listing: Listing) -> dict[str, object]:
    base, quote = currencies(listing.symbol)
    tick, step = listing.history.quote_increment, listing.history.base_increment
    return {
        "symbol": base + quote,
        "status": "TRADING" if listing.market.trading else "BREAK",
        "baseAsset": base,
        "baseAssetPrecision": max(8, decimals(step)),
        "quoteAsset": quote,
        "quotePrecision": max(8, decimals(tick)),
        "quoteAssetPrecision": max(8, decimals(tick)),
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": "1000000",
                "tickSize": tick,
            },
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000000", "stepSize": step},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }


@lru_cache(maxsize=8192)
def _scaled(text: str) -> tuple[int, int]:
    return scaled(text)


def _quote(price: str, size: str) -> str:
    """The product, cut to eight decimals."""
    a, a_decimals = _scaled(price)
    b, b_decimals = _scaled(size)
    whole, part = divmod(a * b * _QUOTE_UNIT // 10 ** (a_decimals + b_decimals), _QUOTE_UNIT)
    return f"{whole}.{part:08d}"


def _millis(time: str) -> int:
    return micros(time) // 1000


def _message(status: int, code: int, message: str) -> Reply:
    return Reply(status, printed({"code": code, "msg": message}))
