"""Raw lines to typed rows: the wire contract applied to whole columns.

`core.wire.Reader` is the authority on every row. Columns are checked in bulk by rules that
are no wider than its own; an answer in which anything at all is odd is read by it instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import gt
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from schemahub import kernels
from schemahub.adapters.parquet.schema import (
    ARROW_SCHEMA,
    DECIMAL,
    POSITION,
    TIME,
    ArrowRows,
    Order,
)
from schemahub.core import page
from schemahub.core.answer import Answer, decode, skim
from schemahub.core.columns import columns
from schemahub.core.errors import ObjectCorrupt, RawUnread
from schemahub.core.layout import Market
from schemahub.core.span import Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import CONFLICT, Rejected, Trade
from schemahub.core.values import MAX_ID, ZONES
from schemahub.core.wire import EARLIEST, MAX_AHEAD, Reader, RowRefused
from schemahub.ports import Key, Mapped, RawObject

if TYPE_CHECKING:
    from schemahub.kernels.scan import Scanned, Scanner

# No wider than core.wire: what these refuse is read again, row by row.
_DECIMAL = r"^[0-9]{1,26}(\.[0-9]{1,12})?$"
_ISO = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,6})?Z$"
)
_SIDES = pa.array(["buy", "sell"], pa.string())  # by the kernel's numbers
_CONTENT = ("side", "price", "quantity", "trade_ts")


class ArrowMapper:
    """Implements ports.Mapper. `compiled`: with the kernels, where they are installed."""

    def __init__(self, *, compiled: bool = True) -> None:
        self.compiled = compiled and kernels.installed()
        self._last: tuple[ExchangeSpec, _Reading] | None = None

    def __getstate__(self) -> dict[str, object]:
        """Without what is made anew in another process."""
        return {"compiled": self.compiled, "_last": None}

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
        table = pa.concat_tables(tables) if tables else ARROW_SCHEMA.empty_table()
        if not order.kept(table):
            table, conflicts = _unique(table.sort_by(order.columns), order)
            rejected += _told(conflicts, sources, reading.reader, keep)
        return Mapped(ArrowRows(table, spec.line), tuple(rejected))

    def _reading(self, spec: ExchangeSpec) -> _Reading:
        """Made once a spec: small objects come by the thousand."""
        if self._last is None or self._last[0] is not spec:
            self._last = spec, _Reading(spec, compiled=self.compiled)
        return self._last[1]


class _Reading:
    """What reads the answers of a spec: the authority, and what does the same faster."""

    def __init__(self, spec: ExchangeSpec, *, compiled: bool) -> None:
        self.spec = spec
        self.reader = Reader(spec)
        self.scanner: Scanner | None = None
        if compiled:
            from schemahub.kernels.scan import Scanner  # noqa: PLC0415  (an optional extra)

            self.scanner = Scanner(spec)


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
    bulk: _Bulk | None = None

    def scan(self, start: int, stop: int) -> bool:
        """Whether the answer in that line is of so strict a form that the kernel reads it."""
        scanner, lines = self.reading.scanner, self.source.lines
        found = None if scanner is None else skim(lines, start, stop)
        if scanner is None or found is None:
            return False
        answer, start, stop = found
        into = self.scanned or scanner.room(len(lines))
        body = memoryview(lines)[start:stop]
        if not scanner.scan(body, answer.latest, _micros(answer), into):
            return False
        self._check(answer)
        self._flush_bulk()
        self.scanned = into
        return True

    def read(self, answer: Answer) -> None:
        self._check(answer)
        self._flush_scanned()
        self.bulk = self.bulk or _Bulk(self.reading.reader)
        if not self.bulk.add(answer):
            self._flush_bulk()
            reader = self.reading.reader
            self.tables.append(
                _one_by_one(answer, reader, self.market, self.source.key, self.rejected)
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
            self.tables.append(_of_buffers(self.scanned, self.market))
            self.scanned = None


def _of_buffers(rows: Scanned, market: Market) -> pa.Table:
    """The same memory as a table."""
    count = rows.count

    def column(values: object, kind: pa.DataType) -> pa.Array:
        return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(values)])

    sides = pa.DictionaryArray.from_arrays(column(rows.sides[:count], pa.int8()), _SIDES)
    return _table(
        market,
        column(rows.ids[:count], pa.int64()),
        sides.cast(pa.string()),
        column(rows.prices[:count], DECIMAL),
        column(rows.quantities[:count], DECIMAL),
        column(rows.times[:count], TIME),
        column(rows.received[:count], TIME),
    )


def _answer(source: RawObject, number: int, line: bytes) -> Answer:
    try:
        return decode(line)
    except ValueError as error:
        raise ObjectCorrupt(source.key, f"line {number}: {error}") from None


def _one_by_one(
    answer: Answer, reader: Reader, market: Market, key: str, rejected: list[Rejected]
) -> pa.Table:
    trades = []
    for verdict in _verdicts(answer, reader, key):
        if isinstance(verdict, Rejected):
            rejected.append(verdict)
        else:
            trades.append(verdict)
    return _typed(trades, _micros(answer), market)


def _answers(source: RawObject) -> Iterator[Answer]:
    for number, (start, stop) in enumerate(_lines(source.lines), 1):
        yield _answer(source, number, source.lines[start:stop])


def _micros(answer: Answer) -> int:
    return round(answer.at.timestamp() * 1_000_000)


@dataclass
class _Bulk:
    """The wire's own values of many answers, column by column."""

    reader: Reader
    answers: list[Answer] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(
        default_factory=lambda: {POSITION: [], **{name: [] for name in _CONTENT}}
    )

    def add(self, answer: Answer) -> bool:
        """False if a row of the answer is not even of the right shape."""
        rows = self.reader.typed(answer.body)
        told = None if rows is None else columns(rows, self.reader)
        if told is None:
            return False
        if _descending(told.ids):
            told.reverse()  # newest first on the wire; the axis ascends
        self.answers.append(answer)
        self.sizes.append(len(told.ids))
        mine = self.columns
        mine[POSITION] += told.ids
        mine["side"] += told.sides
        mine["price"] += told.prices
        mine["quantity"] += told.quantities
        mine["trade_ts"] += told.times if told.moments is None else told.moments
        return True

    def tables(self, market: Market, key: str, rejected: list[Rejected]) -> list[pa.Table]:
        """The rows of the answers, in order: in bulk where an answer is good throughout."""
        if not self.answers:
            return []
        table, good = self._convert(market)
        if pc.all(good).as_py() is not False:
            return [table]
        tables: list[pa.Table] = []
        start = 0
        for answer, size in zip(self.answers, self.sizes, strict=True):
            if pc.all(good.slice(start, size)).as_py() is False:
                tables.append(_one_by_one(answer, self.reader, market, key, rejected))
            else:
                tables.append(table.slice(start, size))
            start += size
        return tables

    def _convert(self, market: Market) -> tuple[pa.Table, pa.Array]:
        """Typed rows, and which of them the bulk rules accept; the others' values are void."""
        takers = pa.array(map(self.reader.sides.get, self.columns["side"]), pa.string())
        ids, good = _ids(self.columns[POSITION])
        good = pc.and_(good, pc.is_valid(takers))
        price, quantity = (_numbers(self.columns[name]) for name in ("price", "quantity"))
        for number in (price, quantity):
            good = pc.and_(good, pc.greater(number, pa.scalar(0, DECIMAL)))
        if self.reader.kinds["trade_ts"] in ZONES:
            moments = _moments(self.columns["trade_ts"])
        else:
            moments = pa.array(self.columns["trade_ts"], pa.int64())
        ahead = [answer.latest + MAX_AHEAD for answer in self.answers]
        good = pc.and_(good, pc.greater_equal(moments, EARLIEST))
        good = pc.and_(good, pc.less_equal(moments, _repeat(ahead, self.sizes)))
        at = _repeat([_micros(answer) for answer in self.answers], self.sizes)
        table = _table(market, ids, takers, price, quantity, moments.cast(TIME), at.cast(TIME))
        return table, good


