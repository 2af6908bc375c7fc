"""One scheduler for all that runs: at every call of a port it decides who goes on, and how.

Each simulated process is a few strands (greenlets), of which exactly one runs. Nothing here
reads a clock or draws a number but from the schedule's own.
"""

from __future__ import annotations

import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from greenlet import greenlet

from schemahub.core.errors import Interrupted, SchemaHubError
from tests.simulation.dice import Dice, Odds
from tests.simulation.market import BEGIN

T = TypeVar("T")
R = TypeVar("R")

GO, SWITCH, PAUSE, KILL, KILL_AFTER, LOST, AGAIN, FAIL = range(8)
# How likely each of these is, GO apart, when something is read, and when it is written.
READS = Odds(0.2, 0.002, 0.002, 0.0, 0.0, 0.0, 0.0015)
SLOW_READS = Odds(0.2, 0.06, 0.002, 0.0, 0.0, 0.0, 0.0015)
# Between two pages of a listing.
PAGES = Odds(0.5, 0.01, 0.002, 0.0, 0.0, 0.0, 0.0015)
SLOW_PAGES = Odds(0.1, 0.3, 0.002, 0.0, 0.0, 0.0, 0.0015)
WRITES = Odds(0.3, 0.02, 0.012, 0.012, 0.015, 0.02, 0.008)
# How long a process that is paused sleeps: longer than a settle time, than a day's grace.
SLEEPS = (90.0, 3_600.0, 100_000.0)
MOST_STEPS = 20_000


# What only a bug raises.
CRASHES = (AssertionError, ValueError, TypeError, LookupError, AttributeError)


class Killed(BaseException):
    """The process died here."""


class Violation(BaseException):
    """A promise was broken: ends the schedule, whoever catches what."""


@dataclass(eq=False)
class Strand:
    """A line of execution of a process. It may go on unless it waits for an empty list."""

    process: Process
    greenlet: Any
    waits: list[Any] | None = None


@dataclass(eq=False)
class Process:
    """A simulated process. `until`: when it wakes up; `stop`: a signal asked it to end."""

    number: int
    kind: str
    strands: list[Strand] = field(default_factory=list)
    dead: bool = False
    stop: bool = False
    until: datetime | None = None
    slept: bool = False
    torn: bool = False
    # It will sleep long, once.
    drowsy: bool = False
    reads: Odds = READS
    pages: Odds = PAGES
    # What it must have seen: how much had changed when it began, and what was said by then.
    since: int = 0
    origins: set[int] = field(default_factory=set)
    marked: set[Any] = field(default_factory=set)
    held: int = 0
    head: int | None = None

    @property
    def name(self) -> str:
        return f"{self.kind}{self.number}"


