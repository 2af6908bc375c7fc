"""Trades that nobody took: rows of the table whose side is null, and none is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from schemahub.adapters import specs
from schemahub.adapters.parquet import ArrowMapper
from schemahub.core import page as pages
from schemahub.core.layout import Market
from schemahub.core.page import Answer
from schemahub.core.span import Span
from schemahub.core.wire import Reader, RowRefused
from schemahub.ports import RawObject

SPEC = specs.load(specs.installed()["gemini"])
AT = datetime(2024, 3, 1, tzinfo=UTC)
ROW = {
    "timestamp": 1709251100,
    "timestampms": 1709251100123,
    "tid": 7,
    "price": "61000.01",
    "amount": "0.5",
    "exchange": "gemini",
    "type": "auction",
}


@pytest.mark.parametrize("word", ["auction", "block"])
def test_it_is_a_trade_without_a_side(word: str) -> None:
    now = int(AT.timestamp()) * 1_000_000
    trade = Reader(SPEC).trade(json.dumps({**ROW, "type": word}).encode(), now)
    assert (trade.trade_id, trade.side) == (7, None)
    with pytest.raises(RowRefused, match="not a side"):
        Reader(SPEC).trade(json.dumps({**ROW, "type": "other"}).encode(), now)


def test_it_stands_in_the_table_between_the_others() -> None:
    rows = [
        {**ROW, "tid": tid, "type": word} for tid, word in enumerate(["buy", "auction", "sell"])
    ]
    answer = Answer(AT, "https://example.com/v1/trades/btcusd", 200, "", json.dumps(rows).encode())
    source = RawObject("raw", Span(0, 3), pages.encode(answer))
    mapped = ArrowMapper().map([source], Span(0, 3), Market("gemini", "BTC-USD"), SPEC)
    assert not mapped.rejected
    assert mapped.rows.table["side"].to_pylist() == ["buy", None, "sell"]  # type: ignore[attr-defined]
