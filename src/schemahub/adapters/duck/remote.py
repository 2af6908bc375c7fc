"""Files that DuckDB does not open itself, as Arrow datasets over the lake's own store.

The engine gets neither an address nor a credential: it asks for columns and row groups of
the listed files, and nothing else can be asked. Footers and the columns of a query are
fetched, not whole files.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from schemahub.adapters.duck.bars import bar_files, without_bars
from schemahub.adapters.duck.views import FileSlice, Lent, Piece, by_market
from schemahub.core.errors import SchemaHubError
from schemahub.core.layout import Market
from schemahub.core.trade import PRECISION, SCALE, UNIFIED_SCHEMA
from schemahub.ports import Objects, Opened

if TYPE_CHECKING:
    import duckdb

_TYPES = {
    "string": pa.string(),
    "int64": pa.int64(),
    "decimal": pa.decimal128(PRECISION, SCALE),
    "timestamp": pa.timestamp("us", "UTC"),
}
_SCHEMA = pa.schema([(column.name, _TYPES[column.kind]) for column in UNIFIED_SCHEMA])
_QUOTE = pa.decimal128(PRECISION, 8)
_BARS = pa.schema(
    [
        ("exchange", pa.string()),
        ("symbol", pa.string()),
        ("bar_ts", _TYPES["timestamp"]),
        *((name, _TYPES["decimal"]) for name in ("open", "high", "low", "close", "volume")),
        ("quote_volume", _QUOTE),
        ("buy_volume", _TYPES["decimal"]),
        *((name, pa.int64()) for name in ("trades", "first_position", "last_position")),
    ]
)


class Remote:
    """Tables over the files of `slices`, opened by `objects`; nothing is opened before a query.

    `error` is the first error that a file gave. It is kept here, and Arrow is told that the
    file ends: an error of Python's that passes through its scanner, which may hold a lock
    then, can wait for this thread while this thread waits for that lock, for ever.
    """

    def __init__(self, objects: Objects, slices: Sequence[FileSlice]) -> None:
        self._files = fs.PyFileSystem(_Files(self))
        self._objects = objects
        self._form = ds.ParquetFileFormat(
            default_fragment_scan_options=ds.ParquetFragmentScanOptions(
                pre_buffer=True,
                # Pieces of objects come without the checksum that whole objects have.
                page_checksum_verification=True,
            )
        )
        self._lent: dict[str, ds.FileSystemDataset] = {}
        self.error: SchemaHubError | None = None
        files = bar_files(slices)
        self.tables = self._tables("lake_files", slices, _SCHEMA)
        self.bars = self._tables("lake_bars", files, _BARS)
        self.without_bars = (
            self._tables("lake_rest", without_bars(slices), _SCHEMA) if files else self.tables
        )

    def _tables(self, name: str, slices: Sequence[FileSlice], schema: pa.Schema) -> list[Lent]:
        """One table for all markets, so that a lake of hundreds is no query of as many branches.

        Only markets with trimmed pieces have their own.
        """
        made: list[Lent] = []
        whole: list[ds.ParquetFileFragment] = []
        for market, pieces in by_market(slices):
            if all(piece.span is None for piece in pieces):
                whole += self._fragments(market, pieces)
                continue
            for piece in pieces:
                made.append(Lent(f"{name}_{len(made) + 1}", piece.span, piece.timed))
                self._add(made[-1], self._fragments(market, [piece]), schema)
        if whole:
            made.append(Lent(name))
            self._add(made[-1], whole, schema)
        return made

    def lend(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Makes the tables known to this connection; a cursor is one of its own."""
        self.error = None
        for name, dataset in self._lent.items():
            connection.register(name, dataset)

    def _add(
        self, table: Lent, fragments: Sequence[ds.ParquetFileFragment], schema: pa.Schema
    ) -> None:
        self._lent[table.name] = ds.FileSystemDataset(
            fragments, schema, self._form, filesystem=self._files
        )

    def _fragments(self, market: Market, pieces: Sequence[Piece]) -> list[ds.ParquetFileFragment]:
        """Files in their order, whose market is known without opening them."""
        known = (ds.field("exchange") == market.exchange) & (ds.field("symbol") == market.symbol)
        return [
            self._form.make_fragment(location, filesystem=self._files, partition_expression=known)
            for piece in pieces
            for location in piece.locations
        ]

    def open(self, location: str) -> Opened:
        try:
            return self._objects.open(location)
        except SchemaHubError as error:
            self.error = self.error or error
            return _Ended()

    def read(self, opened: Opened, start: int, stop: int) -> bytes:
        try:
            return opened.read_at(start, stop)
        except SchemaHubError as error:
            self.error = self.error or error
            return b""


class _Ended:
    """ports.Opened of what cannot be opened: no Parquet file, as Arrow itself finds."""

    size = 0

    def read_at(self, start: int, stop: int) -> bytes:
        del start, stop
        return b""


class _File(io.RawIOBase):
    """One file, for one reader: seek and read."""

    def __init__(self, remote: Remote, location: str) -> None:
        super().__init__()
        self._remote = remote
        self._opened = remote.open(location)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._opened.size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        stop = self._opened.size if size is None or size < 0 else self._at + size
        start, stop = self._at, min(stop, self._opened.size)
        if start >= stop:
            return b""
        data = self._remote.read(self._opened, start, stop)
        self._at = stop
        return data


class _Files(fs.FileSystemHandler):  # type: ignore[misc]  # pyarrow ships no types
    """Opens files to read; there is nothing else that it does."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def get_type_name(self) -> str:
        return "lake"

    def normalize_path(self, path: str) -> str:
        return path

    def open_input_file(self, path: str) -> pa.PythonFile:
        return pa.PythonFile(_File(self._remote, path), mode="r")

    def open_input_stream(self, path: str) -> pa.PythonFile:
        return self.open_input_file(path)

    def get_file_info(self, paths: Sequence[str]) -> list[fs.FileInfo]:
        return [fs.FileInfo(path, fs.FileType.File) for path in paths]

    def _refuse(self, *_: object) -> NoReturn:
        msg = "a query only reads the files that it was given"
        raise PermissionError(msg)

    get_file_info_selector = create_dir = delete_dir = delete_dir_contents = _refuse
    delete_root_dir_contents = delete_file = move = copy_file = _refuse
    open_output_stream = open_append_stream = _refuse
