"""The wire contract applied to all rows of an answer at once, for speed.

`core.wire.Reader` is the authority. These rules are no wider than its own: an answer in
which anything is odd is refused here as a whole, and read by it row by row (a test compares
the two).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from schemahub.core.spec_fields import Word
from schemahub.core.values import MAX_ID, MICRO_DIGITS, NANOSECONDS, NUMBERS, ZONES
from schemahub.core.wire import EARLIEST, MAX_AHEAD, Reader

# One text a line, so that one match speaks for a whole column.
_DECIMALS = re.compile(r"(?:(?=[0.]*[1-9])[0-9]{1,26}(?:\.[0-9]{1,12})?\n)*")
_INTEGERS = re.compile(r"(?:(?:0|[1-9][0-9]{0,18})\n)*")
_UNIX = re.compile(r"(?:(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,12})?\n)*")
_TIMES = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,6})?Z\n)*"
)
_SECOND = len("2026-11-23T05:26:18")
_SCALE = (0, 100_000, 10_000, 1_000, 100, 10, 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ZEROS = "000000"
_LATEST = 2**62  # µs: later than any time that is not refused


@dataclass(slots=True)
class Columns:
    """The wire's own values of many rows, one list a column.

    `ids` are integers and `sides` words of `Reader.sides`. `prices` and `quantities` are
    texts, without the sign that tells a side. `moments` are µs since 1970; None where the
    wire has ISO texts: these are `times`, with their zone. None of it is checked against its
    bounds yet.
    """

    ids: list[int]
    sides: list[Word]
    prices: list[str]
    quantities: list[str]
    times: list[str]
    moments: list[int] | None

    def reverse(self) -> None:
        """Turn the rows round."""
        lists = (self.ids, self.sides, self.prices, self.quantities, self.times, self.moments)
        for values in lists:
            if values:
                values.reverse()


def columns(rows: Sequence[Any], reader: Reader) -> Columns | None:
    """`Reader.typed`'s rows by column; None if any is odd."""
    kinds = reader.kinds
    ids = _ids([row.trade_id for row in rows], kinds["trade_id"])
    prices = _texts([row.price for row in rows], kinds["price"])
    quantities = _texts([row.quantity for row in rows], kinds["quantity"])
    times = _texts([row.trade_ts for row in rows], kinds["trade_ts"])
    if ids is None or prices is None or quantities is None or times is None:
        return None
    moments: list[int] | None = None
    zone = ZONES.get(kinds["trade_ts"])
    if zone:
        times = [text + zone for text in times]
    elif zone is None:
        moments, times = _since_1970(times, kinds["trade_ts"].split("_")[1]), []
        if moments is None:
            return None
    sides: list[Word]
    if reader.signed:
        sides = ["-" if text[:1] == "-" else "+" for text in quantities]
        quantities = [text.removeprefix("-") for text in quantities]
    else:
        sides = [row.side for row in rows]
    return Columns(ids, sides, prices, quantities, times, moments)


def ids_and_times(
    rows: Sequence[Any], reader: Reader, now: int
) -> tuple[list[int], list[int]] | None:
    """Ids and times (µs since 1970) of rows that are all good, in their order; else None.

    `rows` are `Reader.typed`'s, `now` is when they were served (µs since 1970).
    """
    told = columns(rows, reader)
    if told is None or not _good(told, reader):
        return None
    moments = _iso(told.times) if told.moments is None else told.moments
    if moments is None:
        return None
    if moments and not (min(moments) >= EARLIEST and max(moments) <= now + MAX_AHEAD):
        return None
    return told.ids, moments


def times_by_id(rows: Sequence[Any], reader: Reader, now: int) -> dict[int, int] | None:
    """The same as id to time."""
    found = ids_and_times(rows, reader, now)
    return None if found is None else dict(zip(*found, strict=True))


def _good(told: Columns, reader: Reader) -> bool:
    return not told.ids or (
        min(told.ids) >= 0
        and max(told.ids) <= MAX_ID
        and set(told.sides) <= reader.sides.keys()
        and _all_match(_DECIMALS, told.prices)
        and _all_match(_DECIMALS, told.quantities)
    )


def _ids(values: list[Any], kind: str) -> list[int] | None:
    if kind == "integer":
        return values
    return list(map(int, values)) if _all_match(_INTEGERS, values) else None


def _texts(values: list[Any], kind: str) -> list[str] | None:
    """The values as texts; None if one is no number where numbers are told."""
    if kind not in NUMBERS:
        return values
    texts = str(b"\n".join(values), "utf-8").split("\n") if values else []
    # A value over several lines is no number.
    return texts if len(texts) == len(values) else None


def _since_1970(texts: list[str], unit: str) -> list[int] | None:
    """As `values.unix`; None if a text is odd, or later than any time that is not refused."""
    if not _all_match(_UNIX, texts):
        return None
    parts = [text.partition(".") for text in texts]
    places = MICRO_DIGITS.get(unit)
    if places is None:
        moments = [int(whole) // NANOSECONDS for whole, _, _ in parts]
    else:
        moments = [int(whole + (more + _ZEROS)[:places]) for whole, _, more in parts]
    return moments if max(moments, default=0) <= _LATEST else None


def _all_match(pattern: re.Pattern[str], texts: list[str]) -> bool:
    joined = "\n".join(texts) + "\n" if texts else ""
    # The count sees a line end inside a text.
    return joined.count("\n") == len(texts) and pattern.fullmatch(joined) is not None


def _iso(texts: list[str]) -> list[int] | None:
    """Microseconds since 1970; None if a text is no plain time, or its day does not exist."""
    if not _all_match(_TIMES, texts):
        return None
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
