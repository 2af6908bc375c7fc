"""Years of made-up trades of many markets, straight to the product's own layout.

Raw objects have names and nothing in them: they are what the ledger is read from. Parts and
their bars are written by the product. Beside each part the same rows as float64 in one folder.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemahub.adapters import specs
from schemahub.adapters.parquet import ARROW_SCHEMA, ArrowRows, ParquetTable
from schemahub.adapters.store_local import LocalStore
from schemahub.adapters.zstd import Zstd
from schemahub.core.axis import IDS
from schemahub.core.layout import Market, OriginName, RawName, part_key, plan_key, raw_key
from schemahub.core.span import Span, cut
from schemahub.core.spec import ExchangeSpec
from schemahub.pipelines import bars as bars_beside
from schemahub.pipelines.lake import Lake
from schemahub.ports import NoMetrics, Refused

BATCH = 1 << 20
YEARS = 3 * 365 * 86_400 * 1_000_000  # µs
STARTED = 1_640_995_200_000_000  # 2022-01-01
TICK = 10**10  # 0.01 in units of 1e-12
LOT = 10**6
MOVES = (0.02, 0.03, 0.1, 0.7, 0.1, 0.03, 0.02)  # how often by -3 to 3 ticks


def main(root: str, doubles: str, markets: int, parts: int, part: int) -> None:
    Path(doubles).mkdir(parents=True)
    spec = specs.load(specs.installed()["coinbase"])
    LocalStore(root).create(plan_key(1, "coinbase"), spec.shape().encode())
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(partial(make, root, doubles, parts, part), range(markets)))


def make(root: str, doubles: str, parts: int, part: int, number: int) -> None:
    spec = specs.load(specs.installed()["coinbase"])
    store = LocalStore(root)
    lake = Lake(store, Zstd(), NoMetrics())
    market = Market("coinbase", f"M{number:02}-USD")
    everything = Span(part, part * (parts + 1))
    store.create(raw_key(market, OriginName(everything.start)), b'{"reason": "benchmark"}\n')
    for chunk in cut(everything, spec.chunk):
        store.create(raw_key(market, RawName(chunk)), b"")
    history = _History(number, len(everything))
    for cell in cut(everything, part):
        _part(lake, spec, market, cell, history, Path(doubles))
    lake.save_checkpoint(market, spec)


def _part(  # noqa: PLR0913, PLR0917  (what it is made of, and where to)
    lake: Lake, spec: ExchangeSpec, market: Market, cell: Span, history: _History, doubles: Path
) -> None:
    table, key = ParquetTable(), part_key(1, market, cell)
    bars = table.bars()
    told: list[pa.Table] = []

    def rows() -> Iterator[ArrowRows]:
        for batch in cut(cell, BATCH):
            told.append(history.rows(market, batch))
            yield ArrowRows(told[-1])

    watched = bars_beside.watched(rows(), bars)
    part = table.encode(watched, market, cell, IDS, spec.shape(), Refused)
    lake.store.create(key, part.data)
    bars_beside.store(lake, table, key, part.facts, bars)
    plain = pa.concat_tables(told)
    for name in ("price", "quantity"):
        index = plain.schema.get_field_index(name)
        plain = plain.set_column(index, name, plain[name].cast(pa.float64()))
    pq.write_table(plain, doubles / f"{market.symbol}-{cell.start}.parquet")


class _History:
    """A market's trades: a price that walks by ticks, round lots and odd ones, uneven times."""

    def __init__(self, number: int, trades: int) -> None:
        self._dice = np.random.default_rng(number)
        self._price = 100 * 10 ** (number % 4)  # ticks
        self._moment = float(STARTED)
        self._gap = YEARS / trades

    def rows(self, market: Market, span: Span) -> pa.Table:
        count, dice = len(span), self._dice
        moves = dice.choice(len(MOVES), count, p=MOVES) - len(MOVES) // 2
        ticks = np.maximum(np.cumsum(moves) + self._price, 5)
        self._price = int(ticks[-1])
        lots = np.where(
            dice.random(count) < 0.4,
            dice.integers(1, 40, count) * 10_000,
            np.maximum(dice.lognormal(9, 2, count).astype(np.int64), 1),
        )
        moments = np.cumsum(dice.exponential(self._gap, count)) + self._moment
        self._moment = float(moments[-1])
        at = moments.astype(np.int64)
        sides = pa.DictionaryArray.from_arrays(
            pa.array(dice.integers(0, 2, count), pa.int8()), pa.array(["buy", "sell"])
        )
        columns = [
            pa.repeat(market.exchange, count),
            pa.repeat(market.symbol, count),
            pa.array(np.arange(span.start, span.stop)),
            pa.nulls(count, pa.string()),
            sides.cast(pa.string()),
            _decimals(ticks * TICK),
            _decimals(lots * LOT),
            pa.array(at).cast(ARROW_SCHEMA.field("trade_ts").type),
            pa.array(at // 100_000 * 100_000 + 200_000).cast(ARROW_SCHEMA.field("ingest_ts").type),
        ]
        return pa.Table.from_arrays(columns, schema=ARROW_SCHEMA)


def _decimals(units: np.ndarray) -> pa.Array:
    """Integers of 1e-12 below 2^63 as decimals."""
    pairs = np.zeros((len(units), 2), np.int64)
    pairs[:, 0] = units
    kind = ARROW_SCHEMA.field("price").type
    return pa.Array.from_buffers(kind, len(units), [None, pa.py_buffer(pairs)])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
