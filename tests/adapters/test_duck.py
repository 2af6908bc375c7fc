from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemahub.adapters.duck import Duck, FileSlice, MarketRow
from schemahub.adapters.duck.faults import fault
from schemahub.core.errors import ObjectCorrupt, ObjectMissing, SchemaHubError, UsageError
from schemahub.core.layout import Market
from schemahub.core.span import Span
from schemahub.core.trade import UNIFIED_SCHEMA
from tests.duck_lake import BTC, ETH, SCHEMA, Row, write_part


def ids(duck: Duck, query: str = "SELECT trade_id FROM trades") -> list[int]:
    return [row[0] for row in duck.sql(query).rows_plain()]


def texts(duck: Duck, query: str, params: Any = None) -> list[tuple[str | None, ...]]:
    return list(duck.sql(query, params).rows_text())


@pytest.fixture
def empty() -> Iterator[Duck]:
    with Duck([], []) as duck:
        yield duck


# ---------------------------------------------------------------- trades


def test_an_empty_lake_has_every_view_with_the_right_types(empty: Duck) -> None:
    assert empty.sql("FROM trades").arrow().schema == SCHEMA
    assert [c.name for c in UNIFIED_SCHEMA] == SCHEMA.names
    floats = dict(empty.sql("FROM trades_float").columns)
    assert floats["price"] == floats["quantity"] == "DOUBLE"
    assert texts(empty, "SHOW TABLES") == [
        ("bars_1m",),
        ("markets",),
        ("trades",),
        ("trades_float",),
    ]
    assert dict(empty.sql("FROM bars_1m").columns) == {
        "exchange": "VARCHAR",
        "symbol": "VARCHAR",
        "bar_ts": "TIMESTAMP WITH TIME ZONE",
        "open": "DECIMAL(38,12)",
        "high": "DECIMAL(38,12)",
        "low": "DECIMAL(38,12)",
        "close": "DECIMAL(38,12)",
        "volume": "DECIMAL(38,12)",
        "quote_volume": "DECIMAL(38,8)",
        "buy_volume": "DECIMAL(38,12)",
        "trades": "BIGINT",
        "vwap": "DOUBLE",
        "first_position": "BIGINT",
        "last_position": "BIGINT",
    }


def test_trades_have_the_columns_and_values_of_the_files(tmp_path: Path) -> None:
    price = Decimal("12345678901234567890123456.123456789012")
    row = Row(7, price, Decimal("0.000000000001"), None)
    with Duck([write_part(tmp_path, BTC, Span(7, 8), [row])], []) as duck:
        table = duck.sql("FROM trades").arrow()
    assert table.schema == SCHEMA
    assert table.to_pylist()[0] == {
        "exchange": "coinbase", "symbol": "BTC-USD", "trade_id": 7, "trade_ref": None,
        "side": None, "price": price, "quantity": Decimal("0.000000000001"),
        "trade_ts": row.at, "ingest_ts": datetime(2024, 1, 1, tzinfo=UTC),
    }  # fmt: skip


@pytest.mark.parametrize(
    "symbol", ["B/CÜ-USD", "..", "NULL", "007", "1E5", "A'B", "%41-USD", "A=B"]
)
@pytest.mark.parametrize("folder", ["plain", "la'ke [x] {a}*?%20", "symbol=ZZZ/exchange=no"])
def test_symbols_and_folders_of_any_spelling(tmp_path: Path, folder: str, symbol: str) -> None:
    odd = Market("coinbase", symbol)
    root = tmp_path / folder
    slices = [write_part(root, odd, Span(1, 4)), write_part(root, BTC, Span(1, 3))]
    with Duck(slices, []) as duck:
        assert texts(duck, "SELECT symbol, count(*) FROM trades GROUP BY 1 ORDER BY 2 DESC") == [
            (symbol, "3"),
            ("BTC-USD", "2"),
        ]
        assert texts(duck, "SELECT count(*) FROM trades WHERE symbol = ?", [symbol]) == [("3",)]