def _or(good: pa.Array, values: pa.Array, other: str) -> pa.Array:
    return values if pc.all(good).as_py() is not False else pc.if_else(good, values, other)


def _ids(values: list[int]) -> tuple[pa.Array, pa.Array]:
    try:
        ids = pa.array(values, pa.int64())
    except (OverflowError, pa.ArrowInvalid):
        ids = pa.array([value if 0 <= value <= MAX_ID else -1 for value in values], pa.int64())
    return ids, pc.and_(pc.greater_equal(ids, 0), pc.less_equal(ids, MAX_ID))


def _numbers(texts: list[str]) -> pa.Array:
    """Exact decimals; 0, which no price or quantity is, where the text is not a plain one."""
    text = pa.array(texts, pa.string())
    plain = pc.match_substring_regex(text, _DECIMAL)
    return pc.cast(_or(plain, text, "0"), DECIMAL)


def _moments(texts: list[str]) -> pa.Array:
    """Microseconds since 1970; 0 where the text is not a plain time."""
    text = pa.array(texts, pa.string())
    plain = pc.match_substring_regex(text, _ISO)
    try:
        return pc.cast(_or(plain, text, "1970-01-01T00:00:00Z"), TIME).cast(pa.int64())
    except pa.ArrowInvalid:  # a day that does not exist: find out which
        return pa.array([0] if len(texts) == 1 else [_moment(one) for one in texts], pa.int64())


