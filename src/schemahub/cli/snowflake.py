"""SQL with which Snowflake loads the live parts, or reads the published Iceberg table in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from schemahub.core.errors import UsageError
from schemahub.core.layout import TABLE
from schemahub.core.trade import PRECISION, SCALE, UNIFIED_SCHEMA

BATCH = 1_000  # the most names that one COPY INTO takes
_TYPES = {
    "string": "VARCHAR",
    "int64": "NUMBER(19,0)",
    "decimal": f"NUMBER({PRECISION},{SCALE})",
    "timestamp": "TIMESTAMP_TZ(6)",
}


def text(value: str) -> str:
    """`value` as a literal: in Snowflake a backslash escapes, too."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def loading(locations: Sequence[str], root: str, timed: Iterable[str]) -> Iterator[str]:
    """Statements that stage these parts, copy them in batches, and merge what is new.

    `root` is the lake, as locations begin; `timed` are the exchanges whose trades are told
    apart by time and id. Raises UsageError for a path that PUT cannot take.
    """
    bucket = root.startswith("s3://")
    columns = [f"  {c.name} {_TYPES[c.kind]}{'' if c.nullable else ' NOT NULL'}"
               for c in UNIFIED_SCHEMA]  # fmt: skip
    table = ",\n".join(columns)
    yield f"CREATE TABLE IF NOT EXISTS trades (\n{table}\n)"
    yield f"CREATE OR REPLACE TEMPORARY TABLE trades_staged (\n{table}\n)"
    yield (
        "CREATE FILE FORMAT IF NOT EXISTS schemahub_parquet TYPE = PARQUET USE_LOGICAL_TYPE = TRUE"
    )
    if bucket:
        yield (
            f"CREATE STAGE IF NOT EXISTS schemahub_lake URL = {text(f'{root}/{TABLE}')} "
            "STORAGE_INTEGRATION = schemahub_s3 FILE_FORMAT = schemahub_parquet"
        )
    else:
        yield "CREATE STAGE IF NOT EXISTS schemahub_lake FILE_FORMAT = schemahub_parquet"
        yield from (_put(one, root) for one in locations)
    names = [one.removeprefix(f"{root}/{TABLE}") for one in locations]
    for start in range(0, len(names), BATCH):
        files = ",\n  ".join(map(text, names[start : start + BATCH]))
        yield (
            f"COPY INTO trades_staged FROM @schemahub_lake FILES = (\n  {files}\n)\n"
            "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE ON_ERROR = ABORT_STATEMENT"
        )
    yield _merge(sorted(timed))


def _put(location: str, root: str) -> str:
    folder = location.removeprefix(f"{root}/{TABLE}").rpartition("/")[0]
    if any(char in location + folder for char in "'\"\\*?\n"):
        raise UsageError(
            f"{location} cannot be told to PUT",
            "Snowflake's PUT takes no quotes, backslashes or wildcards in a path",
            "move the lake to a folder without them, or to a bucket",
        )
    return (
        f"PUT 'file://{location}' '@schemahub_lake/{folder}' "
        "AUTO_COMPRESS = FALSE OVERWRITE = FALSE"
    )


def _merge(timed: Sequence[str]) -> str:
    """What tells trades apart: market and id, and the time where that is the axis."""
    same = "t.exchange = s.exchange AND t.symbol = s.symbol AND t.trade_id = s.trade_id"
    if timed:
        listed = ", ".join(map(text, timed))
        same += f"\n  AND (s.exchange NOT IN ({listed}) OR t.trade_ts = s.trade_ts)"
    names = ", ".join(column.name for column in UNIFIED_SCHEMA)
    values = ", ".join(f"s.{column.name}" for column in UNIFIED_SCHEMA)
    return (
        f"MERGE INTO trades AS t USING trades_staged AS s\n  ON {same}\n"  # noqa: S608
        f"WHEN NOT MATCHED THEN INSERT ({names})\n  VALUES ({values})"
    )


def external(root: str, database: str) -> Iterator[str]:
    """Statements by which Snowflake reads the published table where it is, through Glue.

    Raises UsageError for a lake in a folder, which Snowflake cannot reach.
    """
    if not root.startswith("s3://"):
        raise UsageError(
            "Snowflake cannot read a lake in a folder in place",
            f"the lake is {Path(root)}",
            "give --s3-bucket B, or load its files: --format snowflake",
        )
    yield (
        "CREATE EXTERNAL VOLUME IF NOT EXISTS schemahub_volume STORAGE_LOCATIONS = ((\n"
        f"  NAME = 'lake' STORAGE_PROVIDER = 'S3' STORAGE_BASE_URL = {text(f'{root}/')}\n"
        "  STORAGE_AWS_ROLE_ARN = '<role that may read the lake>'\n)) ALLOW_WRITES = FALSE"
    )
    yield (
        "CREATE CATALOG INTEGRATION IF NOT EXISTS schemahub_glue\n"
        f"  CATALOG_SOURCE = GLUE TABLE_FORMAT = ICEBERG CATALOG_NAMESPACE = {text(database)}\n"
        "  GLUE_AWS_ROLE_ARN = '<role that may read Glue>' GLUE_CATALOG_ID = '<account>'\n"
        "  ENABLED = TRUE REFRESH_INTERVAL_SECONDS = 300"
    )
    yield (
        "CREATE ICEBERG TABLE IF NOT EXISTS trades EXTERNAL_VOLUME = 'schemahub_volume'\n"
        "  CATALOG = 'schemahub_glue' CATALOG_TABLE_NAME = 'trades' AUTO_REFRESH = TRUE"
    )
