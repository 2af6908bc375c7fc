"""The SQL for Snowflake: what it says, and that Snowflake's grammar reads it."""

from __future__ import annotations

from decimal import Decimal

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from schemahub.cli.snowflake import BATCH, external, loading, text
from schemahub.core.errors import UsageError
from schemahub.core.layout import TABLE, Market, part_key
from schemahub.core.span import Span
from schemahub.core.trade import UNIFIED_SCHEMA

ROOT = "s3://bucket/schemahub"
ODD = Market("coinbase", "A'B-$%")


def parts(count: int, root: str = ROOT) -> list[str]:
    return [f"{root}/{part_key(1, ODD, Span(n * 4, n * 4 + 4))}" for n in range(count)]


def test_every_statement_is_read_by_the_grammar() -> None:
    for one in [*loading(parts(3), ROOT, ["kraken"]), *external(ROOT, "trading")]:
        assert sqlglot.parse_one(one, dialect="snowflake") is not None


def test_files_come_in_batches_that_one_copy_takes() -> None:
    every = parts(2 * BATCH + 1)
    copies = [one for one in loading(every, ROOT, []) if one.startswith("COPY INTO")]
    counts = [one.count(".parquet'") for one in copies]
    assert counts == [BATCH, BATCH, 1]
    assert "".join(copies).count(f"'{every[0].removeprefix(f'{ROOT}/{TABLE}')}'") == 1


def test_a_text_stays_one_text() -> None:
    for value in ["it's", "back\\slash", "\\'", "a;b--c", ODD.symbol]:
        (found,) = sqlglot.parse_one(f"SELECT {text(value)}", dialect="snowflake").find_all(
            exp.Literal
        )
        assert found.this == value


def test_a_folder_is_put_file_by_file() -> None:
    (first, *_) = parts(1, "/data/lake")
    said = list(loading([first], "/data/lake", []))
    (put,) = [one for one in said if one.startswith("PUT")]
    assert f"'file://{first}'" in put
    assert "'@schemahub_lake/v1/exchange=coinbase/symbol=" in put
    with pytest.raises(UsageError, match="cannot be told to PUT"):
        list(loading(parts(1, "/it's"), "/it's", []))
    with pytest.raises(UsageError, match="in place"):
        list(external("/data/lake", "d"))


@pytest.mark.parametrize("timed", [[], ["kraken"]])
def test_the_merge_adds_each_trade_once(timed: list[str]) -> None:
    """Run for real: Snowflake's MERGE in DuckDB's words."""
    *_, merge = loading(parts(1), ROOT, timed)
    kinds = {"string": "VARCHAR", "int64": "BIGINT", "decimal": "DECIMAL(38,12)"}
    columns = ", ".join(f"{c.name} {kinds.get(c.kind, 'TIMESTAMP')}" for c in UNIFIED_SCHEMA)
    rows = [
        (exchange, "A-B", n, None, "buy", Decimal(1), Decimal(1), f"2026-01-01 00:00:0{at}", None)
        for exchange, n, at in (("coinbase", 1, 1), ("coinbase", 2, 1), ("kraken", 1, 1),
                                ("kraken", 1, 2))
    ]  # fmt: skip
    with duckdb.connect() as connection:
        for table in ("trades", "trades_staged"):
            connection.execute(f"CREATE TABLE {table} ({columns})")
        marks = ", ".join("?" * len(UNIFIED_SCHEMA))
        connection.executemany(f"INSERT INTO trades VALUES ({marks})", rows[:3])
        connection.executemany(f"INSERT INTO trades_staged VALUES ({marks})", rows)
        for _ in range(2):
            connection.execute(sqlglot.transpile(merge, read="snowflake", write="duckdb")[0])
        found = connection.execute("SELECT exchange, count(*) FROM trades GROUP BY 1 ORDER BY 1")
        # On an axis of time another time is another trade.
        assert found.fetchall() == [("coinbase", 2), ("kraken", 2 if timed else 1)]
