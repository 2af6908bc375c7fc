"""The columns of the tables, and what a table must be before publishing writes to it.

Our Parquet files hold no field ids: they are read by the names of their columns, which the
table's name mapping says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    DecimalType,
    IcebergType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from schemahub.core.errors import ConfigError
from schemahub.core.trade import PRECISION, SCALE, UNIFIED_SCHEMA, Column
from schemahub.ports.catalog import BARS, TRADES, Kind

if TYPE_CHECKING:
    from pyiceberg.table import Table

FORMAT = 2
NAME_MAPPING = "schema.name-mapping.default"
PROPERTIES = {
    # The library's own retry adds the same files to whatever another commit left: rows twice.
    "commit.retry.num-retries": "0",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "50",
}
PARTITIONS = ("exchange", "symbol")

_DECIMAL = DecimalType(PRECISION, SCALE)
_TYPES: dict[str, IcebergType] = {
    "string": StringType(),
    "int64": LongType(),
    "decimal": _DECIMAL,
    "timestamp": TimestamptzType(),
}
# As adapters.parquet writes them; that both say the same is tested.
_BARS: tuple[tuple[str, IcebergType, bool], ...] = (
    ("exchange", StringType(), True),
    ("symbol", StringType(), True),
    ("bar_ts", TimestamptzType(), True),
    *((name, _DECIMAL, True) for name in ("open", "high", "low", "close", "volume")),
    ("quote_volume", DecimalType(PRECISION, 8), True),
    ("buy_volume", _DECIMAL, False),
    *((name, LongType(), True) for name in ("trades", "first_position", "last_position")),
)


def schema_of(columns: Sequence[Column]) -> Schema:
    return _schema([(one.name, _TYPES[one.kind], not one.nullable) for one in columns])


def _schema(columns: Sequence[tuple[str, IcebergType, bool]]) -> Schema:
    return Schema(
        *(
            NestedField(number, name, kind, required=required)
            for number, (name, kind, required) in enumerate(columns, 1)
        )
    )


SCHEMAS: dict[Kind, Schema] = {TRADES: schema_of(UNIFIED_SCHEMA), BARS: _schema(_BARS)}


def partitions(schema: Schema) -> PartitionSpec:
    fields = [
        PartitionField(schema.find_field(name).field_id, 1000 + number, IdentityTransform(), name)
        for number, name in enumerate(PARTITIONS)
    ]
    return PartitionSpec(*fields)


def properties(schema: Schema) -> dict[str, str]:
    return PROPERTIES | {NAME_MAPPING: schema.name_mapping.model_dump_json()}


def check_columns(name: str, table: Table, wanted: Schema) -> None:
    """Raises ConfigError if a table that is there has other columns: it is not ours."""
    there = [(field.name, field.field_type) for field in table.schema().fields]
    ours = [(field.name, field.field_type) for field in wanted.fields]
    if there != ours:
        odd = [f"{one} {kind}" for one, kind in there if (one, kind) not in ours]
        lacks = [f"{one} {kind}" for one, kind in ours if (one, kind) not in there]
        raise ConfigError(
            f"the table {name} of the catalog is not one that publish made",
            f"it lacks {', '.join(lacks) or 'nothing'}; not ours are {', '.join(odd) or 'none'}"
            if odd or lacks
            else "its columns have another order",
            "drop it, or set `database` to another name",
        )


def adopted(name: str, table: Table, wanted: Schema, *, partitioned: bool) -> Table:
    """The table, made fit for publishing if it is a new one that somebody else created.

    Raises ConfigError if it cannot be.
    """
    check_columns(name, table, wanted)
    lacking = {
        key: value
        for key, value in properties(table.schema()).items()
        if table.properties.get(key) != value
    }
    spec = tuple(field.name for field in table.spec().fields)
    fits = not partitioned or spec == PARTITIONS
    if not fits and table.current_snapshot() is not None:
        raise ConfigError(
            f"the table {name} of the catalog is not one that publish made",
            f"it is partitioned by {', '.join(spec) or 'nothing'} and holds rows",
            "drop it, or set `database` to another name",
        )
    if not lacking and fits and table.format_version >= FORMAT:
        return table
    with table.transaction() as change:
        if table.format_version < FORMAT:
            change.upgrade_table_version(FORMAT)
        if lacking:
            change.set_properties(lacking)
        if not fits:
            with change.update_spec() as update:
                for field in table.spec().fields:
                    update.remove_field(field.name)
                for column in PARTITIONS:
                    update.add_field(column, IdentityTransform(), column)
    return table.refresh()
