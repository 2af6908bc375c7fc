"""SQL: what comes from names and users is data, and stays data."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from schemahub.adapters.duck import Duck, FileSlice, MarketRow
from schemahub.adapters.duck.views import FROM_FILE, Piece, branch, exactly
from schemahub.core.layout import Market
from schemahub.core.span import Span
from tests.duck_lake import write_part
from tests.e2e.conftest import Make

SYMBOLS = [
    "O'BRIEN-USD",
    "'); DROP TABLE MARKETS; --",
    '"-USD',
    "X' OR '1'='1-USD",
    "$1-?",
    "{BASE}-%S",
    "A\\'B-USD",
    "/*-*/",
    "😀-₿",
]


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_symbol_is_a_value_in_every_view(tmp_path: Path, symbol: str) -> None:
    market = Market("coinbase", symbol.upper())
    piece = write_part(tmp_path / "lake", market, Span(1, 5))
    with Duck([piece], [MarketRow(market, native=symbol, status=symbol)], threads=1) as duck:
        for view in ("trades", "trades_float", "bars_1m", "markets"):
            query = f"SELECT DISTINCT symbol FROM {view} WHERE symbol = ?"
            assert list(duck.sql(query, [market.symbol]).rows_text()) == [(market.symbol,)]
        assert len(duck.sql("SHOW TABLES").arrow()) == 4


@pytest.mark.parametrize("name", ["it's", 'a"b', "la[k]e", "la*", "la?e", "**", "a;b--", "{a,b}"])
def test_a_lake_may_lie_in_a_folder_of_any_name_and_reads_no_other(
    tmp_path: Path, name: str
) -> None:
    market = Market("coinbase", "BTC-USD")
    piece = write_part(tmp_path / name, market, Span(1, 5))
    # What the name would match as a pattern: the same path elsewhere, with other rows.
    for other in ("lake", "lab", "its", "a", "b"):
        there = Path(write_part(tmp_path / "other" / other, market, Span(1, 5), []).location)
        place = tmp_path / other / there.relative_to(tmp_path / "other" / other)
        if other != name:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(there, place)
    with Duck([piece], [], threads=1) as duck:
        ids = duck.sql("SELECT trade_id FROM trades ORDER BY 1").rows_text()
        assert list(ids) == [("1",), ("2",), ("3",), ("4",)]


def test_what_is_bound_is_never_read_as_sql(tmp_path: Path) -> None:
    piece = write_part(tmp_path, Market("coinbase", "BTC-USD"), Span(1, 5))
    with Duck([piece], [], threads=1) as duck:
        hostile = "x' UNION SELECT content FROM read_text('/etc/passwd') --"
        for query, given in (("SELECT ?", [hostile]), ("SELECT $a", {"a": hostile})):
            assert list(duck.sql(query, given).rows_text()) == [(hostile,)]
        assert list(duck.sql("SELECT 1 FROM trades WHERE symbol = ?", [hostile]).rows_text()) == []


def test_a_view_holds_names_of_the_schema_and_quoted_literals_alone() -> None:
    market = Market("coinbase", "O'B'-U\"D")
    text = branch(market, Piece(["/la'ke/x.parquet"], Span(1, 5)), FROM_FILE)
    assert FileSlice("/x", market, Span(1, 5)).market is market
    without = re.sub(r"'(?:[^']|'')*'", "", text)
    assert "'" not in without
    assert set(re.findall(r"[A-Za-z_]{2,}", without)) <= {
        "SELECT", "AS", "FROM", "WHERE", "AND", "read_parquet", "hive_partitioning", "false",
        "exchange", "symbol", "trade_id", "trade_ref", "side", "price", "quantity", "trade_ts",
        "ingest_ts",
    }  # fmt: skip


def test_a_location_matches_itself_and_no_other() -> None:
    assert exactly("/a[1]*?/b") == "/a[[]1][*][?]/b"
    assert exactly("/plain/b.parquet") == "/plain/b.parquet"


def test_the_command_refuses_all_but_reading_and_shows_nothing_of_the_machine(make: Make) -> None:
    w = make(5)
    w.fetch()
    before = w.files()
    for sql in (
        "DROP VIEW trades",
        "COPY trades TO '/tmp/x'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT getenv('PATH')",
        "SELECT 1; SELECT 2",
        "ATTACH 'x.db'",
    ):
        said = w.run("query", sql)
        assert (said.code, said.out) == (2, ""), sql
        assert "root:" not in said.err
    assert [n for n in w.files() if w.files()[n] != before.get(n)] == []
