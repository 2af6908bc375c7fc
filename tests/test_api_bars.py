"""Bars by the Python API and the command: of time from bars_1m, cut from the trades."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import schemahub
from schemahub.adapters.store_local import LocalStore
from schemahub.api import Lake
from schemahub.cli.main import run
from schemahub.core.errors import UsageError
from tests.pipelines.raw_lake import GENESIS, RawLake, Row, truth

COUNT = 9_000  # an hour and 52 minutes of trades, 0.75 s apart
Say = Any


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lakes") / "lake"
    raw = RawLake(store=LocalStore(root))
    raw.put(1, COUNT)
    raw.origin(1)
    raw.transformed()
    return root


@pytest.fixture
def lake(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.chdir(folder.parent)
    return schemahub.open(folder)


def quote(row: Row) -> Decimal:
    with localcontext(prec=60):
        return (row[4] * row[5]).quantize(Decimal("1e-8"), ROUND_HALF_EVEN)


def summed(rows: list[Row]) -> dict[str, Any]:
    """A bar of these trades, without its times and vwap."""
    prices = [row[4] for row in rows]
    return {
        "exchange": "coinbase", "symbol": "BTC-USD", "open": prices[0], "high": max(prices),
        "low": min(prices), "close": prices[-1], "volume": sum(row[5] for row in rows),
        "quote_volume": sum(map(quote, rows)),
        "buy_volume": sum(row[5] for row in rows if row[3] == "buy"), "trades": len(rows),
        "first_position": rows[0][2], "last_position": rows[-1][2],
    }  # fmt: skip


def plain(bar: dict[str, Any], *besides: str) -> dict[str, Any]:
    return {name: value for name, value in bar.items() if name not in {"vwap", *besides}}


# ---------------------------------------------------------------- of time


@pytest.mark.parametrize(
    ("every", "length"), [("1m", 60), ("7m", 420), ("1h", 3600), ("1d", 86_400), ("1w", 7 * 86_400)]
)
def test_bars_of_time_are_those_of_the_trades(lake: Lake, every: str, length: int) -> None:
    monday = datetime(1970, 1, 5, tzinfo=UTC)
    own: dict[datetime, list[Row]] = {}
    for row in truth(1, COUNT):
        since = (row[6] - monday) // timedelta(seconds=length)
        own.setdefault(monday + since * timedelta(seconds=length), []).append(row)
    found = lake.bars("BTC-USD", every).arrow().to_pylist()
    expected = [{"bar_ts": at, **summed(rows)} for at, rows in sorted(own.items())]
    assert [plain(bar) for bar in found] == expected
    for bar in found:
        assert bar["vwap"] == pytest.approx(float(bar["quote_volume"] / bar["volume"]))


def test_bars_of_a_minute_are_bars_1m(lake: Lake) -> None:
    minutes = lake.sql("FROM bars_1m ORDER BY bar_ts").arrow()
    assert lake.bars("BTC-USD").arrow().equals(minutes)
    assert lake.bars("BTC-USD", timedelta(minutes=1)).count() == len(minutes)


def test_a_range_gives_the_whole_bars_that_open_in_it(lake: Lake) -> None:
    every = lake.bars("BTC-USD", "5m").arrow().to_pylist()
    start, end = every[2]["bar_ts"], every[5]["bar_ts"]
    second = timedelta(seconds=1)
    assert lake.bars("BTC-USD", "5m", start, end).arrow().to_pylist() == every[2:5]
    found = lake.bars("BTC-USD", "5m", start + second, end + second).arrow().to_pylist()
    assert found == every[3:6]
    assert lake.bars("BTC-USD", "5m", end, end).count() == 0


# ---------------------------------------------------------------- cut


@pytest.mark.parametrize(
    "size", [{"ticks": 1}, {"ticks": 1000}, {"volume": "100000.5"}, {"dollars": "99999999999"}]
)
def test_a_bar_closes_with_the_trade_that_reaches_its_size(lake: Lake, size: Any) -> None:
    ((measure, least),) = size.items()
    rows: list[Row] = []
    bars: list[dict[str, Any]] = []
    reached = Decimal(0)
    for row in truth(1, COUNT):
        rows.append(row)
        worth = {"ticks": Decimal(1), "volume": row[5], "dollars": quote(row)}
        reached += worth[measure]
        if reached >= Decimal(least):
            bars.append({"bar_ts": rows[0][6], "close_ts": row[6], **summed(rows)})
            rows, reached = [], Decimal(0)
    found = lake.bars("BTC-USD", **size).arrow().to_pylist()
    assert [plain(bar) for bar in found] == bars
    assert len(bars) > 2
    for bar in found:
        assert bar["vwap"] == pytest.approx(float(bar["quote_volume"] / bar["volume"]))


def test_bars_are_cut_from_the_trades_of_the_range(lake: Lake) -> None:
    start = GENESIS + timedelta(microseconds=11 * 750_001)
    bars = lake.bars("BTC-USD", None, start, start + timedelta(seconds=30), ticks=10)
    assert bars.arrow()["first_position"].to_pylist() == [11, 21, 31, 41]
    assert bars.head(2).arrow()["last_position"].to_pylist() == [20, 30]
    assert bars.count() == 4
    assert bars.pd(exact=True)["volume"].iloc[0] == sum(row[5] for row in truth(11, 21))
    assert repr(bars).startswith("<schemahub Rows: bars of coinbase:BTC-USD from 2024-01-01")


def test_without_a_closed_bar_there_are_none_of_the_right_types(lake: Lake) -> None:
    none = lake.bars("BTC-USD", ticks=10 * COUNT).arrow()
    assert len(none) == 0
    assert none.schema == lake.bars("BTC-USD", ticks=10).arrow().schema
    assert none.schema.field("quote_volume").type == pa.decimal128(38, 8)


@pytest.mark.parametrize(
    "wrong",
    [
        {"every": "30s"}, {"every": "x"}, {"ticks": 0}, {"ticks": "1.5"}, {"volume": -1},
        {"dollars": 0.5}, {"dollars": "ten"}, {"every": "1h", "ticks": 5},
        {"start": "2024-02-01", "end": "2024-01-01"},
    ],
)  # fmt: skip
def test_what_is_no_size_or_range_is_refused(lake: Lake, wrong: Any) -> None:
    with pytest.raises(UsageError):
        lake.bars("BTC-USD", **wrong)
    with pytest.raises(UsageError):
        lake.bars("ETH-USD", ticks=5)


# ---------------------------------------------------------------- the command


def said(folder: Path, *options: str) -> int:
    return run(["bars", "BTC-USD", "--lake", str(folder), *options])


@pytest.mark.usefixtures("lake")
def test_the_command_writes_each_form(folder: Path, capfdbinary: Say) -> None:
    assert said(folder, "--every", "1h", "--json") == 0
    hours = json.loads(capfdbinary.readouterr().out)["rows"]
    assert [row["bar_ts"] for row in hours] == [
        "2024-01-01T00:00:00.000000Z", "2024-01-01T01:00:00.000000Z",
    ]  # fmt: skip
    assert said(folder, "--ticks", "1000", "--output", "csv") == 0
    ticks = list(csv.DictReader(io.StringIO(capfdbinary.readouterr().out.decode())))
    assert [row["trades"] for row in ticks] == ["1000"] * 8
    assert said(folder, "--volume", "100000.5", "-o", "parquet") == 0
    table = pq.read_table(io.BytesIO(capfdbinary.readouterr().out))
    assert min(table["volume"].to_pylist()) >= Decimal("100000.5")
    assert said(folder, "--dollars", "99999999999", "-o", "arrow") == 0
    stream = pa.ipc.open_stream(capfdbinary.readouterr().out).read_all()
    assert min(stream["quote_volume"].to_pylist()) >= 99999999999
    times = ("--since", "2024-01-01T00:30", "--until", "2024-01-01T00:32")
    assert said(folder, *times) == 0
    shown = capfdbinary.readouterr().out.decode()
    assert "00:30:00" in shown
    assert "00:32:00" not in shown


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--every", "30s"], "bars of 30s cannot be made"),
        (["--ticks", "0"], "bars of ticks '0' cannot be made"),
        (["--volume", "1e-13"], "bars of volume '1e-13' cannot be made"),
        (["--dollars", "x"], "bars of dollars 'x' cannot be made"),
        (["--every", "1h", "--ticks", "5"], "bars have one size"),
        (["--since", "yesterday"], "'yesterday' is not a time"),
    ],
)
@pytest.mark.usefixtures("lake")
def test_the_command_refuses_what_is_none(
    folder: Path, capfdbinary: Say, options: list[str], told: str
) -> None:
    assert said(folder, *options) == 2
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert told in err.decode()
