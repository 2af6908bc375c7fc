"""The long runs of what the tests here sample.


python -m tests.crashes --points                a kill at every call of every job
python -m tests.crashes --pairs 2000 --seed 1   two kills, then one fault-free run of each job
python -m tests.crashes --syscalls 600          system calls on the lake that fail, or kill
python -m tests.crashes --power 5000            states that a power loss may leave, all healed
python -m tests.crashes --race-minutes 30 --processes 8 --halt 120
python -m tests.crashes --points --pairs 300 --race-minutes 3 --s3     the same on a real S3 service
python -m tests.crashes --race-minutes 3 --s3 --outages      which is killed half-way through a race
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from tests.crashes.arena import JOBS, Arena, arena, bucket_arena, workshop
from tests.crashes.kills import Kills
from tests.crashes.power import Outage
from tests.crashes.races import Plan, Race
from tests.crashes.syscalls import Syscalls

Tally = Counter[str]
SIGN_OF_LIFE = 60.0  # s between two
RACE = 60.0  # s that one race of many lasts


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all that was asked for held. What did not ends it, says how, and keeps the lake."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.s3 and (asked.power or asked.syscalls):
        parser.error("only a folder has files to be torn, and calls that the system refuses")
    works: list[tuple[bool, Callable[[Arena, argparse.Namespace], Tally]]] = [
        (asked.points, points),
        (asked.pairs, pairs),
        (asked.syscalls, syscalls),
        (asked.power, power),
        (asked.race_minutes, races),
    ]
    for wanted, work in works:
        if wanted:
            _timed(work, asked)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.crashes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--points", action="store_true")
    for name in ("pairs", "syscalls", "power"):
        parser.add_argument(f"--{name}", type=int, default=0, metavar="N")
    parser.add_argument("--race-minutes", type=float, default=0, metavar="M")
    parser.add_argument("--processes", type=int, default=4, metavar="N")
    parser.add_argument("--halt", type=float, default=2.0, metavar="S")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--s3", action="store_true")
    parser.add_argument("--outages", action="store_true")
    return parser


def _place(asked: argparse.Namespace, folder: Path) -> AbstractContextManager[Arena]:
    return bucket_arena(folder) if asked.s3 else arena(folder)


def _timed(work: Callable[[Arena, argparse.Namespace], Tally], asked: argparse.Namespace) -> None:
    started = time.monotonic()
    with workshop() as folder, _place(asked, folder) as a:
        tally = work(a, asked)
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in spent)
    _say(f"{work.__name__}, seed {asked.seed}: {_told(tally)}; "
         f"{time.monotonic() - started:.0f} s, CPU of this process so far {cpu:.0f} s")  # fmt: skip


def points(a: Arena, asked: argparse.Namespace) -> Tally:
    kills, news = Kills(a), _News()
    for job in JOBS:
        for death in kills.points(job):
            kills.point(job, death)
            kills.tally["points"] += 1
            news(kills.tally)
    return kills.tally


def pairs(a: Arena, asked: argparse.Namespace) -> Tally:
    kills, news = Kills(a), _News()
    for number in range(asked.pairs):
        kills.pair(asked.seed * 1_000_000 + number)
        news(kills.tally)
    return kills.tally


def syscalls(a: Arena, asked: argparse.Namespace) -> Tally:
    found, news, seed = Syscalls(a), _News(), asked.seed
    while True:
        for case in found.cases(seed):
            found.check(case)
            news(found.tally)
            if found.tally["cases"] >= asked.syscalls:
                return found.tally
        seed += 1


def power(a: Arena, asked: argparse.Namespace) -> Tally:
    outage, news, dice = Outage(a), _News(), random.Random(asked.seed)
    while outage.tally["states"] < asked.power:
        for job in JOBS:
            outage.check(job, outage.record(job), 50, dice, lambda _: True)
            news(outage.tally)
    return outage.tally


def races(a: Arena, asked: argparse.Namespace) -> Tally:
    """A race a minute, each in an arena of its own: so every minute ends with a proof."""
    tally, news = Tally(), _News()
    over = time.monotonic() + 60 * asked.race_minutes
    seed = asked.seed
    while (left := over - time.monotonic()) > 0:
        seconds = min(RACE, left)
        plan = Plan(seconds, asked.processes, asked.halt, seed=seed, outage=asked.outages)
        with workshop() as folder, _place(asked, folder) as fresh:
            race = Race(fresh, plan)
            race.run()
        tally += race.tally
        tally["races"] += 1
        news(tally)
        seed += 1
    return tally


class _News:
    """Says how far it is, now and then."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, tally: Tally) -> None:
        if time.monotonic() - self._last > SIGN_OF_LIFE:
            self._last = time.monotonic()
            _say(f"  {_told(tally)}")


def _told(tally: Tally) -> str:
    return ", ".join(f"{count} {what}" for what, count in tally.items())


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
