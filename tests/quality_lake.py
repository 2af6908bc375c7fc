"""A lake of real Parquet parts and made-up facts, healthy until a test breaks it.

Three exchanges that trade alike: so each check has something to compare with.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from schemahub.adapters.checks import checks
from schemahub.adapters.duck import Duck, DuckSql, FileSlice, MarketRow
from schemahub.core.facts import FACTS, Fact
from schemahub.core.layout import Market
from schemahub.core.span import Span
from schemahub.pipelines.quality import Quality, Report
from schemahub.ports import Found
from tests.duck_lake import Row, write_part

NOW = datetime(2026, 3, 20, 12, 7, 31, tzinfo=UTC)
BTC = Market("coinbase", "BTC-USD")
ETH = Market("coinbase", "ETH-USD")
ELSE = Market("kraken", "BTC-USD")
MARKETS = (BTC, ETH, ELSE)
DAYS = 6
PACE = timedelta(minutes=2)
NAMES = {check.name: check for check in checks()}


class Clock:
    """Stands still."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError


def healthy(market: Market) -> list[Row]:
    """Six days with a trade every two minutes; takers push the price three times in four."""
    dice = random.Random(market.symbol)
    ticks = 100_000 if market.symbol == "BTC-USD" else 5_000
    found = []
    start = NOW - timedelta(days=DAYS)
    for number in range(1, DAYS * 720 + 1):
        side = dice.choice(("buy", "sell"))
        push = 1 if side == "buy" else -1
        ticks += push if dice.random() < 0.75 else -push
        at = start + number * PACE - timedelta(seconds=20)
        size = Decimal(dice.randrange(1, 10**6)).scaleb(-4)
        found.append(Row(number, Decimal(ticks).scaleb(-1), size, side, at))
    return found


@dataclass
class QualityLake:
    """Trades and facts by hand; `check` asks one check, by DuckDB and as Athena would."""

    root: Path
    trades: dict[Market, list[Row]] = field(
        default_factory=lambda: {market: healthy(market) for market in MARKETS}
    )
    axis: str = "ids"
    facts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    timed: bool = False

    def __post_init__(self) -> None:
        for market in self.trades:
            count = len(self.trades[market])
            self.add(
                "watermarks", market, axis=self.axis, origin=1, watermark=count + 1,
                told=count + 1, told_by="20260320T000000", asked_ts=NOW - timedelta(minutes=5),
                online=1, held=count, missing=0, absent=0, in_table=count, parts=1, objects=1,
            )  # fmt: skip

    def add(self, name: str, market: Market, **values: Any) -> None:
        """A row of a fact."""
        known = {"market": str(market), "exchange": market.exchange, "symbol": market.symbol}
        self.facts.setdefault(name, []).append(known | values)

    def watermark(self, market: Market) -> dict[str, Any]:
        return next(row for row in self.facts["watermarks"] if row["market"] == str(market))

    def change(self, market: Market, which: Callable[[Row], bool], **values: Any) -> None:
        """Other values in some trades; a callable is given the row."""
        self.trades[market] = [
            replace(row, **{k: v(row) if callable(v) else v for k, v in values.items()})
            if which(row) else row
            for row in self.trades[market]
        ]  # fmt: skip

    def drop(self, market: Market, which: Callable[[Row], bool], *, renumber: bool = True) -> None:
        """Without some trades; the exchange's ids close up, unless they were lost here."""
        kept = [row for row in self.trades[market] if not which(row)]
        if renumber:
            kept = [replace(row, trade_id=n) for n, row in enumerate(kept, 1)]
        self.trades[market] = kept

    @contextmanager
    def duck(self) -> Iterator[DuckSql]:
        slices: list[FileSlice] = []
        for market, rows in self.trades.items():
            last = max(row.trade_id for row in rows)
            slices.append(write_part(self.root, market, Span(0, last + 1), rows))
        known = [MarketRow(market, held=len(rows)) for market, rows in self.trades.items()]
        facts = [fact(name, self.facts.get(name, ())) for name in FACTS if name != "markets"]
        with DuckSql(lambda: Duck(slices, known, facts=facts)) as sql:
            yield sql

    def report(self, *names: str, **options: Any) -> Report:
        """What the engine finds, which Athena's reading of the same text finds, too."""
        with self.duck() as sql:
            chosen = list(NAMES.values())
            found = Quality(chosen, sql, Clock()).run("r", names=names, **options)
            other = Quality(chosen, AsAthena(sql), Clock()).run("r", names=names, **options)
        for one, two in zip(found.results, other.results, strict=True):
            assert one.failure is None, one.failure
            assert two.failure is None, two.failure
            assert (one.observed, one.columns, one.samples) == (
                two.observed, two.columns, two.samples,
            )  # fmt: skip
        return found

    def findings(self, **options: Any) -> dict[str, dict[str, int]]:
        """What each check found, of those that found something and are no mere note."""
        results = self.report(**options).results
        return {
            one.check.name: dict(one.observed)
            for one in results
            if one.observed and one.check.severity != "note"
        }


def fact(name: str, rows: Sequence[dict[str, Any]]) -> Fact:
    columns = FACTS[name]
    return Fact(name, columns, tuple(tuple(row.get(c.name) for c in columns) for row in rows))


class AsAthena:
    """The same engine, asked what Athena's dialect would mean by the text."""

    name = "athena"

    def __init__(self, sql: DuckSql) -> None:
        self._sql = sql

    def query(self, statement: str) -> Found:
        return self._sql.query(from_athena(statement))


def from_athena(statement: str) -> str:
    """Athena's SQL in DuckDB's words. Raises ParseError for what is none.

    Trino counts whole units between two times, DuckDB the bounds between them; and of two
    integers Trino's division is one.
    """
    tree = sqlglot.parse_one(statement, read="athena", error_level=sqlglot.ErrorLevel.RAISE)
    assert not isinstance(tree, exp.Command), statement

    def fix(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.DateDiff):
            unit = exp.Literal.string(node.args["unit"].name.lower())
            return exp.Anonymous(this="date_sub", expressions=[unit, node.expression, node.this])
        return node

    told: str = tree.transform(fix).sql(
        dialect="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE
    )
    return told
