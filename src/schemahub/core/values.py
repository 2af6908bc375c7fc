"""The values of a row: what each `as` of a spec means, exactly.

A reader is given the value as the wire has it and returns it, or refuses it with `No`. A
JSON number whose digits count comes as `Number`, its own text: no float is ever made of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, cast

import msgspec

from schemahub.core.trade import INTEGER_DIGITS, SCALE

MAX_ID = 2**63 - 2  # one past it is still a 63-bit number
MAX_DIGITS = 400

# [0-9], not \d: full-width digits are digits to \d.
_DECIMAL = re.compile(r"([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?")
_INTEGER = re.compile(r"0|[1-9][0-9]{0,18}")
_UNIX = re.compile(r"(0|[1-9][0-9]{0,19})(?:\.([0-9]{1,20}))?")
_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])"
    r"(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:?[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
MICRO_DIGITS = {"s": 6, "ms": 3, "us": 0}  # decimals of the unit that are whole µs
NANOSECONDS = 1_000  # in a microsecond


class No(Exception):
    """A value that is not what the field must hold."""


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number, as its text."""

    text: str

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__


@dataclass(frozen=True)
class Unreadable:
    """A value of valid JSON that no type of ours can hold, such as 1e999."""

    why: str


class Missing:
    """The value of a field that is not there."""

    def __repr__(self) -> str:
        return "missing"


MISSING = Missing()


def plain(raw: msgspec.Raw | bytes) -> object:
    """The value in `raw`, as Python has it."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        return Unreadable(str(error))


def exact(raw: msgspec.Raw | bytes) -> object:
    """The same, but a number as `Number`."""
    text = bytes(raw)
    return Number(text.decode()) if text[:1] in b"-0123456789" else plain(raw)


def integer(value: object) -> int:
    """A JSON integer, 0 to 2^63-2."""
    if type(value) is not int:  # bool is an int to isinstance
        raise No(f"not an integer: {show(value)}")
    return _id(value)


def integer_text(value: object) -> int:
    """The same in a JSON string, as an integer is written: no sign, no idle zeros."""
    if type(value) is not str or not _INTEGER.fullmatch(value):
        raise No(f"not an integer in a string: {show(value)}")
    return _id(int(value))


def _id(value: int) -> int:
    if not 0 <= value <= MAX_ID:
        raise No(f"out of range: {value}")
    return value


def decimal_text(value: object) -> Decimal:
    """A positive decimal in a JSON string, exactly; it must fit decimal(38,12)."""
    if type(value) is not str:
        raise No(f"not a decimal in a string: {show(value)}")
    return _decimal(value)


def decimal_number(value: object) -> Decimal:
    """The same of a JSON number, from its text."""
    if type(value) is not Number:
        raise No(f"not a decimal number: {show(value)}")
    return _decimal(value.text)


def signed_text(value: object) -> Decimal:
    """`decimal_text` without its sign."""
    return decimal_text(value.removeprefix("-") if type(value) is str else value)


def signed_number(value: object) -> Decimal:
    """`decimal_number` without its sign."""
    return decimal_number(Number(value.text.removeprefix("-")) if type(value) is Number else value)


def sign(value: object) -> str:
    """`-` or `+`, of a number that `signed_text` or `signed_number` accepts."""
    return "-" if str(value).startswith("-") else "+"


def _decimal(text: str) -> Decimal:
    found = _DECIMAL.fullmatch(text) if len(text) <= MAX_DIGITS else None
    if found is None:
        raise No(f"not a positive decimal: {show(text)}")
    number = Decimal(text)
    if not number:
        raise No("zero")
    number = _stripped(number)
    whole, fraction = _digits(number)
    if fraction > SCALE:
        raise No(f"more than {SCALE} decimals: {text}")
    if whole > INTEGER_DIGITS:
        raise No(f"more than {INTEGER_DIGITS} integer digits: {text}")
    return number


def _stripped(number: Decimal) -> Decimal:
    """The same number without zeros at its end: never more digits than the column holds."""
    parts = number.as_tuple()
    digits, exponent = parts.digits, cast("int", parts.exponent)
    used = len(digits)
    while used > 1 and digits[used - 1] == 0:
        used -= 1
    return Decimal((0, digits[:used], exponent + len(digits) - used))


def _digits(number: Decimal) -> tuple[int, int]:
    """Integer digits and decimals that `number` needs."""
    parts = number.as_tuple()
    exponent = cast("int", parts.exponent)
    return max(0, len(parts.digits) + exponent), max(0, -exponent)


def iso_time(value: object) -> int:
    """An ISO 8601 time with its zone as microseconds since 1970; finer digits are cut."""
    if type(value) is not str:
        raise No(f"not a time in a string: {show(value)}")
    found = _ISO.fullmatch(value)
    if found is None:
        raise No(f"not an ISO 8601 time with a zone: {show(value)}")
    seconds, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(seconds + zone)
    except ValueError:
        raise No(f"no such time: {value}") from None
    return (moment - _EPOCH) // _MICROSECOND + int(f"{fraction or '0':0<6}"[:6])


def iso_utc(value: object) -> int:
    """The same of a time without a zone, which is UTC."""
    if type(value) is not str:
        raise No(f"not a time in a string: {show(value)}")
    if _ISO.fullmatch(value) or not _ISO.fullmatch(value + "Z"):
        raise No(f"not an ISO 8601 time without a zone: {show(value)}")
    return iso_time(value + "Z")


def unix_number(value: object, unit: str) -> int:
    """A JSON number of `unit` since 1970 as microseconds; finer digits are cut."""
    if type(value) is not Number:
        raise No(f"not a time as a number: {show(value)}")
    return unix(value.text, unit)


def unix_text(value: object, unit: str) -> int:
    """The same in a JSON string."""
    if type(value) is not str:
        raise No(f"not a time in a string: {show(value)}")
    return unix(value, unit)


def unix(text: str, unit: str) -> int:
    """Microseconds since 1970 of `text` in `unit`; finer digits are cut. Raises No.

    A wrong unit is off by a thousand or more, and so before 2009 or far ahead: the caller
    refuses that.
    """
    found = _UNIX.fullmatch(text)
    if found is None:
        raise No(f"not a time since 1970: {show(text)}")
    whole, fraction = found.groups()
    places = MICRO_DIGITS.get(unit)
    if places is None:
        return int(whole) // NANOSECONDS
    return int(whole + (fraction or "").ljust(places, "0")[:places])


UNITS = ("s", "ms", "us", "ns")
READERS: dict[str, Callable[[object], Any]] = {
    "integer": integer,
    "integer_text": integer_text,
    "decimal_text": decimal_text,
    "decimal_number": decimal_number,
    "signed_text": signed_text,
    "signed_number": signed_number,
    "iso_time": iso_time,
    "iso_utc": iso_utc,
    **{f"unix_{unit}": partial(unix_number, unit=unit) for unit in UNITS},
    **{f"unix_{unit}_text": partial(unix_text, unit=unit) for unit in UNITS},
}
# What stands behind a time of these kinds for its zone to be told.
ZONES = {"iso_time": "", "iso_utc": "Z"}
# Kinds that are read from a number's text.
NUMBERS = frozenset({"decimal_number", "signed_number", *(f"unix_{unit}" for unit in UNITS)})


def show(value: object) -> str:
    """`value` in the reason of a refusal."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004
