"""Times as integers of microseconds, and as the texts that the sandbox's own trades carry."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

__all__ = ["iso", "micros"]

_SECOND = 1_000_000  # in microseconds
_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


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
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def micros(text: str) -> int:
    """Unix microseconds of an ISO text that ends in Z, finer digits cut off; or ValueError."""
    found = _ISO.fullmatch(text)
    if found is None:
        raise ValueError(f"not a time as 2020-09-13T12:26:41.850000Z: {text!r}")
    return _second_of(found[1]) * _SECOND + int((found[2] or "0").ljust(6, "0")[:6])
