"""What any exchange's wire may bring that it should not, made of its own captured row.

A class of rows has a name, its bytes, and the verdict that every reader must come to. What is
bad depends on how a column is read (`as`), and so the classes do; the rest is the same for all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from schemahub.core.wire import COLUMNS
from tests.exchanges.captured import HOUR, Captured

Source = str | int
RANGE = "before 2009 or more than 5 minutes ahead"
NO_NUMBER = (b"null", b"true", b"[]", b"{}")


@dataclass(frozen=True)
class Bad:
    """`reason` is how the refusal begins, None for a row that is odd and yet good.

    `column` is the one at fault; None if the row as a whole is.
    """

    raw: bytes
    reason: str | None
    column: str | None = None


def cells(raw: bytes) -> dict[Source, bytes]:
    """The values of a row as the bytes that they are, by name or index."""
    if raw.startswith(b"["):
        return {n: bytes(v) for n, v in enumerate(msgspec.json.decode(raw, type=list[msgspec.Raw]))}
    return {n: bytes(v) for n, v in msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).items()}


def row(values: dict[Source, bytes], *, array: bool) -> bytes:
    if array:
        return b"[" + b",".join(values.values()) + b"]"
    named = (json.dumps(name).encode() + b":" + value for name, value in values.items())
    return b"{" + b",".join(named) + b"}"


def changed(case: Captured, column: str, value: bytes) -> bytes:
    """The first captured row with the value of one column replaced."""
    raw = case.reader.split(case.body)[0]
    values = cells(raw)
    assert case.reader.sources[column] in values
    return row(values | {case.reader.sources[column]: value}, array=raw.startswith(b"["))


# ---------------------------------------------------------------- what is bad, by kind

_DIGITS = b"9" * 5_000
_TEXTS = [b'""', b'" "', b'"NaN"', b'"sNaN"', b'"Infinity"', b'"-inf"', b'"0x1F"', b'"1_000"',
          b'"1,000.5"', b'"1,5"', '"\uff11\uff12"'.encode(), '"\u0661\u0662"'.encode(),
          '"1\u00b2"'.encode(), b'" 1.5"', b'"1.5\\n"', b'"1.5\\u0000"', b'"$1.5"', b'"null"',
          b'"+1.5"', b'".5"', b'"5."', b'"1.2.3"', b'"1e"', b'"1e0001"', b'"--1"',
          b'"' + b"1" * 10_000 + b'"']  # fmt: skip
# (the number's text, the reason): as a string or as a JSON number.
_NUMBERS = [
    (b"0", "zero"), (b"0.000000000000", "zero"), (b"0e-99", "zero"),
    (b"1.0000000000001", "more than 12 decimals"), (b"1e-13", "more than 12 decimals"),
    (b"1" + b"0" * 26, "more than 26 integer digits"), (b"1e26", "more than 26 integer digits"),
    (b"1e999", "more than 26 integer digits"),
]  # fmt: skip
_ODD_NUMBERS = [b"12.50e+3", b"1E-12", b"9" * 26 + b"." + b"9" * 12, b"0.000000000001", b"1.50"]


def _quoted(text: bytes) -> bytes:
    return b'"' + text + b'"'


def _decimal(kind: str) -> Iterator[tuple[bytes, str | None]]:
    text = kind.endswith("_text")
    signed = kind.startswith("signed_")
    wrong = "not a decimal in a string" if text else "not a decimal number"
    for value in NO_NUMBER:
        yield value, wrong
    quoted = _quoted if text else bytes
    yield (b"65000.01" if text else b'"65000.01"'), wrong
    if text:
        for value in _TEXTS:
            yield value, "not a positive decimal"
    else:
        yield _DIGITS, "not a positive decimal"
        yield b'"NaN"', wrong
        yield b"[1,\n2]", wrong
    for number, reason in _NUMBERS:
        yield quoted(number), reason
    if signed:
        yield quoted(b"-0"), "zero"
        yield quoted(b"-0.0"), "zero"
        yield quoted(b"-1.0000000000001"), "more than 12 decimals"
        yield quoted(b"-1e-7"), None
    else:
        yield quoted(b"-1.5"), "not a positive decimal"
        yield quoted(b"-0"), "not a positive decimal"
    for number in _ODD_NUMBERS:
        yield quoted(number), None


def _id(kind: str) -> Iterator[tuple[bytes, str | None]]:
    wrong = "not an integer" if kind == "integer" else "not an integer in a string"
    for value in (
        *NO_NUMBER,
        b"5.0",
        b"5e0",
        b"1e999",
        _DIGITS,
        b"[5]",
        b'{"id":5}',
        b'"x"',
        b'""',
    ):
        yield value, wrong
    if kind == "integer":
        yield b'"5"', wrong
        yield b"-5", "out of range"
        for number in (2**63 - 1, 2**64):
            yield str(number).encode(), "out of range"
        return
    yield b"5", wrong
    for value in (b'" "', b'"-5"', b'"+5"', b'"05"', b'"5.0"', b'"5e0"', b'"0x5"', b'"5\\n"',
                  b'" 5"', '"\uff15"'.encode(), b'"' + b"9" * 20 + b'"'):  # fmt: skip
        yield value, wrong
    yield f'"{2**63 - 1}"'.encode(), "out of range"


_FACTORS = {"s": 10**6, "ms": 10**3, "us": 1}


def moment(kind: str, micros: int) -> bytes:
    """A time as this kind writes it, to the microsecond."""
    unit = kind.split("_")[1]
    if unit == "ns":
        text = str(micros * 1_000)
    elif unit == "us":
        text = str(micros)
    else:
        places = 6 if unit == "s" else 3
        text = f"{micros // _FACTORS[unit]}.{micros % _FACTORS[unit]:0{places}}"
    return f'"{text}"'.encode() if kind.endswith("_text") else text.encode()


def _time(kind: str, now: int) -> Iterator[tuple[bytes, str | None]]:
    text = kind.endswith("_text")
    wrong = "not a time in a string" if text else "not a time as a number"
    for value in NO_NUMBER:
        yield value, wrong
    quoted = _quoted if text else bytes
    yield (b"1718000000" if text else b'"1718000000"'), wrong
    odd = [b"-1", b"1.7e9", _DIGITS, b"1e999", b"-0"]
    if text:
        odd += [b"", b" ", b"now", b"1_000", b"1.", b".5", b"+1", b"1 ", b"0x10", b"01",
                b"2026-05-17T11:00:00Z", b"NaN", "\uff11".encode(), b"1.2.3"]  # fmt: skip
    for number in odd:
        yield quoted(number), "not a time since 1970"
    for micros in (0, 1_230_767_999_999_999, now + 300_000_001, now + 24 * HOUR, 2**60):
        yield moment(kind, micros), RANGE
    # A wrong unit is off by a thousand at least.
    yield moment(kind, now // 1_000), RANGE
    yield moment(kind, now * 1_000), RANGE
    for micros in (1_230_768_000_000_000, now + 300_000_000):
        yield moment(kind, micros), None
    yield quoted(moment(kind, now).strip(b'"').split(b".")[0]), None


_ISO = [b'"1700000000000"', b'""', b'"2026-05-17"', b'"2026-05-17T11:00:00"',
        b'"2026-05-17 11:00:00Z"', b'"2026-05-17t11:00:00z"', b'"20260517T110000Z"',
        b'"2026-05-17T24:00:00Z"', b'"2026-05-17T11:00:60Z"',
        b'"2026-05-17T11:00:00Z\\n"']  # fmt: skip


def _iso(now: int) -> Iterator[tuple[bytes, str | None]]:
    for value in (*NO_NUMBER, b"1700000000", b"1700000000.5"):
        yield value, "not a time in a string"
    for value in _ISO:
        yield value, "not an ISO 8601 time"
    yield b'"2026-02-30T11:00:00Z"', "no such time"
    yield b'"2008-12-31T23:59:59.999999Z"', RANGE
    yield b'"9999-12-31T23:59:59Z"', RANGE
    yield b'"2009-01-01T00:00:00.123456789Z"', None


def _side(case: Captured) -> Iterator[tuple[bytes, str | None]]:
    words = case.reader.sides
    for value in (b"null", b"[]", b"{}", b'""', b'"unknown"', b'"BUY "', b"2", b"1.0", b"1e999",
                  b'[["buy"]]', b'"B\\u0075Y"', b"-1"):  # fmt: skip
        yield value, "not a side"
    for word in words:
        # What looks like the word and is another type of value.
        match word:
            case bool():
                yield b"1" if word else b"0", "not a side"
                yield b'"true"' if word else b'"false"', "not a side"
            case str():
                yield json.dumps(word + " ").encode(), "not a side"
                yield json.dumps(word.swapcase() + "x").encode(), "not a side"
                yield b"true" if word in {"1", "b", "buy"} else b"false", "not a side"
                if word.isdigit():
                    yield word.encode(), "not a side"
            case _:
                yield b"true" if word else b"false", "not a side"
        yield json.dumps(word).encode(), None


def _values(case: Captured, column: str) -> Iterator[tuple[bytes, str | None]]:
    kind = case.reader.kinds.get(column, "")
    if column == "side":
        return _side(case) if not case.reader.signed else iter(())
    if column == "trade_id":
        return _id(kind)
    if column == "trade_ts":
        return _iso(case.now) if kind == "iso_time" else _time(kind, case.now)
    return _decimal(kind)


def rows(case: Captured) -> dict[str, Bad]:
    """Every class of rows of this exchange."""
    found: dict[str, Bad] = {}
    for column in COLUMNS:
        for value, reason in _values(case, column):
            why = None if reason is None else f"{column}: {reason}"
            name = f"{column} {value[:40].decode('utf-8', 'replace')} {len(value)}"
            found[name] = Bad(changed(case, column, value), why, column)
    return found | _shapes(case)


def _shapes(case: Captured) -> dict[str, Bad]:
    good = case.reader.split(case.body)[0]
    array = good.startswith(b"[")
    values = cells(good)
    kind = "not a list" if array else "not an object"
    found = {
        name: Bad(raw, kind)
        for name, raw in {
            "null for a row": b"null", "a number for a row": b"7", "a text for a row": b'"row"',
            "a flag for a row": b"true",
            "the other shape": b'{"id":5}' if array else b'[5,"buy","1","2"]',
        }.items()
    }  # fmt: skip
    first = "trade_ts" if case.spec.axis == "time" else "trade_id"
    found["an empty row"] = Bad(b"[]" if array else b"{}", f"{first}: ", first)
    found["a row in a row"] = Bad(
        b"[" + good + b"]" if array else b'{"trade":' + good + b"}", f"{first}: ", first
    )
    if not array:
        found["an error for a row"] = Bad(b'{"message":"NotFound"}', f"{first}: ", first)
        for column in ("trade_id", "price", "quantity", "trade_ts", "side"):
            rest = {name: v for name, v in values.items() if name != case.reader.sources[column]}
            found[f"{column} missing"] = Bad(row(rest, array=False), f"{column}: not", column)
        name = str(case.reader.sources["price"])
        twice = good[:-1] + f',"{name}":[]}}'.encode()
        found["price twice, the last none"] = Bad(twice, "price: not", "price")
        extra = good[:-1] + b',"x":[[{"deep":1e999}]]}'
        found["good: an extra number that no machine holds"] = Bad(extra, None)
        spaced = b" { " + good[1:-1].replace(b'":', b'" :\t') + b"} "
        found["good: white space"] = Bad(spaced, None)
    else:
        found["good: more values than are named"] = Bad(good[:-1] + b',1e999,{"x":[1]}]', None)
        found["good: white space"] = Bad(good.replace(b",", b" ,\t"), None)
        for length in range(1, max(int(s) for s in case.reader.sources.values()) + 1):
            cut = row(dict(list(values.items())[:length]), array=True)
            found[f"cut after {length}"] = Bad(cut, _first_missing(case, length), None)
    return found


def _first_missing(case: Captured, length: int) -> str:
    place = "trade_ts" if case.spec.axis == "time" else "trade_id"
    rest = ("trade_id", "price", "quantity", "trade_ts", "side")
    order = (place, *(column for column in rest if column != place))
    missing = next(c for c in order if int(case.reader.sources[c]) >= length)
    return f"{missing}: not"


# ---------------------------------------------------------------- answers


def answers(case: Captured) -> dict[str, bytes]:
    """Answers of which nothing is believed."""
    body = case.body
    first = case.reader.split(body)[0]
    deep = b"[" * 40 + b"]" * 40
    spoilt = {
        "not UTF-8 in it": first[:-1] + b',"\xff":"\xff"}',
        "a control in a text": first[:-1] + b',"x":"\x01"}',
        "a raw line end in a text": first[:-1] + b',"x":"\n"}',
        "a lone surrogate": first[:-1] + b',"x":"\\ud800"}',
        "NaN without quotes": first[:-1] + b',"x":NaN}',
        "a number with zeros before": first[:-1] + b',"x":007}',
        "a comment": first[:-1] + b"/* no */}",
        "too deep": first[:-1] + b',"x":' + deep + b"}",
        "10,000 deep": first[:-1] + b',"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        "a row that is cut": first[:-3],
    }
    if first.startswith(b"["):
        spoilt = {
            name: raw.replace(b',"\xff":', b",").replace(b',"x":', b",")[:-1] + b"]"
            for name, raw in spoilt.items()
        }
        spoilt["a row that is cut"] = first[:-1]
    return {
        "empty": b"", "blank": b" \r\n", "null": b"null", "a number": b"0",
        "a text": json.dumps(body.decode()).encode(),
        "an empty object": b"{}", "an error object": b'{"message":"Internal server error"}',
        "one more wrapping": b'{"data":{"data":' + body + b"}}",
        "HTML": b"<!DOCTYPE html><html><body>Just a moment...</body></html>",
        "plain words": b"upstream connect error or disconnect/reset before headers",
        "cut": body[: len(body) // 2], "without its last bracket": body[:-1],
        "without its first": body[1:], "twice": body + body, "with a tail": body + b"x",
        "with a byte order mark": b"\xef\xbb\xbf" + body,
        "in UTF-16": body.decode().encode("utf-16"), "packed": b"\x1f\x8b\x08\x00" + body,
        "single quotes": body.replace(b'"', b"'") if b'"' in body else body.replace(b",", b";"),
        **{name: body.replace(first, raw) for name, raw in spoilt.items()},
    }  # fmt: skip