def test_a_filter_on_the_market_leaves_other_markets_files_unread(tmp_path: Path) -> None:
    slices = [write_part(tmp_path, m, Span(1, 9)) for m in (BTC, ETH)]
    slices.append(write_part(tmp_path, ETH, Span(9, 20)))
    with Duck(slices, []) as duck:
        # Opening looked at the first part of each market; only a scan would look at this one.
        Path(slices[2].location).write_bytes(b"garbage" * 100)
        assert texts(duck, "SELECT count(*) FROM trades WHERE symbol = 'BTC-USD'") == [("8",)]
        with pytest.raises(ObjectCorrupt):
            texts(duck, "SELECT sum(price) FROM trades")


def test_crossing_parts_are_trimmed_and_stay_in_axis_order(tmp_path: Path) -> None:
    slices = [
        write_part(tmp_path, BTC, Span(50, 120), keep=(Span(70, 80), Span(100, 120))),
        write_part(tmp_path, BTC, Span(1, 101), keep=(Span(1, 70), Span(80, 100))),
        write_part(tmp_path, BTC, Span(120, 130)),
        write_part(tmp_path, ETH, Span(1, 5), keep=()),
    ]
    with Duck(slices, []) as duck:
        assert ids(duck) == list(range(1, 130))
        assert texts(duck, "SELECT count(*), count(DISTINCT trade_id) FROM trades") == [
            ("129", "129")
        ]


def test_a_markets_rows_stream_in_axis_order_over_files_row_groups_and_threads(
    tmp_path: Path,
) -> None:
    spans = [Span(n, n + 3000) for n in range(0, 24_000, 3000)]
    random.Random(1).shuffle(spans)
    slices = [write_part(tmp_path, BTC, span) for span in spans]
    slices[0] = FileSlice(slices[0].location, BTC, spans[0], (spans[0],))
    with Duck(slices, [], threads=8) as duck:
        query = "SELECT trade_id FROM trades WHERE trade_ts >= '2024-01-01' AND price > 5"
        seen: list[int] = []
        for batch in duck.sql(query).batches(1000):
            seen += batch.column(0).to_pylist()
        assert seen == list(range(6, 24_000))


def test_thousands_of_files(tmp_path: Path) -> None:
    one = Path(write_part(tmp_path, BTC, Span(0, 2)).location)
    slices = []
    for n in range(3000):
        path = one.with_name(f"{n}.parquet")
        path.hardlink_to(one)
        keep = (Span(0, 1),) if n % 2 else None
        slices.append(FileSlice(str(path), BTC, Span(2 * n, 2 * n + 2), keep))
    with Duck(slices, []) as duck:
        assert texts(duck, "SELECT count(*) FROM trades") == [("4500",)]


# ---------------------------------------------------------------- markets


def test_markets_are_a_table_of_what_was_given() -> None:
    given_rows = [
        MarketRow(
            BTC, "BTC-USD", "online", Decimal("0.01"), Decimal("0.00000001"), 1, 2**62, 9, 1,
            datetime(2026, 1, 1, tzinfo=UTC), "ids",
        ),
        MarketRow(Market("coinbase", "A'B")),
    ]  # fmt: skip
    with Duck([], given_rows) as duck:
        assert duck.sql("FROM markets").arrow().to_pylist()[0] == {
            "market": "coinbase:BTC-USD", "exchange": "coinbase", "symbol": "BTC-USD",
            "native": "BTC-USD", "status": "online", "price_increment": Decimal("0.01"),
            "quantity_increment": Decimal("1e-8"), "first_id": 1, "watermark": 2**62, "held": 9,
            "missing": 1, "as_of": datetime(2026, 1, 1, tzinfo=UTC), "axis": "ids",
        }  # fmt: skip
        assert texts(duck, "SELECT market, native FROM markets")[1] == ("coinbase:A'B", None)


