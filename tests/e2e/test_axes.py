"""The same trades told by four exchanges: by ids, by time, by windows; and what spoils them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import schemahub
from schemahub.sandbox import Fault, Generated, Sandbox
from tests.e2e.world import Clock, Said, here

TRADES = 3_000
SYMBOL = "BTC-USD"
START = datetime(2024, 3, 1, tzinfo=UTC).timestamp()
DIALECTS = ("coinbase", "binance", "kraken", "bitfinex")
SETTLE = 60.0
Row = tuple[int, str, Decimal, Decimal, int]


@dataclass
class Told:
    """A lake, and an exchange of one dialect that may be asked as fast as it can answer."""

    folder: Path
    dialect: str
    box: Sandbox
    clock: Clock

    @property
    def market(self) -> str:
        return f"{self.dialect}_fast:{SYMBOL}"

    def run(self, command: str, *more: str) -> Said:
        args = [command, *more, "--lake", str(self.folder / "lake"), "--no-progress"]
        args += ["--exchanges", str(self.folder / "exchanges")]
        if command in {"ingest", "run", "repair"}:
            args += ["--base-url", f"{self.dialect}_fast={self.box.url}"]
        return here(args)

    def ok(self, command: str, *more: str) -> Said:
        said = self.run(command, *more)
        assert said.code == 0, (command, said.code, said.out, said.err)
        return said

    def rows(self) -> list[Row]:
        lake = schemahub.open(self.folder / "lake")
        found = lake.sql(
            "select trade_id, side, price, quantity, epoch_us(trade_ts) as at from trades"
        ).arrow()
        return [tuple(row.values()) for row in found.to_pylist()]

    def truth(self) -> list[tuple[Any, ...]]:
        return [
            (one.trade_id, one.side, Decimal(one.price), Decimal(one.size), _micros(one.time))
            for one in self.box.truth(SYMBOL)
        ]

    def certificate(self, code: int = 0) -> dict[str, Any]:
        said = self.run("verify", self.market, "--json")
        assert said.code == code, (said.out, said.err)
        (found,) = json.loads(said.out)["markets"]
        return dict(found)


def _micros(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


Make = Callable[..., Told]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("schemahub.adapters.http.client.retry_delay", lambda attempt, dice: 0.0)
    with ExitStack() as stack:

        def made(dialect: str, trades: int = TRADES, page: int = 500) -> Told:
            folder = tmp_path / dialect
            own = folder / "exchanges"
            own.mkdir(parents=True)
            built_in = Path(schemahub.__file__).parent / "exchanges" / f"{dialect}.yaml"
            (own / f"{dialect}_fast.yaml").write_text(_faster(built_in.read_text(), dialect, page))
            clock = Clock()
            source = Generated(seed=11, trades=trades, start_ts=START)
            box = stack.enter_context(Sandbox({SYMBOL: source}, dialect=dialect, clock=clock))
            return Told(folder, dialect, box, clock)

        yield made


def _faster(text: str, dialect: str, page: int) -> str:
    """The spec under another name, with small pages and next to no limit."""
    lines = []
    for line in text.splitlines():
        if line.startswith("exchange:"):
            lines.append(f"exchange: {dialect}_fast")
        elif line.startswith("limits:"):
            lines.append("limits: {scope: host, rate: 5000.0, burst: 5000}")
        else:
            lines.append(re.sub(r"page: 1000+", f"page: {page}", line))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_all_that_an_exchange_has_is_in_the_table_and_proven(make: Make, dialect: str) -> None:
    w = make(dialect)
    w.ok("ingest", w.market, "--full")
    w.ok("transform")
    assert w.rows() == w.truth()
    found = w.certificate()
    assert found["status"] == ("unproven" if dialect == "bitfinex" else "proven")
    assert found["count"] == TRADES
    asked = w.box.stats().requests
    w.ok("ingest", w.market)
    assert w.box.stats().requests - asked <= 2
    assert "wrote 0 rows" in w.ok("transform").err


def test_the_same_trades_told_by_four_exchanges_are_the_same_rows(make: Make) -> None:
    """Apart from what an exchange itself tells otherwise: ids, and times to the millisecond."""
    told = {}
    for dialect in DIALECTS:
        w = make(dialect, 1_500)
        w.ok("ingest", w.market, "--full")
        w.ok("transform")
        told[dialect] = w.rows()
    first = told["coinbase"]
    assert told["kraken"] == first
    blurred = [(i, s, p, q, at - at % 1_000) for i, s, p, q, at in first]
    assert told["binance"] == blurred
    assert [row[1:] for row in told["bitfinex"]] == [row[1:] for row in blurred]


SPOILT = [
    Fault("http_500", p=0.02), Fault("http_429", p=0.01), Fault("html_200", p=0.01),
    Fault("truncate", p=0.01), Fault("reset", p=0.01), Fault("empty_list", p=0.01),
    Fault("garbage", p=0.01), Fault("unsorted", p=0.01), Fault("duplicate", p=0.01),
]  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
def test_faulty_answers_cost_nothing_but_time(make: Make, dialect: str) -> None:
    w = make(dialect, page=60)
    w.box.set_faults(SPOILT, seed=3)
    w.ok("ingest", w.market, "--full")
    w.ok("transform")
    assert w.rows() == w.truth()
    assert w.certificate()["status"] in {"proven", "unproven"}
    assert sum(w.box.stats().by_fault.values()) > 0


def test_ids_that_the_source_lacks_are_attested_by_a_second_run(make: Make) -> None:
    w = make("kraken")
    hole = [700, 701, 1_500]
    w.box.set_faults([Fault("hole", ids=hole)])
    said = w.run("ingest", w.market, "--full")
    assert said.code == 3
    assert "ids 700 to 701 are missing between two trades" in said.err
    w.ok("transform")
    found = w.certificate(code=4)
    assert found["status"] == "missing"
    assert len(found["holes"]) == 2
    assert w.run("repair", w.market).code == 3  # too early to be believed
    w.clock.ahead += SETTLE + 1
    w.ok("repair", w.market)
    found = w.certificate()
    assert found["status"] == "absent_at_source"
    assert found["count"] == TRADES - len(hole)
    assert [row for row in w.truth() if row[0] not in hole] == w.rows()


def test_rows_that_one_answer_left_out_are_fetched_again_by_repair(make: Make) -> None:
    w = make("kraken")
    w.box.set_faults([Fault("hole", ids=[700, 701, 1_500])])
    assert w.run("ingest", w.market, "--full").code == 3
    w.ok("transform")
    assert w.certificate(code=4)["status"] == "missing"
    w.box.set_faults([])
    w.ok("repair", w.market)
    assert w.certificate()["status"] == "proven"
    assert w.rows() == w.truth()


@pytest.mark.parametrize("dialect", ["kraken", "bitfinex"])
def test_history_grows_at_both_ends(make: Make, dialect: str) -> None:
    w = make(dialect)
    middle = w.truth()[TRADES // 2][4]
    since = datetime.fromtimestamp(middle / 1_000_000, UTC).isoformat()
    w.ok("ingest", w.market, "--since", since)
    w.ok("transform")
    rows = w.rows()
    assert rows == w.truth()[-len(rows) :]
    assert TRADES // 2 - 50 <= len(rows) <= TRADES // 2 + 50
    w.ok("ingest", w.market, "--full")
    w.ok("transform")
    assert w.rows() == w.truth()
    w.box.grow(SYMBOL, 400)
    w.clock.ahead += 10 * 86_400
    w.ok("ingest", w.market)
    w.ok("transform")
    assert w.rows() == w.truth()
    assert len(w.rows()) == TRADES + 400
