"""Whole tables: put together, made approximate, lent to the caller's own DuckDB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import duckdb
import pyarrow as pa

from schemahub.adapters.duck.views import MarketRow
from schemahub.core.facts import Fact
from schemahub.core.trade import PRECISION, SCALE

Relation = duckdb.DuckDBPyRelation


def join(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """The rows of `batches` in order; `schema` serves where there are none."""
    return pa.Table.from_batches(batches, schema=schema)


def floats(table: pa.Table) -> pa.Table:
    """Decimal columns as float64: the nearest double, or its neighbour."""
    fields = [
        field.with_type(pa.float64()) if pa.types.is_decimal(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def relation(table: pa.Table) -> Relation:
    """A relation of the process's default connection, which has none of our locks."""
    return duckdb.from_arrow(table)


_INCREMENT = pa.decimal128(PRECISION, SCALE)
_MARKETS = pa.schema(
    [
        *((name, pa.string()) for name in ("market", "exchange", "symbol", "native", "status")),
        ("price_increment", _INCREMENT),
        ("quantity_increment", _INCREMENT),
        *((name, pa.int64()) for name in ("first_id", "watermark", "held", "missing")),
        ("as_of", pa.timestamp("us", "UTC")),
        ("axis", pa.string()),
    ]
)


def market_table(rows: Sequence[MarketRow]) -> pa.Table:
    """`rows` with the columns of the table `markets`, in its order."""
    columns = {
        "market": [str(row.market) for row in rows],
        "exchange": [row.market.exchange for row in rows],
        "symbol": [row.market.symbol for row in rows],
    }
    for name in _MARKETS.names[len(columns) :]:
        columns[name] = [getattr(row, name) for row in rows]
    return pa.table(columns, schema=_MARKETS)


_KINDS = {
    "string": pa.string(),
    "int64": pa.int64(),
    "decimal": _INCREMENT,
    "timestamp": pa.timestamp("us", "UTC"),
}


def fact_table(fact: Fact) -> pa.Table:
    """A fact with the types of its columns."""
    schema = pa.schema([(column.name, _KINDS[column.kind]) for column in fact.columns])
    columns = [[row[n] for row in fact.rows] for n in range(len(fact.columns))]
    return pa.table(
        [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)],
        schema=schema,
    )
