"""The worlds that scenarios with foreign exchanges happen in."""

from __future__ import annotations

import csv
import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import schemahub
from tests.e2e.foreign.binance import Binance
from tests.e2e.foreign.deals import Deal
from tests.e2e.foreign.kraken import Kraken, told
from tests.e2e.foreign.venue import Book, Venue
from tests.e2e.world import RECORDS, Files, Said, changed, ended, here, snapshot, start

TALKS = {"ingest", "run", "repair"}
SPELT = {"BTC-USDT": "BTCUSDT", "BTC-USD": "XBTUSD", "ETH-USD": "ETHUSD", "ETH-USDT": "ETHUSDT"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class World:
    """A lake and a foreign exchange, known to the program as `name`."""

    lake: Path
    venue: Venue
    name: str
    symbol: str

    @property
    def market(self) -> str:
        return f"{self.name}:{self.symbol}"

    @property
    def book(self) -> Book:
        return self.venue.books[SPELT[self.symbol]]

    def arguments(self, command: str, *more: str) -> list[str]:
        given = [command, *more, "--lake", str(self.lake)]
        return (
            [*given, "--base-url", f"{self.name}={self.venue.url}"] if command in TALKS else given
        )

    def run(self, command: str, *more: str) -> Said:
        return here(self.arguments(command, *more))

    def ok(self, command: str, *more: str) -> Said:
        said = self.run(command, *more)
        assert said.code == 0, f"{command} {more}: exit {said.code}\n{said.out}\n{said.err}"
        return said

    def start(self, command: str, *more: str) -> subprocess.Popen[str]:
        return start(self.arguments(command, *more))

    def process(self, command: str, *more: str) -> Said:
        return ended(self.start(command, *more))

    def fetch(self, *more: str) -> Said:
        said = self.ok("ingest", self.market, *more)
        self.ok("transform")
        return said

    def kills(self, seed: int, least: int, most: int = 40, *more: str) -> int:
        """Starts jobs and kills them, by their own pid, at random moments."""
        rng, killed = random.Random(seed), 0
        for number in range(most):
            command = ("transform",) if number % 3 == 2 else ("ingest", self.market, *more)
            process = self.start(*command)
            try:
                process.wait(rng.uniform(0.3, 1.3))
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                killed += command[0] == "ingest"
            ended(process)
            if killed >= least:
                break
        return killed

    # ------------------------------------------------------------ what must be true

    def rows(self) -> list[tuple[int, str, Decimal, Decimal, datetime]]:
        sql = (
            "select trade_id, side, price::varchar p, quantity::varchar q, epoch_us(trade_ts) t "
            f"from trades where exchange = '{self.name}' and symbol = '{self.symbol}' "
            "order by trade_ts, trade_id"
        )
        table = csv.DictReader(io.StringIO(self.ok("query", sql, "--output", "csv").out))
        return [
            (int(one["trade_id"]), one["side"], Decimal(one["p"]), Decimal(one["q"]),
             _EPOCH + timedelta(microseconds=int(one["t"])))
            for one in table
        ]  # fmt: skip

    def expected(self, deals: Sequence[Deal]) -> list[tuple[int, str, Decimal, Decimal, datetime]]:
        return [
            (one.number, "buy" if one.buys else "sell", Decimal(one.price), Decimal(one.size),
             self.moment(one))
            for one in deals
        ]  # fmt: skip

    def moment(self, deal: Deal) -> datetime:
        """The time of a trade as its wire can tell it."""
        if isinstance(self.venue, Binance):
            return _EPOCH + timedelta(milliseconds=deal.ns // 1_000_000)
        micros = int(Decimal(repr(told(deal.ns))) * 1_000_000)
        return _EPOCH + timedelta(microseconds=micros)

    def assert_table(self, deals: Sequence[Deal]) -> None:
        found, right = self.rows(), self.expected(deals)
        if found != right:
            ids, wanted = [one[0] for one in found], [one[0] for one in right]
            lost, extra = sorted(set(wanted) - set(ids)), sorted(set(ids) - set(wanted))
            twice = len(ids) - len(set(ids))
            unlike = [pair for pair in zip(found, right, strict=False) if pair[0] != pair[1]][:2]
            pytest.fail(
                f"{len(ids)} rows of {len(wanted)}; lost {lost[:4]} ({len(lost)}), extra "
                f"{extra[:4]} ({len(extra)}), {twice} twice; {unlike}"
            )

    def certificate(self, code: int = 0) -> dict[str, Any]:
        said = self.run("verify", self.market, "--json")
        assert said.code == code, f"verify: exit {said.code}\n{said.out}\n{said.err}"
        (found,) = said.json()["markets"]
        return dict(found)

    def assert_whole(self, deals: Sequence[Deal] | None = None) -> None:
        """The table holds what the exchange has, exactly and once, and verify proves it."""
        truth = self.book.visible() if deals is None else deals
        self.assert_table(truth)
        found = self.certificate()
        assert (found["status"], found["holes"], found["duplicates"]) == ("proven", [], 0)
        assert found["count"] == len(truth)

    def files(self) -> Files:
        return snapshot(self.lake)

    def assert_quiet(self, *more: str, requests: int) -> None:
        """One more run asks little, and changes nothing."""
        before, asked = self.files(), len(self.venue.asked)
        self.fetch(*more)
        assert len(self.venue.asked) - asked <= requests
        assert changed(before, self.files(), RECORDS) == []


Make = Callable[..., World]


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """`foreign(Kraken, deals)`: a world whose specs are the built-in ones, but not so slow."""
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "exchanges"
    own.mkdir()
    monkeypatch.setenv("SCHEMAHUB_EXCHANGES", str(own))
    with ExitStack() as stack:

        def made(kind: type[Venue], made: list[Deal], settle: float = 60.0, **more: Any) -> World:
            kraken = issubclass(kind, Kraken)
            exchange, symbol = ("kraken", "BTC-USD") if kraken else ("binance", "BTC-USDT")
            hurried(exchange, own, settle)
            venue = kind({SPELT[symbol]: Book(made)}, **more)
            stack.enter_context(venue.serving())
            return World(tmp_path / "lake", venue, f"{exchange}_fast", symbol)

        yield made


def hurried(exchange: str, own: Path, settle: float) -> None:
    """The built-in spec under another name, with limits that loopback can bear."""
    text = (Path(schemahub.__file__).parent / f"exchanges/{exchange}.yaml").read_text()
    lines = [
        f"limits: {{scope: host, rate: 5000.0, burst: 100}}\nsettle: {settle}"
        if line.startswith("limits:")
        else f"exchange: {exchange}_fast"
        if line.startswith("exchange:")
        else line
        for line in text.splitlines()
    ]
    (own / f"{exchange}_fast.yaml").write_text("\n".join(lines) + "\n")


def ago(minutes: float) -> int:
    """That many minutes before now, in ns."""
    return time.time_ns() - round(minutes * 60) * 10**9


__all__ = ["Binance", "Kraken", "Make", "World", "ago", "sys"]