# ---------------------------------------------------------------- results


def test_text_is_exact_and_plain(empty: Duck) -> None:
    query = """SELECT 0.000000000001::DECIMAL(38,12) AS small,
        12345678901234567890123456789012345678::HUGEINT AS huge, NULL AS nothing,
        TIMESTAMPTZ '2024-01-01 05:00:00.5+05' AS at, TIMESTAMP '1066-10-14 09:00:00' AS local,
        'infinity'::TIMESTAMPTZ AS never, DATE '2024-02-29' AS day, true AS yes, 0.1::DOUBLE AS d,
        'nan'::DOUBLE AS nan, [1.50::DECIMAL(9,2)] AS list, {'a': 'é"'} AS object,
        INTERVAL '1 month 2 days 1.5 seconds' AS span, '\\x00\\xff'::BLOB AS bytes,
        TIMESTAMPTZ '0044-03-15 (BC) 00:00:00Z' AS ides"""
    assert texts(empty, query) == [
        (
            "0.000000000001", "12345678901234567890123456789012345678", None,
            "2024-01-01T00:00:00.500000Z", "1066-10-14T09:00:00.000000", "infinity", "2024-02-29",
            "true", "0.1", "NaN", '["1.50"]', '{"a":"é\\""}', "P1M2DT1.5S", "00ff",
            "-0043-03-15T00:00:00.000000Z",
        )
    ]  # fmt: skip


def test_plain_keeps_numbers_that_64_bits_hold(empty: Duck) -> None:
    query = "SELECT 9223372036854775807 AS i, 1.10::DECIMAL(9,2) AS d, 0.5::FLOAT AS f, sum(1) AS h"
    assert list(empty.sql(query).rows_plain()) == [(2**63 - 1, "1.10", 0.5, "1")]


@pytest.mark.parametrize("kind", ["BIT", "BIGNUM", "TIMETZ"])
def test_what_arrow_cannot_carry_is_refused_not_garbled(empty: Duck, kind: str) -> None:
    with pytest.raises(UsageError, match="cannot leave DuckDB"):
        empty.sql(f"SELECT NULL::{kind} AS x")


def test_results_stream_in_bounded_memory() -> None:
    with Duck([], [], memory_limit="100MB") as duck:
        result = duck.sql("SELECT i, i::DECIMAL(38,12) AS d FROM range(1000000000000) AS r(i)")
        batches = result.batches(1000)
        first = next(batches)
        assert 0 < first.num_rows <= 2048
        batches.close()
        assert texts(duck, "SELECT 1") == [("1",)]


def test_parameters_are_bound_by_place_and_by_name(empty: Duck) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    assert texts(empty, "SELECT ?, ?", [Decimal("1.10"), at]) == [
        ("1.10", "2024-01-01T00:00:00.000000Z")
    ]
    assert texts(empty, "SELECT $a", {"a": "'; DROP TABLE markets"}) == [("'; DROP TABLE markets",)]
    with pytest.raises(UsageError, match="parameter"):
        empty.sql("SELECT ?")


def test_a_result_is_read_once(empty: Duck) -> None:
    result = empty.sql("SELECT 1")
    result.arrow()
    with pytest.raises(UsageError, match="already"):
        result.arrow()


def test_a_variable_of_the_program_is_not_a_table(empty: Duck) -> None:
    secret = pa.table({"x": [1]})
    with pytest.raises(UsageError, match="does not exist"):
        empty.sql("FROM secret")
    assert secret.num_rows == 1


def test_arrow_and_parquet_files_hold_all_rows(tmp_path: Path) -> None:
    slices = [write_part(tmp_path, BTC, Span(0, 1500))]
    with Duck(slices, []) as duck:
        parquet, arrow = BytesIO(), BytesIO()
        duck.sql("FROM trades").write_parquet(parquet)
        duck.sql("FROM trades").write_arrow(arrow)
        expected = duck.sql("FROM trades").arrow()
    assert pq.read_table(BytesIO(parquet.getvalue())).equals(expected)
    assert pa.ipc.open_stream(arrow.getvalue()).read_all().equals(expected)


