"""The same text says the same of a lake's files and of the tables that they are published as.

One lake with a defect for every check is asked by DuckDB's views, and by Athena's reading of the
statements over the Iceberg tables and the views that `publish` defines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from schemahub.adapters.duck import Duck, DuckSql, FileSlice, MarketRow
from schemahub.adapters.iceberg.views import VIEWS
from schemahub.adapters.parquet.bars import BARS_SCHEMA
from schemahub.core.facts import FACTS, Fact
from schemahub.core.layout import Market, bars_key, part_key
from schemahub.core.span import Span
from schemahub.pipelines.quality import Quality, Report
from schemahub.ports import Found, Sql
from schemahub.ports.catalog import BARS, TRADES
from tests.athena_sql import transpiled
from tests.duck_lake import write_part
from tests.published import Shown, duck
from tests.quality import test_checks as defects
from tests.quality_lake import NAMES, NOW, Clock, QualityLake, fact

if TYPE_CHECKING:
    import duckdb

TERRAFORM = Path(__file__).parents[2] / "terraform" / "queries"
SPLIT = 2000  # the id before which each market's first part ends
EVERY = (
    defects.not_fetched, defects.told_by_one_run, defects.fell_back, defects.two_revisions,
    defects.much_refused, defects.exchange_silent, defects.market_later_silent,
    defects.priced_apart, defects.turned_round, defects.told_twice, defects.out_of_order,
    defects.fat_finger, defects.enormous, defects.lost_by_the_table,
    defects.beyond_today, defects.unheard,
)  # fmt: skip


@dataclass
class Published:
    """ports.Sql over the tables of a catalog, by what Athena's dialect means by the text."""

    connection: duckdb.DuckDBPyConnection
    name: str = "athena"

    def query(self, statement: str) -> Found:
        cursor = self.connection.execute(transpiled(statement))
        columns = tuple(str(one[0]) for one in cursor.description or ())
        rows = tuple(tuple(map(_utc, row)) for row in cursor.fetchall())
        return Found(columns, rows)


def _utc(value: Any) -> Any:
    """Comparable: what is no number equals itself."""
    if isinstance(value, float) and isnan(value):
        return "NaN"
    return value.astimezone(UTC) if isinstance(value, datetime) else value


@dataclass
class Both:
    files: Sql
    tables: Sql


def _facts(lake: QualityLake) -> list[Fact]:
    markets = [
        {"market": str(one), "exchange": one.exchange, "symbol": one.symbol, "held": len(rows),
         "missing": 0, "axis": "ids"}
        for one, rows in lake.trades.items()
    ]  # fmt: skip
    told = {**lake.facts, "markets": markets}
    return [fact(name, told.get(name, ())) for name in FACTS]


def _parts(lake: QualityLake) -> list[FileSlice]:
    """Two parts a market, each with its bars beside it."""
    found = []
    for market, rows in lake.trades.items():
        last = max(row.trade_id for row in rows) + 1
        for span in (Span(0, SPLIT), Span(SPLIT, last)):
            inside = [row for row in rows if span.start <= row.trade_id < span.stop]
            piece = write_part(lake.root, market, span, inside)
            found.append(piece)
            _bars(lake.root, market, piece)
    return found


def _bars(root: Path, market: Market, piece: FileSlice) -> None:
    columns = ", ".join(f'"{one}"' for one in BARS_SCHEMA.names)
    with Duck([piece], []) as engine:
        table = engine.sql(f"SELECT {columns} FROM bars_1m ORDER BY bar_ts").arrow()
    path = root / bars_key(part_key(1, market, piece.part))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.cast(BARS_SCHEMA), path)


@contextmanager
def _tables(lake: QualityLake) -> Iterator[Published]:
    shown = Shown(lake.root)
    shown.publish(_facts(lake))
    with duck() as connection:
        connection.execute("SET integer_division = true")
        for name in (TRADES, BARS, *FACTS):
            place = shown.table(name).metadata_location
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM iceberg_scan('{place}')")
        for view in VIEWS:
            connection.execute(f"CREATE VIEW {view.name} AS {transpiled(view.query)}")
        yield Published(connection)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    lake = QualityLake(tmp_path_factory.mktemp("lake"))
    for one in EVERY:
        one(lake)
    pieces = _parts(lake)
    known = [MarketRow(one, held=len(rows), axis="ids") for one, rows in lake.trades.items()]
    facts = [one for one in _facts(lake) if one.name != "markets"]
    with DuckSql(lambda: Duck(pieces, known, facts=facts)) as files, _tables(lake) as tables:
        yield Both(files, tables)


def test_every_check_finds_the_same_cell_by_cell(both: Both) -> None:
    def asked(sql: Sql) -> Report:
        return Quality(list(NAMES.values()), sql, Clock()).run("r", samples=1000)

    files, tables = asked(both.files), asked(both.tables)
    assert files.scores == tables.scores
    for one, two in zip(files.results, tables.results, strict=True):
        assert one.failure is None, one.failure
        assert one.found, one.check.name
        assert (one.observed, one.columns) == (two.observed, two.columns)
        assert one.samples == two.samples, one.check.name


@pytest.mark.parametrize(
    "path", [one for one in sorted(TERRAFORM.glob("*.sql")) if one.stem != "raw_answers"],
    ids=lambda one: str(one.stem),
)  # fmt: skip
def test_every_named_query_finds_the_same(both: Both, path: Path) -> None:
    text = re.sub(r"\bEXCHANGE\b", "coinbase", path.read_text()).replace("BTC-USD", "ETH-USD")
    now = f"TIMESTAMP '{NOW:%Y-%m-%d %H:%M:%S} UTC'"
    text = text.replace("current_timestamp", now)
    found = both.tables.query(text)
    assert found.rows
    assert _values(both.files.query(text)) == _values(found)


def _values(found: Found) -> list[tuple[Any, ...]]:
    """What stands in no order is no difference."""
    return sorted((tuple(map(_utc, row)) for row in found.rows), key=repr)


@pytest.mark.parametrize("name", ["trades", "trades_float", "bars_1m", *FACTS])
def test_every_table_holds_the_same(both: Both, name: str) -> None:
    columns = both.tables.query(f"SELECT * FROM {name} LIMIT 0").columns
    text = f"SELECT {', '.join(columns)} FROM {name}"
    assert _values(both.files.query(text)) == _values(both.tables.query(text))
