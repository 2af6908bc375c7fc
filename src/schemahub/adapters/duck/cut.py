"""Trades as DuckDB streams them, cut into bars. Integers throughout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple

import pyarrow as pa
import pyarrow.compute as pc

from schemahub.core.bars import Bar, Columns, Cut, Cutter
from schemahub.core.trade import PRECISION, SCALE

_DECIMAL, _QUOTE = pa.decimal128(PRECISION, SCALE), pa.decimal128(PRECISION, 8)
_TIME = pa.timestamp("us", "UTC")
BAR_TYPES: dict[str, pa.DataType] = {
    "bar_ts": _TIME,
    "close_ts": _TIME,
    **dict.fromkeys(("open", "high", "low", "close", "volume"), _DECIMAL),
    "quote_volume": _QUOTE,
    "buy_volume": _DECIMAL,
    **dict.fromkeys(("trades", "first_position", "last_position"), pa.int64()),
}
_BARS_A_BATCH = 10_000


def cut_bars(batches: Iterable[pa.RecordBatch], cut: Cut) -> pa.Table:
    """The bars that trades in axis order close.

    Of trades: `position`, `trade_ts`, `side`, `price`, `quantity`, and `quote` in units of 1e-8.
    """
    cutter = Cutter(cut)
    made: list[pa.RecordBatch] = []
    waiting: list[Bar] = []
    for batch in batches:
        for bar in cutter.add(_columns(batch)):
            waiting.append(bar)
            if len(waiting) == _BARS_A_BATCH:
                made.append(_batch(waiting))
                waiting = []
    made.append(_batch(waiting))
    return pa.Table.from_batches(made)


def _columns(batch: pa.RecordBatch) -> Columns:
    side, quantity = batch["side"], batch["quantity"]
    bought = pc.if_else(pc.equal(side, "buy"), quantity, pa.scalar(0, quantity.type))
    return Columns(
        batch["position"].to_pylist(),
        batch["trade_ts"].cast(pa.int64()).to_pylist(),
        _integers(batch["price"]),
        _integers(quantity),
        _integers(batch["quote"]),
        _integers(bought) if not bought.null_count else _with_none(bought),
    )


def _integers(column: pa.Array) -> list[int]:
    """The digits of decimals, none of them below 0 or null."""
    start = column.offset * 2
    halves = memoryview(column.buffers()[1]).cast("Q")[start : start + 2 * len(column)].tolist()
    low, high = halves[::2], halves[1::2]
    return [(h << 64) | n for n, h in zip(low, high, strict=True)] if any(high) else low


def _with_none(column: pa.Array) -> list[int | None]:
    known = column.is_valid().to_pylist()
    return [one if there else None for one, there in zip(_integers(column), known, strict=True)]


def _batch(bars: list[Bar]) -> pa.RecordBatch:
    columns = zip(*map(astuple, bars), strict=True) if bars else [()] * len(BAR_TYPES)
    arrays = [
        _decimals(column, kind) if pa.types.is_decimal(kind) else pa.array(column, kind)
        for column, kind in zip(columns, BAR_TYPES.values(), strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, list(BAR_TYPES))


def _decimals(column: Iterable[int | None], kind: pa.DataType) -> pa.Array:
    """Of units to decimals of that scale. Raises ArrowInvalid if one has too many digits."""
    values = list(column)
    if any(one is not None and one >= 10**PRECISION for one in values):
        msg = f"a sum has more than {PRECISION} digits"
        raise pa.ArrowInvalid(msg)
    known = b"".join((one or 0).to_bytes(16, "little") for one in values)
    made = pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(known)])
    valid = pa.array([one is not None for one in values], pa.bool_())
    return pc.if_else(valid, made, pa.scalar(None, kind)) if None in values else made
