"""Coinbase Exchange's public REST, as recorded and documented.

GET /products, /products/{id}, /products/{id}/trades?limit=&after=&before=, /currencies, /time.
A page is newest first. `after=ID` is the adjacent page of ids strictly below ID.

`before=ID` asks for ids above ID. The docs do not say which end of them a page takes; this
dialect deliberately takes the unhelpful reading, the NEWEST `limit` of them and not those next
to the cursor, so that a client which walks forward on `before` loses trades here and not in
production. A `limit` above 1000 is cut to 1000 without a word, for the same reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote

from schemahub.sandbox.body import Verbatim, printed
from schemahub.sandbox.history import Trade
from schemahub.sandbox.wire import Ask, Listing, Reply, Row, currencies, integer

__all__ = ["Coinbase"]

MAX_LIMIT = 1000

# The `side` on this wire is the MAKER's: a taker who buys meets a maker who sells.
_MAKER = {"buy": "sell", "sell": "buy"}

_ROUTE = re.compile(r"/products/(?P<symbol>[^/]+)(?P<trades>/trades)?")
_MESSAGES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "Method Not Allowed",
    429: "Public rate limit exceeded",
    500: "Internal server error",
    503: "Service Unavailable",
}


class Coinbase:
    """The dialect; see the module's docstring."""

    by_time = False
    fields: Mapping[str, str] = {
        "id": "trade_id",
        "side": "side",
        "size": "size",
        "price": "price",
        "time": "time",
    }

    def spellings(self, symbol: str) -> tuple[str, ...]:
        return (symbol,)

    def parse(self, path: str, query: str, symbols: Mapping[str, str]) -> Ask | Reply:
        if path in ("/products", "/currencies", "/time"):
            return Ask(kind=path[1:])
        route = _ROUTE.fullmatch(path)
        symbol = unquote(route["symbol"]) if route else ""
        if route is None or symbol not in symbols:
            return self.error(404)
        if route["trades"] is None:
            return Ask(kind="product", symbol=symbol)
        return self._trades(symbol, dict(parse_qsl(query, keep_blank_values=True)))

    def _trades(self, symbol: str, asked: dict[str, str]) -> Ask | Reply:
        cursors: dict[str, int] = {}
        for name in ("after", "before"):
            if name in asked:
                cursor = integer(asked[name])
                if cursor is None:
                    return _message(400, f"Invalid value for pagination {name}")
                cursors[name] = cursor
        limit = integer(asked.get("limit", str(MAX_LIMIT)))
        if limit is None or limit < 1:
            return _message(400, "Invalid value for pagination limit")
        return Ask(
            kind="trades",
            symbol=symbol,
            lo=cursors["before"] + 1 if "before" in cursors else 0,
            hi=cursors.get("after"),
            limit=min(limit, MAX_LIMIT),
        )

    def answer(self, ask: Ask, listings: Sequence[Listing], now: float) -> Reply:
        if ask.kind == "time":
            iso = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
            return _json({"iso": iso.replace("+00:00", "Z"), "epoch": round(now, 3)})
        if ask.kind == "currencies":
            names = {name for one in listings for name in one.symbol.split("-")}
            return _json([_currency(name) for name in sorted(names)])
        if ask.kind == "product":
            return _json(next(_product(one) for one in listings if one.symbol == ask.symbol))
        return _json([_product(one) for one in listings])

    def error(self, status: int, _wait: int = 1) -> Reply:
        return _message(status, _MESSAGES.get(status, "Error"))

    def told(self, trade: Trade) -> Trade:
        return trade

    def row(self, trade: Trade) -> dict[str, object]:
        return {
            "trade_id": trade.trade_id,
            "side": _MAKER[trade.side],  # taker -> maker
            "size": trade.size,
            "price": trade.price,
            "time": trade.time,
        }

    def page(
        self, _ask: Ask, trades: Sequence[Trade], rows: Sequence[Row | Verbatim] | None = None
    ) -> bytes:
        if rows is not None:
            return printed(rows)
        # Written out because a page is the whole cost of this server; texts need no escaping.
        texts = [
            f'{{"trade_id":{trade_id},"side":"{_MAKER[side]}","size":"{size}",'
            f'"price":"{price}","time":"{time}"}}'
            for trade_id, side, price, size, time in trades
        ]
        return ("[" + ",".join(texts) + "]").encode()

    def page_headers(self, trades: Sequence[Trade]) -> dict[str, str]:
        if not trades:
            return {}
        return {"CB-BEFORE": str(trades[0].trade_id), "CB-AFTER": str(trades[-1].trade_id)}

    def budget(self, _used: Mapping[str, int]) -> dict[str, str]:
        return {}


def _product(listing: Listing) -> dict[str, object]:
    base, quote = currencies(listing.symbol)
    market = listing.market
    return {
        "id": listing.symbol,
        "base_currency": base,
        "quote_currency": quote,
        "quote_increment": listing.history.quote_increment,
        "base_increment": listing.history.base_increment,
        "display_name": f"{base}/{quote}",
        "min_market_funds": "1",
        "margin_enabled": False,
        "post_only": market.post_only,
        "limit_only": market.limit_only,
        "cancel_only": market.cancel_only,
        "status": market.status,
        "status_message": "",
        "trading_disabled": market.trading_disabled,
        "fx_stablecoin": False,
        "max_slippage_percentage": "0.02000000",
        "auction_mode": market.auction_mode,
    }


def _currency(name: str) -> dict[str, object]:
    return {
        "id": name,
        "name": name,
        "min_size": "0.00000001",
        "status": "online",
        "message": "",
        "max_precision": "0.00000001",
        "convertible_to": [],
        "details": {"type": "crypto", "symbol": None, "sort_order": 0},
        "default_network": "",
        "supported_networks": [],
    }


def _json(value: object) -> Reply:
    return Reply(200, printed(value))


def _message(status: int, message: str) -> Reply:
    return Reply(status, printed({"message": message}))
