"""Witness: a client that somebody else wrote for the real exchange reads the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

from schemahub.sandbox import Generated, Market, Recorded, Sandbox

RECORDED = Path(__file__).parents[1] / "exchanges" / "coinbase" / "skl_usd_trades.jsonl"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    markets: dict[str, Any] = {
        "BTC-USD": Generated(seed=11, trades=2_345),
        "DOGE-EUR": Market(Generated(seed=11, trades=10), status="delisted"),
        "SKL-USD": Recorded.load(RECORDED),
    }
    with Sandbox(markets) as one:
        yield one


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Iterator[ccxt.coinbaseexchange]:
    one = ccxt.coinbaseexchange({"enableRateLimit": False})
    one.urls["api"] = {"public": sandbox.url, "private": sandbox.url}
    one.session.trust_env = False
    yield one
    one.session.close()


def as_truth(row: dict) -> tuple[int, str, Decimal, Decimal, str]:
    return (
        int(row["id"]),
        row["side"],  # ccxt turns REST rows round: the taker's side
        Decimal(str(row["info"]["price"])),
        Decimal(str(row["info"]["size"])),
        row["info"]["time"],
    )


def check(client: ccxt.coinbaseexchange, rows: list[dict], truth: list) -> None:
    assert [as_truth(row) for row in rows] == [
        (t.trade_id, t.side, Decimal(t.price), Decimal(t.size), t.time) for t in truth
    ]
    for row, trade in zip(rows, truth, strict=True):
        assert (row["price"], row["amount"]) == (float(trade.price), float(trade.size))
        assert row["timestamp"] == client.parse8601(trade.time)
        assert row["timestamp"] > 1_500_000_000_000


def test_markets(client: ccxt.coinbaseexchange) -> None:
    markets = client.load_markets()
    assert set(markets) == {"BTC/USD", "DOGE/EUR", "SKL/USD"}
    assert markets["BTC/USD"]["precision"] == {"amount": 1e-8, "price": 0.01}
    assert markets["BTC/USD"]["active"] is True
    assert markets["DOGE/EUR"]["active"] is False


def test_all_trades_by_paging_on_after(client: ccxt.coinbaseexchange, sandbox: Sandbox) -> None:
    rows: list[dict] = []
    after: dict[str, int] = {}
    for _ in range(4):
        page = client.fetch_trades("BTC/USD", limit=1000, params=after)
        if not page:
            break
        rows += page
        after = {"after": min(int(row["id"]) for row in page)}
    rows.sort(key=lambda row: int(row["id"]))
    assert len(rows) == 2_345
    check(client, rows, sandbox.truth("BTC-USD"))


def test_recorded_trades(client: ccxt.coinbaseexchange, sandbox: Sandbox) -> None:
    rows = sorted(client.fetch_trades("SKL/USD"), key=lambda row: int(row["id"]))
    assert len(rows) == 53
    check(client, rows, sandbox.truth("SKL-USD"))


def test_errors_and_time(client: ccxt.coinbaseexchange) -> None:
    with pytest.raises(ccxt.ExchangeError, match="NotFound"):
        client.publicGetProductsIdTrades({"id": "NO-SUCH"})
    with pytest.raises(ccxt.ExchangeError, match="pagination after"):
        client.publicGetProductsIdTrades({"id": "BTC-USD", "after": "2020-01-01"})
    assert client.fetch_time() > 1_700_000_000_000
