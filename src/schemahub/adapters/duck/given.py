"""Rows that another engine found, in the forms in which DuckDB's leave."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pyarrow as pa

from schemahub.adapters.duck.result import BATCH_ROWS, Batches, Streamed
from schemahub.core.errors import UsageError

_TYPES = {
    "BIGINT": pa.int64(),
    "BLOB": pa.binary(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "DOUBLE": pa.float64(),
    "FLOAT": pa.float32(),
    "INTEGER": pa.int32(),
    "SMALLINT": pa.int16(),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    "TINYINT": pa.int8(),
    "VARCHAR": pa.string(),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


class Given(Streamed):
    """`pages` of rows whose values are of the types of `columns` (name, DuckDB's type)."""

    def __init__(
        self, columns: Sequence[tuple[str, str]], pages: Iterable[Sequence[tuple[object, ...]]]
    ) -> None:
        self.columns = tuple(columns)
        self._pages: Iterable[Sequence[tuple[object, ...]]] | None = pages

    def stream(self, rows: int = BATCH_ROWS) -> tuple[pa.Schema, Batches]:
        """As it is promised; a batch is a page, whatever `rows` says, if that is less."""
        if self._pages is None:
            raise UsageError("these rows were read already", "a result is read once", "ask again")
        pages, self._pages = self._pages, None
        schema = pa.schema([pa.field(name, _type(kind)) for name, kind in self.columns])
        return schema, _batches(pages, schema, rows)


def _batches(
    pages: Iterable[Sequence[tuple[object, ...]]], schema: pa.Schema, rows: int
) -> Batches:
    waiting: list[tuple[object, ...]] = []
    for page in pages:
        waiting.extend(page)
        if len(waiting) >= rows:
            yield _batch(waiting, schema)
            waiting = []
    if waiting:
        yield _batch(waiting, schema)


def _batch(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _type(kind: str) -> pa.DataType:
    found = _DECIMAL.fullmatch(kind)
    if found is not None:
        return pa.decimal128(int(found[1]), int(found[2]))
    return _TYPES[kind]