def _moment(text: str) -> int:
    return int(_moments([text])[0].as_py())


def _repeat(values: list[int], sizes: list[int]) -> pa.Array:
    pieces = [
        pa.repeat(pa.scalar(value, pa.int64()), size)
        for value, size in zip(values, sizes, strict=True)
    ]
    return pa.concat_arrays(pieces) if pieces else pa.nulls(0, pa.int64())


def _table(  # noqa: PLR0913, PLR0917  (one argument a column)
    market: Market, ids: pa.Array, side: pa.Array, price: pa.Array, quantity: pa.Array,
    trade_ts: pa.Array, ingest_ts: pa.Array,
) -> pa.Table:  # fmt: skip
    count = len(ids)
    columns = [
        pa.repeat(pa.scalar(market.exchange, pa.string()), count),
        pa.repeat(pa.scalar(market.symbol, pa.string()), count),
        ids,
        pa.nulls(count, pa.string()),
        side,
        price,
        quantity,
        trade_ts,
        ingest_ts,
    ]
    return pa.Table.from_arrays(columns, schema=ARROW_SCHEMA)


def _typed(trades: list[Trade], at: int, market: Market) -> pa.Table:
    return _table(
        market,
        pa.array([trade.trade_id for trade in trades], pa.int64()),
        pa.array([trade.side for trade in trades], pa.string()),
        pa.array([trade.price for trade in trades], DECIMAL),
        pa.array([trade.quantity for trade in trades], DECIMAL),
        pa.array([trade.trade_ts for trade in trades], pa.int64()).cast(TIME),
        pa.array([at] * len(trades), pa.int64()).cast(TIME),
    )


def _descending(ids: list[int]) -> bool:
    return len(ids) > 1 and all(map(gt, ids, ids[1:]))


def _verdicts(answer: Answer, reader: Reader, key: str) -> Iterator[Trade | Rejected]:
    """Every row of an answer, one by one, by the authority."""
    try:
        raws = reader.split(answer.body)
    except ValueError as error:
        raise RawUnread(key, f"an answer in it is not a list: {error}") from None
    found: list[Trade | RowRefused] = []
    now = answer.latest
    for raw in raws:
        try:
            found.append(reader.trade(raw, now))
        except RowRefused as refused:
            found.append(refused)
    # A row without a readable id belongs where the row before it does.
    anchor = next((row.position for row in found if row.position is not None), 0)
    at = answer.at.isoformat(timespec="microseconds")
    for raw, row in zip(raws, found, strict=True):
        anchor = anchor if row.position is None else row.position
        if isinstance(row, Trade):
            yield row
        else:
            text = raw.decode("utf-8", "backslashreplace")
            yield Rejected(anchor, row.reason, text, key, answer.url, at, trade_id=row.trade_id)


def _unique(table: pa.Table, order: Order) -> tuple[pa.Table, set[Key]]:
    """`table` with each row once, and the keys of which it holds rows that are not the same.

    It comes sorted, of equal keys the row told first before the others.
    """
    again = order.repeats(table)
    first: dict[int, int] = {}  # the row told first, of each that repeats one
    for index in again.to_pylist():
        first[index] = first.get(index - 1, index - 1)
    told, other = (
        table.select(_CONTENT).take(pa.array(rows, pa.int64())).to_pylist()
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
