"""Values of Arrow columns as exact text, or as what JSON can hold. Nothing is rounded."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# What DuckDB makes of 'infinity' and '-infinity', in microseconds.
_INFINITIES = {2**63 - 1: "infinity", -(2**63) + 1: "-infinity"}


def texts(column: pa.Array) -> list[str | None]:
    """One text a value, None for null."""
    kind = column.type
    if pa.types.is_string(kind):
        strings: list[str | None] = column.to_pylist()
        return strings
    if pa.types.is_timestamp(kind):
        return _instants(column)
    return [_text(value) for value in _values(column)]


def plain(column: pa.Array) -> list[Any]:
    """One JSON value a value: numbers stay numbers while 64 bits hold them exactly."""
    if pa.types.is_timestamp(column.type):
        return _instants(column)
    return [_plain(value) for value in _values(column)]


def _values(column: pa.Array) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except (OverflowError, ValueError):
        # Dates that Python cannot hold: before the year 1, or infinite.
        values = pc.cast(column, pa.string()).to_pylist()
    return values


def _instants(column: pa.Array) -> list[str | None]:
    """2024-01-01T00:00:00.000000Z; without Z where the column has no zone."""
    zone = "Z" if column.type.tz is not None else ""
    naive = column.cast(pa.timestamp(column.type.unit))
    written = pc.cast(naive, pa.string()).to_pylist()
    counts = naive.cast(pa.int64()).to_pylist()
    return [
        None if text is None else _INFINITIES.get(count) or text.replace(" ", "T", 1) + zone
        for text, count in zip(written, counts, strict=True)
    ]


def _text(value: Any) -> str | None:  # noqa: ANN401  (whatever Arrow holds)
    simple = _plain(value)
    if simple is None or isinstance(simple, str):
        return simple
    if isinstance(simple, bool):
        return "true" if simple else "false"
    if isinstance(simple, int | float):
        return repr(simple)
    return json.dumps(simple, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:  # noqa: ANN401, PLR0911  (one line a type)
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal():
            return format(value, "f")
        case float():
            return value if math.isfinite(value) else _not_finite(value)
        case datetime():
            text = value.isoformat(timespec="microseconds")
            return text.removesuffix("+00:00") + "Z" if value.tzinfo else text
        case date() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case dict():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple() if not isinstance(value, pa.MonthDayNano):
            return [_plain(inner) for inner in value]
        case pa.MonthDayNano():
            return _interval(value)
        case _:
            return str(value)


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _interval(value: Any) -> str:  # noqa: ANN401
    """ISO 8601 with months, days and seconds, none turned into another."""
    seconds = format(Decimal(value.nanoseconds).scaleb(-9).normalize(), "f")
    return f"P{value.months}M{value.days}DT{seconds}S"
