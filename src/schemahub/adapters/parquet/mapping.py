"""Raw objects to typed rows, each answer by the fastest way that reads it.

`core.wire.Reader` is the authority on every row. The kernels read answers of a strict form,
the bulk rules of `rows` most others; what they refuse is read row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from schemahub import kernels
from schemahub.adapters.parquet.rows import CONTENT, Bulk, micros, of_buffers, one_by_one
from schemahub.adapters.parquet.schema import ARROW_SCHEMA, ArrowRows, Order
from schemahub.core import page
from schemahub.core.answer import Answer, decode, skim
from schemahub.core.errors import ObjectCorrupt, RawUnread
from schemahub.core.layout import Market
from schemahub.core.span import Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import CONFLICT, Rejected
from schemahub.core.wire import Reader, RowRefused
from schemahub.ports import Key, Mapped, RawObject

if TYPE_CHECKING:
    from schemahub.kernels.scan import Scanned, Scanner


# Loading the kernels costs as much as this many bytes of answers do without them.
WORTH_KERNELS = 16 << 20


class ArrowMapper:
    """Implements ports.Mapper.

    With the kernels, where they are installed, from that many bytes on: who maps little is
    done before they are loaded. None is never. The rows are the same.
    """

    def __init__(self, kernels_after: int | None = WORTH_KERNELS) -> None:
        self._kernels_after = kernels_after if kernels.installed() else None
        self._mapped = 0
        self._last: _Reading | None = None

    def __getstate__(self) -> dict[str, object]:
        """Without what is made anew in another process."""
        return self.__dict__ | {"_last": None, "_mapped": 0}

    def map(
        self, sources: Sequence[RawObject], keep: Span, market: Market, spec: ExchangeSpec
    ) -> Mapped:
        reading, order = self._reading(spec), Order(spec.line)
        tables: list[pa.Table] = []
        rejected: list[Rejected] = []
        for source in sources:
            span = source.span.clip(keep)
            if span is None:
                continue
            table, refused = _object(source, reading, market)
            tables.append(ArrowRows(order.sorted(table), spec.line).within(span).table)
            rejected += [row for row in refused if row.position in span]
            self._mapped += len(source.lines)
        table = pa.concat_tables(tables) if tables else ARROW_SCHEMA.empty_table()
        if not order.kept(table):
            table, conflicts = _unique(table.sort_by(order.columns), order)
            rejected += _told(conflicts, sources, reading.reader, keep)
        return Mapped(ArrowRows(table, spec.line), tuple(rejected))

    def _reading(self, spec: ExchangeSpec) -> _Reading:
        """Made once a spec: small objects come by the thousand."""
        if self._last is None or self._last.spec is not spec:
            self._last = _Reading(spec)
        if self._kernels_after is not None and self._mapped >= self._kernels_after:
            try:
                self._last.load_kernels()
            except ImportError:  # installed for another Python, or another numpy: `doctor` says so
                self._kernels_after = None
        return self._last


class _Reading:
    """What reads the answers of a spec: the authority, and what does the same faster."""

    def __init__(self, spec: ExchangeSpec) -> None:
        self.spec = spec
        self.reader = Reader(spec)
        self.scanner: Scanner | None = None

    def load_kernels(self) -> None:
        if self.scanner is None:
            from schemahub.kernels.scan import Scanner  # noqa: PLC0415  (an optional extra)

            self.scanner = Scanner(self.spec)


def _object(
    source: RawObject, reading: _Reading, market: Market
) -> tuple[pa.Table, list[Rejected]]:
    """All rows of an object in the order in which they were told.

    Pages that are newest first throughout are turned round; that changes no order of rows
    of one id, of which the first told counts.
    """
    rows = _Rows(source, reading, market)
    for number, (start, stop) in enumerate(_lines(source.lines), 1):
        if not rows.scan(start, stop):
            rows.read(_answer(source, number, source.lines[start:stop]))
    return rows.told()


def _lines(text: bytes) -> Iterator[tuple[int, int]]:
    """From where to where each line stands: they are as large as answers, and not copied."""
    start = 0
    while start < len(text):
        stop = text.find(b"\n", start)
        stop = len(text) if stop < 0 else stop
        yield start, stop
        start = stop + 1


@dataclass
class _Rows:
    """The rows of an object's answers, by the fastest way that reads each of them."""

    source: RawObject
    reading: _Reading
    market: Market
    tables: list[pa.Table] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    scanned: Scanned | None = None
    bulk: Bulk | None = None

    def scan(self, start: int, stop: int) -> bool:
        """Whether the answer in that line is of so strict a form that the kernel reads it."""
        scanner, lines = self.reading.scanner, self.source.lines
        found = None if scanner is None else skim(lines, start, stop)
        if scanner is None or found is None:
            return False
        answer, start, stop = found
        into = self.scanned or scanner.room(len(lines))
        body = memoryview(lines)[start:stop]
        if not scanner.scan(body, answer.latest, micros(answer), into):
            return False
        self._check(answer)
        self._flush_bulk()
        self.scanned = into
        return True

    def read(self, answer: Answer) -> None:
        self._check(answer)
        self._flush_scanned()
        self.bulk = self.bulk or Bulk(self.reading.reader)
        if not self.bulk.add(answer):
            self._flush_bulk()
            reader = self.reading.reader
            self.tables.append(
                one_by_one(answer, reader, self.market, self.source.key, self.rejected)
            )

    def told(self) -> tuple[pa.Table, list[Rejected]]:
        self._flush_bulk()
        self._flush_scanned()
        table = pa.concat_tables(self.tables) if self.tables else ARROW_SCHEMA.empty_table()
        return table, self.rejected

    def _check(self, answer: Answer) -> None:
        if not page.about(answer, self.market, self.reading.spec):
            raise RawUnread(self.source.key, f"it holds an answer about {answer.url}")

    def _flush_bulk(self) -> None:
        if self.bulk is not None:
            self.tables += self.bulk.tables(self.market, self.source.key, self.rejected)
            self.bulk = None

    def _flush_scanned(self) -> None:
        if self.scanned is not None:
            self.tables.append(of_buffers(self.scanned, self.market))
            self.scanned = None


