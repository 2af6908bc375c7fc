from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import polars as pl
import pytest

import schemahub
from schemahub.adapters.duck import FileSlice, MarketRow
from schemahub.api import Instant, Lake
from schemahub.core.errors import ObjectMissing, UsageError
from schemahub.core.facts import Fact
from schemahub.core.layout import Market
from schemahub.core.span import Coverage, Span
from schemahub.pipelines.quality import Report
from tests.duck_lake import BTC, EPOCH, ETH, SCHEMA, Row, write_part

NOW = EPOCH + timedelta(days=30)
ELSEWHERE = Market("binance", "ETH-USD")


class FakeBackend:
    """Files of a folder, resolved afresh; `before_slices` may change them at each resolution."""

    objects = None  # the engine opens files of a folder by itself

    def __init__(self) -> None:
        self.files: list[FileSlice] = []
        self.resolved = 0
        self.stale: list[FileSlice] = []  # answered once each, first

    def slices(self, market: Market | None, *, bars: bool = False) -> Sequence[FileSlice]:
        self.resolved += 1
        files = [self.stale.pop()] if self.stale else self.files
        return [file for file in files if market in {None, file.market}]

    def market_rows(self) -> Sequence[MarketRow]:
        markets = sorted({file.market for file in self.files})
        return [MarketRow(market, market.symbol, "online") for market in markets]

    def coverage(self, market: Market) -> Coverage:
        return Coverage.of(file.part for file in self.files if file.market == market)

    def verify(self, markets: Sequence[Market]) -> Sequence[Mapping[str, object]]:
        return [{"market": str(market), "status": "proven"} for market in markets]

    def fact_tables(self, names: Any) -> Sequence[Fact]:
        return []

    def certified(self, markets: Sequence[Market], since: Any, until: Any) -> Sequence[FileSlice]:
        raise AssertionError

    def judge(
        self, markets: Sequence[Market], names: Sequence[str], since: datetime | None
    ) -> Report:
        raise AssertionError("nobody asks here how good the data is")

    def now(self) -> datetime:
        return NOW


@pytest.fixture
def backend(tmp_path: Path) -> FakeBackend:
    made = FakeBackend()
    made.files = [
        write_part(tmp_path, BTC, Span(1000, 2000)),
        write_part(tmp_path, BTC, Span(1, 1000)),
        write_part(tmp_path, ETH, Span(1, 11)),
    ]
    return made


@pytest.fixture
def lake(backend: FakeBackend) -> Lake:
    return Lake(backend, "test")


def ids(lake: Lake, start: Instant = None, end: Instant = None) -> list[int]:
    table = lake.trades("BTC-USD", start, end, ["trade_id"]).arrow()
    return [int(n) for n in table.column(0).to_pylist()]


# ---------------------------------------------------------------- reading


def test_trades_come_in_axis_order_and_exact(lake: Lake) -> None:
    table = lake.trades("BTC-USD").arrow()
    assert table.schema == SCHEMA
    assert table.column("trade_id").to_pylist() == list(range(1, 2000))
    assert table.column("price")[0].as_py() == Decimal(1)


def test_polars_and_pandas(lake: Lake) -> None:
    trades = lake.trades("ETH-USD")
    frame = trades.pl()
    assert frame.schema["price"] == pl.Decimal(38, 12)
    assert frame["price"].sum() == Decimal(55)
    floats = trades.pd()
    assert floats["price"].dtype == "float64"
    assert str(floats["trade_ts"].dtype) == "datetime64[us, UTC]"
    exact = trades.pd(exact=True)
    assert exact["price"].tolist()[:2] == [Decimal(1), Decimal(2)]
    assert isinstance(exact, pd.DataFrame)


def test_duckdb_head_count_batches(lake: Lake) -> None:
    trades = lake.trades("coinbase:BTC-USD", columns=["trade_id", "price"])
    assert trades.duckdb().aggregate("max(trade_id)").fetchall() == [(1999,)]
    assert trades.count() == 1999
    assert trades.head(3).count() == 3
    assert trades.head(3).arrow().column(0).to_pylist() == [1, 2, 3]
    assert trades.head(30).head(20).count() == 20
    assert trades.head(0).arrow().schema.names == ["trade_id", "price"]
    sizes = [batch.num_rows for batch in trades.batches(rows=500)]
    assert sum(sizes) == 1999
    assert len(sizes) > 1


