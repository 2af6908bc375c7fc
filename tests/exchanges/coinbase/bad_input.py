"""What Coinbase's wire may bring that it should not: one list, for every test of it.

A class of rows has a name, its bytes, and the verdict that every reader must come to; so has a
class of answers. The next exchange brings a list of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

SIDES = "side: not a side"
DECIMAL = "price: not a positive decimal"
TEXT = "price: not a decimal in a string"
SIZE = "quantity: not a positive decimal"
TIME = "trade_ts: not an ISO 8601 time"
RANGE = "trade_ts: before 2009 or more than 5 minutes ahead"

Fields = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """`reason` is how the refusal begins, None for a row that is odd and yet good.

    `has_id` says whether the row's own id can be read.
    """

    make: Callable[[int, int], bytes]
    reason: str | None
    has_id: bool = True

    def wire(self, trade_id: int, now: int) -> bytes:
        """The bytes, where its id is due; `now` (µs since 1970) is when it is served."""
        return self.make(trade_id, now)


def text_of(moment: int) -> str:
    """Microseconds since 1970 as this wire writes them."""
    at = EPOCH + timedelta(microseconds=moment)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def good(trade_id: int, now: int, /, **changed: Any) -> bytes:
    """A sound row; a field given `...` is left out, a function is given `now`."""
    fields: Fields = {
        "trade_id": trade_id,
        "side": "buy",
        "size": "0.00512",
        "price": "65000.01",
        "time": text_of(now - HOUR // timedelta(microseconds=1)),
        **changed,
    }
    told = {name: value(now) if callable(value) else value for name, value in fields.items()}
    return json.dumps(
        {name: value for name, value in told.items() if value is not ...},
        separators=(",", ":"), ensure_ascii=False,
    ).encode()  # fmt: skip


def ahead(**by: float) -> Callable[[int], str]:
    return lambda now: text_of(now + timedelta(**by) // timedelta(microseconds=1))


def bad(reason: str, **changed: Any) -> Row:
    return Row(lambda trade_id, now: good(trade_id, now, **changed), reason)


def no_id(reason: str, **changed: Any) -> Row:
    return Row(lambda trade_id, now: good(trade_id, now, **changed), reason, has_id=False)


def odd(**changed: Any) -> Row:
    return Row(lambda trade_id, now: good(trade_id, now, **changed), None)


def field(name: str, value: bytes, reason: str | None, *, has_id: bool = True) -> Row:
    """The value of a field in bytes that no JSON writer would write."""

    def make(trade_id: int, now: int) -> bytes:
        mark = good(trade_id, now, **{name: "MARK"})
        return mark.replace(b'"MARK"', value)

    return Row(make, reason, has_id)


def after(tail: bytes, reason: str | None = None, *, has_id: bool = True) -> Row:
    """A sound row with `tail` before its closing brace."""
    return Row(lambda trade_id, now: good(trade_id, now)[:-1] + tail + b"}", reason, has_id)


def instead(row: bytes) -> Row:
    """Something else where a row should be."""
    return Row(lambda trade_id, now: row, "not an object", has_id=False)


ROWS: dict[str, Row] = {
    # the id
    "id missing": no_id("trade_id: not an integer: missing", trade_id=...),
    "id null": no_id("trade_id: not an integer: None", trade_id=None),
    "id text": no_id("trade_id: not an integer: '5'", trade_id="5"),
    "id a float": no_id("trade_id: not an integer: 5.0", trade_id=5.0),
    "id true": no_id("trade_id: not an integer: True", trade_id=True),
    "id a list": no_id("trade_id: not an integer: [5]", trade_id=[5]),
    "id an object": no_id("trade_id: not an integer", trade_id={"id": 5}),
    "id negative": no_id("trade_id: out of range: -5", trade_id=-5),
    "id over 63 bits": no_id("trade_id: out of range", trade_id=2**63 - 1),
    "id over 64 bits": no_id("trade_id: out of range", trade_id=2**64),
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
    "time tomorrow": bad(RANGE, time=ahead(days=1)),
    "time 5 minutes and 1 us ahead": bad(RANGE, time=ahead(minutes=5, microseconds=1)),
    "time in the year 9999": bad(RANGE, time="9999-12-31T23:59:59-23:59"),
    # values that JSON can write and no machine holds
    "id 1e999": field("trade_id", b"1e999", "trade_id: not an integer", has_id=False),
    "id of 5000 digits": field("trade_id", b"9" * 5_000, "trade_id: not an integer", has_id=False),
    "id in scientific writing": field(
        "trade_id", b"5e0", "trade_id: not an integer: 5.0", has_id=False
    ),
    "price 1e999, a number": field("price", b"1e999", TEXT),
    "price of 5000 digits, a number": field("price", b"9" * 5_000, TEXT),
    "price minus zero, a number": field("price", b"-0.0", TEXT),
    "size 1e999, a number": field("size", b"1e999", "quantity: not a decimal in a string"),
    "time 1e999": field("time", b"1e999", "trade_ts: not a time in a string"),
    "side nested": field("side", b'[["buy"]]', SIDES),
    "price an object": field("price", b'{"amount":"1"}', TEXT),
    "price of 2000 brackets in a text": field("price", b'"' + b"[" * 2_000 + b'"', DECIMAL),
    # one key twice: the last one counts, for every reader
    "id twice, the last no id": after(
        b',"trade_id":"x"', "trade_id: not an integer: 'x'", has_id=False
    ),
    "price twice, the last no price": after(b',"price":"NaN"', DECIMAL),
    "side twice, the last no side": after(b',"side":null', SIDES),
    # what is no row
    "null for a row": instead(b"null"),
    "a number for a row": instead(b"7"),
    "a text for a row": instead(b'"row"'),
    "a flag for a row": instead(b"true"),
    "a list for a row": instead(b'[5,"buy","1","2"]'),
    "an empty list for a row": instead(b"[]"),
    "an empty object for a row": Row(
        lambda trade_id, now: b"{}", "trade_id: not an integer: missing", has_id=False
    ),
    "an error for a row": Row(
        lambda trade_id, now: b'{"message":"NotFound"}',
        "trade_id: not an integer: missing",
        has_id=False,
    ),
    "fields under other names": Row(
        lambda trade_id, now: good(trade_id, now).replace(b'"trade_id"', b'"tradeId"'),
        "trade_id: not an integer: missing",
        has_id=False,
    ),
    "a row in a row": Row(
        lambda trade_id, now: b'{"trade":' + good(trade_id, now) + b"}",
        "trade_id: not an integer: missing",
        has_id=False,
    ),
    # odd, and yet all that the contract asks for
    "good: unknown fields": odd(bid=None, extra={"deep": [[1]], "wide": "x" * 1_000}),
    "good: an empty name": odd(**{"": ""}),
    "good: zeros before and after": odd(price="0065000.0100", size="1.0000000000000000"),
    "good: exponents": odd(price="12.50e+3", size="1E-12"),
    "good: the widest values": odd(price="9" * 26 + "." + "9" * 12, size="0.000000000001"),
    "good: a time elsewhere": odd(time="2024-06-01T07:30:00.5-04:30"),
    "good: nanoseconds": odd(time="2024-06-01T07:30:00.123456789Z"),
    "good: the first moment of 2009": odd(time="2009-01-01T00:00:00Z"),
    "good: five minutes ahead": odd(time=ahead(minutes=5)),
    "good: escaped letters": field("side", b'"b\\u0075y"', None),
    "good: escaped digits": field("price", b'"\\u0036.5"', None),
    "good: white space": Row(
        lambda trade_id, now: b" { " + good(trade_id, now)[1:-1].replace(b",", b" ,\t") + b"} ",
        None,
    ),
    "good: a key twice, the last good": after(b',"side":"sell"'),
    "good: an extra number that no machine holds": after(b',"x":1e999'),
    "good: an extra depth of 29": after(b',"x":' + b"[" * 29 + b"]" * 29),
    "good: line ends that are none": after(',"x":"\u2028\u2029\u0085"'.encode()),
}

BAD = {name: one for name, one in ROWS.items() if one.reason is not None}
GOOD = {name: one for name, one in ROWS.items() if one.reason is None}


# Where an odd row stands in answers made for a test: ids 10 to 1, newest first.
ID, LAST = 6, 10


def rows_with(odd: bytes, now: int) -> list[bytes]:
    """Sound rows, newest first, but for the one whose id is `ID`."""
    return [odd if n == ID else good(n, now) for n in range(LAST, 0, -1)]


def page(rows: list[bytes]) -> bytes:
    return b"[" + b",".join(rows) + b"]"


def _torn(change: Callable[[bytes], bytes]) -> Callable[[list[bytes]], bytes]:
    return lambda rows: change(page(rows))


def _spoilt(change: Callable[[bytes], bytes]) -> Callable[[list[bytes]], bytes]:
    """One row in the middle, so that the whole answer is no JSON any more."""

    def make(rows: list[bytes]) -> bytes:
        middle = len(rows) // 2
        return page([*rows[:middle], change(rows[middle]), *rows[middle + 1 :]])

    return make


# Answers of which nothing is believed: kept whole in quarantine, and asked for again.
ANSWERS: dict[str, Callable[[list[bytes]], bytes]] = {
    "empty": lambda rows: b"",
    "blank": lambda rows: b" \r\n",
    "null": lambda rows: b"null",
    "a number": lambda rows: b"0",
    "a text": lambda rows: json.dumps(page(rows).decode()).encode(),
    "an object": lambda rows: b"{}",
    "an error object": lambda rows: b'{"message":"Internal server error"}',
    "the list in an object": lambda rows: b'{"data":' + page(rows) + b"}",
    "HTML": lambda rows: b"<!DOCTYPE html><html><body>Just a moment...</body></html>",
    "XML": lambda rows: b'<?xml version="1.0"?><Error><Code>SlowDown</Code></Error>',
    "plain words": lambda rows: b"upstream connect error or disconnect/reset before headers",
    "cut in a row": _torn(lambda body: body[: len(body) // 2]),
    "without its last bracket": _torn(lambda body: body[:-1]),
    "without its first bracket": _torn(lambda body: body[1:]),
    "twice": _torn(lambda body: body + body),
    "with a tail": _torn(lambda body: body + b"x"),
    "with a comma at its end": _torn(lambda body: body[:-1] + b",]"),
    "with a byte order mark": _torn(lambda body: b"\xef\xbb\xbf" + body),
    "in UTF-16": _torn(lambda body: body.decode().encode("utf-16")),
    "packed, and not told so": _torn(lambda body: b"\x1f\x8b\x08\x00" + body),
    "with NUL in it": _torn(lambda body: body.replace(b",", b"\x00,", 1)),
    "single quotes": _torn(lambda body: body.replace(b'"', b"'")),
    "not UTF-8 in a text": _spoilt(lambda row: row.replace(b'"buy"', b'"b\xffy"')),
    "overlong UTF-8": _spoilt(lambda row: row.replace(b'"buy"', b'"\xc1\xa2uy"')),
    "a surrogate as UTF-8": _spoilt(lambda row: row[:-1] + b',"x":"\xed\xa0\x80"}'),
    "a control in a text": _spoilt(lambda row: row.replace(b'"buy"', b'"bu\x01y"')),
    "a raw line end in a text": _spoilt(lambda row: row.replace(b'"buy"', b'"bu\ny"')),
    "a lone surrogate": _spoilt(lambda row: row[:-1] + b',"x":"\\ud800"}'),
    "NaN without quotes": _spoilt(lambda row: row[:-1] + b',"x":NaN}'),
    "Infinity without quotes": _spoilt(lambda row: row[:-1] + b',"x":-Infinity}'),
    "a number with zeros before": _spoilt(lambda row: row[:-1] + b',"x":007}'),
    "a comment": _spoilt(lambda row: row[:-1] + b"/* no */}"),
    "a key without quotes": _spoilt(lambda row: row[:-1] + b",x:1}"),
    "a row that is cut": _spoilt(lambda row: row[:-9]),
    "33 deep": _spoilt(lambda row: row[:-1] + b',"x":' + b"[" * 31 + b"]" * 31 + b"}"),
    "100,000 deep": lambda rows: b"[" * 100_000 + b"]" * 100_000,
    "10,000 deep in a row": _spoilt(
        lambda row: row[:-1] + b',"x":' + b'{"a":' * 10_000 + b"0" + b"}" * 10_000 + b"}"
    ),
}
