"""Rows that break an exchange's own rules, one way each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from schemahub.sandbox.wire import Row

__all__ = ["BAD_ROWS"]


def _without(name: str) -> Callable[[Row, Mapping[str, str]], None]:
    def spoil(row: Row, fields: Mapping[str, str]) -> None:
        del row[fields[name]]

    return spoil


def _with(name: str, value: object) -> Callable[[Row, Mapping[str, str]], None]:
    def spoil(row: Row, fields: Mapping[str, str]) -> None:
        row[fields[name]] = value

    return spoil


def _changed(
    name: str, change: Callable[[Any], object]
) -> Callable[[Row, Mapping[str, str]], None]:
    def spoil(row: Row, fields: Mapping[str, str]) -> None:
        row[fields[name]] = change(row[fields[name]])

    return spoil


def _extra_field(row: Row, _fields: Mapping[str, str]) -> None:
    row["x_unknown"] = {"new": True}  # allowed: a sound client keeps the row


BAD_ROWS: dict[str, Callable[[Row, Mapping[str, str]], None]] = {
    "missing_price": _without("price"),
    "null_price": _with("price", None),
    "nan_price": _with("price", "NaN"),
    "infinite_price": _with("price", "Infinity"),
    "empty_price": _with("price", ""),
    "zero_price": _with("price", "0.00"),
    "negative_price": _changed("price", lambda text: "-" + text),
    "hex_price": _with("price", "0x1F90"),
    "underscore_price": _with("price", "64_000.00"),
    "fullwidth_price": _with("price", "\uff11\uff12\uff13.45"),
    "decimals_13": _with("price", "64000.0000000000001"),
    "digits_27": _with("price", "1" * 27),
    "list_price": _changed("price", lambda text: [text]),
    "missing_size": _without("size"),
    "nan_size": _with("size", "nan"),
    "zero_size": _with("size", "0.00000000"),
    "negative_size": _changed("size", lambda text: "-" + text),
    "missing_id": _without("id"),
    "null_id": _with("id", None),
    "id_as_string": _changed("id", str),
    "id_as_float": _changed("id", float),
    "negative_id": _changed("id", lambda number: -number),
    "missing_side": _without("side"),
    "bad_side": _with("side", "hold"),
    "missing_time": _without("time"),
    "wrong_time": _with("time", "yesterday"),
    "epoch_time": _with("time", 1_700_000_000_000),
    "future_time": _changed("time", lambda text: "2999" + text[4:]),
    "ancient_time": _changed("time", lambda text: "1999" + text[4:]),
    "extra_field": _extra_field,
}
