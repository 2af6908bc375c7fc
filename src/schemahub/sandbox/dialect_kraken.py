"""Kraken's public spot REST, as recorded and documented.

GET /0/public/Trades?pair=&since=&count=, /0/public/AssetPairs, /0/public/Time.
A page is oldest first: the oldest `count` trades after `since` (nanoseconds, EXCLUSIVE; a short
value is seconds), without it the newest. Rows tell the time as a JSON number of seconds, which is
the shortest text of a float64: some 238 ns coarse. Only `last` is exact, the nanosecond of the
last row. Errors come with status 200, the rate limit's too. Bitcoin is XBT here, Dogecoin XDG,
and the page stands under the internal name of the pair, whatever it was called in the request.
A `count` above 1000 is cut to 1000 without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from email.utils import format_datetime
from http import HTTPStatus
from urllib.parse import parse_qsl

from schemahub.sandbox.body import Number, Verbatim, printed
from schemahub.sandbox.history import Trade
from schemahub.sandbox.times import iso, micros
from schemahub.sandbox.walk import mix
from schemahub.sandbox.wire import Ask, Listing, Reply, Row, currencies, decimals, integer

__all__ = ["Kraken"]

_MAX_COUNT = 1000
_SECONDS_HAVE = 11  # digits at most, until the year 5138
_ALIASES = {"BTC": "XBT", "DOGE": "XDG"}
# Assets of the first years carry a letter for their kind, and so do pairs of two such assets.
_OLD_COINS = {"XBT", "ETC", "ETH", "LTC", "MLN", "REP", "XLM", "XMR", "XRP", "ZEC"}
_OLD_MONEY = {"CAD", "EUR", "GBP", "JPY", "USD"}
_KINDS = {
    "/0/public/Trades": "trades",
    "/0/public/AssetPairs": "products",
    "/0/public/Time": "time",
}
_SIDES = {"buy": "b", "sell": "s"}
_THROTTLED, _BAD_PAIR = "EAPI:Rate limit exceeded", "EQuery:Unknown asset pair"
_BAD_ARGUMENTS, _BAD_METHOD = "EGeneral:Invalid arguments", "EGeneral:Unknown method"


class Kraken:
    """The dialect; see the module's docstring."""

    by_time = True
    fields: Mapping[str, int] = {"price": 0, "size": 1, "time": 2, "side": 3, "id": 6}

    def spellings(self, symbol: str) -> tuple[str, ...]:
        base, quote = map(_asset, currencies(symbol))
        return tuple(dict.fromkeys((_internal(symbol), base + quote, f"{base}/{quote}")))

    def parse(self, path: str, query: str, symbols: Mapping[str, str]) -> Ask | Reply:
        kind = _KINDS.get(path)
        if kind is None:
            return _errors(_BAD_METHOD)
        asked = dict(parse_qsl(query, keep_blank_values=True))
        if kind == "time" or (kind == "products" and "pair" not in asked):
            return Ask(kind)
        if not asked.get("pair"):
            return _errors(_BAD_ARGUMENTS)
        symbol = symbols.get(asked["pair"])
        if symbol is None:
            return _errors(_BAD_PAIR)
        return Ask("product", symbol) if kind == "products" else _trades(symbol, asked)

    def answer(self, ask: Ask, listings: Sequence[Listing], now: float) -> Reply:
        if ask.kind == "time":
            moment = datetime.fromtimestamp(int(now), UTC)
            return _result({"unixtime": int(now), "rfc1123": format_datetime(moment, usegmt=True)})
        return _result(
            {_internal(x.symbol): _pair(x) for x in listings if ask.symbol in (None, x.symbol)}
        )

    def error(self, status: int, _wait: int = 1) -> Reply:
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return _errors(_THROTTLED)
        return Reply(status, _errors("EService:Unavailable").body)

    def told(self, trade: Trade) -> Trade:
        seconds = Decimal(_seconds(_nanos(trade.time)))
        return trade._replace(time=iso(int(seconds.scaleb(6).to_integral_value(ROUND_FLOOR))))

    def row(self, trade: Trade) -> list[object]:
        return [
            trade.price,
            trade.size,
            Number(_seconds(_nanos(trade.time))),
            _SIDES[trade.side],
            _order(trade.trade_id),
            "",
            trade.trade_id,
        ]

    def page(
        self, ask: Ask, trades: Sequence[Trade], rows: Sequence[Row | Verbatim] | None = None
    ) -> bytes:
        text = Verbatim(printed(rows) if rows is not None else _rows_text(trades).encode())
        last = str(_nanos(trades[-1].time)) if trades else ask.echo
        result = {_internal(ask.symbol or ""): text, "last": last}
        return printed({"error": [], "result": result})

    def page_headers(self, _trades: Sequence[Trade]) -> dict[str, str]:
        return {}

    def budget(self, _used: Mapping[str, int]) -> dict[str, str]:
        return {}


