"""Athena's SQL run by DuckDB over what a Glue catalog names, for tests.

Shows that a statement parses as Athena's, that its tables, columns and types are there, and what
comes out. Does not show Trino's planner, its refusals to coerce, or what it would read.
"""

from __future__ import annotations

import base64
import json
import re
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import sqlglot
from pyiceberg.table import StaticTable
from sqlglot import exp

from tests.s3_server import ACCESS_KEY, REGION, SECRET_KEY

if TYPE_CHECKING:
    import pyarrow as pa

_EXTENSIONS = ("avro", "httpfs", "iceberg")
_VIEW = re.compile(r"/\* Presto View: (\S+) \*/")
_KINDS = {
    "BOOLEAN": "boolean", "TINYINT": "tinyint", "SMALLINT": "smallint", "INTEGER": "integer",
    "BIGINT": "bigint", "HUGEINT": "decimal(38,0)", "UBIGINT": "decimal(20,0)", "FLOAT": "real",
    "DOUBLE": "double", "VARCHAR": "varchar", "DATE": "date", "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone", "BLOB": "varbinary",
}  # fmt: skip


class Malformed(Exception):
    """What Athena refuses before it begins."""


def transpiled(statement: str) -> str:
    """The statement in DuckDB's SQL, with Trino's meaning where the two differ in silence."""
    try:
        tokens = sqlglot.tokenize(statement, read="athena")
        if any(token.token_type is sqlglot.TokenType.DCOLON for token in tokens):
            raise Malformed("line 1:1: mismatched input '::'")
        tree = sqlglot.parse_one(statement, read="athena", error_level=sqlglot.ErrorLevel.RAISE)
    except sqlglot.errors.SqlglotError as error:
        raise Malformed(f"line 1:1: mismatched input: {error}"[:300]) from None
    if isinstance(tree, exp.Command):
        raise Malformed(f"line 1:1: mismatched input {statement[:40]!r}")
    if any(not each.expressions for each in tree.find_all(exp.Select)):
        raise Malformed("line 1:1: mismatched input 'FROM'")  # DuckDB would read all columns
    _check_aliases(tree)
    told: str = tree.transform(_as_trino).sql(
        dialect="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE
    )
    return told


def _as_trino(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.DateDiff):
        # Trino counts whole units; DuckDB's date_diff counts how often one begins.
        unit = str(node.args["unit"].name if node.args.get("unit") else "day").lower()
        parts = [exp.Literal.string(unit), node.expression, node.this]
        return exp.Anonymous(this="date_sub", expressions=parts)
    return node


def _check_aliases(tree: exp.Expression) -> None:
    """DuckDB lets WHERE, GROUP BY and HAVING use names that SELECT gives; Trino does not."""
    for select in tree.find_all(exp.Select):
        inner = {
            name
            for source in select.find_all(exp.Select, exp.Table)
            if source is not select
            for name in ([*source.named_selects] if isinstance(source, exp.Select) else [])
        }
        given = {
            each.alias
            for each in select.expressions
            if isinstance(each, exp.Alias)
            and not (isinstance(each.this, exp.Column) and each.this.name == each.alias)
        }
        for clause in ("where", "group", "having"):
            for column in _columns(select.args.get(clause)):
                if not column.table and column.name in given - inner - _TABLE_COLUMNS:
                    msg = f"COLUMN_NOT_FOUND: line 1:1: Column '{column.name}' cannot be resolved"
                    raise duckdb.BinderException(msg)


def _columns(clause: exp.Expression | None) -> Iterator[exp.Column]:
    return iter(()) if clause is None else clause.find_all(exp.Column)


# Names that a table may well have itself, so that an alias of the same name says nothing.
_TABLE_COLUMNS = {
    "exchange", "symbol", "trade_id", "trade_ref", "side", "price", "quantity", "trade_ts",
    "ingest_ts", "market", "bar_ts", "open", "high", "low", "close", "volume", "quote_volume",
    "buy_volume", "trades", "vwap", "held", "missing", "as_of", "watermark", "first_id",
}  # fmt: skip


