"""Witness: clients that somebody else wrote for the real exchanges read the sandbox's dialects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from schemahub.sandbox import Generated, Sandbox, Trade
from tests.sandbox.tellers import microseconds

MARKETS = {"BTC-USDT": Generated(seed=11, trades=2_345), "DOGE-USD": Generated(seed=11, trades=10)}
SETTINGS: dict[str, dict[str, Any]] = {
    "binance": {
        "apiKey": "any",  # it does not know that this endpoint needs none
        "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False},
    },
    "kraken": {},
    "bitfinex": {},
}


@contextmanager
def talking(name: str) -> Iterator[tuple[Any, Sandbox]]:
    with Sandbox(MARKETS, dialect=name) as box:
        client = getattr(ccxt, name)({"enableRateLimit": False, **SETTINGS[name]})
        client.session.trust_env = False
        yield client, box
        client.session.close()


def check(rows: list[dict[str, Any]], truth: list[Trade]) -> None:
    rows = sorted(rows, key=lambda row: int(row["id"]))  # it sorts by time, then as texts
    assert len(rows) == len(truth) > 0
    for row, trade in zip(rows, truth, strict=True):
        assert (int(row["id"]), row["side"]) == (trade.trade_id, trade.side)
        assert Decimal(str(row["price"])) == Decimal(trade.price)
        assert Decimal(str(row["amount"])) == Decimal(trade.size)
        assert row["timestamp"] == microseconds(trade.time) // 1000


def test_binance() -> None:
    with talking("binance") as (client, box):
        client.urls["api"]["public"] = f"{box.url}/api/v3"
        assert set(client.load_markets()) == {"BTC/USDT", "DOGE/USD"}
        assert client.market("DOGE/USD")["precision"] == {
            **client.market("DOGE/USD")["precision"], "amount": 0.1, "price": 0.00001,
        }  # fmt: skip
        old = {"fetchTradesMethod": "publicGetHistoricalTrades", "fromId": 700}
        check(
            client.fetch_trades("BTC/USDT", limit=400, params=old), box.truth("BTC-USDT", 700, 1100)
        )
        assert client.fetch_time() > 1_700_000_000_000
        with pytest.raises(ccxt.BadSymbol):
            client.publicGetHistoricalTrades({"symbol": "NOSUCH"})
        box.set_faults(["http_429"])
        with pytest.raises(ccxt.DDoSProtection):
            client.publicGetHistoricalTrades({"symbol": "BTCUSDT"})


def test_kraken() -> None:
    with talking("kraken") as (client, box):
        client.urls["api"]["public"] = box.url
        client.fetch_currencies = lambda _params=None: {}
        assert set(client.load_markets()) == {"BTC/USDT", "DOGE/USD"}
        truth = box.truth("BTC-USDT")
        since = microseconds(truth[1000].time) // 1_000_000 * 1000
        rest = [t for t in truth if microseconds(t.time) >= since * 1000]
        check(client.fetch_trades("BTC/USDT", since=since, limit=300), rest[:300])
        check(client.fetch_trades("DOGE/USD"), box.truth("DOGE-USD"))
        with pytest.raises(ccxt.ExchangeError, match="Unknown asset pair"):
            client.publicGetTrades({"pair": "NOSUCH"})
        box.set_faults(["http_429"])
        with pytest.raises(ccxt.DDoSProtection):
            client.publicGetTrades({"pair": "XBTUSDT"})


def test_bitfinex() -> None:
    with talking("bitfinex") as (client, box):
        client.urls["api"]["public"] = box.url
        # It lists markets from an answer that the sandbox does not have.
        for native, symbol in (("tBTCUST", "BTC/USDT"), ("tDOGE:USD", "DOGE/USD")):
            base, quote = symbol.split("/")
            market = client.safe_market_structure(
                {"id": native, "symbol": symbol, "base": base, "quote": quote, "spot": True}
            )
            client.markets = {**(client.markets or {}), symbol: market}
        client.set_markets(client.markets)
        truth = box.truth("BTC-USDT")
        check(client.fetch_trades("BTC/USDT", limit=10_000), truth)
        check(client.fetch_trades("DOGE/USD"), box.truth("DOGE-USD"))
        since = microseconds(truth[1000].time) // 1000
        rest = [t for t in truth if microseconds(t.time) // 1000 >= since]
        check(client.fetch_trades("BTC/USDT", since=since, limit=500), rest[:500])
        with pytest.raises(ccxt.ExchangeError, match="symbol: invalid"):
            client.publicGetTradesSymbolHist({"symbol": "tNOSUCH"})
