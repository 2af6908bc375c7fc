"""What the project never saw is added in one short file, and held to the last trade."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

import schemahub
from tests.e2e.world import Said, here
from tests.exchanges.acme import serving
from tests.exchanges.unseen.pages import Indigo, Kiwi

KIWI = """\
exchange: kiwi
title: Kiwi
docs: https://docs.kiwi.example/trades
base_url: https://api.kiwi.example
axis: ids
first_id: 1
provable: {by: ids, basis: documented, why: each trade of a symbol has the id before it plus one}
limits: {scope: host, rate: 1000.0, burst: 100}
symbols:
  native: "{base}{quote}"
trades:
  path: /api/3/public/trades/{symbol}
  params: {by: id, sort: ASC}
  paging: {rule: oldest_from, cursor: from, newest: {sort: DESC}, limit: limit, page: 1000}
  fields:
    trade_id: {from: id, as: integer_text}
    side: {from: side, of: taker, buy: buy, sell: sell}
    price: {from: price, as: decimal_text}
    quantity: {from: qty, as: decimal_text}
    trade_ts: {from: timestamp, as: iso_time}
"""

INDIGO = """\
exchange: indigo
title: Indigo
docs: https://docs.indigo.example/trades
base_url: https://api.indigo.example
axis: time
provable: {by: nothing, basis: documented, why: ids are those of all markets}
limits: {scope: host, rate: 1000.0, burst: 100}
statuses: {throttled: [403]}
errors: {at: error, refused: [NoSuchMarket]}
symbols:
  native: "{quote}-{base}"
trades:
  path: /public/trades
  params: {market: "{symbol}"}
  rows: result.list.0.rows
  paging: {rule: oldest_from, cursor: startTime, unit: iso_ms, newest: {reverse: "true"},
    limit: page_size, page: 200}
  fields:
    trade_id: {from: id, as: integer}
    side: {from: maker_side, of: maker, buy: BUY, sell: SELL}
    price: {from: price, as: decimal_number}
    quantity: {from: size, as: decimal_number}
    trade_ts: {from: exec_date, as: iso_utc}
"""

Row = tuple[int, int, str, Decimal, Decimal]


@dataclass(frozen=True)
class Added:
    """A spec in a folder of its own, and the server that does what the API page says."""

    folder: Path
    exchange: Kiwi | Indigo
    market: str
    url: str

    @property
    def name(self) -> str:
        return type(self.exchange).__name__.lower()

    def check(self) -> Said:
        _, symbol = self.market.split(":")
        file = f"{self.folder}/{self.name}.yaml"
        return here(["exchange", "check", file, "--base-url", self.url, "--market", symbol])

    def ok(self, *command: str) -> Said:
        more = ["--base-url", f"{self.name}={self.url}"] if command[0] == "ingest" else []
        places = ["--lake", f"{self.folder}/lake", "--exchanges", str(self.folder)]
        said = here([*command, *more, *places, "--no-progress"])
        assert said.code == 0, (command, said.out, said.err)
        return said

    def held(self) -> list[Row]:
        """The table's rows by id."""
        told = schemahub.open(self.folder / "lake").sql(
            "select trade_id, epoch_us(trade_ts), side, price, quantity from trades order by 1"
        )
        return [tuple(row.values()) for row in told.arrow().to_pylist()]


def truth(exchange: Kiwi | Indigo) -> list[Row]:
    return [(one.number, one.at, one.side, one.price, one.quantity) for one in exchange.trades]


@pytest.mark.parametrize(
    ("exchange", "spec", "market", "status"),
    [(Kiwi(), KIWI, "kiwi:BTC-USDT", "proven"), (Indigo(), INDIGO, "indigo:BTC-KRW", "unproven")],
    ids=["kiwi", "indigo"],
)
def test_every_trade_of_an_exchange_nobody_saw_is_held(
    tmp_path: Path, exchange: Kiwi | Indigo, spec: str, market: str, status: str
) -> None:
    assert len(spec.splitlines()) <= 30
    with serving(exchange) as url:
        added = Added(tmp_path, exchange, market, url)
        (tmp_path / f"{added.name}.yaml").write_text(spec)
        checked = added.check()
        assert checked.code == 0, checked.out
        assert "failed" not in checked.out
        added.ok("ingest", market, "--full")
        added.ok("transform")
        (found,) = added.ok("verify", "--json").json()["markets"]
    assert (found["status"], found["count"]) == (status, len(exchange.trades))
    assert added.held() == truth(exchange)


def test_without_newest_the_check_says_what_is_amiss(tmp_path: Path) -> None:
    """An answer that begins with the oldest would be taken for the newest."""
    exchange = Kiwi()
    with serving(exchange) as url:
        added = Added(tmp_path, exchange, "kiwi:BTC-USDT", url)
        spec = KIWI.replace("newest: {sort: DESC}, ", "")
        assert spec != KIWI
        (tmp_path / "kiwi.yaml").write_text(spec)
        said = added.check()
    assert said.code == 4
    assert "see paging.newest" in said.out
