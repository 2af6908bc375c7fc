"""Parts as files: exact, in order, sealed, and readable by others."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.adapters.parquet import ARROW_SCHEMA, ArrowRows, ParquetTable
from schemahub.core.axis import IDS
from schemahub.core.errors import ObjectCorrupt
from schemahub.core.layout import Market
from schemahub.core.span import Span
from schemahub.ports import Differing, Part, PartFacts, Refused

BTC = Market("coinbase", "BTC-USD")
TABLE = ParquetTable()
SHAPE = "5" * 64
START = datetime(2024, 1, 1, tzinfo=UTC)
NONE_REFUSED = Refused()
Row = dict[str, Any]


def row(n: int) -> Row:
    return {
        "exchange": "coinbase",
        "symbol": "BTC-USD",
        "trade_id": n,
        "trade_ref": None,
        "side": "buy" if n % 3 else "sell",
        "price": Decimal(n * 7919 + 1) / Decimal(10**12),
        "quantity": Decimal(n) + Decimal("0.000000000001"),
        "trade_ts": START + timedelta(microseconds=n),
        "ingest_ts": START + timedelta(days=1),
    }


def rows_of(rows: Iterable[Row]) -> ArrowRows:
    return ArrowRows(pa.Table.from_pylist(list(rows), schema=ARROW_SCHEMA))


def some(start: int, stop: int) -> ArrowRows:
    return rows_of(row(n) for n in range(start, stop))


def part(
    batches: Iterable[ArrowRows], span: Span, refused: Refused = NONE_REFUSED
) -> Part:  # fmt: skip
    return TABLE.encode(batches, BTC, span, IDS, SHAPE, lambda: refused)


def read(data: bytes) -> list[Row]:
    return [one for rows in TABLE.decode(data, "key") for one in rows.table.to_pylist()]  # type: ignore[attr-defined]


# ---------------------------------------------------------------- what comes back


def test_rows_come_back_exactly_and_in_order() -> None:
    made = part([some(5, 40), some(40, 90)], Span(5, 100))
    assert read(made.data) == [row(n) for n in range(5, 90)]


def test_a_part_says_of_itself_what_it_is() -> None:
    refused = Refused(3, "a" * 64)
    made = part([some(5, 90)], Span(0, 128), refused)
    assert made.facts == PartFacts(
        "coinbase", "BTC-USD", Span(0, 128), 85, refused, TABLE.digest([some(5, 90)]), SHAPE
    )
    assert TABLE.facts(made.data, "key") == made.facts


def test_refused_rows_are_counted_after_the_last_batch() -> None:
    log: list[str] = []

    def batches() -> Iterable[ArrowRows]:
        yield some(1, 3)
        log.append("last batch")

    def refused() -> Refused:
        log.append("asked")
        return Refused(1, "b" * 64)

    made = TABLE.encode(batches(), BTC, Span(1, 9), IDS, SHAPE, refused)
    assert log == ["last batch", "asked"]
    assert made.facts.refused.rows == 1


@pytest.mark.parametrize("batches", [[], [some(1, 1)], [some(1, 1), some(2, 2)]])
def test_a_part_may_be_empty_for_all_its_rows_may_be_refused(
    batches: list[ArrowRows], tmp_path: Path
) -> None:
    made = part(batches, Span(1, 4), Refused(3, "c" * 64))
    assert made.facts.rows == 0
    assert read(made.data) == []
    (tmp_path / "part.parquet").write_bytes(made.data)
    assert duckdb.read_parquet(str(tmp_path / "part.parquet")).fetchall() == []


def test_rows_cross_row_groups_and_batches() -> None:
    count = (1 << 20) + 70_000
    ids = pa.array(range(10, 10 + count), pa.int64())
    table = pa.Table.from_arrays(
        [
            pa.repeat(pa.scalar(v, t), count)
            for v, t in (("coinbase", pa.string()), ("BTC-USD", pa.string()))
        ]
        + [ids, pa.nulls(count, pa.string()), pa.repeat(pa.scalar("buy"), count)]
        + [ids.cast(pa.decimal128(38, 12)), ids.cast(pa.decimal128(38, 12))]
        + [ids.cast(pa.timestamp("us", "UTC"))] * 2,
        schema=ARROW_SCHEMA,
    )
    cuts = [0, 1, 70_001, 600_000, 1_048_577, count]
    made = part(
        [ArrowRows(table.slice(a, b - a)) for a, b in pairwise(cuts)], Span(0, 1 << 22)
    )  # fmt: skip
    meta = pq.read_metadata(io.BytesIO(made.data))
    groups = [meta.row_group(n).num_rows for n in range(meta.num_row_groups)]
    assert groups == [1 << 19, 1 << 19, 70_000]
    back = [rows.table for rows in TABLE.decode(made.data, "key")]  # type: ignore[attr-defined]
    assert len(back) > 2
    assert pa.concat_tables(back).equals(table)
    assert TABLE.digest([ArrowRows(table)]) == made.facts.digest


# ---------------------------------------------------------------- order


@pytest.mark.parametrize(
    ("batches", "span"),
    [
        ([rows_of([row(5), row(4)])], Span(0, 10)),
        ([rows_of([row(5), row(5)])], Span(0, 10)),
        ([some(1, 5), some(4, 9)], Span(0, 10)),
        ([some(5, 9), some(1, 5)], Span(0, 10)),
        ([some(1, 9)], Span(2, 10)),
        ([some(1, 9)], Span(1, 8)),
        ([some(1, 3), some(3, 3), some(2, 4)], Span(0, 10)),
    ],
)
def test_rows_that_do_not_increase_or_leave_the_span_are_refused(
    batches: list[ArrowRows], span: Span
) -> None:
    with pytest.raises(ValueError, match="increase"):
        part(batches, span)


# ---------------------------------------------------------------- digest


@given(st.integers(0, 40), st.lists(st.integers(0, 40), max_size=6))
def test_the_digest_does_not_depend_on_how_rows_are_batched(count: int, cuts: list[int]) -> None:
    whole = some(0, count)
    edges = [0, *sorted(min(cut, count) for cut in cuts), count]
    batches = [ArrowRows(whole.table.slice(a, b - a)) for a, b in pairwise(edges)]
    glued = ArrowRows(pa.concat_tables([one.table for one in batches]))
    assert TABLE.digest(batches) == TABLE.digest([whole]) == TABLE.digest([glued])
    assert TABLE.digest([rows_of(whole.table.to_pylist())]) == TABLE.digest([whole])


CHANGES: dict[str, Callable[[Row], object]] = {
    "exchange": lambda r: "kraken",
    "symbol": lambda r: "BTC-EUR",
    "trade_id": lambda r: r["trade_id"] + 1_000_000,
    "trade_ref": lambda r: "x",
    "side": lambda r: "sell" if r["side"] == "buy" else "buy",
    "price": lambda r: r["price"] + Decimal("0.000000000001"),
    "quantity": lambda r: r["quantity"] - Decimal("0.000000000001"),
    "trade_ts": lambda r: r["trade_ts"] + timedelta(microseconds=1),
}


@given(st.sampled_from(sorted(CHANGES)), st.integers(0, 19), st.integers(0, 20))
def test_the_digest_changes_with_any_value_but_ingest_ts(name: str, hit: int, cut: int) -> None:
    rows = [row(n) for n in range(20)]
    before = TABLE.digest([rows_of(rows)])
    changed = [
        one | {name: CHANGES[name](one)} if n == hit else one for n, one in enumerate(rows)
    ]  # fmt: skip
    batches = [rows_of(changed[:cut]), rows_of(changed[cut:])]
    assert TABLE.digest(batches) != before
    later = [one | {"ingest_ts": START + timedelta(days=n)} for n, one in enumerate(rows)]
    assert TABLE.digest([rows_of(later[:cut]), rows_of(later[cut:])]) == before


def test_the_digest_changes_with_order_and_number_and_a_missing_side() -> None:
    rows = [row(n) for n in range(6)]
    kinds = [
        rows, rows[::-1], [rows[1], rows[0], *rows[2:]], rows[:5], [*rows, rows[5]], [],
        [rows[0] | {"side": None}, *rows[1:]], [*rows[:5], rows[5] | {"trade_ref": ""}],
        [one | {"trade_ref": "a"} for one in rows], [one | {"trade_ref": "None"} for one in rows],
        [rows[0] | {"exchange": "coinbaseBTC", "symbol": "-USD"}, *rows[1:]],
    ]  # fmt: skip
    digests = [TABLE.digest([rows_of(kind)]) for kind in kinds]
    assert len(set(digests)) == len(kinds)


# ---------------------------------------------------------------- differing


def test_differing_names_the_positions_that_are_not_the_same_on_both_sides() -> None:
    rows = [row(n) for n in range(10)]
    later = rows_of(one | {"ingest_ts": START} for one in rows)
    assert TABLE.differing(rows_of(rows), later) == Differing()
    only = {(0, 0), (1, 1), (2, 2)}, {(10, 10), (11, 11)}
    assert TABLE.differing(some(0, 10), some(3, 12)) == Differing(left=only[0], right=only[1])
    assert TABLE.differing(some(0, 0), some(4, 6)) == Differing(right={(4, 4), (5, 5)})
    for name, change in CHANGES.items():
        if name != "trade_id":
            other = [one | {name: change(one)} if one["trade_id"] == 4 else one for one in rows]
            assert TABLE.differing(rows_of(rows), rows_of(other)) == Differing({(4, 4)}), name
            assert TABLE.differing(rows_of(other), rows_of(rows)) == Differing({(4, 4)}), name


# ---------------------------------------------------------------- the file


def columns_of(data: bytes) -> dict[str, Any]:
    group = pq.read_metadata(io.BytesIO(data)).row_group(0)
    found = [group.column(n) for n in range(group.num_columns)]
    return {column.path_in_schema: column for column in found}


def test_the_file_is_plain_parquet_with_the_encodings_promised() -> None:
    made = part([some(0, 2000)], Span(0, 2000))
    columns = columns_of(made.data)
    assert list(columns) == ARROW_SCHEMA.names
    for name in ("trade_id", "trade_ts", "ingest_ts"):
        assert "DELTA_BINARY_PACKED" in columns[name].encodings, name
    for name in ("exchange", "symbol", "side"):
        assert "RLE_DICTIONARY" in columns[name].encodings, name
    for name, column in columns.items():
        assert column.compression == "ZSTD", name
        assert column.has_offset_index, name
        assert column.has_column_index, name
    meta = pq.read_metadata(io.BytesIO(made.data))
    assert b"ARROW:schema" not in meta.metadata
    types = {
        meta.schema.column(n).name: str(meta.schema.column(n).logical_type) for n in range(9)
    }  # fmt: skip
    assert types["price"] == types["quantity"] == "Decimal(precision=38, scale=12)"
    assert types["exchange"] == "String"
    assert "isAdjustedToUTC=true, timeUnit=microseconds" in types["trade_ts"]


@pytest.mark.parametrize(("different", "by_dictionary"), [(5, True), (4_000, False)])
def test_of_few_rows_prices_have_a_dictionary_where_that_is_smaller(
    different: int, *, by_dictionary: bool
) -> None:
    # Every third price is new, or one of five: as in a quiet market, or in none.
    prices = [Decimal((n // 3 % different) * 7919 + 1) / Decimal(10**6) for n in range(12_000)]
    told = [{**row(n), "price": price} for n, price in enumerate(prices)]
    made = part([rows_of(told)], Span(0, 12_000))
    assert ("RLE_DICTIONARY" in columns_of(made.data)["price"].encodings) is by_dictionary
    assert read(made.data) == told


def test_duckdb_reads_it_as_the_contract_types(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    path.write_bytes(part([some(0, 500)], Span(0, 500)).data)
    connection = duckdb.connect()
    found = connection.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()
    assert [(name, kind) for name, kind, *_ in found] == [
        ("exchange", "VARCHAR"), ("symbol", "VARCHAR"), ("trade_id", "BIGINT"),
        ("trade_ref", "VARCHAR"), ("side", "VARCHAR"), ("price", "DECIMAL(38,12)"),
        ("quantity", "DECIMAL(38,12)"), ("trade_ts", "TIMESTAMP WITH TIME ZONE"),
        ("ingest_ts", "TIMESTAMP WITH TIME ZONE"),
    ]  # fmt: skip
    columns = ", ".join(ARROW_SCHEMA.names[:7])
    got = connection.execute(f"SELECT {columns}, epoch_us(trade_ts) FROM '{path}'").fetchall()
    micros = (START - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert got == [(*tuple(row(n).values())[:7], micros + n) for n in range(500)]


# ---------------------------------------------------------------- damage


def harmed(data: bytes, at: int, how: int) -> bytes:
    return data[:at] + bytes([data[at] ^ how]) + data[at + 1 :]


def positions(data: bytes) -> Sequence[int]:
    """Several hundred, and every one of the footer, which Parquet leaves without a checksum."""
    footer = len(data) - int.from_bytes(data[-8:-4], "little") - 8
    return [*range(0, footer, max(1, footer // 200)), *range(footer, len(data), 3)]


def test_one_flipped_byte_anywhere_is_found() -> None:
    data = part([some(0, 300)], Span(0, 300), Refused(1, "d" * 64)).data
    for number, at in enumerate(positions(data)):
        bad = harmed(data, at, 1 << number % 8)
        # Also in the statistics: pyarrow does not mind them, but DuckDB leaves out rows by them.
        with pytest.raises(ObjectCorrupt) as caught:
            list(TABLE.decode(bad, "the key"))
        assert caught.value.key == "the key", at


def test_a_part_whose_rows_are_not_those_of_its_digest_is_found_though_its_seal_is_right() -> None:
    made = part([some(0, 5)], Span(0, 5))
    other = part([some(0, 4)], Span(0, 5)).facts.digest
    for old, new in (
        (made.facts.digest, other),
        ("schemahub.rows\x18\x015", "schemahub.rows\x18\x014"),
    ):
        start = made.data.rindex(b"schemahub.seal")
        seal = re.search(rb"[0-9a-f]{64}", made.data[start:])
        assert seal is not None
        opened = made.data.replace(seal[0], b"0" * 64)
        changed = opened.replace(old.encode(), new.encode())
        assert changed != opened
        sealed = changed.replace(b"0" * 64, hashlib.sha256(changed).hexdigest().encode())
        with pytest.raises(ObjectCorrupt, match="digest"):
            list(TABLE.decode(sealed, "key"))


@pytest.mark.parametrize("length", [0, 1, 3, 4, 7, 8, 11, 12, 100, -1, -4, -8, -9])
def test_a_file_cut_short_is_found(length: int) -> None:
    data = part([some(0, 300)], Span(0, 300)).data
    with pytest.raises(ObjectCorrupt):
        TABLE.facts(data[:length], "key")
    with pytest.raises(ObjectCorrupt):
        list(TABLE.decode(data[:length], "key"))


def test_a_parquet_file_of_somebody_else_is_not_a_part() -> None:
    sink = io.BytesIO()
    pq.write_table(some(0, 5).table, sink)
    with pytest.raises(ObjectCorrupt, match="key"):
        TABLE.facts(sink.getvalue(), "key")
    with pytest.raises(ObjectCorrupt, match="key"):
        list(TABLE.decode(sink.getvalue(), "key"))
