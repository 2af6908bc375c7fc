"""The bulk check of an answer agrees with the authority, row by row, on everything."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemahub.core.columns import times_by_id
from schemahub.core.values import MAX_ID
from schemahub.core.wire import RowRefused
from tests.core.dialect import READER

NOW = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp() * 1_000_000)
GOOD: dict[str, Any] = {
    "trade_id": 1,
    "side": "buy",
    "price": "65000.01",
    "size": "0.00512000",
    "time": "2026-11-22T05:26:18.123456Z",
}
decimals = st.one_of(
    st.from_regex(r"[0-9]{0,28}(\.[0-9]{0,14})?", fullmatch=True),
    st.sampled_from(
        [
            "0",
            "0.0",
            "00.10",
            "1e3",
            "1E-3",
            "-1",
            "+1",
            "NaN",
            "1\n2",
            "1\n",
            "",
            " 1",
            "1_0",
            "\uff11",
        ]
    ),
)
times = st.one_of(
    st.datetimes(datetime(2008, 1, 1), datetime(2027, 1, 1)).map(  # noqa: DTZ001
        lambda moment: moment.isoformat() + "Z"
    ),
    st.from_regex(
        r"20[0-3][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,9})?(Z|\+01:00|)",
        fullmatch=True,
    ),
)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "trade_id": st.one_of(st.integers(0, 50), st.integers(-2, MAX_ID + 2)),
            "side": st.sampled_from(["buy", "sell", "sell", "buy", "Buy", ""]),
            "price": decimals,
            "size": decimals,
            "time": times,
        }
    ),
    max_size=4,
)


def one_by_one(body: bytes) -> dict[int, int] | None:
    found = {}
    try:
        for raw in READER.split(body):
            trade = READER.trade(raw, NOW)
            found[trade.position] = trade.trade_ts
    except RowRefused:
        return None
    return found


@given(rows)
@example([GOOD])
@example([])
@example([GOOD, {**GOOD, "trade_id": 2, "time": "2026-02-30T05:26:18Z"}])
@example([{**GOOD, "time": "2026-11-22T05:26:18Z"}, {**GOOD, "price": "0" * 30 + "1"}])
def test_what_is_accepted_in_bulk_is_what_the_authority_reads(told: list[dict[str, Any]]) -> None:
    body = json.dumps(told).encode()
    typed = READER.typed(body)
    if typed is None:
        return
    bulk = times_by_id(typed, READER, NOW)
    if bulk is not None:
        assert bulk == one_by_one(body)


@given(st.lists(st.decimals("0.000000000001", 10**20, places=12), min_size=1, max_size=5))
def test_everyday_rows_are_accepted_in_bulk(prices: list[Any]) -> None:
    told = [{**GOOD, "trade_id": n, "price": format(p, "f")} for n, p in enumerate(prices)]
    body = json.dumps(told).encode()
    typed = READER.typed(body)
    assert typed is not None
    bulk = times_by_id(typed, READER, NOW)
    assert bulk is not None
    assert bulk == one_by_one(body)


@pytest.mark.parametrize(
    "odd",
    [
        {"price": "1\n2"},
        {"price": "0.000"},
        {"size": "1" * 27},
        {"size": "1.0000000000001"},
        {"time": "2026-02-30T00:00:00Z"},
        {"time": "2026-11-23T00:05:01Z"},
        {"time": "2008-12-31T23:59:59Z"},
        {"time": "2026-11-22T05:26:18.Z"},
        {"time": "2026-11-22T24:00:00Z"},
        {"side": "BUY"},
        {"trade_id": -1},
        {"trade_id": MAX_ID + 1},
    ],
)
def test_one_odd_row_sends_the_whole_answer_to_the_authority(odd: dict[str, Any]) -> None:
    body = json.dumps([GOOD, {**GOOD, "trade_id": 2, **odd}]).encode()
    typed = READER.typed(body)
    assert typed is not None
    assert times_by_id(typed, READER, NOW) is None