def _answer(source: RawObject, number: int, line: bytes) -> Answer:
    try:
        return decode(line)
    except ValueError as error:
        raise ObjectCorrupt(source.key, f"line {number}: {error}") from None


def _answers(source: RawObject) -> Iterator[Answer]:
    for number, (start, stop) in enumerate(_lines(source.lines), 1):
        yield _answer(source, number, source.lines[start:stop])


def _unique(table: pa.Table, order: Order) -> tuple[pa.Table, set[Key]]:
    """`table` with each row once, and the keys of which it holds rows that are not the same.

    It comes sorted, of equal keys the row told first before the others.
    """
    again = order.repeats(table)
    first: dict[int, int] = {}  # the row told first, of each that repeats one
    for index in again.to_pylist():
        first[index] = first.get(index - 1, index - 1)
    told, other = (
        table.select(CONTENT).take(pa.array(rows, pa.int64())).to_pylist()
        for rows in (first.values(), first.keys())
    )
    differ = [index for index, one, two in zip(first, told, other, strict=True) if one != two]
    conflicts = set(order.keys(table.take(pa.array(differ, pa.int64()))))
    keep = pc.invert(pc.is_in(pa.array(range(table.num_rows), pa.int64()), value_set=again))
    return table.filter(keep), conflicts


def _told(
    conflicts: set[Key], sources: Sequence[RawObject], reader: Reader, keep: Span
) -> list[Rejected]:
    """Every telling of the rows that contradict each other."""
    if not conflicts:
        return []
    told: list[Rejected] = []
    for source in sources:
        for answer in _answers(source):
            at = answer.at.isoformat(timespec="microseconds")
            for raw in reader.split(answer.body):
                try:
                    row = reader.trade(raw, answer.latest)
                except RowRefused:
                    continue
                key = (row.position, -1 if row.trade_id is None else row.trade_id)
                if key in conflicts and row.position in source.span and row.position in keep:
                    reason = f"{CONFLICT}: the same id was told with different content"
                    text = raw.decode("utf-8", "backslashreplace")
                    told.append(
                        Rejected(row.position, reason, text, source.key, answer.url, at,
                                 trade_id=row.trade_id)
                    )  # fmt: skip
    return told