def test_no_market_is_all_and_a_list_is_each(lake: Lake) -> None:
    assert lake.trades().count() == 2009
    assert lake.trades(["ETH-USD", BTC, "coinbase:ETH-USD"]).count() == 2009
    assert lake.trades([]).count() == 0


def test_one_markets_query_resolves_and_opens_that_market_only(
    lake: Lake, backend: FakeBackend
) -> None:
    Path(backend.files[2].location).unlink()
    assert lake.trades("BTC-USD").count() == 1999


def test_sql_with_parameters_and_views(lake: Lake) -> None:
    rows = lake.sql("SELECT count(*) AS n FROM trades WHERE symbol = ?", ["ETH-USD"])
    assert rows.arrow().to_pylist() == [{"n": 10}]
    assert lake.sql("SELECT sum(trades)::INT AS n FROM bars_1m").pl()["n"].to_list() == [2009]
    assert lake.sql("SELECT $a AS a", {"a": 1}).count() == 1
    with pytest.raises(UsageError, match="not a query"):
        lake.sql("COPY trades TO 'x'").arrow()


def test_nothing_is_read_until_asked_and_then_afresh(
    lake: Lake, backend: FakeBackend, tmp_path: Path
) -> None:
    trades = lake.trades("ETH-USD")
    query = lake.sql("SELECT count(*) FROM trades")
    assert backend.resolved == 0
    assert trades.count() == 10
    backend.files.append(write_part(tmp_path, ETH, Span(11, 21)))
    assert trades.count() == 20
    assert query.arrow().column(0)[0].as_py() == 2019


def test_markets_coverage_verify(lake: Lake) -> None:
    assert lake.markets().pl()["market"].to_list() == ["coinbase:BTC-USD", "coinbase:ETH-USD"]
    assert lake.coverage("BTC-USD") == Coverage((Span(1, 2000),))
    assert [c["market"] for c in lake.verify("ETH-USD")] == ["coinbase:ETH-USD"]
    assert len(lake.verify()) == 2


# ---------------------------------------------------------------- what is asked for


@pytest.mark.parametrize(
    "start",
    [
        "2024-01-01T00:10:00Z", "2024-01-01 00:10", "2024-01-01T02:10:00+02:00",
        datetime(2024, 1, 1, 0, 10), datetime(2024, 1, 1, 0, 10, tzinfo=UTC),  # noqa: DTZ001
        datetime(2024, 1, 1, 1, 10, tzinfo=timezone(timedelta(hours=1))),
    ],
)  # fmt: skip
def test_times_of_every_spelling_are_half_open(lake: Lake, start: Instant) -> None:
    assert ids(lake, start)[0] == 600
    assert ids(lake, None, start)[-1] == 599


def test_dates_and_agos(lake: Lake) -> None:
    assert ids(lake, "2024-01-01")[0] == ids(lake, date(2024, 1, 1))[0] == 1
    assert ids(lake, date(2024, 1, 2)) == []
    assert ids(lake, "30d", "43190m") == list(range(1, 600))
    assert ids(lake, "5w") == list(range(1, 2000))
    assert ids(lake, "720h") == ids(lake, "30d")
    assert ids(lake, "1s") == []
    assert ids(lake, "2024-01-01T00:10:00Z", "2024-01-01T00:10:00Z") == []


@pytest.mark.parametrize("wrong", ["yesterday", "7", "9999999w", "7y", "2024-13-01", "-7d", ""])
def test_what_is_no_time_is_told(lake: Lake, wrong: str) -> None:
    with pytest.raises(UsageError, match="not a time"):
        lake.trades("BTC-USD", wrong)


def test_a_start_after_the_end_is_a_mistake(lake: Lake) -> None:
    with pytest.raises(UsageError, match="after end"):
        lake.trades("BTC-USD", "1d", "2d")


def test_unknown_markets_and_columns_name_close_ones(lake: Lake) -> None:
    with pytest.raises(UsageError) as caught:
        lake.trades("BTC-USDT")
    assert "coinbase:BTC-USD" in caught.value.do
    with pytest.raises(UsageError) as caught:
        lake.coverage("kraken:BTC-USD")
    assert "coinbase:BTC-USD" in caught.value.do
    with pytest.raises(UsageError) as caught:
        lake.trades("BTC-USD", columns=["prise"])
    assert "price" in caught.value.do
    with pytest.raises(UsageError, match="no columns"):
        lake.trades("BTC-USD", columns=[])


