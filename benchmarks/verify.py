"""Trades a second of `schemahub verify`, which reads every raw answer and every row anew."""

from __future__ import annotations

import json

from benchmarks.figures import Row
from benchmarks.lake import copy, raw_lake
from benchmarks.process import BenchmarkFailed, Setting

AIM = 10_000_000 / 60 / 1_000_000  # M trades a second: ten million within a minute
TRADES = 1_000_000
MEGA = 1_000_000


def run(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES)
    with setting.scratch() as folder:
        lake = copy(raw_lake(setting, trades), folder / "lake")
        setting.schemahub("transform", "--workers", 1, "--lake", lake, "-q")
        spent = setting.schemahub("verify", "--json", "--lake", lake)
    (market,) = json.loads(spent.out)["markets"]
    if (market["status"], market["count"]) != ("proven", trades):
        raise BenchmarkFailed(f"verify says {market}")
    figure = f"verify: {trades / MEGA:g} M trades, deep"
    return [
        Row(figure, trades / spent.wall / MEGA, "M/s", "aim", "aim", AIM, lower=False),
        Row(figure, trades / spent.cpu / MEGA, "M/CPU-s"),
        Row("verify: peak memory", spent.rss / MEGA, "MB"),
    ]
