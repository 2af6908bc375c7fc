from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.adapters.duck import Duck
from schemahub.adapters.duck.bars import minutes_shared
from schemahub.core.span import Span
from tests.duck_lake import BTC, ETH, Row, write_part


def bars(trades: list[Row]) -> list[tuple[Any, ...]]:
    """bars_1m by plain exact arithmetic."""
    out = []
    minutes = sorted({row.at.replace(second=0, microsecond=0) for row in trades})
    with localcontext(prec=100):
        for minute in minutes:
            own = sorted(
                (r for r in trades if minute <= r.at < minute + timedelta(minutes=1)),
                key=lambda r: r.trade_id,
            )
            quote = sum(
                (r.price * r.quantity).quantize(Decimal("1e-8"), ROUND_HALF_EVEN) for r in own
            )
            known = all(r.side for r in own)
            bought = sum((r.quantity for r in own if r.side == "buy"), Decimal(0))
            out.append(
                (
                    minute, own[0].price, max(r.price for r in own), min(r.price for r in own),
                    own[-1].price, sum(r.quantity for r in own), quote,
                    bought if known else None, len(own), own[0].trade_id, own[-1].trade_id,
                )
            )  # fmt: skip
    return out


def check_bars(trades: list[Row]) -> None:
    span = Span(min(r.trade_id for r in trades), max(r.trade_id for r in trades) + 1)
    with TemporaryDirectory() as folder:
        slices = [write_part(Path(folder), BTC, span, trades)]
        with Duck(slices, [], threads=1) as duck:
            table = duck.sql(
                "SELECT bar_ts, open, high, low, close, volume, quote_volume, buy_volume, trades,"
                " first_position, last_position, vwap FROM bars_1m ORDER BY bar_ts"
            ).arrow()
    found = [tuple(row.values()) for row in table.to_pylist()]
    expected = bars(trades)
    assert [row[:-1] for row in found] == expected
    for row, bar in zip(found, expected, strict=True):
        assert row[-1] == pytest.approx(float(bar[6]) / float(bar[5]), rel=1e-12)


def decimals(most: int) -> st.SearchStrategy[Decimal]:
    def scaled(digits: int) -> Decimal:
        return Decimal(digits).scaleb(-12)

    # Small and large alike: the digits themselves are spread by length.
    return st.integers(1, most).flatmap(lambda n: st.integers(10 ** (n - 1), 10**n - 1).map(scaled))


@given(
    st.lists(
        st.tuples(
            decimals(27), decimals(27), st.sampled_from(["buy", "sell", None]),
            st.integers(0, 150_000_000),
        ),
        min_size=1, max_size=12,
    )
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_bars_equal_exact_arithmetic(raw: list[tuple[Decimal, Decimal, str | None, int]]) -> None:
    with localcontext(prec=100):
        check_bars(
            [
                Row(n, p, q, side, datetime(2024, 1, 1, tzinfo=UTC) + timedelta(microseconds=at))
                for n, (p, q, side, at) in enumerate(raw, 1)
            ]
        )


@pytest.mark.parametrize(
    ("price", "quantity", "quote"),
    [
        ("0.00000001", "0.5", "0"),  # ties go to the even neighbour
        ("0.00000003", "0.5", "0.00000002"),
        ("0.00000002", "0.25", "0"),
        ("0.00000002", "0.75", "0.00000002"),
        ("0.000000010001", "0.5", "0.00000001"),
        ("0.000000009999", "0.5", "0"),
        ("0.000000000001", "0.000000000001", "0"),
        ("9999999.99999999", "1", "9999999.99999999"),
        ("90071992.54740993", "0.5", "45035996.27370496"),  # more than a double can tell
        ("90071992.54740991", "0.5", "45035996.27370496"),
        ("1234567890123.12345679", "0.5", "617283945061.56172840"),
        ("99999999999999.9999", "1.5", "149999999999999.99985"),  # DECIMAL(38,24) overflows
        ("99999999999999999999999999.999999999999", "0.000000000001", "100000000000000"),
        ("99999999999999999999999999.999999999999", "1", "100000000000000000000000000"),
    ],
)
def test_each_product_is_rounded_half_even(price: str, quantity: str, quote: str) -> None:
    with TemporaryDirectory() as folder:
        row = Row(1, Decimal(price), Decimal(quantity))
        with Duck([write_part(Path(folder), BTC, Span(1, 2), [row])], []) as duck:
            table = duck.sql("SELECT quote_volume FROM bars_1m").arrow()
    assert table.column(0)[0].as_py() == Decimal(quote)
    check_bars([row])


def test_many_ordinary_trades_have_exact_quote_volumes() -> None:
    dice = random.Random(2)
    trades = [
        Row(
            n,
            Decimal(dice.randrange(1, 10 ** dice.randrange(3, 14))).scaleb(-dice.randrange(2, 9)),
            Decimal(dice.randrange(1, 10**10)).scaleb(-8),
        )
        for n in range(1, 5000)
    ]
    check_bars(trades)


def test_open_and_close_go_by_the_axis_not_by_time(tmp_path: Path) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    one = Decimal(1)
    trades = [
        Row(1, Decimal(5), one, "buy", at + timedelta(seconds=9)),
        Row(2, Decimal(7), one, "sell", at + timedelta(seconds=1)),
        Row(3, Decimal(6), one, None, at + timedelta(seconds=5)),
        Row(4, Decimal(8), one, None, at + timedelta(seconds=60)),
    ]
    slices = [
        write_part(tmp_path, BTC, Span(3, 5), trades[2:]),
        write_part(tmp_path, BTC, Span(1, 3), trades[:2]),  # the minute straddles both parts
    ]
    with Duck(slices, []) as duck:
        query = "SELECT open, close, buy_volume, trades, first_position, bar_ts FROM bars_1m"
        assert list(duck.sql(query + " ORDER BY bar_ts").rows_text()) == [
            ("5.000000000000", "6.000000000000", None, "3", "1", "2024-01-01T00:00:00.000000Z"),
            ("8.000000000000", "8.000000000000", None, "1", "4", "2024-01-01T00:01:00.000000Z"),
        ]


MINUTE = 60_000_000  # µs
moments = st.integers(0, 40 * MINUTE)
files = st.lists(st.tuples(moments, moments).map(lambda two: (min(two), max(two))), max_size=6)


@given(files, files)
def test_minutes_in_which_two_files_of_a_market_may_tell_are_named(
    btc: list[tuple[int, int]], eth: list[tuple[int, int]]
) -> None:
    def minutes(file: tuple[int, int]) -> range:
        return range(file[0] // MINUTE, file[1] // MINUTE + 1)

    shared = {
        minute * MINUTE
        for market in (btc, eth)
        for minute in range(41)
        if sum(minute in minutes(file) for file in market) > 1
    }
    assert minutes_shared({BTC: btc, ETH: eth}) == sorted(shared)


def test_minutes_that_are_too_many_are_not_named() -> None:
    day = 1_440 * MINUTE
    assert minutes_shared({BTC: [(0, 20 * day), (day, 30 * day)]}) is None
    btc = [(0, 8_000 * MINUTE), (0, 9 * day)]
    assert len(minutes_shared({BTC: btc}) or ()) == 8_001
    assert minutes_shared({BTC: btc, ETH: [(a + 9 * day, b + 9 * day) for a, b in btc]}) is None
