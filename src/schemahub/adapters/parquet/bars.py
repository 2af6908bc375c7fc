"""The minute bars of a part as a Parquet file beside it: exact, sealed, and mergeable.

What a minute has in two parts is merged by readers (adapters/duck/views.py): open and close by
`first_position` and `last_position`, sums by adding, since each trade's product is rounded
alone. `vwap` is left to them: it is a division of two of these sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemahub.adapters.parquet.schema import DECIMAL, ID, TIME, ArrowRows
from schemahub.adapters.parquet.seal import OPEN, SEAL, check_seal, sealed
from schemahub.core.errors import ObjectCorrupt
from schemahub.core.trade import PRECISION, SCALE
from schemahub.kernels import installed
from schemahub.ports import PartFacts, Rows

if TYPE_CHECKING:
    from schemahub.kernels.bars import Runs

MINUTE = 60_000_000
QUOTE_SCALE = 8
QUOTE = pa.decimal128(PRECISION, QUOTE_SCALE)
# Loading the kernel costs as much as this many rows do without it.
KERNEL_ROWS = 1 << 17

_MINUTES = pa.schema(
    [
        pa.field("bar_ts", TIME, nullable=False),
        *(pa.field(name, DECIMAL, nullable=False) for name in ("open", "high", "low", "close")),
        pa.field("volume", DECIMAL, nullable=False),
        pa.field("quote_volume", QUOTE, nullable=False),
        pa.field("buy_volume", DECIMAL),
        *(
            pa.field(name, pa.int64(), nullable=False)
            for name in ("trades", "first_position", "last_position")
        ),
    ]
)
BARS_SCHEMA = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("exchange", "symbol")] + [*_MINUTES]
)
# The product of so many digits has 38: three times as fast in 128 bits as in 256.
_FEW = pa.decimal128(18, SCALE), pa.decimal128(19, SCALE)
_MOST = pa.scalar(10**6, DECIMAL), pa.scalar(10**7, DECIMAL)
# Two factors of 38 digits are one digit too many for 256 bits.
_MANY = pa.decimal256(PRECISION - 1, SCALE), pa.decimal256(PRECISION, SCALE)
_SUMS = {"volume": SCALE, "quote_volume": QUOTE_SCALE, "buy_volume": SCALE}
_DIGEST = "schemahub.digest"


class Shown:
    """How many rows this process made bars of so far: who sees few never loads the kernel."""

    def __init__(self) -> None:
        self._rows = 0
        self._there = installed()

    def add(self, rows: int) -> bool:
        """Whether the kernel is worth it by now, and there."""
        self._rows += rows
        if self._rows < KERNEL_ROWS or not self._there:
            return False
        try:
            import schemahub.kernels.bars  # noqa: F401, PLC0415  (an optional extra)
        except ImportError:  # installed for another Python, or another numpy
            self._there = False
        return self._there


class ParquetBars:
    """Implements ports.Bars."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._found: list[pa.Table] = []
        self._fits = True

    def add(self, rows: Rows) -> None:
        if not isinstance(rows, ArrowRows):
            msg = f"rows of another adapter: {type(rows).__name__}"
            raise TypeError(msg)
        if not self._fits or not len(rows):
            return
        fast = self._shown.add(len(rows))
        try:
            for batch in rows.table.to_batches():
                places = batch["trade_ts" if rows.line.timed else ID].cast(pa.int64())
                found = fast_minutes(batch, places) if fast else None
                self._found.append(minutes(batch, places) if found is None else found)
        except pa.ArrowInvalid:  # a product or a sum with more digits than a decimal has
            self._fits = False

    def encode(self, facts: PartFacts) -> bytes | None:
        table = self._bars(facts)
        if table is None:
            return None
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(
            sink,
            BARS_SCHEMA,
            compression="zstd",
            compression_level=3,
            use_dictionary=["exchange", "symbol"],
            write_statistics=["bar_ts"],
            write_page_checksum=True,
            version="2.6",
            store_schema=False,
        ) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({_DIGEST: facts.digest, SEAL: OPEN})
        return sealed(memoryview(sink.getvalue()))

    def check(self, data: bytes, key: str, facts: PartFacts) -> None:
        check_seal(data, key)
        try:
            file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
            digest = (file.metadata.metadata or {}).get(_DIGEST.encode(), b"").decode()
            held = file.read(use_threads=False).cast(BARS_SCHEMA)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ObjectCorrupt(key, f"not readable bars: {error}") from error
        if digest != facts.digest or not held.equals(self._bars(facts)):
            raise ObjectCorrupt(key, "it is not the bars of its part")

    def _bars(self, facts: PartFacts) -> pa.Table | None:
        try:
            table = merged(self._found) if self._fits else None
        except pa.ArrowInvalid:
            table = None
        if table is None:
            return None
        market = [pa.repeat(pa.scalar(word, pa.string()), len(table))
                  for word in (facts.exchange, facts.symbol)]  # fmt: skip
        return pa.Table.from_arrays([*market, *table.columns], schema=BARS_SCHEMA).combine_chunks()


