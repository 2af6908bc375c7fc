"""Rows that break an exchange's own rules, one way each, whatever shape its rows have."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from schemahub.sandbox.body import Number
from schemahub.sandbox.wire import Row

__all__ = ["BAD_ROWS", "BadRow"]

_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)
_Fields = Mapping[str, Any]


@dataclass(frozen=True)
class BadRow:
    """One way to spoil a row, in place.

    `needs` are the fields without which it would not break a rule; `only` is said of the value
    of the first of them.
    """

    needs: tuple[str, ...]
    spoil: Callable[[Row, _Fields], None]
    only: Callable[[object], bool]

    def suits(self, row: Row, fields: _Fields) -> bool:
        """Whether this exchange's rows can be bad in this way."""
        if any(name not in fields for name in self.needs):
            return False
        return not self.needs or self.only(row[fields[self.needs[0]]])


def _any(_value: object) -> bool:
    return True


def _without(name: str) -> BadRow:
    def spoil(row: Row, fields: _Fields) -> None:
        del row[fields[name]]

    return BadRow((name,), spoil, _any)


def _changed(
    name: str,
    change: Callable[[Any], object],
    needs: tuple[str, ...] = (),
    only: Callable[[object], bool] = _any,
) -> BadRow:
    def spoil(row: Row, fields: _Fields) -> None:
        row[fields[name]] = change(row[fields[name]])

    return BadRow((name, *needs), spoil, only)


def _with(name: str, value: object, only: Callable[[object], bool] = _any) -> BadRow:
    def change(old: object) -> object:
        """In a number's place a number, where the value can be one."""
        number = isinstance(old, Number) and isinstance(value, str)
        return Number(value) if number and _JSON_NUMBER.fullmatch(str(value)) else value

    return _changed(name, change, only=only)


def _negative(value: str) -> str:
    return type(value)("-" + value)


def _future(time: str | int) -> object:
    """Another millennium; a number gets a 3 in front, which makes it about the year 2976."""
    if isinstance(time, int):
        return int(f"3{time}")
    return Number("3" + time) if isinstance(time, Number) else "2999" + time[4:]


def _ancient(time: str | int) -> object:
    """Before there was bitcoin; a number gets a 9 for its first two digits: 1998 to 2001."""
    if isinstance(time, int):
        return int(f"9{str(time)[2:]}")
    return Number("9" + time[2:]) if isinstance(time, Number) else "1999" + time[4:]


def _extra_field(row: Row, _fields: _Fields) -> None:
    # Allowed: a sound client keeps the row.
    if isinstance(row, list):
        row.append({"new": True})
    else:
        row["x_unknown"] = {"new": True}


BAD_ROWS: dict[str, BadRow] = {
    "missing_price": _without("price"),
    "null_price": _with("price", None),
    "nan_price": _with("price", "NaN"),
    "infinite_price": _with("price", "Infinity"),
    "empty_price": _with("price", ""),
    "zero_price": _with("price", "0.00"),
    "negative_price": _changed("price", _negative),
    "hex_price": _with("price", "0x1F90"),
    "underscore_price": _with("price", "64_000.00"),
    "fullwidth_price": _with("price", "\uff11\uff12\uff13.45"),
    "decimals_13": _with("price", "64000.0000000000001"),
    "digits_27": _with("price", "1" * 27),
    "list_price": _changed("price", lambda value: [value]),
    "missing_size": _without("size"),
    "nan_size": _with("size", "nan"),
    "zero_size": _with("size", "0.00000000"),
    # Where the sign of the size is the side, it is as good as any.
    "negative_size": _changed("size", _negative, needs=("side",)),
    "missing_id": _without("id"),
    "null_id": _with("id", None),
    "id_as_string": _changed("id", str),
    "id_as_float": _changed("id", float),
    "negative_id": _changed("id", lambda number: -number),
    "missing_side": _without("side"),
    "bad_side": _with("side", "hold"),
    "missing_time": _without("time"),
    "wrong_time": _with("time", "yesterday"),
    # Where times are milliseconds this is one.
    "epoch_time": _with("time", 1_700_000_000_000, only=lambda time: not isinstance(time, int)),
    "future_time": _changed("time", _future),
    "ancient_time": _changed("time", _ancient),
    "extra_field": BadRow((), _extra_field, _any),
}
