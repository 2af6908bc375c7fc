"""Trades a CPU-second from raw to sorted, unique, exact Parquet, beside others on the same raw."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
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
    package: str
    name: str
    how: str = ""

    @property
    def against(self) -> str:
        return f"{self.name} {machine.installed(self.package)}{self.how and ', '}{self.how}"


PEERS = (
    _Peer("duckdb", "DuckDB", "text → decimal(38,12)"),
    _Peer("duckdb", "DuckDB", "text → decimal(18,8) → (38,12)"),
    _Peer("polars", "Polars"),
)
LOOP = _Peer("pandas", "loop of json.loads, float64, pandas")


def run(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES)
    repeats = 3 if trades <= TRADES else 1
    raw = raw_lake(setting, trades)
    with setting.scratch() as folder:
        ours = _middle(repeats, lambda number: _ours(setting, raw, folder / f"lake-{number}"))
        lake = folder / "lake-0"
        files = _live(setting, lake, trades)
        nothing = _transform(setting, lake)
        few = _middle(3, lambda n: _ours(setting, raw_lake(setting, 1_000), folder / f"few-{n}"))
        peers = {
            peer.against: _middle(repeats, partial(_peer, setting, peer, raw, files))
            for peer in PEERS
        }
        loop = _loop(setting, raw, folder)
    speed = trades / ours.cpu / MEGA
    figure, memory = f"transform: {trades / MEGA:g} M trades, one worker", "transform: peak memory"
    return [
        _goal(figure, speed, trades),
        *(
            Row(figure, speed, "M/CPU-s", "peer", name, trades / spent.cpu / MEGA, lower=False)
            for name, spent in peers.items()
        ),
        Row(figure, speed, "M/CPU-s", "peer", f"{LOOP.against} (on 0.1 M)", loop, lower=False),
        Row("transform: CPU of 1,000 trades: starting up, in the figures above", few.cpu, "s"),
        Row("transform: CPU with nothing to do", nothing.cpu, "s"),
        Row(memory, ours.rss / MEGA, "MB", "aim", "aim", MEMORY_AIM),
        *(
            Row(memory, ours.rss / MEGA, "MB", "peer", name, spent.rss / MEGA)
            for name, spent in peers.items()
        ),
    ]


def _goal(figure: str, speed: float, trades: int) -> Row:
    """The goal is for a million and more: starting up is most of a small one."""
    row = at_least(figure, speed, "M/CPU-s", GOAL)
    if trades >= TRADES:
        return row
    return replace(row, kind="aim", against=f"goal for {TRADES / MEGA:g} M and more")


def _ours(setting: Setting, raw: Path, lake: Path) -> Spent:
    return _transform(setting, copy(raw, lake))


def _transform(setting: Setting, lake: Path) -> Spent:
    return setting.schemahub("transform", "--workers", 1, "--lake", lake, "-q")


def _peer(setting: Setting, peer: _Peer, raw: Path, ours: list[str], _: int) -> Spent:
    """Raises BenchmarkFailed unless the peer's rows are those of `ours`, to the last digit."""
    with setting.scratch() as folder:
        out = folder / "peer.parquet"
        spent = setting.child(f"{peer.package}_transform", raw / RAW, out, peer.how)
        compared = setting.child("compare", out, *ours).json()
    if not compared["same"]:
        raise BenchmarkFailed(f"{peer.against} and transform differ: {compared}")
    return spent


def _live(setting: Setting, lake: Path, trades: int) -> list[str]:
    """The table's live files, once it has been checked that they hold every trade."""
    counted = setting.schemahub(
        "query", "select count(*) as n from trades", "--output", "csv", "--lake", lake
    )
    found = [int(row["n"]) for row in csv.DictReader(counted.out.splitlines())]
    if found != [trades]:
        raise BenchmarkFailed(f"transform made {found} rows of {trades} trades")
    return setting.schemahub("files", "--lake", lake).out.split()


def _loop(setting: Setting, raw: Path, folder: Path) -> float:
    """M trades a CPU-second, on a fraction: its cost a trade does not depend on their number."""
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
    return held / spent.cpu / MEGA


def _middle(repeats: int, measure: Callable[[int], Spent]) -> Spent:
    """The run whose CPU seconds are the median."""
    found = [measure(number) for number in range(repeats)]
    middle = median(one.cpu for one in found)
    return min(found, key=lambda one: abs(one.cpu - middle))
