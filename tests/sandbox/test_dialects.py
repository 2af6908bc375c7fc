"""Four exchanges, one history: whoever tells it, the trades are the same."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.sandbox import DIALECTS, Generated, Market, Recorded, Sandbox, Trade
from schemahub.sandbox.body import Number, Verbatim, printed
from schemahub.sandbox.history import Source
from schemahub.sandbox.times import iso, micros
from schemahub.sandbox.wire import Ask
from tests.sandbox.client import get
from tests.sandbox.tellers import TELLERS, Told, microseconds, parsed

NOW = 1_700_000_000.0
RECORDED = Path(__file__).parents[1] / "exchanges" / "coinbase" / "skl_usd_trades.jsonl"
each = pytest.mark.parametrize("name", list(DIALECTS))


def sandbox(name: str, source: Source, **more: Any) -> Sandbox:
    return Sandbox({"BTC-USD": source}, dialect=name, clock=lambda: NOW, **more)


def known(trade: Trade) -> Told:
    """What `truth` says, as a client would know it."""
    return Told(
        trade.trade_id,
        trade.side,
        Decimal(trade.price),
        Decimal(trade.size),
        microseconds(trade.time),
    )


def test_every_dialect_has_a_teller() -> None:
    assert set(TELLERS) == set(DIALECTS)


@pytest.mark.parametrize(
    "source",
    [
        Generated(seed=3, trades=1_500),
        Generated(seed=4, trades=900, mean_gap=0.0004),  # many in a millisecond
        Generated(seed=5, trades=300, price="0.0000175", quote_increment="0.00000001"),
        Recorded.load(RECORDED),
    ],
)
@pytest.mark.parametrize("limit", [97, 1000])
def test_four_exchanges_tell_the_same_trades(source: Source, limit: int) -> None:
    stories: dict[str, list[Told]] = {}
    for name, teller in TELLERS.items():
        with sandbox(name, source) as one:
            stories[name] = teller.all(one.url, limit)
            assert stories[name] == [known(trade) for trade in one.truth("BTC-USD")]
    reference = stories["coinbase"]
    assert len(reference) >= 50
    for name, story in stories.items():
        tick = TELLERS[name].tick
        assert [(t.side, t.price, t.size, t.us) for t in story] == [
            (t.side, t.price, t.size, t.us // tick * tick) for t in reference
        ]
        if name != "bitfinex":
            assert [t.trade_id for t in story] == [t.trade_id for t in reference]


def test_generated_trades_share_times_in_runs_that_a_page_can_cut() -> None:
    with sandbox("coinbase", Generated(seed=3, trades=3_000)) as one:
        times = [trade.time for trade in one.truth("BTC-USD")]
    runs = [len(list(run)) for _, run in itertools.groupby(times)]
    assert max(runs) >= 4
    assert sum(run - 1 for run in runs) / len(times) > 0.2


@each
def test_the_fast_page_is_the_json_of_its_rows(name: str) -> None:
    trades = Generated(seed=5).bind("BTC-USD", NOW).newest(1, 300, 300)
    dialect, ask = DIALECTS[name], Ask("trades", "BTC-USD", echo="7")
    page = dialect.page(ask, trades)
    assert page == dialect.page(ask, trades, [dialect.row(trade) for trade in trades])
    assert len(TELLERS[name].rows(json.loads(page))) == 299
    assert TELLERS[name].rows(json.loads(dialect.page(ask, []))) == []


@each
def test_the_door_for_truth_tells_what_the_dialect_tells(name: str) -> None:
    with sandbox(name, Generated(seed=1, trades=50)) as one:
        rows = get(one.url, "/_sandbox/truth?market=BTC-USD&start=5&stop=8").json()
        assert [Trade(*row) for row in rows] == one.truth("BTC-USD", 5, 8)
        told = TELLERS[name].all(one.url, 1000)[4:7]
        assert [known(Trade(*row)) for row in rows] == told
        assert get(one.url, "/_sandbox/head?market=BTC-USD").json() == {"head": 50}


@each
def test_growth_is_seen_and_the_future_is_not(name: str) -> None:
    teller = TELLERS[name]
    with sandbox(name, Generated(seed=2, trades=3, start_ts=1.6e9)) as one:
        assert len(teller.all(one.url, 10)) == 3
        one.grow("BTC-USD", 4)
        assert teller.all(one.url, 10) == [known(trade) for trade in one.truth("BTC-USD")]
        assert len(one.truth("BTC-USD")) == 7


@each
def test_an_empty_market(name: str) -> None:
    with sandbox(name, Generated(trades=0)) as one:
        assert TELLERS[name].all(one.url, 10) == []


@each
def test_billions_of_trades_are_looked_through_by_halves(name: str) -> None:
    # A scan of what is before them would not end while anybody waits.
    with sandbox(name, Generated(trades=10**9, start_ts=1e9, mean_gap=0.5)) as one:
        trade = one.truth("BTC-USD", 777_777_777, 777_777_778)[0]
        us = microseconds(trade.time)
        query = {
            "coinbase": f"?limit=9&after={trade.trade_id + 1}",
            "binance": f"&limit=9&fromId={trade.trade_id}",
            "kraken": f"&count=9&since={(us - 1) * 1000}",
            "bitfinex": f"?limit=9&sort=1&start={us // 1000}",
        }[name]
        assert known(trade) in TELLERS[name].page(one.url, query)


# ---- which markets can be told


def test_an_unknown_exchange_is_told_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="no exchange 'acme'; there are coinbase, binance"):
        sandbox("acme", Generated())


@pytest.mark.parametrize(
    ("name", "symbols", "says"),
    [
        ("binance", ("AB-CUSD", "ABC-USD"), "both AB-CUSD and ABC-USD ABCUSD"),
        ("bitfinex", ("BTC-UST", "BTC-USDT"), "both BTC-UST and BTC-USDT tBTCUST"),
        ("kraken", ("XBT-USD", "BTC-USD"), "both XBT-USD and BTC-USD XXBTZUSD"),
    ],
)
def test_two_markets_of_one_name_are_refused(
    name: str, symbols: tuple[str, ...], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        Sandbox({symbol: Generated(trades=1) for symbol in symbols}, dialect=name)


def recorded(trade_id: int, second: int, **more: str) -> Mapping[str, object]:
    row = {"side": "buy", "size": "1", "price": "2", "time": f"2020-01-01T00:00:{second:02d}Z"}
    return {"trade_id": trade_id, **row, **more}


def test_recorded_times_that_fall_are_refused_where_trades_are_asked_for_by_time() -> None:
    falling = Recorded([recorded(1, 5), recorded(2, 4)])
    for name in ("coinbase", "binance"):
        with sandbox(name, falling) as one:
            assert [t.trade_id for t in TELLERS[name].all(one.url, 10)] == [1, 2]
    for name in ("kraken", "bitfinex"):
        with pytest.raises(ValueError, match="BTC-USD: its times fall"):
            sandbox(name, falling)


@pytest.mark.parametrize(
    "text",
    [{"price": "1e5"}, {"size": "01"}, {"price": '1"'}, {"size": "-1"}, {"time": "2020-01-01"}],
)
def test_recorded_rows_that_not_every_exchange_could_tell_are_refused(text: dict) -> None:
    with pytest.raises(ValueError, match="not a "):
        Recorded([recorded(1, 1, **text)])


@pytest.mark.parametrize("name", ["kraken", "bitfinex"])
def test_ids_that_skip_are_found_by_time_as_well(name: str) -> None:
    source = Recorded([recorded(i, i // 7) for i in range(3, 40, 3)], shown=10)
    with sandbox(name, source) as one:
        told = TELLERS[name].all(one.url, 4)
        assert told == [known(trade) for trade in one.truth("BTC-USD")]
        assert len(told) == 10


# ---- the pieces


@given(st.integers(0, 4 * 10**15))
def test_times_go_to_text_and_back(us: int) -> None:
    assert micros(iso(us)) == us == microseconds(iso(us))


@pytest.mark.parametrize(
    ("fraction", "us"),
    [("", 0), (".5", 500_000), (".123456", 123_456), (".1234569", 123_456), (".000001", 1)],
)
def test_fractions_are_cut_to_microseconds(fraction: str, us: int) -> None:
    assert micros(f"1970-01-01T00:00:01{fraction}Z") == 1_000_000 + us


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z",
        "2020-01-01T00:00:00",
        "2020-13-01T00:00:00Z",
        "yesterdayZ",
        "2020-01-01 00:00:00Z",
        "2020-01-01T00:00:00.Z",
        "2020-01-01T00:00:00.5",
        "2020-01-01T00:00:00.\uff15Z",
        "2020-01-01T00:00+01Z",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a time|month"):
        micros(text)


@settings(deadline=None)
@given(
    st.integers(0, 10**5),
    st.sampled_from([1e-9, 1e-6, 0.0004, 0.01, 0.25, 30.0]),
    st.sampled_from([{"start_ts": 1e9}, {"end_ts": 1e9}, {"end_ts": 1e9, "per_second": None}]),
    st.integers(-3, 3),
)
def test_the_first_at_a_time_parts_before_from_after(
    near: int, gap: float, when: dict[str, Any], off: int
) -> None:
    history = Generated(**{"trades": 50_000, "mean_gap": gap, **when}).bind("BTC-USD", 1e9)
    us = micros(history.newest(near + 1, near + 2, 1)[0].time) + off
    first = history.first_at(us)
    around = history.newest(first - 200, first + 200, 400)
    assert [micros(t.time) >= us for t in around] == [t.trade_id >= first for t in around]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_body_is_compact_json(value: object) -> None:
    assert printed(value) == json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def test_numbers_and_bytes_stand_as_they_are() -> None:
    assert printed([Number("1.50"), {"x": Verbatim(b"\xff")}]) == b'[1.50,{"x":\xff}]'
    assert parsed(printed([Number("1.50")])) == [Decimal("1.50")]


def test_a_closed_market_is_one_that_does_not_trade_now() -> None:
    source = Generated()
    assert Market(source).trading
    assert Market(source, post_only=True).trading
    for closed in ({"status": "delisted"}, {"trading_disabled": True}, {"cancel_only": True}):
        assert not Market(source, **closed).trading
