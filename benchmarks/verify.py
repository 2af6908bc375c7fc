"""Seconds of `schemahub verify` (every raw answer and every row read anew), beside DuckDB."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import machine
from benchmarks.figures import Row, at_least
from benchmarks.lake import RAW, copy, raw_lake
from benchmarks.process import BenchmarkFailed, Setting, Spent

GOAL = 10_000_000 / 60 / 1_000_000  # M trades a second: ten million within a minute
TRADES = 2_000_000
MEGA = 1_000_000


def run(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES)
    with setting.scratch() as folder:
        lake = copy(raw_lake(setting, trades), folder / "lake")
        setting.schemahub("transform", "--lake", lake, "-q")
        deep = _verify(setting, lake, trades)
        alone = _verify(setting, lake, trades, "--workers", 1)
        shallow = _verify(setting, lake, trades, "--shallow")
        files = setting.schemahub("files", "--lake", lake).out.split()
        peer = setting.child("duckdb_verify", lake / RAW, *files)
    if peer.json() != {"rows": trades, "twice": 0, "differing": 0}:
        raise BenchmarkFailed(f"the peer says {peer.out}")
    figure = f"verify: {trades / MEGA:g} M trades"
    against = f"DuckDB {machine.installed('duckdb')}, full join of raw and table"
    speed = trades / deep.wall / MEGA
    return [
        at_least(f"{figure}, deep", speed, "M/s", GOAL),
        Row(f"{figure}, deep", deep.wall, "s", "peer", against, peer.wall),
        Row(f"{figure}, deep, CPU", deep.cpu, "s", "peer", against, peer.cpu),
        Row(f"{figure}, deep, peak of a process", deep.rss / MEGA, "MB", "peer", against,
            peer.rss / MEGA),
        Row(f"{figure}, deep, one worker", alone.wall, "s", "peer", against, peer.wall),
        Row(f"{figure}, deep, one worker, CPU", alone.cpu, "s", "peer", against, peer.cpu),
        Row(f"{figure}, deep, one worker, peak", alone.rss / MEGA, "MB", "peer", against,
            peer.rss / MEGA),
        Row(f"{figure}, shallow", shallow.wall, "s"),
    ]  # fmt: skip


def _verify(setting: Setting, lake: Path, trades: int, *arguments: object) -> Spent:
    spent = setting.schemahub("verify", "--json", "--lake", lake, *arguments)
    (market,) = json.loads(spent.out)["markets"]
    if (market["status"], market["count"]) != ("proven", trades):
        raise BenchmarkFailed(f"verify says {market}")
    return spent