def _trades(symbol: str, asked: dict[str, str]) -> Ask | Reply:
    count = integer(asked.get("count", str(_MAX_COUNT)))
    since = integer(asked.get("since", "0"))
    if count is None or count < 1 or since is None or since < 0:
        return _errors(_BAD_ARGUMENTS)
    count = min(count, _MAX_COUNT)
    if "since" not in asked:
        return Ask("trades", symbol, limit=count, takes="newest", first="oldest", echo="0")
    if len(asked["since"]) <= _SECONDS_HAVE:
        since *= 1_000_000_000
    us, nanos = divmod(since, 1000)
    start_us = us if _beyond(us) > nanos else us + 1  # exclusive
    return Ask(
        "trades",
        symbol,
        start_us=start_us,
        limit=count,
        takes="oldest",
        first="oldest",
        echo=str(since),
    )


def _beyond(us: int) -> int:
    """The nanoseconds of a trade beyond its microsecond: always the same for that microsecond.

    From 250 to 749, so that no rounding of a float64 (239 ns at most, until 2038) moves a time
    into another microsecond: what is told here is told in the same one elsewhere.
    """
    return 250 + mix(us) % 500


def _nanos(time: str) -> int:
    us = micros(time)
    return us * 1000 + _beyond(us)


def _seconds(nanos: int) -> str:
    return repr(nanos / 1_000_000_000)  # int / int is rounded once, to the nearest float64


def _order(trade_id: int) -> str:
    return "m" if mix(trade_id) & 1 else "l"


def _rows_text(trades: Sequence[Trade]) -> str:
    texts = [
        f'["{price}","{size}",{_seconds(_nanos(time))},"{_SIDES[side]}",'
        f'"{_order(trade_id)}","",{trade_id}]'
        for trade_id, side, price, size, time in trades
    ]
    return "[" + ",".join(texts) + "]"


def _asset(currency: str) -> str:
    return _ALIASES.get(currency, currency)


def _lettered(asset: str) -> str:
    if asset in _OLD_COINS or asset == "XDG":
        return "X" + asset
    return "Z" + asset if asset in _OLD_MONEY or asset == "AUD" else asset


def _internal(symbol: str) -> str:
    base, quote = map(_asset, currencies(symbol))
    if base in _OLD_COINS and quote in _OLD_COINS | _OLD_MONEY:
        return _lettered(base) + _lettered(quote)
    return base + quote


def _pair(listing: Listing) -> dict[str, object]:
    base, quote = map(_asset, currencies(listing.symbol))
    tick, step = listing.history.quote_increment, listing.history.base_increment
    return {
        "altname": base + quote,
        "wsname": f"{base}/{quote}",
        "aclass_base": "currency",
        "base": _lettered(base),
        "aclass_quote": "currency",
        "quote": _lettered(quote),
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": decimals(tick),
        "lot_decimals": decimals(step),
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD",
        "ordermin": step,
        "costmin": "0.5",
        "tick_size": tick,
        "status": _status(listing),
    }


def _status(listing: Listing) -> str:
    market = listing.market
    if not market.trading:
        return "cancel_only"
    if market.post_only:
        return "post_only"
    return "limit_only" if market.limit_only else "online"


def _result(value: object) -> Reply:
    return Reply(200, printed({"error": [], "result": value}))


def _errors(message: str) -> Reply:
    return Reply(200, printed({"error": [message]}))
