"""The unified schema in Arrow's words, and rows that follow it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from schemahub.core.span import Coverage, Span
from schemahub.core.trade import PRECISION, SCALE, UNIFIED_SCHEMA

DECIMAL = pa.decimal128(PRECISION, SCALE)
TIME = pa.timestamp("us", tz="UTC")
_TYPES = {"string": pa.string(), "int64": pa.int64(), "decimal": DECIMAL, "timestamp": TIME}

ARROW_SCHEMA = pa.schema(
    [pa.field(column.name, _TYPES[column.kind], column.nullable) for column in UNIFIED_SCHEMA]
)
# On an axis of ids the id is the position.
POSITION = "trade_id"


class ArrowRows:
    """Rows of ARROW_SCHEMA in axis order. Implements ports.Rows."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def positions(self) -> Coverage:
        count = len(self)
        if not count:
            return Coverage()
        column = self.table[POSITION]
        first, last = column[0].as_py(), column[-1].as_py()
        if last - first + 1 == count and increasing(column):
            return Coverage((Span(first, last + 1),))
        return Coverage.of_ids(column.to_pylist())

    def within(self, span: Span) -> ArrowRows:
        count = len(self)
        if not count:
            return self
        column = self.table[POSITION]
        if span.start <= column[0].as_py() and column[-1].as_py() < span.stop:
            return self
        first = _first_not_below(column, span.start)
        stop = _first_not_below(column, span.stop)
        return ArrowRows(self.table.slice(first, stop - first))


def _first_not_below(column: pa.ChunkedArray, position: int) -> int:
    """The index of the first value that is not less than `position`; by bisection."""
    low, high = 0, len(column)
    while low < high:
        middle = (low + high) // 2
        if column[middle].as_py() < position:
            low = middle + 1
        else:
            high = middle
    return low


def increasing(column: pa.ChunkedArray) -> bool:
    """Whether each value is greater than the one before it (no nulls)."""
    count = len(column)
    if count < 2:  # noqa: PLR2004
        return True
    return bool(pc.all(pc.greater(column.slice(1), column.slice(0, count - 1))).as_py())
