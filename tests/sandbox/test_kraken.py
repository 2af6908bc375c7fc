"""Kraken's dialect against the facts: blurred times, an exclusive cursor, errors in a 200."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from schemahub.sandbox import Generated, Market, Sandbox
from tests.sandbox.client import get
from tests.sandbox.tellers import microseconds, parsed

NOW = 1_700_000_000.0
TRADES = "/0/public/Trades?pair=XBTUSD"
MARKETS: dict[str, Any] = {
    "BTC-USD": Generated(seed=1, trades=1_500),
    "DOGE-EUR": Generated(seed=1, trades=3),
    "SOL-USDT": Market(Generated(seed=1, trades=0), status="delisted"),
    "ETH-BTC": Market(Generated(seed=1, trades=1, price="0.05", quote_increment="0.00001"),
                      post_only=True),
}  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(MARKETS, dialect="kraken", clock=lambda: NOW) as one:
        yield one


def page(sandbox: Sandbox, query: str = "") -> tuple[list[Any], int]:
    """Rows, and the exact nanosecond of the last."""
    answer = get(sandbox.url, f"{TRADES}{query}")
    assert answer.status == 200
    whole = parsed(answer.body)
    assert whole["error"] == []
    assert set(whole["result"]) == {"XXBTZUSD", "last"}
    return whole["result"]["XXBTZUSD"], int(whole["result"]["last"])


def ids(sandbox: Sandbox, query: str) -> list[int]:
    return [row[6] for row in page(sandbox, query)[0]]


def nanos(sandbox: Sandbox, count: int) -> list[int]:
    """The exact times of the first trades, each learnt from the one page that ends there."""
    return [page(sandbox, f"&since=0&count={n}")[1] for n in range(1, count + 1)]


def test_a_page_is_oldest_first_and_no_longer_than_a_thousand(sandbox: Sandbox) -> None:
    assert ids(sandbox, "&since=0") == list(range(1, 1001))
    assert ids(sandbox, "&since=0&count=7") == list(range(1, 8))
    assert ids(sandbox, "&since=0&count=5000") == list(range(1, 1001))
    assert ids(sandbox, "") == list(range(501, 1501))  # without since the newest
    assert ids(sandbox, "&count=2") == [1499, 1500]


def test_times_are_the_shortest_text_of_a_float64_and_last_is_exact(sandbox: Sandbox) -> None:
    exact = nanos(sandbox, 120)
    body = get(sandbox.url, f"{TRADES}&since=0&count=120").body.decode()
    texts = re.findall(r'",([0-9.]+),"[bs]"', body)
    truth = sandbox.truth("BTC-USD", 1, 121)
    assert len(texts) == len(exact) == len(truth) == 120
    for text, ns, trade in zip(texts, exact, truth, strict=True):
        assert text == repr(float(text))
        assert float(text) == float(Decimal(ns) / 10**9)
        assert ns // 1000 == microseconds(trade.time) == int(Decimal(text) * 10**6)
    assert any(Decimal(text) * 10**9 != ns for text, ns in zip(texts, exact, strict=True))


def test_since_is_exclusive_to_the_nanosecond_and_cuts_groups_of_equal_times(
    sandbox: Sandbox,
) -> None:
    exact = nanos(sandbox, 120)
    assert exact == sorted(exact)
    assert len(set(exact)) < 110  # many share theirs
    for ns in exact:
        for since in (ns - 1, ns, ns + 1):
            after = [n for n, one in enumerate(exact, 1) if one > since][:3]
            if len(after) == 3:
                assert ids(sandbox, f"&count=3&since={since}") == after


def test_a_walk_on_last_alone_loses_trades_as_it_does_there(sandbox: Sandbox) -> None:
    seen, last = [], 0
    while rows := page(sandbox, f"&count=10&since={last}"):
        if not rows[0]:
            break
        seen += [row[6] for row in rows[0]]
        last = rows[1]
    assert 1_200 < len(seen) < 1_500
    assert seen == sorted(set(seen))


def test_a_short_since_is_seconds(sandbox: Sandbox) -> None:
    truth = sandbox.truth("BTC-USD")
    second = microseconds(truth[700].time) // 1_000_000
    later = [t.trade_id for t in truth if microseconds(t.time) >= second * 1_000_000]
    assert ids(sandbox, f"&since={second}&count=5") == later[:5]
    assert ids(sandbox, f"&since={second}000000000&count=5") == later[:5]


def test_last_of_an_empty_page_is_what_was_asked(sandbox: Sandbox) -> None:
    head = page(sandbox)[1]
    assert page(sandbox, f"&since={head}") == ([], head)
    assert page(sandbox, f"&since={head + 5}") == ([], head + 5)
    body = get(sandbox.url, "/0/public/Trades?pair=SOLUSDT").json()
    assert body == {"error": [], "result": {"SOLUSDT": [], "last": "0"}}


def test_rows_are_texts_but_for_time_and_id(sandbox: Sandbox) -> None:
    rows, _ = page(sandbox, "&since=0&count=50")
    for row, trade in zip(rows, sandbox.truth("BTC-USD", 1, 51), strict=True):
        assert row[:2] == [trade.price, trade.size]
        assert row[3] == {"buy": "b", "sell": "s"}[trade.side]  # the taker's
        assert row[4] in {"m", "l"}
        assert row[5:] == ["", trade.trade_id]


@pytest.mark.parametrize("pair", ["XBTUSD", "XXBTZUSD", "XBT/USD", "XBT%2FUSD"])
def test_a_page_stands_under_the_internal_name_whatever_was_asked(
    sandbox: Sandbox, pair: str
) -> None:
    result = get(sandbox.url, f"/0/public/Trades?pair={pair}&count=1").json()["result"]
    assert set(result) == {"XXBTZUSD", "last"}


def test_the_list_of_pairs(sandbox: Sandbox) -> None:
    listed = get(sandbox.url, "/0/public/AssetPairs").json()
    assert listed["error"] == []
    pairs = listed["result"]
    names = ("altname", "wsname", "base", "quote", "status")
    assert {key: tuple(pair[name] for name in names) for key, pair in pairs.items()} == {
        "XXBTZUSD": ("XBTUSD", "XBT/USD", "XXBT", "ZUSD", "online"),
        "XDGEUR": ("XDGEUR", "XDG/EUR", "XXDG", "ZEUR", "online"),
        "SOLUSDT": ("SOLUSDT", "SOL/USDT", "SOL", "USDT", "cancel_only"),
        "XETHXXBT": ("ETHXBT", "ETH/XBT", "XETH", "XXBT", "post_only"),
    }
    assert pairs["XXBTZUSD"]["pair_decimals"] == 2
    assert pairs["XXBTZUSD"]["lot_decimals"] == 8
    assert pairs["XXBTZUSD"]["tick_size"] == "0.01"
    one = get(sandbox.url, "/0/public/AssetPairs?pair=XDGEUR").json()["result"]
    assert one == {"XDGEUR": pairs["XDGEUR"]}


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/0/public/Trades?pair=NOSUCH", "EQuery:Unknown asset pair"),
        ("/0/public/Trades?pair=BTCUSD", "EQuery:Unknown asset pair"),
        ("/0/public/AssetPairs?pair=xbtusd", "EQuery:Unknown asset pair"),
        ("/0/public/Trades", "EGeneral:Invalid arguments"),
        (f"{TRADES}&count=0", "EGeneral:Invalid arguments"),
        (f"{TRADES}&count=x", "EGeneral:Invalid arguments"),
        (f"{TRADES}&since=-1", "EGeneral:Invalid arguments"),
        (f"{TRADES}&since=1.5", "EGeneral:Invalid arguments"),
        ("/0/public/Nothing", "EGeneral:Unknown method"),
    ],
)
def test_errors_come_with_status_200(sandbox: Sandbox, path: str, says: str) -> None:
    answer = get(sandbox.url, path)
    assert (answer.status, answer.json()) == (200, {"error": [says]})


def test_who_asks_too_much_is_told_so_with_status_200() -> None:
    with Sandbox(MARKETS, dialect="kraken", rate=1, burst=1, clock=lambda: NOW) as one:
        assert get(one.url, "/0/public/Time").json()["result"]["unixtime"] == int(NOW)
        refused = get(one.url, TRADES)
        assert (refused.status, refused.json()) == (200, {"error": ["EAPI:Rate limit exceeded"]})
        assert one.stats().limited == 1
        assert json.loads(get(one.url, "/_sandbox/stats").body)["limited"] == 1