# ---------------------------------------------------------------- faults


def test_a_missing_file_is_told_apart(tmp_path: Path) -> None:
    first = write_part(tmp_path, BTC, Span(1, 9))
    second = write_part(tmp_path, BTC, Span(9, 20))
    with Duck([first, second], []) as duck:
        Path(second.location).unlink()
        with pytest.raises(ObjectMissing, match="gone"):
            duck.sql("SELECT sum(price) FROM trades").arrow()
    Path(first.location).unlink()
    with pytest.raises(ObjectMissing, match="gone"):
        Duck([first], [])


@pytest.mark.parametrize("damage", ["empty", "text", "tail", "head", "footer", "page"])
def test_a_corrupt_file_is_told_apart(tmp_path: Path, damage: str) -> None:
    good = write_part(tmp_path, BTC, Span(1, 9))
    bad = write_part(tmp_path, BTC, Span(9, 3000))
    path = Path(bad.location)
    data = bytearray(path.read_bytes())
    match damage:
        case "empty":
            data = bytearray()
        case "text":
            data = bytearray(b"not a parquet file, whatever its name says")
        case "tail":
            data = data[:-100]
        case "head":
            data = data[len(data) // 2 :]
        case "footer":
            data[-60:-20] = b"\xff" * 40
        case _:
            data[30 : len(data) // 2] = b"\xff" * (len(data) // 2 - 30)
    path.write_bytes(data)
    with Duck([good, bad], []) as duck, pytest.raises(ObjectCorrupt):
        duck.sql("SELECT sum(price), sum(quantity), max(side), max(trade_ts) FROM trades").arrow()


def test_too_little_memory_is_advice_not_a_crash() -> None:
    with Duck([], [], memory_limit="30MB", threads=1) as duck:
        query = "SELECT list(i::VARCHAR || repeat('x', 50)) AS all FROM range(5000000) AS r(i)"
        with pytest.raises(SchemaHubError, match="memory") as caught:
            duck.sql(query).arrow()
        assert not isinstance(caught.value, UsageError)
        assert "narrow" in caught.value.do


def test_spilling_goes_to_the_folder_given_and_nowhere_else(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    with Duck([], [], memory_limit="60MB", threads=1, temp_dir=spill) as duck:
        query = "SELECT i FROM range(8000000) AS r(i) ORDER BY hash(i), i"
        last = -1
        for batch in duck.sql(query).batches(50_000):
            last += batch.num_rows
        assert last == 7_999_999
    assert not (Path.cwd() / ".tmp").exists()


def test_settings_that_duckdb_refuses_are_the_users() -> None:
    with pytest.raises(UsageError, match="settings"):
        Duck([], [], memory_limit="plenty")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT nothing FROM trades", "nothing"),
        ("SELECT * FROM nosuch", "nosuch"),
        ("SELECT 'a'::INT", "Could not convert"),
        ("SELECT FROM", "syntax"),
        ("SELECT error('boom')", "boom"),
        (
            "SELECT CASE WHEN i = 500000 THEN error('late') ELSE '' END FROM range(1000000) r(i)",
            "late",
        ),
    ],
)  # fmt: skip
def test_mistakes_in_a_query_are_told_in_duckdbs_words(empty: Duck, query: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        empty.sql(query).arrow()
    assert words in caught.value.why
    assert caught.value.do
    assert "Stack Trace" not in caught.value.why


@pytest.mark.parametrize("words", ["", " ", "\n\nmore"])
def test_an_error_without_words_has_a_reason_all_the_same(words: str) -> None:
    found = fault(duckdb.Error(words), [])
    assert isinstance(found, ObjectCorrupt)
    assert found.why
