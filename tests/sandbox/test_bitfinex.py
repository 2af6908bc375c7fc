"""Bitfinex's dialect against the facts: a window of milliseconds, numbers, ids that skip."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from schemahub.sandbox import Generated, Market, Recorded, Sandbox
from tests.sandbox.client import get
from tests.sandbox.tellers import microseconds, parsed

NOW = 1_700_000_000.0
TRADES = "/v2/trades/tBTCUSD/hist"
MARKETS: dict[str, Any] = {
    "BTC-USD": Generated(seed=1, trades=12_000, mean_gap=0.001),
    "ETH-USDT": Generated(seed=1, trades=5),
    "DOGE-USD": Generated(seed=1, trades=5),
    "SOL-EUR": Market(Generated(seed=1, trades=5), trading_disabled=True),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(MARKETS, dialect="bitfinex", clock=lambda: NOW) as one:
        yield one


def rows(sandbox: Sandbox, query: str = "") -> list[Any]:
    answer = get(sandbox.url, f"{TRADES}{query}")
    assert answer.status == 200, answer
    return list(parsed(answer.body))


def history(sandbox: Sandbox) -> list[tuple[int, int]]:
    """Ids and milliseconds of all trades, oldest first."""
    return [(t.trade_id, microseconds(t.time) // 1000) for t in sandbox.truth("BTC-USD")]


def test_the_newest_come_newest_first_or_with_sort_the_oldest_oldest_first(
    sandbox: Sandbox,
) -> None:
    all_ = [trade_id for trade_id, _ in history(sandbox)]
    assert [row[0] for row in rows(sandbox)] == all_[:-126:-1]
    assert [row[0] for row in rows(sandbox, "?limit=3&sort=-1")] == all_[:-4:-1]
    assert [row[0] for row in rows(sandbox, "?limit=3&sort=1")] == all_[:3]
    assert [row[0] for row in rows(sandbox, "?limit=10000&sort=1")] == all_[:10_000]


def test_start_and_end_are_both_inclusive(sandbox: Sandbox) -> None:
    told = history(sandbox)
    crowded = next(a[1] for a, b in pairwise(told[6_000:]) if a[1] == b[1])
    for start, end in ((crowded, crowded), (crowded - 3, crowded + 2), (0, told[9][1])):
        window = [trade_id for trade_id, ms in told if start <= ms <= end]
        assert len(window) > 1
        query = f"?start={start}&end={end}&limit=500"
        assert [row[0] for row in rows(sandbox, f"{query}&sort=1")] == window
        assert [row[0] for row in rows(sandbox, query)] == window[::-1]
        few = f"?start={start}&end={end}&limit=1"
        assert [row[0] for row in rows(sandbox, few)] == window[-1:]
        assert [row[0] for row in rows(sandbox, f"{few}&sort=1")] == window[:1]
    assert rows(sandbox, f"?start={told[-1][1] + 1}") == []
    assert rows(sandbox, f"?end={told[0][1] - 1}") == []
    assert rows(sandbox, "?start=5&end=4") == []


def test_an_end_in_the_future_shows_nothing_of_it() -> None:
    source = Generated(seed=1, trades=5, start_ts=1.6e9)
    with Sandbox({"BTC-USD": source}, dialect="bitfinex") as one:
        for end in ("", f"&end={10**13}"):
            assert len(get(one.url, f"{TRADES}?limit=100{end}").json()) == 5
        one.grow("BTC-USD", 2)
        assert len(get(one.url, f"{TRADES}?limit=100&end={10**13}").json()) == 7


def test_rows_are_numbers_as_javascript_writes_them(sandbox: Sandbox) -> None:
    body = get(sandbox.url, f"{TRADES}?limit=2000&sort=1").body.decode()
    found = re.findall(r"\[([0-9]+),([0-9]{13}),(-?)([0-9.]+(?:e-[0-9]+)?),([0-9.]+)\]", body)
    truth = sandbox.truth("BTC-USD", 1, 2001)
    assert len(found) == len(truth) == 2000
    for (trade_id, ms, minus, size, price), trade in zip(found, truth, strict=True):
        assert int(trade_id) == trade.trade_id
        assert int(ms) * 1000 == microseconds(trade.time)
        assert (minus == "-") is (trade.side == "sell")  # the taker's
        assert (Decimal(size), Decimal(price)) == (Decimal(trade.size), Decimal(trade.price))
        assert not price.endswith("0") or "." not in price
        assert not size.endswith("0") or "." not in size


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1.50", "1.5"),
        ("100", "100"),
        ("100.000", "100"),
        ("0.00000100", "0.000001"),
        ("0.00000050", "5e-7"),
        ("0.000000123", "1.23e-7"),
        ("8784.90450974", "8784.90450974"),
        ("0.12345678901234567890123", "0.12345678901234567890123"),  # no float of ours
    ],
)
def test_each_digit_is_the_trade_s_own(text: str, told: str) -> None:
    row = {"side": "buy", "time": "2020-01-01T00:00:00Z", "trade_id": 1}
    source = Recorded([{**row, "price": text, "size": text}])
    with Sandbox({"BTC-USD": source}, dialect="bitfinex") as one:
        assert f",-{told},{told}]" in get(one.url, TRADES).body.decode()


def test_ids_grow_and_skip(sandbox: Sandbox) -> None:
    ids = [trade_id for trade_id, _ in history(sandbox)]
    steps = {b - a for a, b in pairwise(ids)}
    assert min(steps) >= 1
    assert len(steps) > 2


def test_the_list_of_pairs_holds_those_that_trade(sandbox: Sandbox) -> None:
    for path in ("/v2/conf/pub:list:pair:exchange", "/v2/conf/pub%3Alist%3Apair%3Aexchange"):
        assert get(sandbox.url, path).json() == [["BTCUSD", "ETHUST", "DOGE:USD"]]


@pytest.mark.parametrize("symbol", ["tETHUST", "tDOGE:USD", "tDOGE%3AUSD", "tSOLEUR"])
def test_how_markets_are_called(sandbox: Sandbox, symbol: str) -> None:
    assert len(get(sandbox.url, f"/v2/trades/{symbol}/hist").json()) == 5


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/v2/trades/tNOSUCH/hist", ["error", 10020, "symbol: invalid"]),
        ("/v2/trades/BTCUSD/hist", ["error", 10020, "symbol: invalid"]),
        ("/v2/trades/tDOGEUSD/hist", ["error", 10020, "symbol: invalid"]),
        (f"{TRADES}?limit=0", ["error", 10020, "limit: invalid"]),
        (f"{TRADES}?limit=10001", ["error", 10020, "limit: invalid"]),
        (f"{TRADES}?limit=x", ["error", 10020, "limit: invalid"]),
        (f"{TRADES}?sort=0", ["error", 10020, "sort: invalid"]),
        (f"{TRADES}?start=2020-01-01", ["error", 10020, "start: invalid"]),
        (f"{TRADES}?end=1.5", ["error", 10020, "end: invalid"]),
    ],
)
def test_errors(sandbox: Sandbox, path: str, error: list[object]) -> None:
    answer = get(sandbox.url, path)
    assert (answer.status, answer.json()) == (500, error)


def test_another_path_and_too_many_requests() -> None:
    with Sandbox(MARKETS, dialect="bitfinex", rate=1, burst=1, clock=lambda: NOW) as one:
        assert get(one.url, "/v2/nothing").status == 404
        refused = get(one.url, TRADES)
        assert (refused.status, refused.json()) == (429, {"error": "ERR_RATE_LIMIT"})