def test_names_are_of_any_case_and_ambiguous_ones_refused(
    lake: Lake, backend: FakeBackend, tmp_path: Path
) -> None:
    assert lake.trades("Coinbase:eth-usd").count() == 10
    backend.files.append(write_part(tmp_path, ELSEWHERE, Span(1, 4)))
    assert lake.trades("binance:ETH-USD").count() == 3
    with pytest.raises(UsageError, match="several exchanges"):
        lake.trades("ETH-USD")


# ---------------------------------------------------------------- a lake that changes


def gone(file: FileSlice) -> FileSlice:
    return replace(file, location=file.location + ".gone")


def test_a_superseded_file_makes_arrow_start_again(lake: Lake, backend: FakeBackend) -> None:
    backend.stale = [gone(backend.files[0]), gone(backend.files[1])]
    assert lake.trades("BTC-USD").arrow().num_rows == 1999
    backend.stale = [gone(backend.files[0])]
    assert sum(batch.num_rows for batch in lake.trades("BTC-USD").batches()) == 1999
    backend.stale = [gone(backend.files[0])] * 3
    with pytest.raises(ObjectMissing):
        lake.trades("BTC-USD").arrow()
    assert lake.trades("BTC-USD").count() == 1999


def test_a_file_that_goes_after_the_first_batch_voids_what_was_given(
    lake: Lake, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from schemahub.adapters.duck import Result

    whole = Result.batches

    def breaking(self: Result, rows: int = 100) -> Any:
        yield next(whole(self, rows))
        raise ObjectMissing("part 7 is gone")

    monkeypatch.setattr(Result, "batches", breaking)
    batches = lake.trades("BTC-USD").batches(100)
    next(batches)
    with pytest.raises(ObjectMissing, match="void") as caught:
        next(batches)
    assert "again" in caught.value.do
    assert backend.resolved == 1


# ---------------------------------------------------------------- showing, opening


def test_representations_are_bounded(lake: Lake, backend: FakeBackend) -> None:
    trades = lake.trades("BTC-USD", "2024-01-01")
    assert "coinbase:BTC-USD from 2024-01-01" in repr(trades)
    assert "lake" in repr(lake).lower()
    assert "SELECT &lt;1" not in trades._repr_html_()
    assert lake.sql("SELECT 1 < 2 FROM trades")._repr_html_().count("&lt;") >= 1
    assert backend.resolved == 0
    assert trades.head(5)._repr_html_().count("<tr>") == 6
    assert trades.head(1000)._repr_html_().count("<tr>") == 0
    assert lake.markets()._repr_html_().count("<tr>") == 3


def test_cells_of_html_are_escaped(tmp_path: Path) -> None:
    backend = FakeBackend()
    odd = Market("coinbase", "<B>-USD")
    backend.files = [write_part(tmp_path, odd, Span(1, 2), [Row(1, Decimal(1), Decimal(1))])]
    html = Lake(backend, "x").trades().head()._repr_html_()
    assert "&lt;B&gt;-USD" in html
    assert "<B>" not in html


@pytest.mark.parametrize(("library", "verb"), [("polars", "pl"), ("pandas", "pd")])
def test_a_missing_extra_is_named(
    lake: Lake, library: str, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> ModuleType:
        if name == library:
            raise ImportError(name)
        return real(name, *rest, **more)

    trades = lake.trades("ETH-USD")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError) as caught:
        getattr(trades, verb)()
    assert caught.value.do == f"pip install schemahub[{library}]"


def test_open_names_the_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no lake at"):
        schemahub.open(tmp_path / "none")


def test_open_takes_the_backend_that_app_wires(
    tmp_path: Path, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = ModuleType("schemahub.app")
    app.open_backend = lambda path, s3_bucket: backend  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "schemahub.app", app)
    monkeypatch.setattr(schemahub, "app", app, raising=False)
    lake = schemahub.open(tmp_path, threads=1, memory_limit="500MB", temp_dir=tmp_path / "t")
    assert lake.trades("ETH-USD").count() == 10
