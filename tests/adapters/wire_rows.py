"""Rows of Coinbase's wire, good and bad in every way that we could think of, as bytes."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

TIME = '"2024-05-06T07:08:09.101112Z"'

PRICES = [
    '"64000.01"', '"0.000000000001"', '"99999999999999999999999999.999999999999"', '"1"',
    '"007.50"', '"1.50"', '"1e-3"', '"1E+5"', '"12e-13"', '"10e-13"', '"1e25"', '"1e26"', '"1e999"',
    '"0.0000000000001"', '"1.0000000000000"', '"0.1234567890120"', '"0.1234567890123"',
    '"1.' + "0" * 40 + '"', '"0.5' + "0" * 60 + '"', '"' + "0" * 60 + '1"',
    '"99999999999999999999999999.9999999999990"', '"100000000000000000000000000"',
    '"0"', '"0.0"', '"0e5"', '"-1"', '"-0"', '"+1"', '"1."', '".5"', '""', '" 1"', '"1 "',
    '"1_000"', '"1,5"', '"0x10"', '"NaN"', '"Infinity"', '"-Infinity"', '"1e"',
    '"\u0661\u0662"', '"\uff11"',
    '"1\\n"', '"\\u0031"', "64000.01", "1", "1e3", "0", "-1", "null", "true", "[]", "{}",
    '"' + "1" * 500 + '"',
]  # fmt: skip
TIMES = [
    TIME, '"2024-05-06T07:08:09Z"', '"2024-05-06T07:08:09.1Z"', '"2024-05-06T07:08:09.123456789Z"',
    '"2024-05-06T07:08:09.1234567Z"', '"2024-05-06T07:08:09.1234567890Z"',
    '"2024-05-06T07:08:09+01:00"', '"2024-05-06T07:08:09.5-00:00"', '"2024-05-06T07:08:09+24:00"',
    '"2024-05-06T07:08:09+0100"', '"2024-05-06T07:08:09"', '"2024-05-06 07:08:09Z"',
    '"2024-05-06T24:00:00Z"', '"2024-05-06T23:59:60Z"', '"2024-02-30T00:00:00Z"',
    '"2023-02-29T00:00:00Z"', '"2024-02-29T00:00:00Z"', '"2024-13-01T00:00:00Z"',
    '"0000-01-01T00:00:00Z"', '"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59Z"',
    '"2008-12-31T23:59:59.999999Z"', '"2009-01-01T00:00:00Z"', '"2009-01-01T00:30:00+01:00"',
    '"2024-06-01T12:05:00.123457Z"', '"2024-06-01T12:05:00.123456Z"',
    '"2024-06-01T12:05:00.123458Z"', '"2024-06-01T12:06:00Z"', '"12024-05-06T07:08:09Z"',
    '"2024-5-6T7:8:9Z"', '"2024-05-06T07:08:09z"', '"2024-05-06T07:08:09.Z"', '"2024-127T00:00Z"',
    '"\uff12024-05-06T07:08:09Z"', '" 2024-05-06T07:08:09Z"', '"2024-05-06T07:08:09Z\\n"',
    '""', '"now"', "1714979289", "1714979289.5", "null", "[]",
]  # fmt: skip
SIDES = ['"buy"', '"sell"', '"BUY"', '"Sell"', '""', '"b"', '"buy "', "null", "1", '"b\\u0075y"']
IDS = [
    "0", "-0", "-1", "5.0", "5e0", '"5"', "null", "true", "[5]", "{}", "9223372036854775807",
    "9223372036854775808", "18446744073709551616", "-9223372036854775809", "1" + "0" * 300,
    "1000000000000000", "1e400",
]  # fmt: skip
_BROKEN = {
    "nothing": b"0",
    "text": '"a\u2028b\u2029c\u0085d\\r\\n\\u2028"'.encode(),
    "deep": b"[" * 33 + b"]" * 33,
    "deep enough": b"[" * 30 + b"]" * 30,
    "deeper": b'{"a":' * 100 + b"0" + b"}" * 100,
    "too deep": b"[" * 5000 + b"]" * 5000,
    "huge exponent": b"1e999",
    "huge integer": b"1" + b"0" * 400,
    "not UTF-8": b'"\xff"',
    "lone surrogate": b'"\\ud800"',
    "control": b'"\x01"',
    "NaN": b"NaN",
    "key of an id": b'{"trade_id":77}',
}


def broken(name: str) -> bytes:
    """A value of an extra field."""
    return _BROKEN[name]


def raw_row(  # noqa: PLR0917  (one argument a field, as spec and mapper have them)
    trade_id: int | str, price: str = '"2.5"', size: str = '"0.25"', time: str = TIME,
    side: str = '"buy"', nested: bytes | None = None, leave_out: str = "",
) -> bytes:  # fmt: skip
    fields = {"trade_id": str(trade_id), "side": side, "size": size, "price": price, "time": time}
    fields.pop(leave_out, None)
    text = ",".join(f'"{name}":{value}' for name, value in fields.items()).encode()
    if nested is not None:
        text += b',"extra":' + nested
    return b"{" + text + b"}"


GOOD: Callable[[int], bytes] = raw_row

ids = st.integers(1, 12)
good_rows = st.builds(
    raw_row,
    ids,
    st.sampled_from(PRICES[:6]),
    st.just('"0.25"'),
    st.sampled_from(TIMES[:3]),
    st.sampled_from(SIDES[:2]),
    st.sampled_from([None, b'"text"', *map(broken, ("text", "deep enough"))]),
)


def _money() -> st.SearchStrategy[str]:
    digits = st.text("0123456789", min_size=0, max_size=30)
    free = st.builds(lambda whole, rest: f'"{whole}.{rest}"', digits, digits)
    return st.one_of(st.sampled_from(PRICES), free)


def _times() -> st.SearchStrategy[str]:
    free = st.builds(
        '"{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}{}{}"'.format,
        st.integers(2007, 2026), st.integers(0, 13), st.integers(0, 32), st.integers(0, 25),
        st.integers(0, 61), st.integers(0, 61),
        st.sampled_from(["", ".0", ".999999", ".9999999", ".123456789"]),
        st.sampled_from(["Z", "Z", "Z", "+00:00", "-12:34"]),
    )  # fmt: skip
    return st.one_of(st.sampled_from(TIMES), free)


_one_odd_field = st.one_of(
    st.builds(lambda n, v: raw_row(n, price=v), ids, _money()),
    st.builds(lambda n, v: raw_row(n, size=v), ids, _money()),
    st.builds(lambda n, v: raw_row(n, time=v), ids, _times()),
    st.builds(lambda n, v: raw_row(n, side=v), ids, st.sampled_from(SIDES)),
    st.builds(raw_row, st.sampled_from(IDS)),
    st.builds(
        lambda n, v: raw_row(n, leave_out=v),
        ids,
        st.sampled_from(["trade_id", "side", "size", "price", "time"]),
    ),
    st.sampled_from([b"null", b"[]", b"{}", b"1", b'"row"', b"[1,2,3]", b'{"message":"no"}']),
    st.builds(
        lambda n, v: raw_row(n, nested=broken(v)),
        ids,
        st.sampled_from(
            ["deep", "deeper", "huge exponent", "huge integer", "key of an id", "text"]
        ),
    ),
    # A key twice: whichever a reader takes, all must take the same.
    st.builds(lambda n, m: raw_row(n)[:-1] + f',"trade_id":{m}}}'.encode(), ids, ids),
)


def rows_of(max_size: int) -> st.SearchStrategy[list[bytes]]:
    """The rows of one answer: mostly good, in any order, ids often twice."""
    one = st.one_of(good_rows, good_rows, _one_odd_field)
    return st.one_of(st.lists(good_rows, max_size=max_size), st.lists(one, max_size=max_size))


def answers_of() -> st.SearchStrategy[list[list[bytes]]]:
    return st.lists(rows_of(5), max_size=5)