def merged(found: list[pa.Table]) -> pa.Table:
    """Minutes that were told in several pieces, in axis order, as one each, by time.

    Raises ArrowInvalid if a sum does not fit.
    """
    table = pa.concat_tables([_MINUTES.empty_table(), *found])
    starts = table["bar_ts"].cast(pa.int64())
    steps = pc.greater(starts.slice(1), starts.slice(0, max(0, len(starts) - 1)))
    return table if pc.all(steps).as_py() is not False else _grouped(table)


def minutes(batch: pa.RecordBatch, places: pa.Array) -> pa.Table:
    """The minutes of rows in axis order. Raises ArrowInvalid if a product or sum does not fit."""
    price, quantity, side = batch["price"], batch["quantity"], batch["side"]
    starts = pc.multiply(pc.divide(batch["trade_ts"].cast(pa.int64()), MINUTE), MINUTE)
    bought = pc.if_else(pc.equal(side, "buy"), quantity, pa.scalar(0, DECIMAL))
    columns = [
        starts.cast(TIME),
        *[price] * 4,
        quantity,
        _quotes(price, quantity),
        bought,
        pa.repeat(pa.scalar(1, pa.int64()), len(batch)),
        places,
        places,
    ]
    return _grouped(pa.Table.from_arrays(columns, schema=_MINUTES))


def _quotes(price: pa.Array, quantity: pa.Array) -> pa.Array:
    """Each product, rounded half-even to 8 places."""
    factors = pc.min_element_wise(price, quantity), pc.max_element_wise(price, quantity)
    few = all(pc.less(pc.max(one), most).as_py() for one, most in zip(factors, _MOST, strict=True))
    smaller, larger = (
        one.cast(kind) for one, kind in zip(factors, _FEW if few else _MANY, strict=True)
    )
    exact = pc.multiply(smaller, larger)
    return pc.round(exact, QUOTE_SCALE, "half_to_even").cast(QUOTE)


def _grouped(table: pa.Table) -> pa.Table:
    count = pc.indices_nonzero(pa.repeat(pa.scalar(True), len(table)))  # noqa: FBT003  (a range)
    wide = {name: table[name].cast(pa.decimal256(76, scale)) for name, scale in _SUMS.items()}
    given = pa.table(
        {"bar_ts": table["bar_ts"], "row": count, "high": table["high"], "low": table["low"],
         "trades": table["trades"], **wide}
    )  # fmt: skip
    wanted: list[Any] = [
        ("row", "min"), ("row", "max"), ("high", "max"), ("low", "min"), ("trades", "sum"),
        ("buy_volume", "count"), ("row", "count"), *((name, "sum") for name in _SUMS),
    ]  # fmt: skip
    made = given.group_by("bar_ts", use_threads=False).aggregate(wanted).sort_by("bar_ts")
    first, last = table.take(made["row_min"]), table.take(made["row_max"])
    sums = {
        name: made[f"{name}_sum"].cast(pa.decimal128(PRECISION, scale))
        for name, scale in _SUMS.items()
    }
    told = pc.equal(made["buy_volume_count"], made["row_count"])
    columns = [
        made["bar_ts"], first["open"], made["high_max"], made["low_min"], last["close"],
        sums["volume"], sums["quote_volume"],
        pc.if_else(told, sums["buy_volume"], pa.scalar(None, DECIMAL)),
        made["trades_sum"], first["first_position"], last["last_position"],
    ]  # fmt: skip
    return pa.Table.from_arrays(columns, schema=_MINUTES)


# ---------------------------------------------------------------- by the kernel


def fast_minutes(batch: pa.RecordBatch, places: pa.Array) -> pa.Table | None:
    """The same by a kernel, a minute in several pieces where its rows are; None if it refuses."""
    from schemahub.kernels import bars  # noqa: PLC0415  (an optional extra)

    side = batch["side"]
    if side.type != pa.string() or side.null_count not in {0, len(side)}:
        return None
    words = side.buffers()[2]
    if not side.null_count and not (words and words.size):
        return None
    given = (batch["price"], batch["quantity"], batch["trade_ts"], places)
    if any(column.null_count for column in given):
        return None
    told = None if side.null_count else (_values(side, 4, 1), memoryview(words))
    price, quantity, ts, position = (_values(column) for column in given)
    found = bars.runs(price, quantity, ts, position, told)
    return None if found is None else _table(found, sided=told is not None)


def _values(column: pa.Array, width: int = 0, more: int = 0) -> memoryview:
    """The values of an array, or the offsets of its words, without what it is a slice of."""
    size = width or column.type.bit_width // 8
    start = column.offset * size
    return memoryview(column.buffers()[1])[start : start + (len(column) + more) * size]


def _table(found: Runs, *, sided: bool) -> pa.Table:
    count = len(found.minute)

    def array(kind: pa.DataType, values: object) -> pa.Array:
        return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(values)])

    volume, quote, buys = found.sums
    columns = [
        array(TIME, found.minute),
        *(array(DECIMAL, price) for price in found.prices),
        array(DECIMAL, volume),
        array(QUOTE, quote),
        array(DECIMAL, buys) if sided else pa.nulls(count, DECIMAL),
        *(array(pa.int64(), one) for one in (found.trades, found.first, found.last)),
    ]
    return pa.Table.from_arrays(columns, schema=_MINUTES)
