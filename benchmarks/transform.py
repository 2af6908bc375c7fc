"""Trades a CPU-second from raw to sorted, unique, exact Parquet, beside others on the same raw."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import machine
from benchmarks.figures import Row, at_least, at_most
from benchmarks.lake import EIGHT, FOLDER, RAW, copy, raw_lake
from benchmarks.process import BenchmarkFailed, Setting, Spent

MEMORY = 500  # MB
SECOND_CORE = 1.7
TRADES = 10_000_000
REPEATED = 2_000_000  # up to so many the median of three runs counts
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


# Each with how many times its speed ours is to be.
PEERS = (
    (_Peer("duckdb", "DuckDB", "text → decimal(38,12)"), 3.0),
    (_Peer("duckdb", "DuckDB", "text → decimal(18,8) → (38,12)"), 3.0),
    (_Peer("polars", "Polars"), 4.0),
    (_Peer("pyarrow", "pyarrow.json", "typed"), None),
)
LOOP = _Peer("pandas", "loop of json.loads, float64, pandas")
LOOP_GOAL = 25.0


def run(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES) // len(EIGHT) * len(EIGHT)
    repeats = 3 if trades <= REPEATED else 1
    raw = raw_lake(setting, trades, EIGHT)
    with setting.scratch() as folder:
        ours = _middle(repeats, lambda number: _ours(setting, raw, folder / f"lake-{number}"))
        files = _live(setting, folder / "lake-0", trades)
        nothing = _transform(setting, folder / "lake-0")
        two = _middle(repeats, lambda n: _ours(setting, raw, folder / f"two-{n}", workers=2))
        few = _middle(3, lambda n: _ours(setting, raw_lake(setting, 1_000), folder / f"few-{n}"))
        peers = [
            (peer.against, goal, _middle(repeats, partial(_peer, setting, peer, raw, files)))
            for peer, goal in PEERS
        ]
        loop = _loop(setting, raw_lake(setting, MEGA), folder)
    speed = trades / ours.cpu / MEGA
    figure = f"transform: {trades / MEGA:g} M trades, {len(EIGHT)} markets, one worker"
    rows = [Row(figure, speed, "M/CPU-s")]
    for name, goal, spent in peers:
        theirs = trades / spent.cpu / MEGA
        rows.append(Row(figure, speed, "M/CPU-s", "peer", name, theirs, lower=False))
        if goal:
            rows.append(at_least(f"transform: times as fast as {name}", speed / theirs, "×", goal))
    rows += [
        Row(figure, speed, "M/CPU-s", "peer", f"{LOOP.against} (on 0.1 M)", loop, lower=False),
        at_least("transform: times as fast as the loop", speed / loop, "×", LOOP_GOAL),
        at_least("transform: times as fast with two workers", ours.wall / two.wall, "×",
                 SECOND_CORE),
        Row("transform: CPU of 1,000 trades: starting up, in the figures above", few.cpu, "s"),
        Row("transform: CPU with nothing to do", nothing.cpu, "s"),
        at_most("transform: peak memory of a process", ours.rss / MEGA, "MB", MEMORY),
    ]  # fmt: skip
    rows += [
        Row("transform: peak memory of a process", ours.rss / MEGA, "MB", "peer", name,
            spent.rss / MEGA)
        for name, _, spent in peers
    ]  # fmt: skip
    return rows


def _ours(setting: Setting, raw: Path, lake: Path, workers: int = 1) -> Spent:
    return _transform(setting, copy(raw, lake), workers)


def _transform(setting: Setting, lake: Path, workers: int = 1) -> Spent:
    return setting.schemahub("transform", "--workers", workers, "--lake", lake, "-q")


def _peer(setting: Setting, peer: _Peer, raw: Path, ours: list[str], _: int) -> Spent:
    """Raises BenchmarkFailed unless the peer's rows are those of `ours`, to the last digit."""
    with setting.scratch() as folder:
        spent = setting.child(f"{peer.package}_transform", raw / FOLDER, folder, peer.how)
        compared = setting.child("compare", folder, *ours).json()
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
