"""Witness: what CCXT, which somebody else wrote, makes of the same captured answers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.exchanges.captured import NAMES, captured

CLASSES = {
    "binance": "binance",
    "binance_usdm": "binanceusdm",
    "bitfinex": "bitfinex",
    "bitstamp": "bitstamp",
    "coinbase": "coinbaseexchange",
    "gate": "gate",
    "gemini": "gemini",
    "kraken": "kraken",
    "okx": "okx",
}
# Where it takes another id for a trade's: Gate's `id`, which all markets share.
OTHER_ID = {"gate"}
# Its rows as it hands them to itself.
WRAPPED = {"bitfinex"}


@pytest.mark.parametrize("name", NAMES)
def test_ccxt_reads_the_same_trades(name: str) -> None:
    case = captured(name)
    client: Any = getattr(ccxt, CLASSES[name])({"number": str})
    # As texts: its JSON reader makes floats of numbers, which lose digits.
    told = [json.loads(row, parse_float=str) for row in case.reader.split(case.body)]
    base, _, quote = case.market.symbol.partition("-")
    market = client.safe_market_structure(
        {
            "id": case.spec.native(case.market), "symbol": f"{base}/{quote}",
            "base": base, "quote": quote, "baseId": base, "quoteId": quote,
            "type": "spot", "spot": True, "contract": False,
        }
    )  # fmt: skip
    for raw, row in zip(told, case.rows, strict=True):
        theirs = client.parse_trade({"result": raw} if name in WRAPPED else raw, market)
        assert theirs["side"] == row.side
        assert Decimal(theirs["price"]) == row.price
        assert Decimal(theirs["amount"]) == row.quantity
        # Milliseconds are all that it keeps.
        assert theirs["timestamp"] == row.trade_ts // 1_000
        if name not in OTHER_ID:
            assert int(theirs["id"]) == row.trade_id


@pytest.mark.parametrize("name", sorted(OTHER_ID))
def test_ccxt_takes_another_id_there(name: str) -> None:
    case = captured(name)
    client: Any = getattr(ccxt, CLASSES[name])()
    for raw, row in zip(case.reader.split(case.body), case.rows, strict=True):
        theirs = client.parse_trade(json.loads(raw), {"symbol": "ETH/BTC", "spot": True})
        assert int(theirs["id"]) != row.trade_id
