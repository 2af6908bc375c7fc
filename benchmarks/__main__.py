"""`python -m benchmarks [NAME...]`: measures, prints a table, exits 1 if a goal is missed."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from benchmarks import (
    bars,
    batch,
    dashboard,
    demo,
    help,  # noqa: A004  (named for what it measures)
    ingest_cpu,
    ingest_memory,
    ingest_rate,
    listing,
    machine,
    queries,
    requests,
    scaling,
    storage,
    transform,
    verify,
)
from benchmarks.figures import Row, table
from benchmarks.process import BenchmarkFailed, Setting

BENCHMARKS: dict[str, ModuleType] = {
    "help": help,
    "demo": demo,
    "transform": transform,
    "bars": bars,
    "verify": verify,
    "storage": storage,
    "ingest-rate": ingest_rate,
    "ingest-cpu": ingest_cpu,
    "ingest-memory": ingest_memory,
    "ledger": listing,
    "queries": queries,
    "batch": batch,
    "requests": requests,
    "scaling": scaling,
    "dashboard": dashboard,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every goal was met. 1: one was missed, or a benchmark failed. 2: usage."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    if asked.list:
        for name, module in BENCHMARKS.items():
            print(f"{name:14} {_purpose(module)}")
        return 0
    asked.folder.mkdir(parents=True, exist_ok=True)
    setting = Setting(asked.folder.resolve(), asked.trades, asked.large)
    lines = list(machine.described())
    rows: list[Row] = []
    failures = 0
    for name in asked.names or BENCHMARKS:
        say(f"{name}: {_purpose(BENCHMARKS[name])}")
        started = time.perf_counter()
        try:
            rows += BENCHMARKS[name].run(setting)
        except BenchmarkFailed as failure:
            failures += 1
            say(f"{name} FAILED: {failure}")
        say(f"{name}: {time.perf_counter() - started:.0f} s")
    print("\n".join([*lines, "", table(rows)]))
    missed = [row for row in rows if row.missed]
    for row in missed:
        say(f"missed: {row.figure}: {row.ours:g} {row.unit}, goal {row.theirs:g}")
    return 1 if missed or failures else 0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _purpose(module: ModuleType) -> str:
    return (module.__doc__ or "").partition("\n")[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help=f"which; all by default: {', '.join(BENCHMARKS)}")  # fmt: skip
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--large", action="store_true",
                        help="10 M trades, or as many as its goal names")  # fmt: skip
    parser.add_argument("--trades", type=int, metavar="N", help="N trades instead")
    parser.add_argument("--folder", type=Path, metavar="DIR", default=_folder(),
                        help="where lakes are made, raw ones kept (%(default)s)")  # fmt: skip
    return parser


def _folder() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else ""
    return Path(tempfile.gettempdir()) / f"schemahub-bench-{user}"


if __name__ == "__main__":
    sys.exit(main())
