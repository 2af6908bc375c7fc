"""Trades a CPU-second from raw to sorted, unique, exact Parquet, beside others on the same raw."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import machine
from benchmarks.figures import Row, at_least
from benchmarks.lake import RAW, copy, raw_lake
from benchmarks.process import BenchmarkFailed, Setting, Spent

GOAL = 0.3  # M trades a CPU-second
MEMORY_AIM = 500  # MB, of a later issue
TRADES = 1_000_000
FRACTION = 2  # raw objects, of 50,000 trades each, for the loop
MEGA = 1_000_000


@dataclass(frozen=True, slots=True)
class _Peer:
    name: str
    child: str
    how: str = ""
    exact: bool = True

    @property
    def figure(self) -> str:
        return f"{self.name} {machine.installed(self.child)}"


PEERS = (
    _Peer("DuckDB, text → decimal(38,12)", "duckdb", "exact"),
    _Peer("DuckDB, text → decimal(18,8) → (38,12)", "duckdb", "narrow"),
    _Peer("Polars", "polars"),
)
LOOP = _Peer("json.loads loop, float64, pandas", "pandas", exact=False)


def run(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES)
    repeats = 3 if trades <= TRADES else 1
    raw = raw_lake(setting, trades)
    figure = f"transform: {trades / MEGA:g} M trades, one worker"
    with setting.scratch() as folder:
        lake = folder / "lake"
        ours = _middle(repeats, lambda number: _ours(setting, raw, lake, number))
        speed = trades / ours.cpu / MEGA
        rows = [
            at_least(figure, speed, "M/CPU-s", GOAL),
            Row("transform: peak memory", ours.rss / MEGA, "MB", "aim", "aim", MEMORY_AIM),
        ]
        files = _live(setting, lake, trades)
        for peer in PEERS:
            out = folder / "peer.parquet"
            spent = _middle(repeats, lambda _, p=peer, o=out: _peer(setting, p, raw, o))  # type: ignore[misc]
            if spent.json()["rows"] != trades:
                raise BenchmarkFailed(f"{peer.figure} says {spent.out}, not {trades} rows")
            compared = setting.child("compare", out, *files).json()
            if not compared["same"]:
                raise BenchmarkFailed(f"{peer.figure} and transform differ: {compared}")
            theirs = trades / spent.cpu / MEGA
            rows.append(Row(figure, speed, "M/CPU-s", "peer", peer.figure, theirs, lower=False))
            memory = spent.rss / MEGA
            rows.append(
                Row("transform: peak memory", ours.rss / MEGA, "MB", "peer", peer.figure, memory)
            )
        rows.append(_loop(setting, raw, folder, figure, speed))
    return rows


def _ours(setting: Setting, raw: Path, lake: Path, number: int) -> Spent:
    if number:
        lake.rename(lake.with_name(f"old-{number}"))
    copy(raw, lake)
    return setting.schemahub("transform", "--workers", 1, "--lake", lake, "-q")


def _peer(setting: Setting, peer: _Peer, raw: Path, out: Path) -> Spent:
    return setting.child(f"{peer.child}_transform", raw / RAW, out, peer.how)


def _live(setting: Setting, lake: Path, trades: int) -> list[str]:
    """The table's live files, once it has been checked that they hold every trade."""
    counted = setting.schemahub(
        "query", "select count(*) as n from trades", "--output", "csv", "--lake", lake
    )
    found = [int(row["n"]) for row in csv.DictReader(counted.out.splitlines())]
    if found != [trades]:
        raise BenchmarkFailed(f"transform made {found} rows of {trades} trades")
    return setting.schemahub("files", "--lake", lake).out.split()


def _loop(setting: Setting, raw: Path, folder: Path, figure: str, speed: float) -> Row:
    """Measured on a fraction: its cost a trade does not depend on how many there are."""
    objects = sorted((raw / RAW).glob("*.zst"))[:FRACTION]
    some = folder / "some"
    some.mkdir()
    for path in objects:
        (some / path.name).hardlink_to(path)
    spent = _middle(3, lambda _: setting.child("pandas_transform", some, folder / "loop.parquet"))
    bounds = [int(text) for path in objects for text in path.name[:41].split("-")]
    rows, held = spent.json()["rows"], max(bounds) - min(bounds)
    if rows != held:
        raise BenchmarkFailed(f"the loop made {rows} rows of {held} trades")
    theirs = rows / spent.cpu / MEGA
    against = f"{LOOP.figure} (on {rows:,} trades)"
    return Row(figure, speed, "M/CPU-s", "peer", against, theirs, lower=False)


def _middle(repeats: int, measure: Callable[[int], Spent]) -> Spent:
    """The run whose CPU seconds are the median."""
    found = [measure(number) for number in range(repeats)]
    middle = median(one.cpu for one in found)
    return min(found, key=lambda one: abs(one.cpu - middle))
