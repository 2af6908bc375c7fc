"""What each exchange really answered, and the rows that must come of it: `captured.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

import yaml

from schemahub.adapters import specs as spec_files
from schemahub.core import page
from schemahub.core.columns import ids_and_times
from schemahub.core.layout import MAX_STOP, Market
from schemahub.core.page import Answer
from schemahub.core.paging import Ask
from schemahub.core.span import Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import Trade
from schemahub.core.wire import Reader, RowRefused
from schemahub.ports import Mapped, RawObject
from tests.adapters.readers import same_without_kernels

HERE = Path(__file__).parent
NAMES = sorted(path.parent.name for path in HERE.glob("*/captured.yaml"))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = 3_600_000_000  # µs
ALL = Span(0, MAX_STOP)


@dataclass(frozen=True)
class Row:
    """`side` is the taker's, `trade_ts` µs since 1970."""

    trade_id: int
    side: str
    price: Decimal
    quantity: Decimal
    trade_ts: int

    @staticmethod
    def of(trade: Trade) -> Row:
        assert trade.trade_id is not None
        assert trade.side is not None
        return Row(trade.trade_id, trade.side, trade.price, trade.quantity, trade.trade_ts)


@dataclass(frozen=True)
class Captured:
    """`now` (µs since 1970) is when the answer is taken to have come: an hour after its rows."""

    spec: ExchangeSpec
    market: Market
    real: bool
    rows: tuple[Row, ...]
    body: bytes
    listing: bytes
    listed: tuple[tuple[str, str, bool], ...]
    skipped: int
    reader: Reader

    @property
    def now(self) -> int:
        return max(row.trade_ts for row in self.rows) + HOUR

    def answer(self, body: bytes) -> Answer:
        """`body` as an answer about this market's newest trades."""
        ask = Ask(limit=self.spec.trades.paging.page)
        request = page.request(self.market, self.spec, ask)
        url = f"{self.spec.base_url}{request.path}?{urlencode(request.params)}"
        at = EPOCH + timedelta(microseconds=self.now)
        return Answer(at, url, 200, "", body)


@cache
def captured(name: str) -> Captured:
    told = yaml.safe_load((HERE / name / "captured.yaml").read_text("utf-8"))
    spec = spec_files.load(spec_files.installed()[name])
    rows = (
        Row(trade_id, side, Decimal(price), Decimal(quantity), trade_ts)
        for trade_id, side, price, quantity, trade_ts in told["rows"]
    )
    return Captured(
        spec, Market(name, told["market"]), told["real"], tuple(rows),
        (HERE / name / "trades.json").read_bytes().strip(),
        (HERE / name / "markets.json").read_bytes(),
        tuple((symbol, native, online) for symbol, native, online in told["listed"]),
        told["skipped"], Reader(spec),
    )  # fmt: skip


def one_by_one(case: Captured, body: bytes) -> list[Row | RowRefused]:
    """What the authority says of each row. Raises ValueError if the body is no list of rows."""
    found: list[Row | RowRefused] = []
    for raw in case.reader.split(body):
        try:
            found.append(Row.of(case.reader.trade(raw, case.now)))
        except RowRefused as refused:
            found.append(refused)
    return found


def in_bulk(case: Captured, body: bytes) -> list[tuple[int, int]] | None:
    """(id, time) of all rows by the bulk check; None if it leaves the answer to the authority."""
    typed = case.reader.typed(body)
    found = None if typed is None else ids_and_times(typed, case.reader, case.now)
    return None if found is None else list(zip(*found, strict=True))


def mapped(case: Captured, body: bytes) -> Mapped:
    """The table's rows of an answer with this body."""
    raw = RawObject("raw/1", ALL, page.encode(case.answer(body)))
    return same_without_kernels([raw], ALL, case.market, case.spec)


def table(found: Mapped) -> list[Row]:
    """The table's rows, by id and time."""
    rows = found.rows.table.to_pylist()  # type: ignore[attr-defined]
    made = [
        Row(
            row["trade_id"], row["side"], row["price"], row["quantity"],
            (row["trade_ts"] - EPOCH) // timedelta(microseconds=1),
        )
        for row in rows
    ]  # fmt: skip
    return sorted(made, key=lambda row: (row.trade_id, row.trade_ts))


def agree(case: Captured, body: bytes) -> list[Row | RowRefused] | None:
    """What all readers say of `body`; None if it is no list of rows. Fails if they differ."""
    try:
        told = one_by_one(case, body)
    except ValueError:
        assert in_bulk(case, body) is None, "the bulk check reads what is no list"
        return None
    good = [row for row in told if isinstance(row, Row)]
    bulk = in_bulk(case, body)
    if bulk is not None:
        assert len(good) == len(told), "the bulk check takes a bad row"
        assert bulk == [(row.trade_id, row.trade_ts) for row in good]
    if len({row.trade_id for row in good}) == len(good):
        # Of ids that are told twice one row counts: that is tested elsewhere.
        found = mapped(case, body)
        assert table(found) == sorted(good, key=lambda row: (row.trade_id, row.trade_ts))
        reasons = sorted(row.reason for row in told if isinstance(row, RowRefused))
        assert sorted(row.reason for row in found.rejected) == reasons
    return told
