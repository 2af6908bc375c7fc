from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemahub.adapters.duck import Duck
from schemahub.cli.render import FORMATS, Format, render
from schemahub.core.errors import UsageError
from schemahub.core.span import Span
from tests.duck_lake import BTC, write_part


class Screen(BytesIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def duck(tmp_path: Path) -> Iterator[Duck]:
    with Duck([write_part(tmp_path, BTC, Span(1, 101))], []) as made:
        yield made


def show(
    duck: Duck, query: str, form: str, out: BytesIO | None = None, **options: Any
) -> tuple[bytes, str]:
    out, notes = out or BytesIO(), StringIO()
    render(duck.sql(query), cast("Format", form), out, notes, **options)
    return out.getvalue(), notes.getvalue()


ODD = """SELECT 1.500000000000::DECIMAL(38,12) AS d, 0.000000000001::DECIMAL(38,12) AS small,
    100::DECIMAL(38,12) AS whole, NULL::INT AS nothing, '' AS empty, 'a,"b"' || chr(10) AS text,
    TIMESTAMPTZ '2024-01-01 00:00:05.25Z' AS at, 9007199254740993 AS big, true AS yes,
    'nan'::DOUBLE AS nan"""


def test_csv_is_exact_and_reads_back(duck: Duck) -> None:
    data, notes = show(duck, ODD, "csv")
    assert data.decode().splitlines()[0] == "d,small,whole,nothing,empty,text,at,big,yes,nan"
    assert list(csv.reader(StringIO(data.decode(), newline="")))[1] == [
        "1.500000000000", "0.000000000001", "100.000000000000", "", "", 'a,"b"\n',
        "2024-01-01T00:00:05.250000Z", "9007199254740993", "true", "NaN",
    ]  # fmt: skip
    assert b'.000000000000,,"","a,""b""\n",' in data  # null is empty, an empty text is quoted
    assert notes == ""


def test_csv_of_one_null_column_has_no_empty_line(duck: Duck) -> None:
    assert show(duck, "SELECT NULL AS a", "csv")[0] == b'a\n""\n'


def test_csv_of_no_rows_is_its_header(duck: Duck) -> None:
    assert show(duck, "SELECT 1 AS a WHERE false", "csv")[0] == b"a\n"


def test_json_is_one_document(duck: Duck) -> None:
    document = json.loads(show(duck, ODD, "json")[0])
    assert document["schema_version"] == 1
    assert document["columns"][0] == {"name": "d", "type": "DECIMAL(38,12)"}
    assert document["rows"] == [
        {
            "d": "1.500000000000", "small": "0.000000000001", "whole": "100.000000000000",
            "nothing": None, "empty": "", "text": 'a,"b"\n',
            "at": "2024-01-01T00:00:05.250000Z", "big": 9007199254740993, "yes": True,
            "nan": "NaN",
        }
    ]  # fmt: skip
    assert json.loads(show(duck, "SELECT 1 AS a WHERE false", "json")[0])["rows"] == []
    assert len(json.loads(show(duck, "FROM trades", "json")[0])["rows"]) == 100


def test_json_refuses_two_columns_of_one_name_before_it_writes(duck: Duck) -> None:
    out = BytesIO()
    with pytest.raises(UsageError, match="two columns"):
        show(duck, "SELECT 1 AS a, 2 AS a", "json", out)
    assert out.getvalue() == b""


def test_parquet_and_arrow_hold_the_schema_and_the_rows(duck: Duck) -> None:
    expected = duck.sql("FROM trades").arrow()
    parquet = pq.read_table(BytesIO(show(duck, "FROM trades", "parquet")[0]))
    arrow = pa.ipc.open_stream(show(duck, "FROM trades", "arrow")[0]).read_all()
    assert parquet.equals(expected)
    assert arrow.equals(expected)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_binary_is_refused_on_a_terminal(duck: Duck, form: str) -> None:
    out = Screen()
    with pytest.raises(UsageError, match="binary"):
        show(duck, "FROM trades", form, out)
    assert out.getvalue() == b""


def test_a_table_trims_zeros_aligns_numbers_and_marks_nulls(duck: Duck) -> None:
    query = """SELECT symbol AS s, price AS p, trade_ref AS r, trade_ts AS t FROM trades
        WHERE trade_id IN (5, 100)"""
    lines = [line.rstrip() for line in show(duck, query, "table")[0].decode().splitlines()]
    assert next(line for line in lines if line).split() == ["s", "p", "r", "t"]
    body = [line for line in lines if "BTC-USD" in line]
    assert body[0].split() == ["BTC-USD", "5", "NULL", "2024-01-01", "00:00:05Z"]
    assert body[0].index("5 ") + 1 == body[1].index("100 ") + 3


def test_a_table_is_bounded_and_says_how_many_more(duck: Duck) -> None:
    data, notes = show(duck, "FROM trades", "table", rows=10)
    assert data.decode().count("BTC-USD") == 10
    assert "90 more rows" in notes
    data, notes = show(duck, "FROM range(3000000)", "table", rows=10)
    assert "more than 1,000,000 more rows" in notes
    assert show(duck, "FROM trades LIMIT 5", "table")[1] == ""


@pytest.mark.parametrize("width", [80, 120])
def test_a_table_fits_the_screen_without_losing_a_digit(
    duck: Duck, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    query = "SELECT * REPLACE (12345.123456789012::DECIMAL(38,12) AS price) FROM trades LIMIT 1"
    text = show(duck, query, "table", Screen())[0].decode()
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


def test_a_narrow_screen_tells_constant_columns_once(
    duck: Duck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    lines = show(duck, "FROM trades LIMIT 9", "table", Screen())[0].decode().splitlines()
    assert lines[-1] == (
        "in every row: exchange coinbase, symbol BTC-USD, trade_ref NULL, quantity 0.5, "
        "ingest_ts 2024-01-01 00:00:00Z"
    )
    assert [line.split() for line in lines if line.strip()][2] == (
        ["1", "buy", "1", "2024-01-01", "00:00:01Z"]
    )
    wide = show(duck, "FROM trades LIMIT 9", "table")[0].decode()
    assert wide.count("coinbase") == 9


def test_values_keep_their_line_where_they_fit(duck: Duck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    query = "SELECT * EXCLUDE (high, low, buy_volume) FROM bars_1m ORDER BY bar_ts"
    text = show(duck, query, "table", Screen())[0].decode()
    assert text.splitlines()[-3].split() == (
        ["2024-01-01", "00:01:00Z", "60", "100", "20.5", "1640", "41", "80.0", "60", "100"]
    )
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120])
@pytest.mark.parametrize("columns", [1, 5, 12, 30, 60])
def test_no_width_loses_a_value(
    duck: Duck, width: int, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    query = "SELECT " + ", ".join(f"'{n % 10}' || i AS c{n}" for n in range(columns))
    text = show(duck, f"{query} FROM range(6, 8) AS r(i)", "table", Screen())[0].decode()
    digits = "".join(ch for ch in text.split("─")[-1] if ch.isdigit())
    assert sorted(digits) == sorted("".join(f"{n % 10}6{n % 10}7" for n in range(columns)))


def test_color_only_on_a_terminal_that_wants_it(
    duck: Duck, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert b"\x1b" not in show(duck, "FROM trades", "table")[0]
    monkeypatch.setenv("NO_COLOR", "1")
    assert b"\x1b" not in show(duck, "FROM trades", "table", Screen())[0]


def test_text_cannot_steer_the_terminal(duck: Duck) -> None:
    text = show(duck, "SELECT chr(27) || '[2J[bold]x' AS a", "table")[0].decode()
    assert "\x1b" not in text
    assert "\\x1b[2J[bold]x" in text


def test_a_plan_is_drawn_as_it_is(duck: Duck) -> None:
    text = show(duck, "EXPLAIN SELECT * FROM trades", "table")[0].decode()
    assert "READ_PARQUET" in text
    assert "explain_key" not in text


def test_every_format_is_rendered(duck: Duck) -> None:
    assert FORMATS == ("table", "csv", "json", "parquet", "arrow")
    for form in FORMATS:
        assert show(duck, "SELECT 1 AS a", form)[0]
