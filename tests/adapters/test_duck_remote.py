"""Files that are opened for the engine give the same rows, and no more is read than asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemahub.adapters.duck import Duck, FileSlice
from schemahub.core.errors import (
    ObjectCorrupt,
    ObjectMissing,
    SchemaHubError,
    StoreError,
    UsageError,
)
from schemahub.core.layout import Market
from schemahub.core.span import Span
from schemahub.ports import Opened
from tests.duck_lake import BTC, DECIMAL, ETH, INSTANT, SCHEMA, FolderObjects, Row, rows, write_part

ODD = Market("other", "A'B-\"C")

QUERIES = [
    "SELECT * FROM trades WHERE symbol = 'BTC-USD'",
    "SELECT * FROM trades ORDER BY ALL",
    "SELECT count(*) FROM trades",
    "SELECT exchange, symbol, count(*), max(trade_id) FROM trades GROUP BY ALL ORDER BY 2",
    "SELECT trade_id, side FROM trades WHERE side = 'sell' AND symbol = 'ETH-USD'",
    "SELECT trade_id FROM trades WHERE side IS NULL OR trade_ref IS NOT NULL",
    "SELECT trade_id, price FROM trades WHERE price > 7777.25 AND symbol = 'BTC-USD'",
    "SELECT trade_id FROM trades WHERE trade_ts < '2024-01-01 00:00:05+00' AND side = 'buy'",
    "SELECT trade_id FROM trades WHERE trade_id BETWEEN 7990 AND 8010 AND symbol = 'BTC-USD'",
    "SELECT trade_id FROM trades WHERE trade_id IN (1, 9000, 123456) ORDER BY ALL",
    "SELECT * FROM bars_1m ORDER BY ALL",
    "SELECT sum(price), avg(quantity) FROM trades_float",
    "SELECT symbol FROM trades WHERE exchange = 'nobody'",
    "SELECT trade_id FROM trades a JOIN trades b USING (symbol, trade_id) ORDER BY 1 LIMIT 5",
    "DESCRIBE trades",
]  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> list[FileSlice]:
    root = tmp_path_factory.mktemp("lake")
    odd = [Row(1, rows(1, 2)[0].price, rows(1, 2)[0].quantity, None)]
    return [
        write_part(root, BTC, Span(4000, 8000)),
        write_part(root, BTC, Span(1, 4000)),
        write_part(root, BTC, Span(8000, 10000)),
        write_part(root, ETH, Span(1, 3000)),
        write_part(root, ODD, Span(1, 2), odd),
    ]


def crossing(root: Path) -> list[FileSlice]:
    return [
        write_part(root, ETH, Span(1, 100)),
        write_part(root, BTC, Span(1, 60), keep=(Span(1, 50),)),
        write_part(root, BTC, Span(50, 90)),
        write_part(root, BTC, Span(80, 120), keep=(Span(90, 95), Span(97, 120))),
    ]


@pytest.mark.parametrize("query", QUERIES)
def test_objects_give_the_rows_that_files_give(lake: list[FileSlice], query: str) -> None:
    with Duck(lake, []) as files, Duck(lake, [], objects=FolderObjects()) as objects:
        assert objects.sql(query).arrow().equals(files.sql(query).arrow())


def test_crossing_parts_are_trimmed_and_stay_in_axis_order(tmp_path: Path) -> None:
    slices = crossing(tmp_path)
    with Duck(slices, [], objects=FolderObjects()) as duck:
        for symbol, ids in (
            ("BTC-USD", [*range(1, 95), *range(97, 120)]),
            ("ETH-USD", range(1, 100)),
        ):
            found = duck.sql("SELECT trade_id FROM trades WHERE symbol = ?", [symbol]).arrow()
            assert found["trade_id"].to_pylist() == list(ids)


def test_an_empty_lake_has_its_views() -> None:
    with Duck([], [], objects=FolderObjects()) as duck:
        assert duck.sql("SELECT count(*) FROM trades").arrow().to_pylist() == [{"count_star()": 0}]
        assert duck.sql("FROM bars_1m").arrow().num_rows == 0
        assert len(duck.sql("SHOW TABLES").arrow()) == 4


def test_opening_reads_nothing(lake: list[FileSlice]) -> None:
    objects = FolderObjects()
    with Duck(lake, [], objects=objects):
        assert objects.opened == []


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> list[FileSlice]:
    """Three parts of some hundred kilobytes, in row groups of 20,000 rows."""
    root = tmp_path_factory.mktemp("large")
    pieces = [write_part(root, m, Span(1, 2)) for m in (BTC, ETH, ODD)]
    for piece in pieces:
        count = 60_000
        ids = np.arange(count)
        words = {"exchange": piece.market.exchange, "symbol": piece.market.symbol}
        columns: dict[str, pa.Array] = {
            "trade_id": pa.array(ids),
            "side": pa.array(np.where(ids * 7919 % 13 < 6, "buy", "sell")),
            "price": pa.array(ids * 7919 % 100_003).cast(DECIMAL),
            "quantity": pa.array(ids * 104_729 % 1_000_003).cast(DECIMAL),
            "trade_ts": pa.array(ids * 1_000_000).cast(INSTANT),
            "ingest_ts": pa.array(ids * 0).cast(INSTANT),
        }
        arrays = [
            columns[f.name] if f.name in columns else pa.array([words.get(f.name)] * count, f.type)
            for f in SCHEMA
        ]
        table = pa.table(arrays, schema=SCHEMA)
        pq.write_table(table, piece.location, compression="zstd", row_group_size=20_000)
    return pieces


@pytest.mark.parametrize(
    ("query", "files", "share"),
    [
        ("SELECT count(*) FROM trades", 3, 0.02),
        ("SELECT sum(price) FROM trades WHERE symbol = 'ETH-USD'", 1, 0.15),
        ("SELECT sum(price) FROM trades WHERE exchange = 'nobody'", 0, 0.0),
        ("SELECT * FROM trades WHERE trade_id = 59999 AND symbol = 'BTC-USD'", 1, 0.13),
        ("SELECT max(price) FROM trades WHERE trade_ts < '1970-01-01 01:00:00+00'", 3, 0.3),
    ],
)
def test_no_more_is_read_than_the_query_asks(
    large: list[FileSlice], query: str, files: int, share: float
) -> None:
    objects = FolderObjects()
    everything = sum(Path(piece.location).stat().st_size for piece in large)
    with Duck(large, [], objects=objects) as duck:
        duck.sql(query).arrow()
    assert len(set(objects.opened)) == files
    assert objects.bytes <= share * everything


# ---------------------------------------------------------------- faults


def test_a_missing_object_is_told_apart(tmp_path: Path) -> None:
    pieces = [write_part(tmp_path, BTC, Span(1, 9)), write_part(tmp_path, BTC, Span(9, 20))]
    with Duck(pieces, [], objects=FolderObjects()) as duck:
        Path(pieces[1].location).unlink()
        with pytest.raises(ObjectMissing):
            duck.sql("SELECT sum(price) FROM trades").arrow()
        # What went wrong once is not told of the next query.
        assert duck.sql("SELECT 1").arrow().num_rows == 1
        with pytest.raises(UsageError):
            duck.sql("SELECT nothing FROM trades").arrow()


@pytest.mark.heavy
def test_a_missing_object_never_leaves_a_query_waiting(tmp_path: Path) -> None:
    """Where errors of Python's passed through Arrow's scanner, one in some hundreds hung."""
    pieces = [write_part(tmp_path, BTC, Span(1, 9)), write_part(tmp_path, BTC, Span(9, 20))]
    Path(pieces[1].location).unlink()
    for _ in range(400):
        with (
            Duck(pieces, [], objects=FolderObjects()) as duck,
            pytest.raises(ObjectMissing),
        ):
            duck.sql("SELECT sum(price) FROM trades").arrow()


@pytest.mark.parametrize("damage", ["empty", "text", "tail", "head", "footer", "page"])
def test_a_corrupt_object_is_told_apart(tmp_path: Path, damage: str) -> None:
    good = write_part(tmp_path, BTC, Span(1, 9))
    bad = write_part(tmp_path, BTC, Span(9, 3000))
    path = Path(bad.location)
    data = bytearray(path.read_bytes())
    damages: dict[str, Callable[[], bytes | bytearray]] = {
        "empty": bytes,
        "text": lambda: b"not a parquet file, whatever its name says",
        "tail": lambda: data[:-100],
        "head": lambda: data[len(data) // 2 :],
        "footer": lambda: data[:-60] + b"\xff" * 40 + data[-20:],
        "page": lambda: b"PAR1" + b"\xff" * (len(data) // 2) + data[len(data) // 2 + 4 :],
    }
    path.write_bytes(damages[damage]())
    query = "SELECT sum(price), sum(quantity), max(side), max(trade_ts) FROM trades"
    with Duck([good, bad], [], objects=FolderObjects()) as duck, pytest.raises(ObjectCorrupt):
        duck.sql(query).arrow()


def test_what_the_service_says_reaches_the_user(tmp_path: Path) -> None:
    class Forbidden(FolderObjects):
        def open(self, location: str) -> Opened:
            raise StoreError("cannot read it", "access denied: s3:GetObject on lakes", "allow it")

    piece = write_part(tmp_path, BTC, Span(1, 9))
    with (
        Duck([piece], [], objects=Forbidden()) as duck,
        pytest.raises(SchemaHubError, match="access denied: s3:GetObject on lakes") as caught,
    ):
        duck.sql("SELECT sum(price) FROM trades").arrow()
    assert caught.value.do == "allow it"
