"""`python -m tests.crashes`: the long runs of what the tests here sample.

    python -m tests.crashes --points                 every call of every job
    python -m tests.crashes --pairs 2000 --seed 1    two kills, then one fault-free run of each
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

from tests.crashes.arena import JOBS, arena, workshop
from tests.crashes.kills import Kills


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all that was asked for held. A state that did not ends it, and is kept."""
    asked = _parser().parse_args(arguments)
    for name, work in (("points", points), ("pairs", pairs)):
        if getattr(asked, name):
            timed(name, work, asked)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crashes", description=__doc__)
    parser.add_argument("--points", action="store_true", help="kill at every call of every job")
    parser.add_argument("--pairs", type=int, default=0, metavar="N", help="pairs of kills")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def timed(
    name: str, work: Callable[[argparse.Namespace], Counter[str]], asked: argparse.Namespace
) -> None:
    started, cpu = time.monotonic(), time.process_time()
    tally = work(asked)
    told = ", ".join(f"{count} {what}" for what, count in tally.items())
    say(f"{name}: {told}; {time.monotonic() - started:.0f} s, own CPU "
        f"{time.process_time() - cpu:.0f} s")  # fmt: skip


def points(asked: argparse.Namespace) -> Counter[str]:
    with workshop() as folder, arena(folder) as a:
        kills = Kills(a)
        for job in JOBS:
            for death in kills.points(job):
                kills.point(job, death)
            say(f"  {job.name}: {dict(kills.tally)}")
        return kills.tally


def pairs(asked: argparse.Namespace) -> Counter[str]:
    with workshop() as folder, arena(folder) as a:
        kills = Kills(a)
        for number in range(asked.pairs):
            kills.pair(asked.seed * 1_000_000 + number)
            if number % 100 == 99:  # noqa: PLR2004  (a sign of life)
                say(f"  {dict(kills.tally)}")
        return kills.tally


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
