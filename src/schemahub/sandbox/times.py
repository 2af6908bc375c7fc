"""Times as integers of microseconds, and as the texts that the sandbox's own trades carry."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

__all__ = ["iso", "micros"]

_SECOND = 1_000_000  # in microseconds
_DIGITS = 6  # of a second's fraction, as the sandbox makes them
_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)


@lru_cache(maxsize=8192)
def _minute_text(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:")


@lru_cache(maxsize=8192)
def _second_text(second: int) -> str:
    minute, second = divmod(second, 60)
    return f"{_minute_text(minute)}{second:02d}"


def iso(us: int) -> str:
    """ISO with microseconds; a zero fraction is left out altogether, as Coinbase does."""
    second, fraction = divmod(us, _SECOND)
    if fraction:
        return f"{_second_text(second)}.{fraction:06d}Z"
    return _second_text(second) + "Z"


@lru_cache(maxsize=8192)
def _second_of(text: str) -> int:
    if not _SECONDS.fullmatch(text):
        raise ValueError(f"not a time as 2020-09-13T12:26:41.850000Z: {text!r}")
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * _SECOND


def micros(text: str) -> int:
    """Unix microseconds of an ISO text that ends in Z, finer digits cut off; or ValueError."""
    # By hand and not by an expression: a page asks for a thousand.
    whole, point, digits, end = text[:19], text[19:20], text[20:-1], text[-1:]
    if point == "." and end == "Z" and digits.isdecimal() and digits.isascii():
        return _second_of(whole) + int(digits if len(digits) == _DIGITS else f"{digits:0<6.6}")
    if text[19:] != "Z":
        raise ValueError(f"not a time as 2020-09-13T12:26:41.850000Z: {text!r}")
    return _second_of(whole)
