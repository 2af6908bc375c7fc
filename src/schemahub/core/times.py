"""Instants and durations as people write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from schemahub.core.errors import UsageError

Instant = str | date | datetime
_AGO = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def instant(value: object, now: datetime) -> datetime:
    """An aware UTC datetime.

    Of `2024-01-31`, `2024-01-31T12:00`, a date or datetime, or an age before `now` such as
    `7d`, `12h`, `45m`, `30s`, `2w`. Naive times are UTC.

    Raises UsageError.
    """
    if not isinstance(value, (str, date)):
        value = repr(value)
    if isinstance(value, date):
        try:
            return _utc(value if isinstance(value, datetime) else datetime.combine(value, time()))
        except OverflowError:
            value = str(value)
    if ago := _AGO.fullmatch(value.strip()):
        try:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        except OverflowError:
            pass
    else:
        try:
            return _utc(datetime.fromisoformat(value.strip()))
        except (ValueError, OverflowError):
            pass
    raise UsageError(
        f"{value!r} is not a time",
        "a time is a date, an ISO 8601 time, or an age",
        "write it like 2024-01-31, 2024-01-31T12:00Z, 7d, 12h or 45m",
    )


def duration(text: str) -> timedelta:
    """Of `24h`, `7d`, `90s`, `45m`, `2w`. Raises UsageError."""
    if found := _AGO.fullmatch(text.strip()):
        try:
            return timedelta(**{_UNITS[found[2]]: int(found[1])})
        except OverflowError:
            pass
    raise UsageError(
        f"{text!r} is not a duration",
        "a duration is a whole number and a unit: s, m, h, d or w",
        "write it like 24h, 7d or 90s",
    )


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
