"""The wire contract: every kind of bad row is refused with its reason, and the rest lives."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.core.envelope import MAX_DEPTH, depth, too_deep
from schemahub.core.page import read
from schemahub.core.paging import Ask
from schemahub.core.spec_reading import build
from schemahub.core.trade import Trade
from schemahub.core.wire import EARLIEST, MAX_AHEAD, Reader, RowRefused
from tests.core.dialect import NOW_US, READER, answer, data, row, text_of
from tests.exchanges.coinbase.bad_input import BAD, Row


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_a_bad_row_is_refused_with_its_reason_and_the_rest_lives(case: Row) -> None:
    wrong = case.wire(5, NOW_US)
    with pytest.raises(RowRefused) as caught:
        READER.trade(wrong, NOW_US)
    assert caught.value.reason.startswith(str(case.reason))
    assert caught.value.position == (5 if case.has_id else None)
    assert len(caught.value.reason) < 500

    rows = [json.dumps(row(one)).encode() for one in (7, 6, 4)]
    content = b"[" + b",".join([*rows[:2], wrong, rows[2]]) + b"]"
    page = read(answer(content), Ask(limit=1000), READER)
    assert {4, 6, 7} == {position for position, _ in page.times}
    if case.has_id:
        assert (page.unreadable, page.bad) == (0, {5: caught.value.reason})
    else:
        assert (page.unreadable, page.bad) == (1, {})


@pytest.mark.parametrize(
    "raw", [b"null", b"[]", b"7", b'"row"', b"{", b"", b"\xff", b'{"trade_id":5', b"[" * 50_000]
)
def test_what_is_not_an_object_is_refused(raw: bytes) -> None:
    with pytest.raises(RowRefused) as caught:
        READER.trade(raw, NOW_US)
    assert caught.value.position is None


@pytest.mark.parametrize("name", ["trade_id", "price", "size", "time", "side"])
@pytest.mark.parametrize("value", [b"1e999", b"9" * 5_000])
def test_a_number_that_no_machine_holds_is_refused_and_no_crash(name: str, value: bytes) -> None:
    raw = json.dumps({**row(5), name: None}).encode().replace(b"null", value)
    with pytest.raises(RowRefused):
        READER.trade(raw, NOW_US)


# ---------------------------------------------------------------- what is good


def test_a_good_row_is_a_trade() -> None:
    raw = json.dumps(row(5, NOW_US - 1)).encode()
    assert READER.trade(raw, NOW_US) == Trade(
        5, 5, None, "sell", Decimal("65000.01"), Decimal("0.00512"), NOW_US - 1
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"price": "0065000.0100"},
        {"price": "9" * 26 + "." + "9" * 12},
        {"price": "0.000000000001"},
        {"price": "1.0000000000000000"},
        {"price": "1e25"},
        {"price": "1E-12"},
        {"price": "12.50e+3"},
        {"extra": {"deep": [[1]], "wide": "x" * 1_000}},
        {"bid": None},
        {"": ""},
    ],
)
def test_odd_but_exact_rows_and_unknown_fields_are_good(fields: dict[str, Any]) -> None:
    raw = json.dumps(row(5, **fields)).encode()
    assert READER.trade(raw, NOW_US).price == Decimal(fields.get("price", "65000.01"))


def test_time_is_good_from_2009_to_five_minutes_ahead() -> None:
    for moment in (EARLIEST, NOW_US + MAX_AHEAD):
        raw = json.dumps(row(5, moment)).encode()
        assert READER.trade(raw, NOW_US).trade_ts == moment
    for moment in (EARLIEST - 1, NOW_US + MAX_AHEAD + 1):
        with pytest.raises(RowRefused):
            READER.trade(json.dumps(row(5, moment)).encode(), NOW_US)
    assert text_of(EARLIEST) == "2009-01-01T00:00:00Z"
    assert MAX_AHEAD == 300_000_000


# ---------------------------------------------------------------- whose side


@pytest.mark.parametrize(
    ("whose", "word", "taker"),
    [("maker", "B", "sell"), ("maker", "S", "buy"), ("taker", "B", "buy"), ("taker", "S", "sell")],
)
def test_the_table_holds_the_takers_side(whose: str, word: str, taker: str) -> None:
    changed = data()
    changed["trades"]["fields"]["side"] = {"from": "m", "of": whose, "buy": "B", "sell": "S"}
    reader = Reader(build(changed, {}, "acme.yaml"))
    raw = json.dumps(row(5, side=..., m=word)).encode()
    assert reader.trade(raw, NOW_US).side == taker
    with pytest.raises(RowRefused, match="not a side"):
        reader.trade(json.dumps(row(5, m="buy")).encode(), NOW_US)


def test_the_spec_names_the_fields() -> None:
    changed = data()
    fields = changed["trades"]["fields"]
    for column in fields:
        fields[column]["from"] = f"wire {column}"
    reader = Reader(build(changed, {}, "acme.yaml"))
    plain = {
        "trade_id": 5,
        "side": "buy",
        "price": "2",
        "quantity": "3",
        "trade_ts": text_of(NOW_US),
    }
    raw = json.dumps({f"wire {name}": value for name, value in plain.items()}).encode()
    assert reader.trade(raw, NOW_US).quantity == 3
    with pytest.raises(RowRefused):
        reader.trade(json.dumps(plain).encode(), NOW_US)


@pytest.mark.parametrize(
    ("body", "deep"),
    [
        (b"", 0), (b"7", 0), (b"[]", 1), (b"[{}]", 2), (b'["[[["]', 1), (b'["\\"[[", [1]]', 2),
        (b'{"a\\\\":[{}]}', 3), (b"[[],[],[[]]]", 3), (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, 32),
    ],
)  # fmt: skip
def test_depth_counts_brackets_outside_of_strings(body: bytes, deep: int) -> None:
    assert depth(body) == deep


texts = st.text(st.sampled_from('}],{["\\'), max_size=40)
nested = st.recursive(
    texts | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=60,
)


@given(nested, st.integers(0, MAX_DEPTH + 2), st.integers(0, 60), st.booleans())
def test_too_deep_is_what_the_brackets_say_whatever_strings_hold(
    value: Any, around: int, beside: int, tight: bool
) -> None:
    for number in range(around):
        value = [value] if number % 2 else {"},{": [value, *[{}] * beside, *[[]] * beside]}
    body = json.dumps(value, separators=(",", ":") if tight else None).encode()
    assert too_deep(body) == (depth(body) > MAX_DEPTH)