def loaded(connection: duckdb.DuckDBPyConnection, s3_url: str) -> None:
    """DuckDB's extensions from their packages, and the way to the objects."""
    site = Path(sysconfig.get_paths()["purelib"])
    for name in _EXTENSIONS:
        (file,) = site.glob(f"duckdb_extension_{name}/extensions/*/*.duckdb_extension")
        connection.execute(f"LOAD '{file}'")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{ACCESS_KEY}', SECRET '{SECRET_KEY}', "
        f"REGION '{REGION}', ENDPOINT '{s3_url.partition('//')[2]}', URL_STYLE 'path', "
        "USE_SSL false)"
    )


@contextmanager
def catalog(
    glue: Any, s3_url: str, database: str
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Mapping[str, Any]]]:
    """A connection that sees the tables and views of a Glue database; and the tables by name."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    try:
        for setting in ("integer_division = true", "TimeZone = 'UTC'"):
            connection.execute(f"SET {setting}")
        connection.execute("SET default_null_order = 'nulls_last'")
        loaded(connection, s3_url)
        pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
        tables = {table["Name"]: table for page in pages for table in page["TableList"]}
        connection.execute(f'CREATE SCHEMA "{database}"')
        connection.execute(f'USE "{database}"')
        views = {}
        for name, table in tables.items():
            if table.get("TableType") == "VIRTUAL_VIEW":
                views[name] = transpiled(view_sql(table))
            else:
                connection.execute(f'CREATE VIEW "{name}" AS SELECT * FROM {_source(table)}')
                if table.get("Parameters", {}).get("metadata_location"):
                    connection.register(f"{name}$files", _files(table, s3_url))
        _define(connection, views)
        yield connection, tables
    finally:
        connection.close()


def _files(table: Mapping[str, Any], s3_url: str) -> pa.Table:
    """Athena's table `NAME$files`: the live data files, as Iceberg's metadata tells of them."""
    properties = {
        "s3.endpoint": s3_url,
        "s3.region": REGION,
        "s3.access-key-id": ACCESS_KEY,
        "s3.secret-access-key": SECRET_KEY,
    }
    metadata = table["Parameters"]["metadata_location"]
    told = StaticTable.from_metadata(metadata, properties).inspect.data_files()
    return told.select(["file_path", "record_count", "file_size_in_bytes"])


def view_sql(table: Mapping[str, Any]) -> str:
    """The SQL in an Athena view as Glue keeps it."""
    found = _VIEW.fullmatch(table["ViewOriginalText"])
    assert found, table["ViewOriginalText"][:80]
    told = json.loads(base64.b64decode(found[1], validate=True))
    assert table["ViewExpandedText"] == "/* Presto View */"
    assert told["catalog"] == "awsdatacatalog"
    return str(told["originalSql"])


def _define(connection: duckdb.DuckDBPyConnection, views: dict[str, str]) -> None:
    """A view may be of another view: as long as any can be made, more are tried."""
    left = dict(views)
    while left:
        made = []
        for name, sql in left.items():
            try:
                connection.execute(f'CREATE VIEW "{name}" AS {sql}')
            except duckdb.CatalogException:
                continue
            made.append(name)
        if not made:
            return  # who asks for it is told that it is not there
        for name in made:
            del left[name]


def _source(table: Mapping[str, Any]) -> str:
    metadata = table.get("Parameters", {}).get("metadata_location")
    if metadata:
        return f"iceberg_scan('{metadata}')"
    location = table["StorageDescriptor"]["Location"].rstrip("/")
    return f"read_parquet('{location}/**/*.parquet', hive_partitioning = true)"


def kind(duck: str) -> tuple[str, int, int]:
    """Athena's word for DuckDB's type, its precision and scale."""
    told = _KINDS.get(duck, duck.lower())
    found = re.fullmatch(r"decimal\((\d+),(\d+)\)", told)
    return ("decimal", int(found[1]), int(found[2])) if found else (told.partition("(")[0], 0, 0)


def written(value: Any) -> str | None:  # noqa: PLR0911  (one a type)
    """A value as Athena writes it."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case datetime():
            text = value.strftime("%Y-%m-%d %H:%M:%S.%f")
            return f"{text} UTC" if value.tzinfo else text
        case date():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case float():
            names = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}
            return names.get(repr(value)) or repr(value).replace("e+", "E").replace("e", "E")
        case bytes():
            return value.hex(" ")
        case list():
            return "[" + ", ".join(str(written(each)) for each in value) + "]"
        case _:
            return str(value)
