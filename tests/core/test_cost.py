"""Cost: each line computed again by hand, and what must hold for any load and any prices."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.adapters.parquet.parts import ROW_GROUP
from schemahub.app.prices import FOLDER, book
from schemahub.core import cost
from schemahub.core.cost import ENGINES, Limit, Line, Load, total
from schemahub.core.errors import UsageError
from schemahub.pipelines.quality import MARKETS

BOOK = book()
LIMIT = Limit(Decimal(10), 1000)
SIX = timedelta(hours=6)
SOURCE = FOLDER.parent
TERRAFORM = Path(__file__).parents[2] / "terraform"

loads = st.builds(
    Load,
    markets=st.integers(1, 2_000),
    every=st.integers(1, 24 * 31).map(lambda hours: timedelta(hours=hours)),
    trades_per_day=st.integers(0, 10**9),
)
engines = st.sampled_from(ENGINES)
trades = st.integers(0, 10**11).map(Decimal)


def near(amount: Decimal, by_hand: str) -> bool:
    return abs(amount - Decimal(by_hand)) < Decimal("0.00006")


def only(lines: list[Line], what: str, unit: str) -> Line:
    (line,) = [one for one in lines if one.what == what and one.price.unit == unit]
    return line


@pytest.mark.parametrize(
    ("what", "unit", "by_hand"),
    [
        # 730 h / 6 h = 121.6667 runs; × 50 = 6,083.33 visits; 2 M a day × 30.4167 = 60.8333 M.
        ("requests", "PUT and LIST requests", "0.5043"),  # 6083.33 × (4.02 + 12.56) × 0.005 / 1000
        ("requests", "GET requests", "0.0171"),  # 6083.33 × 7.04 × 0.0004 / 1000
        ("storage", "GB-month", "0.02638"),  # 60.8333 M × (13.3 + 5.32 + 0.235) B × 0.023
        # Pages (18,250 + 60,833) / 10 = 7,908.33 s; CPU 3,710.83 + 60.8333 × 10.9 = 4,373.92 s;
        # starts 121.6667 × 60 = 7,300 s: 19,582.25 s = 5.43951 h.
        ("task", "vCPU-hours", "0.17613"),
        ("task", "GB-hours", "0.03873"),
        ("task's address", "address-hours", "0.02720"),
        ("answers", "GB in", "0"),
        ("questions", "GB out", "0.010676"),  # 79,083.3 × 1,500 B × 0.09
        ("leases", "write units", "0.015208"),  # 6,083.33 × 4 × 0.625 / 1 M
        ("leases", "read units", "0.00076"),
        ("schedule", "invocations", "0.000122"),
        ("image", "GB-month", "0.045"),
        ("publishing", "catalog requests", "0.004867"),  # 121.6667 × 40 / 1 M
        ("metrics", "metric-months", "2.05"),  # 41 × 121.6667 / 730 × 0.30
        ("dashboard", "dashboards", "3"),
        ("alarms", "alarms", "0.8"),
        ("logs", "GB of logs", "0.006083"),  # 6,083.33 × 2,000 B × 0.50
        # A run: 6 × (2 M + 50 × 524,288) × 5.32 B + 10 × 60.8333 M × 0.235 B + 8 × 10 MB
        # = 900.607 + 142.958 + 80 = 1,123.565 MB; × 121.6667 × 5 / 1 T.
        ("quality", "TB scanned", "0.683502"),
        ("quality", "GB-seconds", "0.048667"),  # 121.6667 × 60 × 0.5 × 13.3334 / 1 M
        ("quality", "invocations", "0.0000243"),
    ],
)
def test_a_line_of_the_month_is_what_a_hand_computes(what: str, unit: str, by_hand: str) -> None:
    lines = cost.monthly(BOOK, Load(50, SIX, 2_000_000), LIMIT, "fargate")
    assert near(only(lines, what, unit).usd, by_hand), only(lines, what, unit).usd


@pytest.mark.parametrize(
    ("group", "what", "unit", "by_hand"),
    [
        ("fetching", "requests", "PUT and LIST requests", "0.021"),  # 100 × (33 + 9) × 0.005 / 1000
        ("fetching", "requests", "GET requests", "0.00028"),
        ("fetching", "storage", "GB-month", "0.03059"),  # 1.33 GB
        ("fetching", "task", "vCPU-hours", "0.090484"),  # 10,060 s
        ("fetching", "task", "GB-hours", "0.019896"),
        ("fetching", "task's address", "address-hours", "0.013972"),
        ("fetching", "answers", "GB in", "0"),
        ("fetching", "questions", "GB out", "0.0135"),
        ("table", "requests", "PUT and LIST requests", "0.042"),  # 100 × (66 + 18)
        ("table", "requests", "GET requests", "0.00092"),
        ("table", "storage", "GB-month", "0.012777"),
        ("table", "task", "vCPU-hours", "0.004767"),  # 530 s
        ("table", "task", "GB-hours", "0.001048"),
        ("table", "task's address", "address-hours", "0.000736"),
    ],
)
def test_a_line_of_a_backfill_is_what_a_hand_computes(
    group: str, what: str, unit: str, by_hand: str
) -> None:
    lines = cost.backfill(BOOK, Decimal(100_000_000), LIMIT, "fargate")
    own = [line for line in lines if line.group == group]
    assert near(only(own, what, unit).usd, by_hand), only(own, what, unit).usd


def test_every_line_of_both_is_computed_by_hand_above() -> None:
    assert len(cost.monthly(BOOK, Load(50, SIX, 1), LIMIT, "fargate")) == 20
    assert len(cost.backfill(BOOK, Decimal(1), LIMIT, "fargate")) == 14


def test_the_goals_are_met() -> None:
    """50 markets: at most $15 a month, $5 without what watches; $1 for a backfill of 100 M."""
    for region in ("us-east-1", "eu-central-1", "eu-west-1"):
        there = book(region)
        month = cost.monthly(there, Load(50, SIX, 2_000_000), LIMIT, "fargate")
        assert total(month) <= 15
        assert total(line for line in month if line.group == "updates") <= 5
        assert total(cost.backfill(there, Decimal(100_000_000), LIMIT, "fargate")) <= 1


@given(loads, engines)
def test_no_line_is_negative_and_the_total_is_their_sum(load: Load, engine: str) -> None:
    lines = cost.monthly(BOOK, load, LIMIT, engine)
    assert all(line.usd >= 0 and line.count for line in lines)
    assert total(lines) == sum(line.usd for line in lines)


@given(loads, engines, st.integers(0, 10**8), st.integers(0, 1000))
def test_more_markets_or_trades_never_cost_less(
    load: Load, engine: str, trades: int, markets: int
) -> None:
    more = Load(load.markets, load.every, load.trades_per_day + trades)
    both = Load(load.markets + markets, load.every, load.trades_per_day)
    before = total(cost.monthly(BOOK, load, LIMIT, engine))
    assert total(cost.monthly(BOOK, more, LIMIT, engine)) >= before
    assert total(cost.monthly(BOOK, both, LIMIT, engine)) >= before


@given(trades, trades, engines)
def test_a_larger_backfill_never_costs_less(one: Decimal, more: Decimal, engine: str) -> None:
    small, large = (cost.backfill(BOOK, n, LIMIT, engine) for n in (one, one + more))
    assert 0 <= total(small) <= total(large)


def test_a_laptop_pays_for_storage_alone() -> None:
    lines = cost.monthly(BOOK, Load(50, SIX, 2_000_000), LIMIT, "laptop")
    assert {line.what for line in lines} == {"requests", "storage", "raw read back"}


@pytest.mark.parametrize(
    ("markets", "every", "trades_per_day"),
    [(0, SIX, 1), (1, timedelta(0), 1), (1, timedelta(days=32), 1), (1, SIX, -1)],
)
def test_a_load_that_cannot_be_is_refused(
    markets: int, every: timedelta, trades_per_day: int
) -> None:
    with pytest.raises(UsageError):
        Load(markets, every, trades_per_day)


# ---------------------------------------------------------------- the files


def test_every_price_and_figure_says_where_it_comes_from() -> None:
    assert all(price.source.startswith("https://aws.amazon.com/") for price in BOOK.prices.values())
    assert all(price.usd >= 0 and price.per >= 1 for price in BOOK.prices.values())
    assert all(figure.by and figure.unit for figure in BOOK.figures.values())


def test_prices_are_exact_and_those_of_other_regions_are_marked_as_not_looked_up() -> None:
    assert BOOK.prices["fargate_arm_vcpu"].usd == Decimal("0.03238")
    assert BOOK.prices["fargate_arm_vcpu"].seen
    assert not any(price.seen for price in book("eu-central-1").prices.values())


def test_every_price_and_figure_is_used() -> None:
    text = (FOLDER.parent / "core" / "cost.py").read_text("utf-8")
    made = {f"{rate}_{kind}" for rate in ("fargate_arm", "fargate_spot", "fargate_x86")
            for kind in ("vcpu", "gb")}  # fmt: skip
    made |= {f"{job}_{kind}" for job in ("run", "ingest", "transform")
             for kind in ("put", "get", "list")}  # fmt: skip
    for name in {*BOOK.prices, *BOOK.figures} - made:
        assert f'"{name}"' in text, name


def test_what_quality_reads_is_as_many_statements_as_there_are() -> None:
    checks = [path.read_text("utf-8") for path in (SOURCE / "checks").glob("*.sql")]
    figures = re.findall(
        r'^_[A-Z]+ = """(.+?)"""',
        (SOURCE / "aws" / "figures.py").read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    days = bars = small = 0
    for text in [*checks, *figures, MARKETS]:
        bare = re.sub(r"^--.*$", "", text, flags=re.MULTILINE)
        # A count a partition reads no column, so only trades of a window are counted.
        day = len(re.findall(r"(?:FROM|JOIN) trades\b", bare)) if "trade_ts >= " in bare else 0
        minutes = len(re.findall(r"(?:FROM|JOIN) bars_1m(?:_parts)?\b", bare))
        days, bars, small = days + day, bars + minutes, small + (day + minutes == 0)
    assert [int(BOOK[f"{kind}_reads"]) for kind in ("day", "bars", "small")] == [days, bars, small]
    assert BOOK["row_group"] == ROW_GROUP


def test_what_is_reckoned_is_what_terraform_deploys() -> None:
    def default(variable: str) -> Decimal:
        texts = "".join(path.read_text("utf-8") for path in sorted(TERRAFORM.glob("*.tf")))
        found = re.search(
            rf'^variable "{variable}" .*?default += (\d+)$', texts, re.DOTALL | re.MULTILINE
        )
        assert found, variable
        return Decimal(found[1])

    assert BOOK["vcpu"] == default("cpu") / 1024
    assert BOOK["memory"] == default("memory") / 1024
    assert BOOK["lambda_gb"] == default("lambda_memory") / 1024
    alarms = (TERRAFORM / "alarms.tf").read_text("utf-8")
    assert BOOK["alarms"] == len(re.findall(r'^    "[a-z-]+" = \{$', alarms, re.MULTILINE)) + 1


def test_an_unknown_region_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match="moon-1"):
        book("moon-1")


def test_a_table_of_prices_is_old_after_a_year() -> None:
    assert not BOOK.old(BOOK.dated + timedelta(days=365))
    assert BOOK.old(BOOK.dated + timedelta(days=366))
    assert not BOOK.old(date.min)
