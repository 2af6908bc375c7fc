"""Small real lakes of Parquet parts, under the names of the layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemahub.adapters.duck import FileSlice
from schemahub.core.errors import ObjectMissing
from schemahub.core.layout import Market, part_key
from schemahub.core.span import Span
from schemahub.ports import Opened

DECIMAL = pa.decimal128(38, 12)
INSTANT = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        ("exchange", pa.string()),
        ("symbol", pa.string()),
        ("trade_id", pa.int64()),
        ("trade_ref", pa.string()),
        ("side", pa.string()),
        ("price", DECIMAL),
        ("quantity", DECIMAL),
        ("trade_ts", INSTANT),
        ("ingest_ts", INSTANT),
    ]
)
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
BTC = Market("coinbase", "BTC-USD")
ETH = Market("coinbase", "ETH-USD")


@dataclass(frozen=True)
class Row:
    trade_id: int
    price: Decimal
    quantity: Decimal
    side: str | None = "buy"
    trade_ts: datetime | None = None

    @property
    def at(self) -> datetime:
        return self.trade_ts or EPOCH + timedelta(seconds=self.trade_id)


@dataclass
class FolderObjects:
    """ports.Objects over files; knows what was opened, and how many bytes were read.

    The last 64 kB come with opening, as they do from a bucket.
    """

    opened: list[str] = field(default_factory=list)
    bytes: int = 0

    def open(self, location: str) -> Opened:
        try:
            data = Path(location).read_bytes()
        except FileNotFoundError:
            raise ObjectMissing(f"{location} is not there", "no such file") from None
        self.opened.append(location)
        return _Bytes(self, data)


class _Bytes:
    def __init__(self, objects: FolderObjects, data: bytes) -> None:
        self._objects = objects
        self._data = data
        self.size = len(data)

    def read_at(self, start: int, stop: int) -> bytes:
        if start < self.size - 65_536:
            self._objects.bytes += stop - start
        return self._data[start:stop]


def rows(start: int, stop: int) -> list[Row]:
    return [
        Row(n, Decimal(n), Decimal("0.5"), "buy" if n % 2 else "sell") for n in range(start, stop)
    ]


def write_part(
    root: Path,
    market: Market,
    span: Span,
    trades: Sequence[Row] | None = None,
    keep: tuple[Span, ...] | None = None,
) -> FileSlice:
    """A part of `span` that holds `trades` (every id of the span, if None)."""
    trades = rows(span.start, span.stop) if trades is None else trades
    path = root / part_key(1, market, span)
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [
        [market.exchange] * len(trades),
        [market.symbol] * len(trades),
        [row.trade_id for row in trades],
        [None] * len(trades),
        [row.side for row in trades],
        [row.price for row in trades],
        [row.quantity for row in trades],
        [row.at for row in trades],
        [EPOCH] * len(trades),
    ]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)]
    pq.write_table(pa.table(arrays, schema=SCHEMA), path, compression="zstd", row_group_size=500)
    return FileSlice(str(path), market, span, keep)
