"""Seconds of a scheduled `run` of 50 markets, and trades an hour of a backfill, at 10 requests/s.

The run fetches what half an hour brought and makes the table of it: 416,700 trades, 8,334 a
market. That is all of 20 M trades a day, which the design counts with for 500 markets, on a
tenth of them, and evenly, which takes more pages than the same trades unevenly. The exchange is
the sandbox, with the limit of Coinbase (10 a second, 15 at once) and 300 ms before each answer.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.figures import Row, at_least, at_most
from benchmarks.process import BenchmarkFailed, Exchange, Setting, Spent

GOAL = 120.0  # s
BACKFILL_GOAL = 1.0  # M trades an hour
MARKETS = 50
HELD, NEW = 2_000, 8_334  # trades a market: before, and in the half hour
BACKFILL = 200_000
RATE, BURST, LATENCY = 10, 15, 0.3
HOUR, MEGA = 3_600, 1_000_000
LIMITS = ("--rate", RATE, "--burst", BURST, "--latency", LATENCY)


def run(setting: Setting) -> list[Row]:
    return [*_scheduled(setting), *_backfill(setting)]


def _scheduled(setting: Setting) -> list[Row]:
    markets = [f"M{number:02}-USD" for number in range(MARKETS)]
    named = [text for one in markets for text in ("--market", f"{one}={HELD}")]
    with setting.scratch() as folder, setting.sandbox(*named, *LIMITS) as box:
        where = ("--base-url", f"coinbase={box.url}", "--lake", folder / "lake")
        first = setting.schemahub("run", *markets, *where, "--json")
        before = box.stats()
        for market in markets:
            box.grow(market, NEW)
        spent = setting.schemahub("run", *markets, *where, "--json")
        after = box.stats()
        quiet = setting.schemahub("run", *markets, *where, "--json")
        _check(setting, folder / "lake", spent)
    requests = after["requests"] - before["requests"]
    figure = f"batch: run of {MARKETS} markets, {MARKETS * NEW:,} new trades"
    return [
        at_most(figure, spent.wall, "s", GOAL),
        Row(f"{figure}, CPU", spent.cpu, "s"),
        Row(f"{figure}, peak of a process", spent.rss / MEGA, "MB"),
        Row(f"{figure}, requests", requests, ""),
        Row(f"{figure}, the limit alone takes", (requests - BURST) / RATE, "s"),
        at_most(f"{figure}, answered 429", after["limited"], "", 0),
        Row("batch: the run before it, from nothing", first.wall, "s"),
        Row("batch: the run after it, nothing new", quiet.wall, "s"),
    ]


def _check(setting: Setting, lake: Path, spent: Spent) -> None:
    """Raises BenchmarkFailed unless the run held, and showed, each new trade and nothing else."""
    steps = spent.json()["steps"]
    trades = sum(one["trades"] for one in steps["ingest"])
    rows = sum(one["rows"] for one in steps["transform"])
    if trades != MARKETS * NEW or rows < trades:
        raise BenchmarkFailed(f"the run fetched {trades} trades and made {rows} rows")
    told = setting.schemahub("verify", "--json", "--lake", lake).json()["markets"]
    if {one["status"] for one in told} != {"proven"}:
        raise BenchmarkFailed(f"verify says {told}")


def _backfill(setting: Setting) -> list[Row]:
    market = ("--market", f"BTC-USD={BACKFILL}")
    with setting.scratch() as folder, setting.sandbox(*market, *LIMITS) as box:
        lake = ("--lake", folder / "lake")
        where = ("--base-url", f"coinbase={box.url}", *lake)
        spent = setting.schemahub("ingest", "BTC-USD", "--full", "--workers", 1, *where, "--json")
        made = setting.schemahub("transform", "--workers", 1, *lake, "--json")
        _check_backfill(box, spent, made)
    speed = BACKFILL / (spent.wall + made.wall) * HOUR / MEGA
    figure = "batch: backfill of one market by one worker, and its table"
    return [at_least(figure, speed, "M/h", BACKFILL_GOAL)]


def _check_backfill(box: Exchange, spent: Spent, made: Spent) -> None:
    (fetched,), (rows,) = spent.json()["markets"], made.json()["markets"]
    if (fetched["trades"], rows["rows"], box.stats()["limited"]) != (BACKFILL, BACKFILL, 0):
        raise BenchmarkFailed(f"backfill says {fetched} and {rows}")
