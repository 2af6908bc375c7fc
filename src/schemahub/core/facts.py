"""Facts: small tables about the lake itself, which checks and people join with its trades."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from schemahub.core.trade import Column

Value = str | int | Decimal | datetime | None


@dataclass(frozen=True, slots=True)
class Fact:
    """A table by name; `rows` are in the order of `columns`, times aware and in UTC."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