class Schedule:
    """The hub. `calm`: nothing odd happens any more, and nobody is interrupted."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.now = BEGIN
        self.calm = False
        self.processes: list[Process] = []
        self.counts: Counter[str] = Counter()
        self.steps = 0
        self.hash = 0
        self.violation: str | None = None
        self.last: deque[tuple[Any, ...]] = deque(maxlen=400)
        self._hub: Any = None
        self._strand: Strand | None = None

    # ------------------------------------------------------------ time

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # ------------------------------------------------------------ what a port calls

    def point(self, process: Process, what: str, about: object = "", odds: Odds = READS) -> int:
        """A call of a port begins: another process may go on first, or this one may die.

        Returns GO, or what else the port has to do about it (KILL_AFTER, LOST, AGAIN, FAIL).
        """
        if process.dead:
            raise Killed
        self.note(process, what, about)
        if self.calm:
            return GO
        found = self.dice.draw(odds)
        if found == GO:
            return GO
        if found == KILL:
            self.kill(process)
        if found == PAUSE:
            seconds = SLEEPS[self.dice.pick(len(SLEEPS))]
            if process.drowsy:
                process.drowsy, seconds = False, SLEEPS[-1]
                process.reads, process.pages = READS, PAGES
            process.until = self.now + timedelta(seconds=seconds)
            process.slept = True
            self.counts["pauses"] += 1
            self.note(process, "sleeps until", process.until)
        if found in {PAUSE, SWITCH}:
            self.give_way()
            if process.dead:
                raise Killed
            return GO
        return found

    def kill(self, process: Process) -> None:
        self.note(process, "dies")
        self.counts["kills"] += 1
        process.dead = True
        raise Killed

    def give_way(self) -> None:
        self._hub.switch()

    def note(self, process: Process | None, what: str, about: object = "") -> None:
        self.steps += 1
        self.last.append((self.now, process, what, about))
        name = process.name if process else "world"
        self.hash = zlib.crc32(f"{name} {what} {about}".encode(), self.hash)

    def broken(self, why: str) -> None:
        """Raises Violation; the first one counts."""
        if self.violation is None:
            self.violation = why
        raise Violation(why)

    # ------------------------------------------------------------ processes

    def start(self, kind: str, work: Callable[[Process], None]) -> Process:
        process = Process(len(self.processes) + 1, kind)
        self.processes.append(process)
        self.counts[f"started: {kind}"] += 1
        self.note(process, "starts")

        def whole() -> None:
            work(process)

        self.spawn(process, whole)
        return process

    def spawn(self, process: Process, work: Callable[[], None]) -> Strand:
        strand = Strand(process, None)

        def guarded() -> None:
            try:
                if not process.dead:
                    work()
            except Killed:
                pass
            except Violation as broken:
                self.violation = self.violation or str(broken)
            finally:
                process.strands.remove(strand)

        strand.greenlet = greenlet(guarded, self._hub)
        process.strands.append(strand)
        return strand

    def alive(self) -> list[Process]:
        return [one for one in self.processes if one.strands]

    def run(self, between: Callable[[], bool]) -> None:
        """Until every process has ended. `between` may start more; False: it never will."""
        self._hub = greenlet.getcurrent()
        more = True
        while self.violation is None and self.steps < MOST_STEPS:
            more = between() if more else False
            ready = [
                strand
                for process in self.processes
                if process.strands and (process.until is None or process.until <= self.now)
                for strand in process.strands
                if strand.waits is None or strand.waits
            ]
            if not ready:
                asleep = [one.until for one in self.alive() if one.until is not None]
                if asleep:
                    self.now = max(self.now, min(asleep))
                elif not more:
                    break
                continue
            self._resume(ready[self.dice.pick(len(ready))])
        self.end()

    def _resume(self, strand: Strand) -> None:
        process = strand.process
        process.until = None
        self._strand = strand
        strand.greenlet.switch()
        while process.dead and process.strands:
            rest = process.strands[0]
            if rest.greenlet:
                rest.greenlet.throw(Killed)
            else:
                process.strands.remove(rest)

    def end(self) -> None:
        """Whoever is left dies."""
        for process in self.alive():
            process.dead = True
            for strand in list(process.strands):
                if strand.greenlet:
                    strand.greenlet.throw(Killed)
            process.strands.clear()

    # ------------------------------------------------------------ work side by side

    @property
    def strand(self) -> Strand:
        assert self._strand is not None
        return self._strand


@dataclass(frozen=True)
class Strands:
    """ports.Tasks: items as strands of a process, in whatever order the schedule chooses.

    `apart` makes what each item works with anew, as another process has its own.
    """

    schedule: Schedule
    process: Process
    apart: Callable[[Any], Any] = lambda work: work

    def each(
        self, work: Callable[[T], R], items: Iterable[T], width: int
    ) -> Iterator[tuple[T, R | SchemaHubError]]:
        if self.schedule.calm:
            return self._in_turn(work, items)
        return self._side_by_side(work, iter(items), width)

    def _in_turn(
        self, work: Callable[[T], R], items: Iterable[T]
    ) -> Iterator[tuple[T, R | SchemaHubError]]:
        for item in items:
            try:
                result: R | SchemaHubError = work(item)
            except SchemaHubError as error:
                result = error
            yield item, result

    def _side_by_side(
        self, work: Callable[[T], R], items: Iterator[T], width: int
    ) -> Iterator[tuple[T, R | SchemaHubError]]:
        process = self.process
        done: list[tuple[T, R | BaseException]] = []
        running = 0
        drawn_out = False
        stopped: BaseException | None = None
        while True:
            while running < width and not drawn_out and not process.stop and stopped is None:
                try:
                    item = next(items)
                except StopIteration:
                    drawn_out = True
                else:
                    self._begin(work, item, done)
                    running += 1
            if not running:
                break
            item, result = self._wait(done)
            running -= 1
            if isinstance(result, Interrupted):
                stopped = result
            elif isinstance(result, BaseException) and not isinstance(result, SchemaHubError):
                raise result
            else:
                yield item, result
        if stopped is not None:
            raise stopped
        if not drawn_out:
            raise Interrupted

    def _begin(
        self, work: Callable[[T], R], item: T, done: list[tuple[T, R | BaseException]]
    ) -> None:
        own = self.apart(work)

        def run() -> None:
            try:
                result: R | BaseException = own(item)
            except (Killed, Violation):
                raise
            except BaseException as error:  # noqa: BLE001  (a strand's outermost edge: `each` raises it)
                result = error
            done.append((item, result))

        self.schedule.spawn(self.process, run)

    def _wait(self, done: list[tuple[T, R | BaseException]]) -> tuple[T, R | BaseException]:
        strand = self.schedule.strand
        while not done:
            strand.waits = done
            try:
                self.schedule.give_way()
            finally:
                strand.waits = None
            if self.process.dead:
                raise Killed
        return done.pop(0)


@dataclass(frozen=True)
class SharedClock:
    """ports.Clock: the schedule's."""

    schedule: Schedule
    process: Process

    def now(self) -> datetime:
        return self.schedule.now

    def monotonic(self) -> float:
        return self.schedule.now.timestamp()

    def sleep(self, seconds: float) -> None:
        self.schedule.point(self.process, "sleep", seconds)
        self.schedule.tick(seconds)
