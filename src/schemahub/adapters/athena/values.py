"""Athena's texts as the values that they mean: nothing is rounded."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from schemahub.core.errors import EngineError

_INTEGERS = frozenset({"tinyint", "smallint", "integer", "int", "bigint"})
_TIME = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d{1,12}))?(?: (\S+))?")
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
_MICRO = 6  # digits


@dataclass(frozen=True, slots=True)
class Typed:
    """A column of a result. `kind` is Athena's word for its type, without precision and scale."""

    name: str
    kind: str
    precision: int = 0
    scale: int = 0

    @property
    def duckdb(self) -> str:
        """The type as DuckDB writes it, so that a result says the same whoever found it."""
        if self.kind == "decimal":
            return f"DECIMAL({self.precision},{self.scale})"
        return _DUCKDB.get(self.kind, "VARCHAR")

    def reader(self) -> Callable[[str], object]:
        """Turns a text of this column into its value. It raises EngineError for what is none.

        Kinds without a type of their own here (arrays, maps, json, times of day, intervals)
        stay the text that Athena writes.
        """
        read = _READERS.get(self.kind)
        if read is None:
            return str
        return lambda text: self._read(read, text)

    def _read(self, read: Callable[[str], object], text: str) -> object:
        try:
            return read(text)
        except (ValueError, ArithmeticError) as error:
            raise EngineError(
                f"Athena's answer cannot be read: {text[:80]!r} is no {self.kind}",
                f"in column {self.name!r}: {error}",
                f'cast the column to a text: CAST("{self.name}" AS varchar)',
            ) from None


def _boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(text)
    return text == "true"


def _instant(text: str) -> datetime:
    """A time with a zone, in UTC. More digits than microseconds have are refused, not cut."""
    moment, zone = _moment(text)
    if zone in {"UTC", "Z", "+00:00"}:
        return moment.replace(tzinfo=UTC)
    found = _OFFSET.fullmatch(zone)
    if found is None:
        # Names of zones need tables that not every place has; ours are all in UTC.
        msg = f"the zone {zone!r} is neither UTC nor an offset"
        raise ValueError(msg)
    ahead = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return moment.replace(tzinfo=UTC) - (ahead if found[1] == "+" else -ahead)


def _naive(text: str) -> datetime:
    moment, zone = _moment(text)
    if zone:
        msg = "it has a zone"
        raise ValueError(msg)
    return moment


def _moment(text: str) -> tuple[datetime, str]:
    found = _TIME.fullmatch(text)
    if found is None:
        msg = "it is no time"
        raise ValueError(msg)
    digits = found[2] or ""
    if digits[_MICRO:].strip("0"):
        msg = "it is finer than a microsecond"
        raise ValueError(msg)
    moment = datetime.fromisoformat(found[1])
    return moment.replace(microsecond=int(digits[:_MICRO].ljust(_MICRO, "0"))), found[3] or ""


_READERS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(_INTEGERS, int),
    "boolean": _boolean,
    "decimal": Decimal,
    "double": float,
    "float": float,
    "real": float,
    "date": date.fromisoformat,
    "timestamp": _naive,
    "timestamp with time zone": _instant,
    "varbinary": bytes.fromhex,
}
_DUCKDB = {
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "boolean": "BOOLEAN",
    "double": "DOUBLE",
    "float": "FLOAT",
    "real": "FLOAT",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE",
    "varbinary": "BLOB",
}
