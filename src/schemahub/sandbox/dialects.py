"""The exchanges that the sandbox can play, by name."""

from __future__ import annotations

from collections.abc import Mapping

from schemahub.sandbox.dialect_binance import Binance
from schemahub.sandbox.dialect_bitfinex import Bitfinex
from schemahub.sandbox.dialect_coinbase import Coinbase
from schemahub.sandbox.dialect_kraken import Kraken
from schemahub.sandbox.wire import Dialect

__all__ = ["DIALECTS"]

DIALECTS: Mapping[str, Dialect] = {
    "coinbase": Coinbase(),
    "binance": Binance(),
    "kraken": Kraken(),
    "bitfinex": Bitfinex(),
}
