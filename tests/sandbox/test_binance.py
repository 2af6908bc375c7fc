"""Binance's dialect against the facts: which end, which order, what is cut, how errors look."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from typing import Any

import pytest

from schemahub.sandbox import Generated, Market, Sandbox
from tests.sandbox.client import Answer, get

OLD = "/api/v3/historicalTrades?symbol=BTCUSDT"
NEW = "/api/v3/trades?symbol=BTCUSDT"
MARKETS: dict[str, Any] = {
    "BTC-USDT": Generated(seed=1, trades=2_500),
    "ETH-BTC": Market(Generated(seed=1, trades=0), status="delisted"),
}


class HandClock:
    def __init__(self) -> None:
        self.now = 1_699_999_980.0  # a whole minute

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(MARKETS, dialect="binance", clock=HandClock()) as one:
        yield one


def ids(answer: Answer) -> list[int]:
    assert answer.status == 200, answer
    return [row["id"] for row in answer.json()]


def test_a_row_is_told_in_full(sandbox: Sandbox) -> None:
    rows = get(sandbox.url, f"{OLD}&fromId=1&limit=1000").json()
    for row, trade in zip(rows, sandbox.truth("BTC-USDT", 1, 1001), strict=True):
        assert list(row) == [
            "id",
            "price",
            "qty",
            "quoteQty",
            "time",
            "isBuyerMaker",
            "isBestMatch",
        ]
        assert (row["price"], row["qty"]) == (trade.price, trade.size)
        product = Decimal(trade.price) * Decimal(trade.size)
        assert row["quoteQty"] == str(product.quantize(Decimal("1e-8"), ROUND_DOWN))
        assert row["isBuyerMaker"] is (trade.side == "sell")
        assert row["isBestMatch"] is True
        assert isinstance(row["time"], int)
        assert 1_600_000_000_000 < row["time"] < 1_700_000_000_000


@pytest.mark.parametrize(
    ("path", "want"),
    [
        (f"{OLD}&fromId=5&limit=3", [5, 6, 7]),  # inclusive, oldest first
        (f"{OLD}&fromId=0&limit=2", [1, 2]),
        (f"{OLD}&fromId=2499", [2499, 2500]),
        (f"{OLD}&fromId=2501", []),
        (f"{OLD}&fromId=999999999999", []),
        (f"{OLD}&fromId=1", list(range(1, 501))),  # the default limit
        (f"{OLD}&fromId=1&limit=5000", list(range(1, 1001))),  # cut without a word
        (f"{OLD}&limit=3", [2498, 2499, 2500]),  # the newest, and still oldest first
        (OLD, list(range(2001, 2501))),
        (f"{NEW}&limit=2", [2499, 2500]),
        (f"{NEW}&limit=2&fromId=7", [2499, 2500]),  # is not one of its parameters
        ("/api/v3/historicalTrades?symbol=ETHBTC", []),
    ],
)
def test_which_trades(sandbox: Sandbox, path: str, want: list[int]) -> None:
    assert ids(get(sandbox.url, path)) == want


@pytest.mark.parametrize(
    ("path", "status", "code", "says"),
    [
        ("/api/v3/historicalTrades", 400, -1102, "Mandatory parameter 'symbol'"),
        ("/api/v3/historicalTrades?symbol=", 400, -1102, "Mandatory parameter 'symbol'"),
        ("/api/v3/historicalTrades?symbol=NOSUCH", 400, -1121, "Invalid symbol."),
        ("/api/v3/historicalTrades?symbol=BTC-USDT", 400, -1121, "Invalid symbol."),
        ("/api/v3/exchangeInfo?symbol=btcusdt", 400, -1121, "Invalid symbol."),
        (f"{OLD}&fromId=x", 400, -1100, "'fromId'"),
        (f"{OLD}&fromId=-1", 400, -1100, "'fromId'"),
        (f"{OLD}&fromId=", 400, -1100, "'fromId'"),
        (f"{OLD}&limit=1e3", 400, -1100, "'limit'"),
        (f"{OLD}&limit=0", 400, -1130, "'limit'"),
        ("/api/v3/nothing", 404, -1000, "unknown"),
        ("/products", 404, -1000, "unknown"),
    ],
)
def test_errors(sandbox: Sandbox, path: str, status: int, code: int, says: str) -> None:
    answer = get(sandbox.url, path)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert says in answer.json()["msg"]
    assert set(answer.json()) == {"code", "msg"}


def test_the_list_of_markets_and_the_time(sandbox: Sandbox) -> None:
    info = get(sandbox.url, "/api/v3/exchangeInfo").json()
    symbols = {one["symbol"]: one for one in info["symbols"]}
    assert {name: one["status"] for name, one in symbols.items()} == {
        "BTCUSDT": "TRADING",
        "ETHBTC": "BREAK",
    }
    assert (symbols["ETHBTC"]["baseAsset"], symbols["ETHBTC"]["quoteAsset"]) == ("ETH", "BTC")
    steps = {one["filterType"]: one for one in symbols["BTCUSDT"]["filters"]}
    assert steps["PRICE_FILTER"]["tickSize"] == "0.01"
    assert steps["LOT_SIZE"]["stepSize"] == "0.00000001"
    only = get(sandbox.url, "/api/v3/exchangeInfo?symbol=ETHBTC").json()["symbols"]
    assert only == [symbols["ETHBTC"]]
    assert get(sandbox.url, "/api/v3/time").json() == {"serverTime": 1_699_999_980_000}


def test_every_answer_says_what_this_minute_has_cost() -> None:
    clock = HandClock()
    with Sandbox(MARKETS, dialect="binance", clock=clock) as one:

        def used(path: str) -> int:
            return int(get(one.url, path).headers["X-MBX-USED-WEIGHT-1M"])

        assert [used(OLD), used(OLD), used("/api/v3/time"), used("/nothing")] == [25, 50, 51, 51]
        clock.now += 59.9
        assert used(OLD) == 76
        clock.now += 0.1
        assert [used("/nothing"), used(OLD)] == [0, 25]


def test_who_asks_too_much_is_told_how_long_to_wait() -> None:
    with Sandbox(MARKETS, dialect="binance", rate=0.3, burst=1, clock=HandClock()) as one:
        assert get(one.url, OLD).status == 200
        refused = get(one.url, OLD)
        assert (refused.status, refused.json()["code"]) == (429, -1003)
        assert refused.headers["Retry-After"] == "4"
        one.set_faults([{"name": "http_429", "retry_after": 9}])
        assert one.stats().limited == 1
