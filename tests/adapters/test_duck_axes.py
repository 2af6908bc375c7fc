"""SQL over markets whose positions are times, beside one whose positions are ids."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.adapters.duck import Duck, FileSlice
from schemahub.core.layout import Market
from schemahub.core.span import Span
from tests.duck_lake import BTC, EPOCH, FolderObjects, Row, write_part

TIMED = Market("acme", "BTC-USD")
SECOND = 1_000_000
BASE = int(EPOCH.timestamp()) * SECOND


def row(at: int, trade_id: int, price: int) -> Row:
    """A trade `at` µs after the epoch of these tests."""
    return Row(trade_id, Decimal(price), Decimal(1), "buy", EPOCH + timedelta(microseconds=at))


def part(root: Path, start: int, stop: int, rows: list[Row]) -> FileSlice:
    """A part of these seconds after the epoch of these tests."""
    span = Span(BASE + start * SECOND, BASE + stop * SECOND)
    return replace(write_part(root, TIMED, span, rows), timed=True)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 119_999_999) | st.sampled_from([0, 59_999_999, 60_000_000]),
            st.integers(1, 10**18),
        ),
        min_size=1,
        max_size=30,
        unique_by=lambda one: one[1],
    )
)
def test_a_bar_opens_with_the_first_trade_by_time_then_id(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[int, int]]
) -> None:
    rows = [row(at, trade_id, price) for price, (at, trade_id) in enumerate(told, 1)]
    rows.sort(key=lambda one: (one.at, one.trade_id))
    root = tmp_path_factory.mktemp("lake")
    slices = [part(root, 0, 120, rows), write_part(root, BTC, Span(0, 5))]
    query = """SELECT bar_ts, open, close, first_position, last_position, trades FROM bars_1m
        WHERE exchange = 'acme' ORDER BY bar_ts"""
    expected = []
    for minute in (EPOCH, EPOCH + timedelta(minutes=1)):
        own = [one for one in rows if minute <= one.at < minute + timedelta(minutes=1)]
        if own:
            first, last = own[0], own[-1]
            ends = [(one.at - EPOCH) // timedelta(microseconds=1) + BASE for one in (first, last)]
            expected.append((minute, first.price, last.price, *ends, len(own)))
    with Duck(slices, []) as duck:
        found = [tuple(one.values()) for one in duck.sql(query).arrow().to_pylist()]
        assert found == expected
        ids = duck.sql("SELECT first_position, trades FROM bars_1m WHERE exchange <> 'acme'")
        assert [tuple(one.values()) for one in ids.arrow().to_pylist()] == [(0, 5)]


@pytest.mark.parametrize("objects", [None, FolderObjects()], ids=["files", "objects"])
def test_crossing_parts_are_trimmed_by_time(tmp_path: Path, objects: FolderObjects | None) -> None:
    at = [0, 4_000_000, 4_999_999, 5_000_000, 5_000_000, 9_999_999, 10_000_000, 12_000_000]
    rows = [row(moment, trade_id, 1) for trade_id, moment in enumerate(at, 1)]
    keep = (Span(BASE + 10 * SECOND, BASE + 15 * SECOND),)
    slices = [
        part(tmp_path, 0, 10, rows[:6]),
        replace(part(tmp_path, 5, 15, rows[3:]), keep=keep),
    ]
    with Duck(slices, [], objects=objects) as duck:
        found = duck.sql("SELECT trade_id FROM trades").arrow().column(0).to_pylist()
    assert found == [1, 2, 3, 4, 5, 6, 7, 8]
