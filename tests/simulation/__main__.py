"""`python -m tests.simulation --seeds N --first S [--jobs J]`: many schedules, what they met."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

from tests.simulation.world import Result, simulate

SHOWN = 40
CHUNK = 100


def main() -> int:
    """0 if every schedule kept every promise."""
    asked = _arguments()
    if asked.replay:
        kept = json.loads(Path(asked.replay).read_text("utf-8"))
        result = simulate(kept["seed"], {int(k): v for k, v in kept["decisions"].items()})
        _tell(result, asked.lines)
        return int(result.violation is not None)
    seeds = range(asked.first, asked.first + asked.seeds)
    counts: Counter[str] = Counter()
    broken: list[Result] = []
    began = time.monotonic()
    done = steps = 0
    for result in _results(seeds, asked.jobs):
        counts += result.counts
        steps += result.steps
        done += 1
        if result.violation is not None:
            broken.append(result)
            _tell(result, asked.lines)
        if done % 1_000 == 0:
            _progress(done, len(seeds), len(broken), began)
        if len(broken) >= asked.most:
            break
    _progress(done, len(seeds), len(broken), began)
    for name, count in sorted(counts.items()):
        print(f"{count:10} {name}")
    print(f"{steps:10} steps")
    print(f"{len(broken)} of {done} schedules broke a promise")
    if asked.save and broken:
        _save(broken[0], Path(asked.save))
    return int(bool(broken))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many schedules")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--most", type=int, default=5, help="stop after so many violations")
    parser.add_argument("--lines", type=int, default=SHOWN, help="steps to show of each")
    parser.add_argument("--save", help="a file for the decisions of the first violation")
    parser.add_argument("--replay", help="a file of decisions to run again")
    return parser.parse_args()


def _results(seeds: range, jobs: int) -> Iterator[Result]:
    if jobs == 1:
        yield from map(simulate, seeds)
        return
    with get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(simulate, seeds, CHUNK)


def _tell(result: Result, lines: int) -> None:
    print(f"seed {result.seed}: {result.violation}")
    for line in result.trace[-lines:]:
        print(f"    {line}")
    for name, fact in result.facts.items():
        print(f"    {name}: {fact}")


def _save(result: Result, path: Path) -> None:
    kept = {"seed": result.seed, "why": result.violation, "decisions": result.decisions}
    path.write_text(json.dumps(kept) + "\n", "utf-8")


def _progress(done: int, of: int, broken: int, began: float) -> None:
    spent = time.monotonic() - began
    print(
        f"{done} of {of} schedules, {broken} broken, {spent:.0f} s, "
        f"{1000 * spent / max(1, done):.1f} ms each",
        file=sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(main())
