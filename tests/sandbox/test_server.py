"""The exchange over a real socket: paging, errors, headers, and its own doors."""

from __future__ import annotations

import gzip
import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.sandbox import Generated, Market, PortTaken, Sandbox, Trade
from schemahub.sandbox.bucket import Bucket
from tests.sandbox.client import get, post

NOW = 1_700_000_000.0
TRADES = "/products/BTC-USD/trades"
MARKETS: dict[str, Any] = {
    "BTC-USD": Generated(seed=1, trades=2_500),
    "ETH-USD": Market(Generated(seed=1, trades=0), status="delisted", trading_disabled=True),
}


class HandClock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(MARKETS, clock=HandClock()) as one:
        yield one


def maker(side: str) -> str:
    return {"buy": "sell", "sell": "buy"}[side]


def wire(trade: Trade) -> dict[str, object]:
    return {
        "trade_id": trade.trade_id,
        "side": maker(trade.side),
        "size": trade.size,
        "price": trade.price,
        "time": trade.time,
    }


def test_the_first_page_is_the_newest_thousand_newest_first(sandbox: Sandbox) -> None:
    answer = get(sandbox.url, TRADES)
    assert answer.status == 200
    assert answer.ids() == list(range(2500, 1500, -1))
    assert answer.json() == [wire(t) for t in reversed(sandbox.truth("BTC-USD", 1501, 2501))]
    assert answer.headers["CB-BEFORE"] == "2500"
    assert answer.headers["CB-AFTER"] == "1501"
    assert answer.headers["Content-Type"].startswith("application/json")
    assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == NOW


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("after=5&limit=2", [4, 3]),  # as recorded
        ("after=3", [2, 1]),
        ("after=1", []),
        ("after=0", []),
        ("after=-4", []),
        ("after=999999999999&limit=1", [2500]),
        ("limit=2", [2500, 2499]),
        ("limit=5000&after=2000", list(range(1999, 999, -1))),  # cut without a word
        ("before=2497", [2500, 2499, 2498]),
        ("before=7&limit=2", [2500, 2499]),  # the newest above the cursor, not those next to it
        ("before=7&after=10", [9, 8]),
        ("before=2500", []),
    ],
)
def test_cursors(sandbox: Sandbox, query: str, ids: list[int]) -> None:
    answer = get(sandbox.url, f"{TRADES}?{query}")
    assert (answer.status, answer.ids()) == (200, ids)
    assert ("CB-AFTER" in answer.headers) == bool(ids)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/products/NO-SUCH/trades", 404, "NotFound"),
        ("/products/btc-usd/trades", 404, "NotFound"),
        ("/products/..%2F..%2Fx/trades", 404, "NotFound"),
        ("/nothing", 404, "NotFound"),
        (f"{TRADES}?after=2020-01-01", 400, "Invalid value for pagination after"),
        (f"{TRADES}?after=", 400, "Invalid value for pagination after"),
        (f"{TRADES}?after=1_000", 400, "Invalid value for pagination after"),
        (f"{TRADES}?after=%EF%BC%91", 400, "Invalid value for pagination after"),
        (f"{TRADES}?before=x", 400, "Invalid value for pagination before"),
        (f"{TRADES}?limit=x", 400, "Invalid value for pagination limit"),
        (f"{TRADES}?limit=0", 400, "Invalid value for pagination limit"),
        (f"{TRADES}?limit=-5", 400, "Invalid value for pagination limit"),
    ],
)
def test_errors(sandbox: Sandbox, path: str, status: int, message: str) -> None:
    answer = get(sandbox.url, path)
    assert (answer.status, answer.json()) == (status, {"message": message})


def test_products_time_and_an_empty_market(sandbox: Sandbox) -> None:
    products = {row["id"]: row for row in get(sandbox.url, "/products").json()}
    assert products["BTC-USD"]["status"] == "online"
    assert products["BTC-USD"]["quote_increment"] == "0.01"
    assert products["BTC-USD"]["base_currency"] == "BTC"
    assert products["ETH-USD"]["status"] == "delisted"
    assert products["ETH-USD"]["trading_disabled"] is True
    assert get(sandbox.url, "/products/ETH-USD").json() == products["ETH-USD"]
    assert get(sandbox.url, "/products/ETH-USD/trades").body == b"[]"
    assert get(sandbox.url, "/time").json() == {"iso": "2023-11-14T22:13:20.000Z", "epoch": NOW}


@settings(max_examples=15, deadline=None)
@given(trades=st.integers(0, 400), limit=st.integers(1, 150), seed=st.integers(0, 99))
def test_a_walk_on_after_sees_each_id_once(trades: int, limit: int, seed: int) -> None:
    with Sandbox({"BTC-USD": Generated(seed=seed, trades=trades)}) as one:
        seen, after = [], ""
        for _ in range(trades + 1):
            page = get(one.url, f"{TRADES}?limit={limit}{after}")
            if not page.ids():
                break
            seen += page.json()
            after = f"&after={page.headers['CB-AFTER']}"
        assert seen == [wire(trade) for trade in reversed(one.truth("BTC-USD"))]
        assert len(seen) == trades


def test_gzip_only_for_those_who_take_it(sandbox: Sandbox) -> None:
    plain, packed = get(sandbox.url, TRADES), get(sandbox.url, TRADES, gzip=True)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


def test_a_connection_lives_on(sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=10)
    connection.connect()
    local = connection.sock.getsockname()
    for _ in range(3):
        connection.request("GET", f"{TRADES}?limit=1")
        assert connection.getresponse().read()
        assert connection.sock.getsockname() == local
    connection.close()


