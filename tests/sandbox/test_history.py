"""Histories: pure functions of the seed; times, prices and sides as the exchange's are."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.sandbox import Generated, Recorded, Trade
from schemahub.sandbox.history import History

NOW = 1_700_000_000.0
RECORDED = Path(__file__).parents[1] / "exchanges" / "coinbase" / "skl_usd_trades.jsonl"


def history(**options: Any) -> History:
    return Generated(**{"seed": 7, **options}).bind("BTC-USD", NOW)


def micros(text: str) -> int:
    """The time of a wire text in µs, by hand: no parser is trusted here."""
    day, clock = text.removesuffix("Z").split("T")
    hms, _, fraction = clock.partition(".")
    hours, minutes, seconds = map(int, hms.split(":"))
    days = (dt.date.fromisoformat(day) - dt.date(1970, 1, 1)).days
    whole = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return whole * 1_000_000 + int((fraction or "0").ljust(6, "0"))


@settings(deadline=None)
@given(st.integers(1, 10**9), st.integers(1, 90), st.integers(0, 90))
def test_a_trade_is_the_same_however_it_is_reached(start: int, length: int, offset: int) -> None:
    one = history(start_ts=0.0)
    whole = one.newest(start, start + length, length)
    assert [t.trade_id for t in whole] == list(range(start, start + length))
    at = start + offset % length
    assert one.newest(at, at + 1, 1) == [whole[at - start]]


def test_the_number_of_trades_does_not_change_the_trades() -> None:
    few, many = history(trades=5, start_ts=1e9), history(trades=10**9, start_ts=1e9)
    assert few.newest(1, 6, 5) == many.newest(1, 6, 5)


def test_seed_and_symbol_change_the_trades() -> None:
    rows = {
        tuple(Generated(seed=seed, start_ts=1e9).bind(symbol, NOW).newest(1, 50, 50))
        for seed, symbol in itertools.product((1, 2), ("BTC-USD", "BTC-EUR"))
    }
    assert len(rows) == 4


def test_the_digits_are_the_same_everywhere_and_for_ever() -> None:
    one = Generated(seed=1, start_ts=1.6e9).bind("BTC-USD", 0.0)
    assert one.newest(1, 4, 3) + one.newest(10**9, 10**9 + 1, 1) == [
        Trade(1, "buy", "45056.74", "0.00344848", "2020-09-13T12:26:41.850000Z"),
        Trade(2, "buy", "45056.91", "0.00378417", "2020-09-13T12:26:42.524587Z"),
        Trade(3, "sell", "45056.22", "0.00130000", "2020-09-13T12:26:43.038583Z"),
        Trade(10**9, "sell", "79162.67", "0.00002600", "2028-08-16T00:53:23.579140Z"),
    ]


def test_another_process_makes_the_same_trades() -> None:
    code = (
        "import hashlib, json, sys; from schemahub.sandbox import Generated;"
        "h = Generated(seed=7, end_ts=1.7e9, trades=10**6).bind('BTC-USD', 5.0);"
        "print(hashlib.sha256(json.dumps(h.newest(999_000, 10**6 + 1, 9999)).encode()).hexdigest())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "3", "PYTHONPATH": ":".join(sys.path)},
    )
    here = history(end_ts=1.7e9, trades=10**6).newest(999_000, 10**6 + 1, 9999)
    assert run.stdout.strip() == hashlib.sha256(json.dumps(here).encode()).hexdigest()


@settings(deadline=None)
@given(st.integers(1, 10**9), st.sampled_from([1e-6, 0.0004, 0.01, 0.25, 30.0]))
def test_times_never_fall(start: int, gap: float) -> None:
    rows = history(start_ts=1e9, mean_gap=gap).newest(start, start + 200, 200)
    times = [micros(row.time) for row in rows]
    assert times == sorted(times)


def test_times_look_like_the_exchange_s() -> None:
    rows = history(start_ts=1e9).newest(1, 20_001, 20_000)
    texts = [row.time for row in rows]
    ties = sum(a == b for a, b in itertools.pairwise(texts)) / len(rows)
    assert 0.22 < ties < 0.30
    assert any("." not in text for text in texts)  # ...:07Z
    assert any(text.endswith("0000Z") for text in texts)  # ....560000Z
    assert not any(text.endswith(".000000Z") for text in texts)


def test_prices_walk_on_the_tick_and_sizes_on_the_lot() -> None:
    for symbol in ("BTC-USD", "DOGE-USD", "SHIB-USD", "NMR-EUR"):
        one = Generated(seed=7).bind(symbol, NOW)
        rows = one.newest(1, 10_001, 10_000)
        prices = [Decimal(row.price) for row in rows]
        assert all(price > 0 and price % Decimal(one.quote_increment) == 0 for price in prices)
        assert all(abs(a - b) / a < Decimal("0.01") for a, b in itertools.pairwise(prices))
        sizes = [Decimal(row.size) for row in rows]
        assert all(size > 0 and size % Decimal(one.base_increment) == 0 for size in sizes)
        assert any(row.size.endswith("00") and "." in row.size for row in rows)


def test_increments_need_not_be_powers_of_ten() -> None:
    one = Generated(price="500", quote_increment="0.25", base_increment="5").bind("X-Y", NOW)
    rows = one.newest(1, 500, 500)
    assert all(Decimal(row.price) % Decimal("0.25") == 0 for row in rows)
    assert all(Decimal(row.size) % 5 == 0 for row in rows)


def test_an_up_tick_is_mostly_a_taker_who_buys() -> None:
    rows = history().newest(1, 10_001, 10_000)
    moves = [
        (Decimal(b.price) > Decimal(a.price)) == (b.side == "buy")
        for a, b in itertools.pairwise(rows)
        if Decimal(a.price) != Decimal(b.price)
    ]
    assert sum(moves) / len(moves) > 0.9
    buys = sum(row.side == "buy" for row in rows) / len(rows)
    assert 0.3 < buys < 0.7


@settings(deadline=None)
@given(st.integers(1, 10**6), st.sampled_from([0.001, 0.25, 20.0]))
def test_the_last_trade_is_just_before_now(trades: int, gap: float) -> None:
    one = history(trades=trades, mean_gap=gap)
    assert one.head(NOW) == trades
    age = NOW - micros(one.newest(trades, trades + 1, 1)[0].time) / 1e6
    assert 0 <= age <= 64 * gap + 0.001


def test_a_head_grown_by_hand_stays_close_to_now() -> None:
    one = history(trades=1000)
    one.grow(50_000)
    assert one.head(NOW) == 51_000
    assert micros(one.newest(51_000, 51_001, 1)[0].time) / 1e6 < NOW + 60
    with pytest.raises(ValueError, match="shrink"):
        one.grow(-1)


@settings(deadline=None)
@given(st.floats(0, 1e5), st.sampled_from([0.2, 10.0, 5000.0]))
def test_a_head_by_the_clock_holds_what_has_happened(later: float, rate: float) -> None:
    one = history(trades=1000, per_second=rate)
    head = one.head(NOW + later)
    assert abs(head - 1000 - later * rate) <= 64
    last, following = one.newest(head, head + 2, 2)
    assert micros(last.time) <= int((NOW + later) * 1e6) < micros(following.time)
    with pytest.raises(ValueError, match="clock"):
        one.grow(1)


def test_an_endless_history_reaches_to_now() -> None:
    one = history(trades=None, start_ts=1e9, mean_gap=0.5)
    assert abs(one.head(NOW) - 1.4e9) <= 64
    assert one.head(1e9 - 100) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"start_ts": 1.0, "end_ts": 2.0}, "not both"),
        ({"trades": None, "end_ts": 2.0}, "needs a number"),
        ({"mean_gap": 1.0, "per_second": 1.0}, "not both"),
        ({"trades": -1}, "negative"),
        ({"mean_gap": 0.0}, "positive"),
        ({"per_second": 0.0}, "positive"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Generated(**options)


def test_recorded_rows_are_kept_to_the_character_with_the_side_turned_round() -> None:
    lines = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    one = Recorded.load(RECORDED, shown=50).bind("SKL-USD", NOW)
    assert one.head(NOW) == lines[49]["trade_id"]
    one.grow(3)
    assert one.head(NOW) == lines[-1]["trade_id"]
    other = {"buy": "sell", "sell": "buy"}
    assert one.newest(0, 10**9, 100) == [
        Trade(r["trade_id"], other[r["side"]], r["price"], r["size"], r["time"]) for r in lines
    ]
    assert (one.quote_increment, one.base_increment) == ("0.0001", "0.1")
    with pytest.raises(ValueError, match="only 0"):
        one.grow(1)


def test_recorded_rows_must_grow() -> None:
    row = {"trade_id": 1, "side": "buy", "size": "1", "price": "1", "time": "2020-01-01T00:00:00Z"}
    with pytest.raises(ValueError, match="increasing"):
        Recorded([row, row])
