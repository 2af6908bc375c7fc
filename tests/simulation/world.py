"""One schedule: a market, processes that come and go, damage; then everything must heal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemahub.core.errors import Interrupted, SchemaHubError
from schemahub.pipelines.plan import Wish
from tests.simulation.checks import Checks
from tests.simulation.dice import Dice, Odds
from tests.simulation.exchange import Exchange
from tests.simulation.heal import heal
from tests.simulation.jobs import Jobs, Work
from tests.simulation.market import RULES, small
from tests.simulation.raw_checks import RAW
from tests.simulation.schedule import CRASHES, SLOW_PAGES, SLOW_READS, Process, Schedule, Violation
from tests.simulation.store import Disk

# What happens between two steps: nothing, a job starts, trades, time passes, raw is damaged,
# a part is damaged, a signal asks a process to stop.
EVENTS = Odds(0.06, 0.02, 0.01, 0.0012, 0.0008, 0.001)
AT_ONCE = 5
MOST_TRADES = 100
NIGHT = 90_000.0
JUMPS = (5.0, 61.0, 3_700.0, 90_000.0)
# What a schedule's processes do: everything, or mostly one thing that races with itself.
MIXED = (
    "ingest", "ingest", "ingest", "ingest", "transform", "transform", "transform", "reader",
    "reader", "full", "since", "repair", "audit", "rebuild", "delete", "compact", "verify",
)  # fmt: skip
TABLE = (
    "ingest", "ingest", "since", "transform", "transform", "transform", "transform", "transform",
    "reader", "reader", "reader", "rebuild", "delete", "delete", "versions",
)  # fmt: skip
# In turn, with listings that take as long as several of the others.
SLOW = ("since", "transform", "full", "transform", "ingest", "reader")
# In turn, with a reader that sleeps while what it listed is superseded and deleted.
NIGHTS = ("full", "transform", "reader", "ingest", "transform", "delete", "reader")
TIDYING = {"delete", "compact", "versions"}
SCRIPTS = {SLOW: RULES[-1], NIGHTS: RULES[0]}
THEMES = (MIXED, MIXED, TABLE, SLOW, NIGHTS)


WORK: dict[str, Work] = {
    "ingest": lambda jobs: jobs.ingest(Wish()),
    "full": lambda jobs: jobs.ingest(Wish(full=True)),
    "repair": lambda jobs: jobs.repair(audit=False),
    "audit": lambda jobs: jobs.repair(audit=True),
    "transform": lambda jobs: jobs.transform(rebuild=False),
    "rebuild": lambda jobs: jobs.transform(rebuild=True),
    "reader": Jobs.read,
    "delete": Jobs.delete,
    "compact": Jobs.compact,
    "versions": Jobs.remove_versions,
    "verify": Jobs.verify,
}


@dataclass
class Result:
    """What became of a schedule. `violation` is None if every promise was kept."""

    seed: int
    hash: int
    steps: int
    counts: Counter[str]
    violation: str | None
    trace: list[str]
    decisions: dict[int, int]
    facts: dict[str, Any] = field(default_factory=dict)


class World:
    """The schedule of one seed, or of kept decisions."""

    def __init__(
        self,
        seed: int,
        kept: Mapping[int, int] | None = None,
        sabotage: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.sabotage = sabotage
        self.rules = RULES[seed % len(RULES)]
        self.seed = seed
        self.dice = Dice(seed, kept)
        self.schedule = Schedule(self.dice)
        self.exchange = Exchange(self.schedule)
        self.disk = Disk(self.schedule)
        self.checks = Checks(self.schedule, self.exchange, self.disk)
        self.disk.watcher = self.checks
        self.theme = THEMES[self.dice.pick(len(THEMES))]
        self.script = self.theme in SCRIPTS
        self.rules = SCRIPTS.get(self.theme, self.rules)
        self.left = self.dice.among(6, 14)
        if self.script:
            self.left = len(self.theme)
        self.damages = self.dice.pick(3)
        # By night a larger cell is about to fill: it supersedes what was listed.
        least, most = (24, 31) if self.theme is NIGHTS else (8, 40)
        self.exchange.trade(self.dice.among(least, most), plainly=self.script)

    def run(self) -> Result:
        schedule = self.schedule
        facts: dict[str, Any] = {}
        with small(self.rules.cells), self.sabotage():
            try:
                schedule.run(self._between)
                if schedule.violation is None:
                    heal(self)
            except Violation:
                pass
            if schedule.violation is not None:
                facts = self.checks.facts()
        return Result(
            self.seed,
            schedule.hash,
            schedule.steps,
            schedule.counts,
            schedule.violation,
            [_line(step) for step in schedule.last] if schedule.violation else [],
            self.dice.made,
            facts,
        )

    # ------------------------------------------------------------ between two steps

    def _between(self) -> bool:
        event = self.dice.draw(EVENTS)
        awake = [one for one in self.schedule.alive() if one.until is None]
        if self.script and (event == 1 or not awake):
            if not awake:
                self._trade()
            event = int(not awake)
        elif not self.schedule.alive():
            event = 1
        if event == 1:
            self._start()
        elif event:
            events = (self._trade, self._jump, self._damage_raw, self._damage_part, self._signal)
            events[event - 2]()
        return self.left > 0

    def _start(self) -> None:
        if not self.left or len(self.schedule.alive()) >= AT_ONCE:
            return
        self.left -= 1
        number = len(self.schedule.processes)
        place = number % len(self.theme) if self.script else self.dice.pick(len(self.theme))
        kind = self.theme[place] if number or self.script else "ingest"
        if kind in TIDYING and (self.script or self.dice.pick(3)):
            # It runs nightly, as a rule; who sleeps longer than a night finds its files gone.
            self.schedule.tick(NIGHT)
        process = self.start(kind)
        if kind == "reader":
            process.drowsy = self.theme is NIGHTS
            process.reads = process.pages = SLOW_PAGES if process.drowsy else SLOW_READS
        if self.theme is SLOW and number % 4 == 1:
            process.pages = SLOW_PAGES

    def start(self, kind: str) -> Process:
        work = self._work(kind)
        name = {"full": "ingest", "since": "ingest", "audit": "repair"}.get(kind, kind)

        def whole(process: Process) -> None:
            self.checks.begins(process)
            try:
                work(self.jobs(process))
            except Interrupted:
                self.schedule.counts["interrupted"] += 1
            except SchemaHubError as error:
                self.schedule.note(process, "fails", error.code)
                self.schedule.counts[f"failed: {error.code}"] += 1
            except CRASHES as error:
                self.checks.broken(f"{process.name} crashed: {error!r}")

        return self.schedule.start(name, whole)

    def jobs(self, process: Process) -> Jobs:
        return Jobs(self.schedule, self.exchange, self.disk, self.checks, process, self.rules.spec)

    def _work(self, kind: str) -> Work:
        if kind == "since":
            wish = Wish(since=self._some_time_back())
            return lambda jobs: jobs.ingest(wish)
        return WORK[kind]

    def _some_time_back(self) -> datetime:
        now = self.schedule.now
        first = min((one.at for one in self.exchange.sold.values()), default=now)
        return now - (now - first) * (1 + self.dice.pick(10)) / 10

    def _trade(self) -> None:
        if self.exchange.top < MOST_TRADES:
            count = self.dice.among(1, 9)
            self.schedule.note(None, "trades", count)
            self.exchange.trade(count, plainly=self.script)

    def _jump(self) -> None:
        seconds = JUMPS[self.dice.pick(len(JUMPS))]
        self.schedule.note(None, "time passes", seconds)
        self.schedule.tick(seconds)

    def _damage_raw(self) -> None:
        self._damage([RAW + name.filename for name in sorted(self.checks.raws)])

    def _damage_part(self) -> None:
        versions = self.checks.versions.values()
        self._damage(sorted(key for version in versions for key in version.parts.values()))

    def _damage(self, keys: list[str]) -> None:
        if not keys or not self.damages:
            return
        self.damages -= 1
        key = keys[self.dice.pick(len(keys))]
        self.schedule.note(None, "damages", key)
        data = self.disk.objects[key]
        at = self.dice.pick(len(data))
        self.checks.damage(key, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])

    def _signal(self) -> None:
        alive = self.schedule.alive()
        if alive:
            process = alive[self.dice.pick(len(alive))]
            self.schedule.note(process, "is asked to stop")
            process.stop = True


def _line(step: tuple[Any, ...]) -> str:
    now, process, what, about = step
    name = process.name if process else "world"
    text = str(about).replace("unified_trades/", "").replace("0000000000", "")
    return f"{now:%d %H:%M:%S} {name:12} {what} {text}"


def simulate(
    seed: int,
    kept: Mapping[int, int] | None = None,
    sabotage: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Result:
    """`sabotage` breaks something of the product for as long as the schedule goes on."""
    return World(seed, kept, sabotage).run()
