"""The views of Athena: entries in Glue that hold a query as Trino writes it down.

Trino reads a view from `/* Presto View: base64(JSON) */`: the query, and the names and types of
its columns. What they say is what DuckDB's views of the same names say.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyiceberg.types import (
    DecimalType,
    IcebergType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from schemahub.adapters.iceberg.schemas import SCHEMAS
from schemahub.core.errors import ConfigError
from schemahub.ports.catalog import BARS, TRADES

Glue = Any  # boto3 ships no types
_DOUBLE = ("double", "double")


@dataclass(frozen=True, slots=True)
class View:
    """`columns` are (name, type in Trino, type in Hive, which Glue shows)."""

    name: str
    query: str
    columns: tuple[tuple[str, str, str], ...]

    def as_glue(self, database: str) -> dict[str, Any]:
        said = {
            "originalSql": self.query,
            "catalog": "awsdatacatalog",
            "schema": database,
            "columns": [{"name": name, "type": trino} for name, trino, _ in self.columns],
        }
        packed = base64.b64encode(json.dumps(said, sort_keys=True).encode()).decode()
        return {
            "Name": self.name,
            "TableType": "VIRTUAL_VIEW",
            "Parameters": {"presto_view": "true", "comment": "Presto View"},
            "PartitionKeys": [],
            "ViewOriginalText": f"/* Presto View: {packed} */",
            "ViewExpandedText": "/* Presto View */",
            "StorageDescriptor": {
                "Columns": [{"Name": name, "Type": hive} for name, _, hive in self.columns],
                "SerdeInfo": {},
            },
        }


def _types(kind: IcebergType) -> tuple[str, str]:
    if isinstance(kind, DecimalType):
        return (f"decimal({kind.precision},{kind.scale})",) * 2
    known = {
        StringType(): ("varchar", "string"),
        LongType(): ("bigint", "bigint"),
        TimestamptzType(): ("timestamp(6) with time zone", "timestamp"),  # Hive has no zones
    }
    return known[kind]


def _columns(fields: Sequence[NestedField]) -> list[tuple[str, str, str]]:
    return [(field.name, *_types(field.field_type)) for field in fields]


def _trades_float() -> View:
    decimals = {f.name for f in SCHEMAS[TRADES].fields if isinstance(f.field_type, DecimalType)}
    columns = [
        (name, *_DOUBLE) if name in decimals else (name, trino, hive)
        for name, trino, hive in _columns(SCHEMAS[TRADES].fields)
    ]
    chosen = ", ".join(
        f"CAST({name} AS double) AS {name}" if name in decimals else name for name, _, _ in columns
    )
    return View("trades_float", f"SELECT {chosen} FROM {TRADES}", tuple(columns))  # noqa: S608


# What a minute has in two parts is merged: parts share minutes, and no trade.
_MERGED = f"""SELECT exchange, symbol, bar_ts,
  min_by(open, first_position) AS open, max(high) AS high, min(low) AS low,
  max_by(close, last_position) AS close,
  CAST(sum(volume) AS decimal(38,12)) AS volume,
  CAST(sum(quote_volume) AS decimal(38,8)) AS quote_volume,
  CAST(CASE WHEN count(buy_volume) = count(*) THEN sum(buy_volume) END AS decimal(38,12))
    AS buy_volume,
  CAST(sum(trades) AS bigint) AS trades,
  CAST(sum(quote_volume) AS double) / CAST(sum(volume) AS double) AS vwap,
  min(first_position) AS first_position, max(last_position) AS last_position
FROM {BARS} GROUP BY exchange, symbol, bar_ts"""  # noqa: S608  (names of our own)


def _bars() -> View:
    columns = _columns(SCHEMAS[BARS].fields)
    at = next(i for i, (name, _, _) in enumerate(columns) if name == "first_position")
    columns.insert(at, ("vwap", *_DOUBLE))
    return View("bars_1m", _MERGED, tuple(columns))


VIEWS = (_trades_float(), _bars())


def define(glue: Glue, database: str) -> list[str]:
    """Creates the views, or renews those that say something else; returns all names.

    Raises ConfigError if a table has the name of a view.
    """
    for view in VIEWS:
        wanted = view.as_glue(database)
        try:
            there = glue.get_table(DatabaseName=database, Name=view.name)["Table"]
        except glue.exceptions.EntityNotFoundException:
            there = None
        if there is not None and there.get("TableType") != "VIRTUAL_VIEW":
            raise ConfigError(
                f"{database}.{view.name} is a table in Glue, and should be a view",
                "publish did not make it",
                "drop it, or set `database` to another name",
            )
        if there is None:
            try:
                glue.create_table(DatabaseName=database, TableInput=wanted)
            except glue.exceptions.AlreadyExistsException:
                continue  # by a publisher at the same time, and so the same
        elif there.get("ViewOriginalText") != wanted["ViewOriginalText"]:
            glue.update_table(DatabaseName=database, TableInput=wanted)
    return [view.name for view in VIEWS]
