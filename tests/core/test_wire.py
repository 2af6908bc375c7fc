"""The wire contract: every kind of bad row is refused with its reason, and the rest lives."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from schemahub.core.spec import build
from schemahub.core.trade import Trade
from schemahub.core.wire import EARLIEST, MAX_AHEAD, MAX_DEPTH, Reader, RowRefused, depth
from tests.core.dialect import NOW_US, READER, data, page_of, row, text_of

NO_ID = None
SIDES = "side: not a side"
DECIMAL = "price: not a positive decimal"
TEXT = "price: not a decimal in a string"
SIZE = "quantity: not a positive decimal"
TIME = "trade_ts: not an ISO 8601 time"
RANGE = "trade_ts: before 2009 or more than 5 minutes ahead"


class Bad(NamedTuple):
    """Fields of a row that are wrong, whether its id can be read, and the reason given."""

    fields: dict[str, Any]
    position: int | None
    reason: str


def bad(reason: str, position: int | None = 5, /, **fields: Any) -> Bad:
    return Bad(fields, position, reason)


CLASSES = {
    # the id
    "id missing": bad("trade_id: not an integer: missing", NO_ID, trade_id=...),
    "id null": bad("trade_id: not an integer: None", NO_ID, trade_id=None),
    "id text": bad("trade_id: not an integer: '5'", NO_ID, trade_id="5"),
    "id a float": bad("trade_id: not an integer: 5.0", NO_ID, trade_id=5.0),
    "id true": bad("trade_id: not an integer: True", NO_ID, trade_id=True),
    "id a list": bad("trade_id: not an integer: [5]", NO_ID, trade_id=[5]),
    "id an object": bad("trade_id: not an integer", NO_ID, trade_id={"id": 5}),
    "id negative": bad("trade_id: out of range: -5", NO_ID, trade_id=-5),
    "id over 63 bits": bad("trade_id: out of range", NO_ID, trade_id=2**63 - 1),
    "id over 64 bits": bad("trade_id: out of range", NO_ID, trade_id=2**64),
    # the price
    "price missing": bad("price: not a decimal in a string: missing", price=...),
    "price null": bad(TEXT, price=None),
    "price an integer": bad(TEXT, price=65000),
    "price a float": bad(TEXT, price=65000.01),
    "price true": bad(TEXT, price=True),
    "price a list": bad(TEXT, price=["65000.01"]),
    "price empty": bad(DECIMAL, price=""),
    "price blank": bad(DECIMAL, price=" "),
    "price NaN": bad(DECIMAL, price="NaN"),
    "price sNaN": bad(DECIMAL, price="sNaN"),
    "price Infinity": bad(DECIMAL, price="Infinity"),
    "price inf": bad(DECIMAL, price="inf"),
    "price -inf": bad(DECIMAL, price="-inf"),
    "price hex": bad(DECIMAL, price="0x1F"),
    "price with _": bad(DECIMAL, price="1_000"),
    "price with ,": bad(DECIMAL, price="1,000.5"),
    "price with a comma": bad(DECIMAL, price="1,5"),
    "price full width": bad(DECIMAL, price="\uff11\uff12"),
    "price Arabic digits": bad(DECIMAL, price="\u0661\u0662"),
    "price superscript": bad(DECIMAL, price="1\u00b2"),
    "price spaced": bad(DECIMAL, price=" 1.5"),
    "price with a line end": bad(DECIMAL, price="1.5\n"),
    "price with NUL": bad(DECIMAL, price="1.5\0"),
    "price with a currency": bad(DECIMAL, price="$1.5"),
    "price a word": bad(DECIMAL, price="null"),
    "price with +": bad(DECIMAL, price="+1.5"),
    "price negative": bad(DECIMAL, price="-1.5"),
    "price minus zero": bad(DECIMAL, price="-0"),
    "price no whole part": bad(DECIMAL, price=".5"),
    "price no fraction": bad(DECIMAL, price="5."),
    "price two points": bad(DECIMAL, price="1.2.3"),
    "price empty exponent": bad(DECIMAL, price="1e"),
    "price long exponent": bad(DECIMAL, price="1e0001"),
    "price endless": bad(DECIMAL, price="1" * 10_000),
    "price zero": bad("price: zero", price="0"),
    "price zero, written long": bad("price: zero", price="0.000000000000"),
    "price zero, with exponent": bad("price: zero", price="0e-99"),
    "price 13 decimals": bad("price: more than 12 decimals", price="1.0000000000001"),
    "price 1e-13": bad("price: more than 12 decimals", price="1e-13"),
    "price 27 digits": bad("price: more than 26 integer digits", price="1" + "0" * 26),
    "price 1e26": bad("price: more than 26 integer digits", price="1e26"),
    "price 1e999": bad("price: more than 26 integer digits", price="1e999"),
    # the quantity: the same reader, its own name
    "size missing": bad("quantity: not a decimal in a string: missing", size=...),
    "size a number": bad("quantity: not a decimal in a string", size=0.00512),
    "size NaN": bad(SIZE, size="NaN"),
    "size negative": bad(SIZE, size="-0.5"),
    "size zero": bad("quantity: zero", size="0.0"),
    "size 13 decimals": bad("quantity: more than 12 decimals", size="0.0000000000001"),
    "size 27 digits": bad("quantity: more than 26 integer digits", size="9" * 27),
    # the side
    "side missing": bad("side: not a side: missing", side=...),
    "side null": bad(SIDES, side=None),
    "side empty": bad(SIDES, side=""),
    "side upper case": bad(SIDES, side="BUY"),
    "side a letter": bad(SIDES, side="b"),
    "side spaced": bad(SIDES, side="buy "),
    "side unknown": bad(SIDES, side="unknown"),
    "side a flag": bad(SIDES, side=True),
    "side a number": bad(SIDES, side=1),
    "side a list": bad(SIDES, side=["buy"]),
    # the time
    "time missing": bad("trade_ts: not a time in a string: missing", time=...),
    "time null": bad("trade_ts: not a time in a string", time=None),
    "time in seconds": bad("trade_ts: not a time in a string", time=1_700_000_000),
    "time in milliseconds": bad("trade_ts: not a time in a string", time=1_700_000_000_000),
    "time milliseconds as text": bad(TIME, time="1700000000000"),
    "time empty": bad(TIME, time=""),
    "time a date": bad(TIME, time="2026-05-17"),
    "time without zone": bad(TIME, time="2026-05-17T11:00:00"),
    "time with a space": bad(TIME, time="2026-05-17 11:00:00Z"),
    "time lower case": bad(TIME, time="2026-05-17t11:00:00z"),
    "time basic": bad(TIME, time="20260517T110000Z"),
    "time hour 24": bad(TIME, time="2026-05-17T24:00:00Z"),
    "time leap second": bad(TIME, time="2026-05-17T11:00:60Z"),
    "time ten decimals": bad(TIME, time="2026-05-17T11:00:00.1234567890Z"),
    "time a comma": bad(TIME, time="2026-05-17T11:00:00,5Z"),
    "time empty fraction": bad(TIME, time="2026-05-17T11:00:00.Z"),
    "time full width": bad(TIME, time="\uff12026-05-17T11:00:00Z"),
    "time with a line end": bad(TIME, time="2026-05-17T11:00:00Z\n"),
    "time long zone": bad(TIME, time="2026-05-17T11:00:00+00:00:00"),
    "time day 30 of February": bad("trade_ts: no such time", time="2026-02-30T11:00:00Z"),
    "time month 13": bad("trade_ts: no such time", time="2026-13-01T11:00:00Z"),
    "time year 0": bad("trade_ts: no such time", time="0000-01-01T11:00:00Z"),
    "time zone of 24 hours": bad("trade_ts: no such time", time="2026-05-17T11:00:00+24:00"),
    "time of 1970": bad(RANGE, time="1970-01-01T00:00:00Z"),
    "time before 2009": bad(RANGE, time="2008-12-31T23:59:59.999999Z"),
    "time before 2009, elsewhere": bad(RANGE, time="2009-01-01T00:30:00+01:00"),
    "time in the year 1": bad(RANGE, time="0001-01-01T00:00:00+23:59"),
    "time tomorrow": bad(RANGE, time="2026-05-18T12:00:00Z"),
    "time 5 minutes and 1 us ahead": bad(RANGE, time="2026-05-17T12:05:00.000001Z"),
    "time in the year 9999": bad(RANGE, time="9999-12-31T23:59:59-23:59"),
}


def test_there_are_at_least_45_classes_of_bad_rows() -> None:
    assert len(CLASSES) >= 45


@pytest.mark.parametrize("case", CLASSES.values(), ids=CLASSES.keys())
def test_a_bad_row_is_refused_with_its_reason_and_the_rest_lives(case: Bad) -> None:
    wrong = row(**{"trade_id": 5, **case.fields})
    with pytest.raises(RowRefused) as caught:
        READER.trade(json.dumps(wrong).encode(), NOW_US)
    assert caught.value.reason.startswith(case.reason)
    assert caught.value.position == case.position
    assert len(caught.value.reason) < 500

    page = page_of(row(7), row(6), wrong, row(4))
    assert {4, 6, 7} == {position for position, _ in page.times}
    if case.position is None:
        assert (page.unreadable, page.bad) == (1, {})
    else:
        assert (page.unreadable, page.bad) == (0, {5: caught.value.reason})


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
    reader = Reader(build(changed, {}, "acme.yaml").trades.fields)
    raw = json.dumps(row(5, side=..., m=word)).encode()
    assert reader.trade(raw, NOW_US).side == taker
    with pytest.raises(RowRefused, match="not a side"):
        reader.trade(json.dumps(row(5, m="buy")).encode(), NOW_US)


def test_the_spec_names_the_fields() -> None:
    changed = data()
    fields = changed["trades"]["fields"]
    for column in fields:
        fields[column]["from"] = f"wire {column}"
    reader = Reader(build(changed, {}, "acme.yaml").trades.fields)
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
