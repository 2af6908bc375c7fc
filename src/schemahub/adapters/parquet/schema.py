"""The unified schema in Arrow's words, and rows that follow it."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from schemahub.core.axis import IDS, Axis
from schemahub.core.numbering import Run, Tally
from schemahub.core.span import Coverage, Span
from schemahub.core.trade import PRECISION, SCALE, UNIFIED_SCHEMA

DECIMAL = pa.decimal128(PRECISION, SCALE)
TIME = pa.timestamp("us", tz="UTC")
_TYPES = {"string": pa.string(), "int64": pa.int64(), "decimal": DECIMAL, "timestamp": TIME}

ARROW_SCHEMA = pa.schema(
    [pa.field(column.name, _TYPES[column.kind], column.nullable) for column in UNIFIED_SCHEMA]
)
ID = "trade_id"
POSITION = ID  # of a row of the wire that is read in bulk


class ArrowRows:
    """Rows of ARROW_SCHEMA in the order of an axis. Implements ports.Rows."""

    def __init__(self, table: pa.Table, line: Axis = IDS) -> None:
        self.table = table
        self.line = line

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def positions(self) -> Coverage:
        count = len(self)
        if not count:
            return Coverage()
        column = _places(self.table, self.line)
        first, last = column[0].as_py(), column[-1].as_py()
        if last - first + 1 == count and increasing(column):
            return Coverage((Span(first, last + 1),))
        return Coverage.of_ids(column.to_pylist())

    def extent(self) -> Span | None:
        if not len(self):
            return None
        column = _places(self.table, self.line)
        return Span(column[0].as_py(), column[-1].as_py() + 1)

    def within(self, span: Span) -> ArrowRows:
        count = len(self)
        if not count:
            return self
        column = _places(self.table, self.line)
        if span.start <= column[0].as_py() and column[-1].as_py() < span.stop:
            return self
        first = _first_not_below(column, span.start)
        stop = _first_not_below(column, span.stop)
        return ArrowRows(self.table.slice(first, stop - first), self.line)

    def holding(self, ids: Collection[int]) -> set[int]:
        if not ids or not len(self):
            return set()
        wanted = pa.array(sorted(ids), pa.int64())
        return set(pc.filter(wanted, pc.is_in(wanted, value_set=self.table[ID])).to_pylist())

    def tally(self, *, numbered: bool) -> Tally:
        if not len(self):
            return Tally()
        ids = self.table[ID]
        if self.line.timed:
            low, high = (value.as_py() for value in pc.min_max(ids).values())
        else:
            low, high = ids[0].as_py(), ids[-1].as_py()
        runs = _runs(ids, _places(self.table, self.line)) if numbered else ()
        return Tally(len(self), Span(low, high + 1), runs)


class Order:
    """The order of rows on an axis: by position, then by id, which tells rows apart."""

    def __init__(self, line: Axis) -> None:
        self._line = line
        self.shares = line.timed
        """Whether several rows may have one position."""
        self.columns = [("trade_ts", "ascending")] if line.timed else []
        self.columns.append((ID, "ascending"))

    def first(self, table: pa.Table) -> tuple[int, int]:
        return self._key(table, 0)

    def last(self, table: pa.Table) -> tuple[int, int]:
        return self._key(table, -1)

    def _key(self, table: pa.Table, index: int) -> tuple[int, int]:
        return _places(table, self._line)[index].as_py(), table[ID][index].as_py()

    def keys(self, table: pa.Table) -> list[tuple[int, int]]:
        places, ids = _places(table, self._line).to_pylist(), table[ID].to_pylist()
        return list(zip(places, ids, strict=True))

    def kept(self, table: pa.Table) -> bool:
        """Whether each row comes after the one before it (no nulls)."""
        if not self.shares:
            return increasing(table[ID])
        steps = _steps(_places(table, self._line))
        if pc.all(pc.greater(steps, 0)).as_py() is not False:
            return True
        same = pc.and_(pc.equal(steps, 0), pc.greater(_steps(table[ID]), 0))
        return pc.all(pc.or_(pc.greater(steps, 0), same)).as_py() is not False

    def sorted(self, table: pa.Table) -> pa.Table:
        """Of equal rows the one told first comes before the others."""
        return table if self.kept(table) else table.sort_by(self.columns)

    def repeats(self, table: pa.Table) -> pa.Array:
        """The indices of rows that have the key of the row before them; it comes sorted."""
        same = pc.equal(_steps(table[ID]), 0)
        if self.shares:
            same = pc.and_(same, pc.equal(_steps(_places(table, self._line)), 0))
        return pc.add(pc.indices_nonzero(same), 1).cast(pa.int64())

    def start_of_last(self, table: pa.Table) -> int:
        """The index of the first row that has the last row's position."""
        places = _places(table, self._line)
        return _first_not_below(places, places[-1].as_py()) if len(places) else 0


def _places(table: pa.Table, line: Axis) -> pa.ChunkedArray:
    """The positions of rows; costs nothing."""
    return table["trade_ts"].cast(pa.int64()) if line.timed else table[ID]


def _steps(column: pa.ChunkedArray) -> pa.Array:
    """From each value to the next."""
    values = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return pc.subtract(values.slice(1), values.slice(0, max(0, len(values) - 1)))


def _runs(ids: pa.ChunkedArray, places: pa.ChunkedArray) -> tuple[Run, ...]:
    if not increasing(ids):
        order = pc.sort_indices(ids)
        ids, places = ids.take(order), places.take(order)
    count = len(ids)
    first, last = ids[0].as_py(), ids[-1].as_py()
    if last - first + 1 == count and increasing(ids):
        return (Run(first, last, places[0].as_py(), places[-1].as_py()),)
    breaks = pc.indices_nonzero(pc.not_equal(_steps(ids), 1)).to_pylist()
    starts, stops = [0, *(at + 1 for at in breaks)], [*breaks, count - 1]
    edges = (column.take(pa.array(rows)).to_pylist()
             for rows in (starts, stops) for column in (ids, places))  # fmt: skip
    first_ids, first_places, last_ids, last_places = edges
    return tuple(map(Run, first_ids, last_ids, first_places, last_places))


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