def test_many_clients_at_once(sandbox: Sandbox) -> None:
    got: list[int] = []

    def ask(k: int) -> None:
        got.extend(get(sandbox.url, f"{TRADES}?after={k + 1}&limit=1").ids())

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(1, 101)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 101))


def test_growth_is_seen_at_once() -> None:
    with Sandbox({"BTC-USD": Generated(trades=3)}) as one:
        assert one.grow("BTC-USD", 2) == one.head("BTC-USD") == 5
        assert get(one.url, TRADES).ids() == [5, 4, 3, 2, 1]


def test_a_head_that_follows_the_clock() -> None:
    clock = HandClock()
    with Sandbox({"BTC-USD": Generated(trades=100, per_second=50)}, clock=clock) as one:
        first = get(one.url, TRADES).ids()[0]
        clock.now += 20
        assert abs(get(one.url, TRADES).ids()[0] - first - 1000) <= 64


def test_the_rate_limit_over_the_socket() -> None:
    clock = HandClock()
    with Sandbox(MARKETS, rate=10, burst=15, clock=clock) as one:
        first = Counter(get(one.url, "/time").status for _ in range(20))
        assert first == {200: 15, 429: 5}
        refused = get(one.url, TRADES)
        assert refused.json() == {"message": "Public rate limit exceeded"}
        clock.now += 0.5
        later = Counter(get(one.url, "/time").status for _ in range(20))
        assert later == {200: 5, 429: 15}
        for _ in range(30):  # its own doors are never limited, nor counted
            assert get(one.url, "/_sandbox/head?market=BTC-USD").json() == {"head": 2500}
        stats = one.stats()
        assert (stats.requests, stats.limited) == (41, 21)
        assert stats.by_status == {200: 20, 429: 21}
        assert len(stats.arrivals) == 41


@settings(deadline=None)
@given(
    st.floats(0.1, 100),
    st.integers(1, 50),
    st.lists(st.floats(0, 3), min_size=1, max_size=200),
)
def test_a_bucket_never_lets_more_through_than_burst_and_rate(
    rate: float, burst: int, steps: list[float]
) -> None:
    bucket, now, passed = Bucket(rate, burst), 0.0, []
    for step in steps:
        now += step
        if bucket.take(now):
            passed.append(now)
    for i, begin in enumerate(passed):
        for j in range(i, len(passed)):
            assert j - i + 1 <= burst + rate * (passed[j] - begin) + 1e-6


def test_a_clock_that_jumps_back_stalls_no_bucket() -> None:
    bucket = Bucket(10, 1)
    assert bucket.take(1e9)
    assert not bucket.take(0.0)
    assert bucket.take(0.2)


def test_stats_by_market(sandbox: Sandbox) -> None:
    before = sandbox.stats()
    get(sandbox.url, TRADES)
    get(sandbox.url, "/products/ETH-USD/trades")
    get(sandbox.url, "/nothing")
    after = sandbox.stats()
    assert after.requests - before.requests == 3
    assert after.by_market["BTC-USD"] - before.by_market.get("BTC-USD", 0) == 1
    assert after.by_market["ETH-USD"] - before.by_market.get("ETH-USD", 0) == 1
    assert after.rows - before.rows == 1000


def test_the_doors_for_other_processes() -> None:
    with Sandbox(MARKETS) as one:
        rows = get(one.url, "/_sandbox/truth?market=BTC-USD&start=5&stop=8").json()
        assert rows == [list(trade) for trade in one.truth("BTC-USD", 5, 8)]
        assert len(get(one.url, "/_sandbox/truth?market=BTC-USD").json()) == 2500
        grown = post(one.url, "/_sandbox/grow", {"market": "BTC-USD", "count": 7})
        assert grown.json() == {"head": 2507}
        faults = {"seed": 1, "faults": [{"name": "hole", "ids": [2]}, "http_500:0.0"]}
        assert post(one.url, "/_sandbox/faults", faults).json() == {"faults": ["hole", "http_500"]}
        assert get(one.url, f"{TRADES}?after=4").ids() == [3, 1]
        held = get(one.url, "/_sandbox/truth?market=BTC-USD&start=1&stop=4&served=1").json()
        assert [row[0] for row in held] == [1, 3]
        stats = get(one.url, "/_sandbox/stats").json()
        assert stats["requests"] == 1
        assert stats["by_fault"] == {"hole": 1}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/_sandbox/grow", {"market": "NO-SUCH", "count": 1}),
        ("/_sandbox/grow", {}),
        ("/_sandbox/faults", {"faults": ["no_such"]}),
        ("/_sandbox/faults", []),
    ],
)
def test_mistakes_at_the_doors_are_told(sandbox: Sandbox, path: str, value: object) -> None:
    answer = post(sandbox.url, path, value)
    assert answer.status == 400
    assert answer.json()["message"]
    assert post(sandbox.url, "/products", {}).status == 404


def test_a_taken_port_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(PortTaken, match=f"port {sandbox.port} .* is taken"):
        Sandbox(MARKETS, port=sandbox.port)


def test_closing_twice_frees_the_port() -> None:
    one = Sandbox(MARKETS)
    one.close()
    one.close()
    with Sandbox(MARKETS, port=one.port) as again:
        assert get(again.url, "/time").status == 200


def test_the_log_is_told_only_if_asked(capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    with Sandbox(MARKETS, log=lines.append) as one:
        get(one.url, "/time")
    with Sandbox(MARKETS) as one:
        get(one.url, "/time")
    assert len(lines) == 1
    assert lines[0].startswith("GET /time 200")
    assert capfd.readouterr() == ("", "")
