"""A bar closes with the trade with which it reaches its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.core.bars import Bar, Columns, Cut, Cutter, Measure, next_open, size_of, step
from schemahub.core.errors import UsageError

MEASURES: tuple[Measure, ...] = ("ticks", "volume", "dollars")
Trade = tuple[int, int, int, int | None]  # price, quantity, quote, bought


def columns(trades: Sequence[Trade], first: int = 0) -> Columns:
    numbers = range(first, first + len(trades))
    return Columns(
        list(numbers),
        [n * 7 for n in numbers],
        [one[0] for one in trades],
        [one[1] for one in trades],
        [one[2] for one in trades],
        [one[3] for one in trades],
    )


def plainly(trades: Sequence[Trade], cut: Cut) -> list[list[int]]:
    """The rows of each bar, trade by trade."""
    bars: list[list[int]] = []
    rows: list[int] = []
    reached = 0
    for number, (_, quantity, quote, _) in enumerate(trades):
        rows.append(number)
        reached += {"ticks": 1, "volume": quantity, "dollars": quote}[cut.measure]
        if reached >= cut.size:
            bars.append(rows)
            rows, reached = [], 0
    return bars


def batched(trades: Sequence[Trade], cuts: Sequence[int], cut: Cut) -> Iterator[Bar]:
    cutter = Cutter(cut)
    edges = [0, *sorted(min(one, len(trades)) for one in cuts), len(trades)]
    for start, stop in pairwise(edges):
        yield from cutter.add(columns(trades[start:stop], start))


trade = st.tuples(
    st.integers(1, 100), st.integers(1, 30), st.integers(0, 30), st.none() | st.integers(0, 30)
)


@given(
    st.lists(trade, max_size=60), st.sampled_from(MEASURES), st.integers(1, 80),
    st.lists(st.integers(0, 60), max_size=5),
)  # fmt: skip
def test_however_trades_are_batched_bars_are_cut_as_trade_by_trade(
    trades: list[Trade], measure: Measure, size: int, cuts: list[int]
) -> None:
    cut = Cut(measure, size)
    made = list(batched(trades, cuts, cut))
    rows = plainly(trades, cut)
    assert [(bar.first_position, bar.last_position) for bar in made] == [
        (one[0], one[-1]) for one in rows
    ]
    for bar, numbers in zip(made, rows, strict=True):
        own = [trades[number] for number in numbers]
        prices, bought = [one[0] for one in own], [one[3] for one in own]
        known = [one for one in bought if one is not None]
        assert bar == Bar(
            numbers[0] * 7, numbers[-1] * 7, prices[0], max(prices), min(prices), prices[-1],
            sum(one[1] for one in own), sum(one[2] for one in own),
            sum(known) if len(known) == len(own) else None, len(own), numbers[0], numbers[-1],
        )  # fmt: skip


def test_what_goes_beyond_the_size_is_not_carried_over() -> None:
    trades: list[Trade] = [(1, quantity, 0, 0) for quantity in (4, 9, 3, 3, 3, 25, 1)]
    bars = list(Cutter(Cut("volume", 10)).add(columns(trades)))
    assert [(bar.first_position, bar.last_position, bar.volume) for bar in bars] == [
        (0, 1, 13), (2, 5, 34),
    ]  # fmt: skip
    assert [bar.volume for bar in Cutter(Cut("volume", 9)).add(columns(trades))] == [13, 9, 25]


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("measure", "size", "units"),
    [
        ("ticks", 1000, 1000), ("ticks", "1000", 1000), ("ticks", "1e3", 1000),
        ("ticks", "1.0", 1),
        ("volume", "10", 10 * 10**12), ("volume", "0.000000000001", 1), ("volume", 3, 3 * 10**12),
        ("volume", Decimal("0.5"), 5 * 10**11),
        ("volume", "99999999999999999999999999.999999999999", 10**38 - 1),
        ("dollars", "1000000", 10**14), ("dollars", "0.00000001", 1),
        ("dollars", "0.000000010000", 1),
    ],
)  # fmt: skip
def test_sizes_are_exact(measure: Measure, size: str | int | Decimal, units: int) -> None:
    assert Cut.of(measure, size) == Cut(measure, units)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    "size",
    ["0", 0, "-1", -1, "", "x", "NaN", "Infinity", "1e40", "1e999999999", "1e-13", 1.5, 1e6, True],
)  # fmt: skip
def test_what_is_no_size_is_refused(measure: Measure, size: str | int) -> None:
    with pytest.raises(UsageError, match=f"bars of {measure}"):
        Cut.of(measure, size)


@pytest.mark.parametrize(
    ("measure", "size"),
    [("ticks", "1.5"), ("volume", "1.0000000000001"), ("dollars", "0.000000001")],
)
def test_more_places_than_there_are_is_refused(measure: Measure, size: str) -> None:
    with pytest.raises(UsageError):
        Cut.of(measure, size)


@pytest.mark.parametrize(
    ("every", "minutes"),
    [("1m", 1), ("5m", 5), ("60s", 1), ("1h", 60), ("1d", 1440), ("2w", 20160)],
)
def test_bars_of_time_are_of_whole_minutes(every: str, minutes: int) -> None:
    assert step(every) == minutes * 60_000_000
    assert size_of(every, None, None, None) == step(timedelta(minutes=minutes))


@pytest.mark.parametrize("every", ["0m", "30s", "90s", "1M", "", "h", "-1h", "1.5h"])
def test_other_lengths_are_refused(every: str) -> None:
    with pytest.raises(UsageError):
        step(every)


def test_bars_have_one_size_and_without_one_are_of_a_minute() -> None:
    assert size_of(None, None, None, None) == 60_000_000
    assert size_of(None, "5", None, None) == Cut("ticks", 5)
    for two in (("1h", 5, None, None), (None, 5, "1", None), (None, None, "1", "1")):
        with pytest.raises(UsageError, match="one size"):
            size_of(*two)


@given(
    st.datetimes(datetime(2009, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(1, 20_000),
)
def test_the_next_bar_is_the_first_that_does_not_open_before(
    moment: datetime, minutes: int
) -> None:
    length = timedelta(minutes=minutes)
    found = next_open(moment, length // timedelta(microseconds=1))
    assert found - length < moment <= found
    assert (found - datetime(1970, 1, 5, tzinfo=UTC)) % length == timedelta(0)


def test_weeks_begin_on_monday_and_the_end_of_time_is_one() -> None:
    week = step("1w")
    assert next_open(datetime(2024, 5, 1, tzinfo=UTC), week) == datetime(2024, 5, 6, tzinfo=UTC)
    last = datetime.max.replace(tzinfo=UTC)
    assert next_open(last, week) == last
