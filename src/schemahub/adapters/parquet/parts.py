"""Parts as Parquet files: exact, sorted, checked, and saying what they hold.

Settings keep the files readable by Athena and Snowflake; sizes are in BENCHMARKS.md.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemahub.adapters.parquet.bars import ParquetBars, Shown
from schemahub.adapters.parquet.schema import ARROW_SCHEMA, ID, ArrowRows, Order
from schemahub.adapters.parquet.seal import OPEN, SEAL, check_seal, sealed
from schemahub.core.axis import AXES, Axis
from schemahub.core.errors import ObjectCorrupt
from schemahub.core.layout import Market
from schemahub.core.span import Span
from schemahub.core.trade import OUTSIDE_DIGEST, SCHEMA_VERSION
from schemahub.ports import Bars, Differing, Key, Part, PartFacts, Refused, Rows

# Twice as many pack 2 % smaller, and take 100 MB more of memory while they are written.
ROW_GROUP = 1 << 19
BATCH = 1 << 17
_FEW = range(1_000, 1 << 17)  # rows of a part for which the smaller of two encodings is looked for
_WORDY = ("exchange", "symbol", "side")
_MONEY = ("price", "quantity")
_DELTA = dict.fromkeys(("trade_id", "trade_ts", "ingest_ts"), "DELTA_BINARY_PACKED")
_PREFIX = "schemahub."
_WORDS = frozenset({"exchange", "symbol", "trade_ref"})
_SIDES = ("buy", "sell")


class ParquetTable:
    """Implements ports.Table."""

    def __init__(self) -> None:
        self._shown = Shown()

    def encode(  # noqa: PLR0913, PLR0917  (as ports.Table has it)
        self,
        batches: Iterable[Rows],
        market: Market,
        span: Span,
        line: Axis,
        shape: str,
        refused: Callable[[], Refused],
    ) -> Part:
        sink = pa.BufferOutputStream()
        writing = _Writing(sink, market, span, line)
        with writing:
            # Nothing here may hold on to a group: it may be of 50 MB.
            for group in _groups(batches):
                writing.add(group)
                del group
            facts = PartFacts(
                market.exchange, market.symbol, span, writing.rows, refused(),
                writing.digest.hex(), shape, line.kind,
            )  # fmt: skip
            writing.close(facts)
        return Part(sealed(memoryview(sink.getvalue())), facts)

    def decode(self, data: bytes, key: str) -> Iterator[Rows]:
        facts = self.facts(data, key)
        line = AXES[facts.axis]
        digest = _Digest()
        order = Order(line)
        count, last = 0, (facts.span.start, -1)
        for table in _unsplit(_batches(data, key), order):
            ids = table[ID]
            if ids.null_count or order.first(table) <= last or not order.kept(table):
                twice = len(ids) - len(ids.unique()) + (order.first(table) == last)
                why = f"its rows do not increase after {last[1] if last[1] >= 0 else last[0]}"
                raise ObjectCorrupt(key, why, duplicates=twice)
            count, last = count + table.num_rows, order.last(table)
            if last[0] >= facts.span.stop:
                raise ObjectCorrupt(key, f"it holds id {last[1]}, which is not in {facts.span}")
            digest.add(table)
            yield ArrowRows(table, line)
        if (count, digest.hex()) != (facts.rows, facts.digest):
            raise ObjectCorrupt(key, "its rows are not those of its digest")

    def facts(self, data: bytes, key: str) -> PartFacts:
        check_seal(data, key)
        try:
            found = _open(data).metadata.metadata or {}
            said = {
                name.decode().removeprefix(_PREFIX): value.decode()
                for name, value in found.items()
                if name.startswith(_PREFIX.encode())
            }
            return PartFacts(
                said["exchange"],
                said["symbol"],
                Span(int(said["start"]), int(said["stop"])),
                int(said["rows"]),
                Refused(int(said["refused"]), said["quarantine"]),
                said["digest"],
                said["shape"],
                AXES[said.get("axis", "ids")].kind,  # parts of before there were others say none
            )
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ObjectCorrupt(key, f"not a readable part: {error}") from error
        except KeyError as error:
            raise ObjectCorrupt(key, f"its metadata lacks {error}") from error

    def digest(self, batches: Iterable[Rows]) -> str:
        digest = _Digest()
        for rows in batches:
            digest.add(_table(rows))
        return digest.hex()

    def bars(self) -> Bars:
        return ParquetBars(self._shown)

    def differing(self, left: Rows, right: Rows) -> Differing:
        mine, theirs = _content(_table(left)), _content(_table(right))
        if mine.equals(theirs):
            return Differing()
        order = Order(_arrow(left).line)
        here, there = _by_key(mine, order), _by_key(theirs, order)
        return Differing(
            frozenset(key for key in here.keys() & there.keys() if here[key] != there[key]),
            frozenset(here.keys() - there.keys()),
            frozenset(there.keys() - here.keys()),
        )


def _batches(data: bytes, key: str) -> Iterator[pa.Table]:
    try:
        for batch in _open(data).iter_batches(batch_size=BATCH, use_threads=False):
            table = pa.Table.from_batches([batch]).cast(ARROW_SCHEMA)
            table.validate(full=True)
            if table.num_rows:
                yield table
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ObjectCorrupt(key, f"not a readable part: {error}") from error


def _unsplit(tables: Iterable[pa.Table], order: Order) -> Iterator[pa.Table]:
    """The same rows in tables of which none ends between rows of one position."""
    if not order.shares:
        yield from tables
        return
    rest: pa.Table | None = None
    for table in tables:
        whole = table if rest is None else pa.concat_tables([rest, table])
        cut = order.start_of_last(whole)
        if cut:
            yield whole.slice(0, cut)
        rest = whole.slice(cut)
    if rest is not None:
        yield rest


def _writer(
    sink: pa.BufferOutputStream, dictionaries: list[str], schema: pa.Schema = ARROW_SCHEMA
) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=2,  # smaller than at 3 here, and in less time: BENCHMARKS.md
        use_dictionary=dictionaries,
        column_encoding={name: how for name, how in _DELTA.items() if name in schema.names},
        write_page_index=True,
        write_page_checksum=True,
        version="2.6",
        # The default of 1 MB holds 65,536 decimals; a part has more prices than that.
        dictionary_pagesize_limit=16 << 20,
        store_schema=False,
    )


def _dictionaries(rows: pa.Table) -> list[str]:
    """The columns to write by a dictionary.

    Of many rows prices and sizes repeat. Of few, a dictionary may hold nearly as many values as
    there are, and zstd alone packs them better: what does is tried, but for a handful.
    """
    if rows.num_rows not in _FEW:
        return [*_WORDY, *_MONEY]
    return [*_WORDY, *(name for name in _MONEY if _size(rows, name, [name]) <= _size(rows, name))]


def _size(rows: pa.Table, name: str, dictionaries: Sequence[str] = ()) -> int:
    """Bytes of a column."""
    sink = pa.BufferOutputStream()
    column = rows.select([name])
    with _writer(sink, list(dictionaries), column.schema) as writer:
        writer.write_table(column)
    return int(sink.getvalue().size)


def _open(data: bytes) -> pq.ParquetFile:
    return pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)


def _table(rows: Rows) -> pa.Table:
    return _arrow(rows).table


def _arrow(rows: Rows) -> ArrowRows:
    if not isinstance(rows, ArrowRows):
        msg = f"rows of another adapter: {type(rows).__name__}"
        raise TypeError(msg)
    return rows


def _groups(batches: Iterable[Rows]) -> Iterator[pa.Table]:
    """`batches` in tables of ROW_GROUP rows, the last of fewer; never an empty one.

    It holds no rows of the tables that it gave.
    """
    waiting: list[pa.Table] = []
    count = 0
    for rows in batches:
        waiting.append(_table(rows))
        count += len(rows)
        del rows
        while count >= ROW_GROUP:
            yield _taken(waiting, ROW_GROUP)
            count -= ROW_GROUP
    if count:
        yield _taken(waiting, count)


def _taken(waiting: list[pa.Table], count: int) -> pa.Table:
    """The first rows of `waiting`, which keeps the others."""
    whole = pa.concat_tables(waiting)
    waiting[:] = [whole.slice(count)] if count < whole.num_rows else []
    return whole.slice(0, count)


class _Writing:
    """A part that is being written: what its rows add up to so far, and that they increase."""

    def __init__(self, sink: pa.BufferOutputStream, market: Market, span: Span, line: Axis) -> None:
        self.rows = 0
        self.digest = _Digest()
        self._told = f"{market} {span}"
        self._stop = span.stop
        self._order = Order(line)
        self._last = (span.start, -1)
        self._sink = sink
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, group: pa.Table) -> None:
        """Raises ValueError if its rows do not increase on the axis or leave the span."""
        order = self._order
        first, final = order.first(group), order.last(group)
        if first <= self._last or final[0] >= self._stop or not order.kept(group):
            msg = f"rows of {self._told} do not increase: {self._last}, {first}..{final}"
            raise ValueError(msg)
        self._last = final
        self.rows += group.num_rows
        self.digest.add(group)
        self._opened(group).write_table(group, row_group_size=ROW_GROUP)

    def close(self, facts: PartFacts) -> None:
        writer = self._opened(ARROW_SCHEMA.empty_table())
        writer.add_key_value_metadata(_metadata(facts) | {SEAL: OPEN})

    def _opened(self, first: pa.Table) -> pq.ParquetWriter:
        if self._writer is None:
            self._writer = _writer(self._sink, _dictionaries(first))
        return self._writer


def _metadata(facts: PartFacts) -> dict[str, str]:
    said = {
        "schema_version": SCHEMA_VERSION,
        "exchange": facts.exchange,
        "symbol": facts.symbol,
        "start": facts.span.start,
        "stop": facts.span.stop,
        "rows": facts.rows,
        "refused": facts.refused.rows,
        "quarantine": facts.refused.digest,
        "digest": facts.digest,
        "shape": facts.shape,
        "axis": facts.axis,
    }
    return {_PREFIX + name: str(value) for name, value in said.items()}


class _Running(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...


class _Digest:
    """SHA-256 over the columns' values in row order, however the rows are batched.

    One running hash a column, so that no row has to be put together; nulls count as such.
    """

    def __init__(self) -> None:
        self._columns = {
            name: hashlib.sha256() for name in ARROW_SCHEMA.names if name not in OUTSIDE_DIGEST
        }
        self._rows = 0
        self._last: dict[str, object] = {}

    def add(self, table: pa.Table) -> None:
        for name, running in self._columns.items():
            row = self._rows
            for chunk in table[name].chunks:
                if len(chunk):
                    self._feed(name, running, chunk, row)
                row += len(chunk)
        self._rows += table.num_rows

    def _feed(self, name: str, running: _Running, chunk: pa.Array, row: int) -> None:
        if name in _WORDS:
            self._feed_words(name, running, chunk, row)
            return
        if name == "side":
            chunk = pc.fill_null(pc.index_in(chunk, value_set=pa.array(_SIDES, pa.string())), -1)
        elif chunk.null_count:
            chunk = pc.fill_null(chunk, -1) if pa.types.is_integer(chunk.type) else chunk
        running.update(_bytes(chunk))

    def _feed_words(self, name: str, running: _Running, chunk: pa.Array, row: int) -> None:
        """Each change of a word, and in which row; as a rule there is only the first."""
        constant = len(chunk.unique()) == 1
        for index, word in enumerate([chunk[0].as_py()] if constant else chunk.to_pylist()):
            if self._last.get(name, self) != word:
                self._last[name] = word
                running.update(f"{row + index}:{word!r}\n".encode())

    def hex(self) -> str:
        total = hashlib.sha256(struct.pack("<q", self._rows))
        for name, running in self._columns.items():
            total.update(name.encode() + running.digest())
        return total.hexdigest()


def _bytes(chunk: pa.Array) -> memoryview:
    """The values of a fixed-width array, without its offset."""
    width = chunk.type.bit_width // 8
    start = chunk.offset * width
    return memoryview(chunk.buffers()[1])[start : start + len(chunk) * width]


def _content(table: pa.Table) -> pa.Table:
    return table.drop_columns(sorted(OUTSIDE_DIGEST)).combine_chunks()


def _by_key(table: pa.Table, order: Order) -> dict[Key, dict[str, Any]]:
    return dict(zip(order.keys(table), table.to_pylist(), strict=True))
