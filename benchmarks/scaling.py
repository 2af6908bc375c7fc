"""Requests a second by requests in flight and latency; transform by processes and on Spark."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from itertools import product
from pathlib import Path

from benchmarks.figures import Row
from benchmarks.lake import copy, raw_lake
from benchmarks.process import REPOSITORY, BenchmarkFailed, Setting

PAGE = 1_000
LATENCIES = (0.05, 0.15, 0.3)
# (markets at once, chunks of each at once): 3, 15 and 45 requests in flight; the last by default.
CREWS = ((1, 1), (1, 5), (3, 5))
SECONDS = 4  # that a run lasts if Little's law is all that holds it back
MOST_PAGES = 600
IN_A_CHUNK = 3  # requests of a chunk in flight
SYMBOLS = ("BTC-USD", "ETH-USD", "SOL-USD")
TRADES = 2_000_000
MEGA = 1_000_000
ON_SPARK = 40  # tasks that do nothing


def run(setting: Setting) -> list[Row]:
    rows = [_asked(setting, *crew, latency) for crew, latency in product(CREWS, LATENCIES)]
    rows += _made(setting)
    if find_spec("pyspark") and shutil.which("java"):
        rows += _on_spark(setting)
    return rows


def _asked(setting: Setting, markets: int, chunks: int, latency: float) -> Row:
    """Against Little's law: in flight = rate × latency. The exchange's own limit is lifted."""
    flight = markets * chunks * IN_A_CHUNK
    pages = min(MOST_PAGES, round(SECONDS * flight / latency)) // markets
    names = SYMBOLS[:markets]
    held = [word for name in names for word in ("--market", f"{name}={pages * PAGE}")]
    with setting.scratch() as folder, setting.sandbox(*held, "--latency", latency) as box:
        _unlimited(folder)
        told = setting.schemahub(
            "ingest", *(f"quick:{name}" for name in names), "--full", "--json",
            "--exchanges", folder, "--base-url", f"quick={box.url}", "--lake", folder / "lake",
            "--workers", markets, "--chunk-concurrency", chunks,
        ).json()  # fmt: skip
        arrivals = sorted(box.stats()["arrivals"])
    fetched = sum(one["trades"] for one in told["markets"])
    if fetched != markets * pages * PAGE:
        raise BenchmarkFailed(f"{fetched} trades of {markets * pages * PAGE} were fetched")
    rate = (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])
    figure = f"scaling: {flight} requests in flight, {latency * 1000:.0f} ms"
    law = flight / latency
    return Row(figure, rate, "req/s", "figure", "Little's law", law, lower=False)


def _unlimited(folder: Path) -> None:
    """A spec like the built-in one, of an exchange that would answer a thousand a second."""
    text = (REPOSITORY / "src/schemahub/exchanges/coinbase.yaml").read_text("utf-8")
    for old, new in (
        ("exchange: coinbase", "exchange: quick"),
        ("rate: 10.0, burst: 15", "rate: 1000.0, burst: 1000"),
    ):
        if old not in text:
            raise BenchmarkFailed(f"the spec has no {old!r} any more")
        text = text.replace(old, new, 1)
    (folder / "quick.yaml").write_text(text, "utf-8")


def _made(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES)
    raw = raw_lake(setting, trades)
    rows, alone = [], 0.0
    for workers in (1, 2):
        with setting.scratch() as folder:
            lake = copy(raw, folder / "lake")
            spent = setting.schemahub(
                "transform", "--workers", workers, "--lake", lake, "--json", "-q"
            )
        made = sum(one["rows"] for one in spent.json()["markets"])
        if made != trades:
            raise BenchmarkFailed(f"{made} rows of {trades} trades were made")
        speed = trades / spent.wall / MEGA
        figure = f"scaling: transform of {trades / MEGA:g} M trades, {workers} process(es)"
        alone = alone or speed
        rows += [
            Row(figure, speed, "M/s", "figure", "one process", alone, lower=False),
            Row(f"{figure}, peak of one", spent.rss / MEGA, "MB"),
        ]
    return rows


def _on_spark(setting: Setting) -> list[Row]:
    """What Spark adds: to begin, and to each task, in a cluster within the driver."""
    told = json.loads(setting.child("spark_tasks", ON_SPARK).out.splitlines()[-1])
    return [
        Row("scaling: Spark, until the first worker answered", told["begin"], "s"),
        Row("scaling: Spark, a task that does nothing, one at a time", told["alone"], "s"),
        Row("scaling: Spark, a task that does nothing, of 8 at a time", told["beside"], "s"),
    ]
