"""Recorded rows of Coinbase, through a real server and the real connector, to table rows."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from schemahub.app import App
from schemahub.cli.main import run
from schemahub.core.layout import Market, raw_prefix
from schemahub.core.settings import Settings
from schemahub.pipelines.plan import Wish
from schemahub.sandbox import Sandbox
from schemahub.sandbox.history import Recorded

FRAMES = Path(__file__).parent / "matches.jsonl"
Row = dict[str, Any]


def frames() -> dict[str, list[Row]]:
    """The recorded frames by product, in the order of their ids."""
    found: dict[str, list[Row]] = defaultdict(list)
    for line in FRAMES.read_text("utf-8").splitlines():
        frame = json.loads(line)
        found[frame["product_id"]].append(frame)
    return {name: sorted(rows, key=lambda row: row["trade_id"]) for name, rows in found.items()}


def cut(frame: Row) -> Row:
    """What the REST answer shows of a match."""
    return {name: frame[name] for name in ("trade_id", "side", "size", "price", "time")}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A lake of all ten products, ingested over HTTP and transformed."""
    markets = {name: Recorded(map(cut, rows)) for name, rows in frames().items()}
    with Sandbox(markets) as box:
        lake = str(tmp_path_factory.mktemp("lake"))
        made = App(Settings(lake=lake, base_urls=(("coinbase", box.url),)))
        source = made.exchange("coinbase")
        wish = Wish(since=datetime(2021, 4, 17, tzinfo=UTC))
        for name in markets:
            outcome = made.ingest().market(source, Market("coinbase", name), wish)
            assert (outcome.state, outcome.error) == ("complete", None)
        done = list(made.transform().run(made.lake.markets(), rebuild=False, workers=1))
        assert {one.state for one in done} == {"complete"}
        yield made


def query(app: App, sql: str) -> list[list[str]]:
    """The rows of `schemahub query --output csv`."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        assert run(["query", sql, "--output", "csv", "--lake", app.settings.lake]) == 0
        out.flush()
    text = out.buffer.getvalue().decode()
    return [line.split(",") for line in text.splitlines()[1:]]


COLUMNS = "exchange, symbol, trade_id, trade_ref, side, price, quantity, epoch_us(trade_ts)"

# By hand from matches.jsonl. Its `side` is the maker's: a maker who sells met a taker who buys.
BY_HAND = [
    # "side":"sell","size":"1338.3","price":"0.7904","time":"2021-04-17T16:43:37.056746Z"
    ["coinbase", "SKL-USD", "1568267", "", "buy", "0.790400000000", "1338.300000000000",
     "1618677817056746"],
    # "side":"sell","size":"23011.6","price":"0.7916","time":"2021-04-17T16:43:37.314473Z"
    ["coinbase", "SKL-USD", "1568271", "", "buy", "0.791600000000", "23011.600000000000",
     "1618677817314473"],
    # "side":"buy","size":"18","price":"0.7902","time":"2021-04-17T16:44:06.669388Z"
    ["coinbase", "SKL-USD", "1568319", "", "sell", "0.790200000000", "18.000000000000",
     "1618677846669388"],
    # "side":"sell","size":"0.4","price":"0.00001303","time":"2021-04-17T16:43:37.067586Z"
    ["coinbase", "SKL-BTC", "280231", "", "buy", "0.000013030000", "0.400000000000",
     "1618677817067586"],
    # "side":"sell","size":"985","price":"0.00001305","time":"2021-04-17T16:43:37.089723Z"
    ["coinbase", "SKL-BTC", "280232", "", "buy", "0.000013050000", "985.000000000000",
     "1618677817089723"],
    # "side":"buy","size":"0.000007","price":"0.82601","time":"2021-04-17T16:43:15.270101Z"
    ["coinbase", "YFI-BTC", "889760", "", "sell", "0.826010000000", "0.000007000000",
     "1618677795270101"],
    # "side":"buy","size":"1008.2","price":"0.5752","time":"2021-04-17T16:43:29.571587Z"
    ["coinbase", "SKL-GBP", "82007", "", "sell", "0.575200000000", "1008.200000000000",
     "1618677809571587"],
    # "side":"sell","size":"0.04","price":"14.7775","time":"2021-04-17T16:43:30.244075Z"
    ["coinbase", "BAND-GBP", "881613", "", "buy", "14.777500000000", "0.040000000000",
     "1618677810244075"],
]  # fmt: skip


@pytest.mark.parametrize("row", BY_HAND, ids=lambda row: f"{row[1]} {row[2]}")
def test_rows_written_by_hand_from_the_recording(app: App, row: list[str]) -> None:
    where = f"symbol = '{row[1]}' AND trade_id = {row[2]}"
    assert query(app, f"SELECT {COLUMNS} FROM trades WHERE {where}") == [row]


def test_every_recorded_row_is_in_the_table_exactly_and_nothing_else(app: App) -> None:
    taker = {"buy": "sell", "sell": "buy"}
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    wanted = sorted(
        [
            name,
            str(frame["trade_id"]),
            taker[frame["side"]],
            f"{Decimal(frame['price']):.12f}",
            f"{Decimal(frame['size']):.12f}",
            str((datetime.fromisoformat(frame["time"]) - epoch) // timedelta(microseconds=1)),
        ]
        for name, rows in frames().items()
        for frame in rows
    )
    columns = "symbol, trade_id, side, price, quantity, epoch_us(trade_ts)"
    assert sorted(query(app, f"SELECT {columns} FROM trades")) == wanted
    assert len(wanted) == 107


def test_the_recording_is_proven(app: App) -> None:
    for name, rows in frames().items():
        found = app.verify().market(Market("coinbase", name)).certificate
        assert (found.status, found.count) == ("proven", len(rows))
        assert (found.first_id, found.last_id) == (rows[0]["trade_id"], rows[-1]["trade_id"])


def test_ingest_ts_is_between_the_request_and_now_and_the_same_for_a_page(app: App) -> None:
    ((low, high, kinds),) = query(
        app,
        "SELECT epoch_us(min(ingest_ts)), epoch_us(max(ingest_ts)), count(DISTINCT ingest_ts)"
        " FROM trades WHERE symbol = 'SKL-USD'",
    )
    assert kinds == "1"
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(low))
    assert low == high
    assert timedelta() <= datetime.now(UTC) - moment < timedelta(hours=1)


def test_raw_keeps_the_wire_to_the_character(app: App) -> None:
    market = Market("coinbase", "YFI-BTC")
    (name,) = app.lake.ledger(market).objects
    assert raw_prefix(market).startswith("raw_coinbase_trades/YFI-BTC/")
    assert app.lake.raw(market, name).lines.endswith(
        b'"body":[{"trade_id":889760,"side":"buy","size":"0.000007","price":"0.82601",'
        b'"time":"2021-04-17T16:43:15.270101Z"}]}\n'
    )
