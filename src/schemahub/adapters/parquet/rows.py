"""Rows of answers to columns of the table: row by row, in bulk, or from the kernels' buffers.

`core.wire.Reader` is the authority on every row. Columns are checked in bulk by rules that
are no wider than its own; an answer in which anything at all is odd is read by it instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import gt
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from schemahub.adapters.parquet.schema import ARROW_SCHEMA, DECIMAL, POSITION, TIME
from schemahub.core.answer import Answer
from schemahub.core.columns import columns
from schemahub.core.errors import RawUnread
from schemahub.core.layout import Market
from schemahub.core.trade import Rejected, Trade
from schemahub.core.values import MAX_ID, ZONES
from schemahub.core.wire import EARLIEST, MAX_AHEAD, Reader, RowRefused

if TYPE_CHECKING:
    from schemahub.kernels.scan import Scanned

# No wider than core.wire: what these refuse is read again, row by row.
_DECIMAL = r"^[0-9]{1,26}(\.[0-9]{1,12})?$"
_ISO = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,6})?Z$"
)
_SIDES = pa.array(["buy", "sell"], pa.string())  # by the kernel's numbers
CONTENT = ("side", "price", "quantity", "trade_ts")


def of_buffers(rows: Scanned, market: Market) -> pa.Table:
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


def one_by_one(
    answer: Answer, reader: Reader, market: Market, key: str, rejected: list[Rejected]
) -> pa.Table:
    trades = []
    for verdict in _verdicts(answer, reader, key):
        if isinstance(verdict, Rejected):
            rejected.append(verdict)
        else:
            trades.append(verdict)
    return _typed(trades, micros(answer), market)


def micros(answer: Answer) -> int:
    return round(answer.at.timestamp() * 1_000_000)


@dataclass
class Bulk:
    """The wire's own values of many answers, column by column."""

    reader: Reader
    answers: list[Answer] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(
        default_factory=lambda: {POSITION: [], **{name: [] for name in CONTENT}}
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
                tables.append(one_by_one(answer, self.reader, market, key, rejected))
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
        at = _repeat([micros(answer) for answer in self.answers], self.sizes)
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
