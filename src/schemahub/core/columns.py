"""The wire contract applied to all rows of an answer at once, for speed.

`core.wire.Reader` is the authority. These rules are no wider than its own: an answer in
which anything is odd is refused here as a whole, and read by it row by row (a test compares
the two).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from schemahub.core.wire import EARLIEST, MAX_AHEAD, MAX_ID, Reader

# One text a line, so that one match speaks for a whole column.
_DECIMALS = re.compile(r"(?:(?=[0.]*[1-9])[0-9]{1,26}(?:\.[0-9]{1,12})?\n)*")
_TIMES = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,6})?Z\n)*"
)
_SECOND = len("2026-11-23T05:26:18")
_SCALE = (0, 100_000, 10_000, 1_000, 100, 10, 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def times_by_id(rows: Sequence[Any], reader: Reader, now: int) -> dict[int, int] | None:
    """Position to time (µs since 1970) of rows that are all good; None if any is odd.

    `rows` are `Reader.typed`'s, `now` is when they were served (µs since 1970).
    """
    ids = [row.trade_id for row in rows]
    times = [row.trade_ts for row in rows]
    good = not rows or (
        min(ids) >= 0
        and max(ids) <= MAX_ID
        and {row.side for row in rows} <= reader.sides.keys()
        and _all_match(_DECIMALS, [row.price for row in rows])
        and _all_match(_DECIMALS, [row.quantity for row in rows])
        and _all_match(_TIMES, times)
    )
    moments = _moments(times) if good else None
    if moments is None:
        return None
    if moments and not (min(moments) >= EARLIEST and max(moments) <= now + MAX_AHEAD):
        return None
    return dict(zip(ids, moments, strict=True))


def _all_match(pattern: re.Pattern[str], texts: list[str]) -> bool:
    joined = "\n".join(texts) + "\n"
    # The count sees a line end inside a text.
    return joined.count("\n") == len(texts) and pattern.fullmatch(joined) is not None


def _moments(texts: list[str]) -> list[int] | None:
    """Microseconds since 1970 of texts that match `_TIMES`; None if a day does not exist."""
    seconds: dict[str, int] = {}
    moments = []
    for text in texts:
        second = text[:_SECOND]
        base = seconds.get(second)
        if base is None:
            try:
                moment = datetime.fromisoformat(second + "+00:00")
            except ValueError:
                return None
            base = seconds[second] = (moment - _EPOCH) // _MICROSECOND
        fraction = text[_SECOND + 1 : -1]
        moments.append(base + int(fraction) * _SCALE[len(fraction)] if fraction else base)
    return moments
