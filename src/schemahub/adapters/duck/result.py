"""The rows of one query: as Arrow, as exact text, as plain values, as a file."""

from __future__ import annotations

import contextlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from schemahub.adapters.duck.closing import Closing
from schemahub.adapters.duck.faults import FAULTS
from schemahub.adapters.duck.text import plain, texts
from schemahub.core.errors import SchemaHubError, UsageError

if TYPE_CHECKING:
    import duckdb

Batches = Generator[pa.RecordBatch, None, None]

BATCH_ROWS = 100_000
_ROW_GROUP_ROWS = 1_000_000
# Arrow has no such types: DuckDB hands over their inner bytes, or drops the zone.
_NOT_IN_ARROW = re.compile(r"\b(BIT|BIGNUM|TIME WITH TIME ZONE|TIME_NS|GEOMETRY|VARIANT|UNION)\b")


@dataclass(frozen=True, slots=True)
class Preview:
    """`more` rows follow `rows`; at least so many if not `exact`."""

    rows: list[tuple[str | None, ...]]
    more: int
    exact: bool


class Streamed(ABC):
    """Rows that are read once, in order, by one of `batches`, `arrow`, `rows_text`, ...

    `columns` is (name, DuckDB's type) and known at once. Memory is bounded by a few batches,
    except for `arrow`.
    """

    columns: tuple[tuple[str, str], ...]

    @abstractmethod
    def stream(self, rows: int = BATCH_ROWS) -> tuple[pa.Schema, Batches]:
        """`batches`, and the schema that they have even where there are none."""

    def batches(self, rows: int = BATCH_ROWS) -> Batches:
        """Batches of about `rows` rows (at least 1); ends the query when dropped."""
        if rows < 1:
            raise UsageError(f"{rows} rows a batch", "it must be at least 1", "leave it out")
        return self.stream(rows)[1]

    def arrow(self) -> pa.Table:
        """All rows in memory. Times with a zone are timestamp(us, UTC)."""
        schema, batches = self.stream()
        return pa.Table.from_batches(batches, schema=schema)

    def rows_text(self) -> Iterator[tuple[str | None, ...]]:
        """Rows as exact text: decimals plain, times ISO 8601 with Z, NULL as None."""
        for batch in self.batches(10_000):
            yield from zip(*(texts(column) for column in batch.columns), strict=True)

    def preview(self, rows: int, count_to: int = 1_000_000) -> Preview:
        """The first `rows` as text, and how many more there are, counted up to `count_to`."""
        shown: list[tuple[str | None, ...]] = []
        more = 0
        with contextlib.closing(self.batches(10_000)) as batches:
            for batch in batches:
                taken = batch.slice(0, rows - len(shown))
                shown.extend(zip(*(texts(column) for column in taken.columns), strict=True))
                more += batch.num_rows - taken.num_rows
                if more > count_to:
                    break
        return Preview(shown, min(more, count_to), exact=more <= count_to)

    def rows_plain(self) -> Iterator[tuple[Any, ...]]:
        """Rows as what JSON has: integers and floats as numbers, decimals and times as text.

        Integers wider than 64 bits are text, as decimals are; NaN and infinities too.
        """
        for batch in self.batches(10_000):
            yield from zip(*(plain(column) for column in batch.columns), strict=True)

    def write_arrow(self, stream: BinaryIO) -> None:
        """All rows as an Arrow IPC stream."""
        schema, batches = self.stream()
        with pa.ipc.new_stream(stream, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)

    def write_parquet(self, stream: BinaryIO) -> None:
        """All rows as one Parquet file; `stream` need not seek."""
        schema, batches = self.stream(_ROW_GROUP_ROWS)
        with pq.ParquetWriter(pa.PythonFile(stream, mode="w"), schema, compression="zstd") as out:
            for batch in batches:
                out.write_batch(batch)


class Result(Streamed, Closing):
    """What DuckDB found.

    While rows are read: ObjectMissing and ObjectCorrupt if a file is gone or broken (what was
    read before is void), SchemaHubError if memory is short.
    """

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        fault: Callable[[Exception], SchemaHubError],
        check: Callable[[], None],
    ) -> None:
        self._cursor = cursor
        self._fault = fault
        self._check = check
        self._taken = False
        self.columns: tuple[tuple[str, str], ...] = tuple(
            (str(name), str(kind)) for name, kind, *_ in cursor.description or ()
        )
        for name, kind in self.columns:
            if _NOT_IN_ARROW.search(kind):
                raise UsageError(
                    f"column {name!r} cannot leave DuckDB as {kind}",
                    "Arrow has no type for it",
                    f'write "{name}"::VARCHAR',
                )

    def stream(self, rows: int = BATCH_ROWS) -> tuple[pa.Schema, Batches]:
        """`batches`, and the schema that they have even where there are none."""
        if self._taken:
            raise UsageError("these rows were read already", "a result is read once", "ask again")
        self._taken = True
        try:
            reader = self._cursor.to_arrow_reader(rows)
        except FAULTS as error:
            self._cursor.close()
            raise self._fault(error) from error
        schema = _utc(reader.schema)
        return schema, self._drain(reader, schema)

    def _drain(self, reader: pa.RecordBatchReader, schema: pa.Schema) -> Batches:
        try:
            with contextlib.closing(reader):
                for batch in reader:
                    if batch.num_rows:
                        yield _as(batch, schema)
            self._check()
        except (*FAULTS, OSError, pa.ArrowException) as error:
            raise self._fault(error) from error
        finally:
            self._cursor.close()

    def close(self) -> None:
        """Stop the query; rows not read yet are lost."""
        self._taken = True
        self._cursor.close()


def _as(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _utc(schema: pa.Schema) -> pa.Schema:
    """DuckDB names the zone Etc/UTC; the unified schema and everybody else say UTC."""
    return pa.schema(
        [
            field.with_type(pa.timestamp(field.type.unit, "UTC"))
            if pa.types.is_timestamp(field.type) and field.type.tz is not None
            else field
            for field in schema
        ]
    )
