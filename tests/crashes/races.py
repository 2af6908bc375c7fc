"""Real processes at work on one lake, killed and halted at random, and read all the while."""

from __future__ import annotations

import math
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from schemahub.core.errors import LeaseHeld, StoreError, UsageError
from tests.crashes.arena import BTC, ETH, Arena
from tests.crashes.nursery import Child
from tests.crashes.place import Bucket

MARKETS = (BTC, ETH)
# One line a command, with how often it is chosen.
COMMANDS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (3, ("ingest", *MARKETS, "--full")),
    (3, ("run", *MARKETS)),
    (3, ("transform",)),
    (1, ("transform", "--rebuild")),
    (1, ("repair",)),
    # Without a grace: readers and writers meet files that vanish all the time.
    (2, ("compact", "--grace", "0s")),
    (1, ("compact", "--grace", "0s", "--old-versions")),
)
# Partly (a market that another is writing), or not yet proven; never a fault.
HONEST = {0, 3, 4}
TICK = 0.005
DOWN = 2.0  # s that a killed service is away before it is started again


@dataclass(frozen=True)
class Plan:
    """`halt`: how long a halted process sleeps: longer than `lease`, the life of one."""

    seconds: float
    processes: int = 4
    halt: float = 2.0
    lease: int = 1
    kills: float = 0.5  # the share of runs that are killed
    halts: float = 0.1  # and of those that are halted
    spread: float = 0.1  # of the transforms work in two processes of their own
    growth: float = 30.0  # trades a second, a market
    seed: int = 1
    least_kills: int = 0  # before which it does not end
    outage: bool = False  # the S3 service is killed half-way, and started again


@dataclass
class Runner:
    """One process, with the age at which it is killed, or halted and let go on."""

    child: Child
    command: tuple[str, ...]
    started: float
    dies_at: float | None
    halts_at: float | None
    wakes_at: float | None = None


@dataclass
class _Outage:
    """The time for which a service was down, or is."""

    place: Bucket
    killed: float
    over: float = math.inf
    _wait: threading.Thread | None = None

    @classmethod
    def begun(cls, a: Arena) -> _Outage:
        """Kills the service."""
        assert isinstance(a.place, Bucket), "a folder has no service to be killed"
        a.place.server.kill()
        return cls(a.place, time.monotonic())

    def go_on(self, now: float) -> None:
        """Starts it again in time; the race goes on while it comes back."""
        if self._wait is None and now >= self.killed + DOWN:
            self.place.server.begin_again()
            self._wait = threading.Thread(target=self._await)
            self._wait.start()

    def _await(self) -> None:
        self.place.server.until_it_writes()
        self.over = time.monotonic()

    def end(self) -> None:
        """It is back, and what it has now is read anew."""
        self.go_on(math.inf)
        assert self._wait is not None
        self._wait.join()
        self.place.forget()


@dataclass
class Race:
    a: Arena
    plan: Plan
    tally: Counter[str] = field(default_factory=Counter)
    _runners: list[Runner] = field(default_factory=list)
    _outage: _Outage | None = None
    _usual: float = 0.2  # s that a run takes here, as far as was seen

    def __post_init__(self) -> None:
        self._dice = random.Random(self.plan.seed)
        self._acks = self.a.nursery.folder / "acks"

    def run(self) -> None:
        """The race, then one fault-free run of each job. AssertionError for whatever is wrong."""
        self.a.place.fill({})
        self._acks.unlink(missing_ok=True)
        with self.a.blaming(lambda: f"race with seed {self.plan.seed}: {dict(self.tally)}"):
            with self._read():
                try:
                    self._race()
                finally:
                    self._end()
            self._assert_kept()
            self._heal()

    def _race(self) -> None:
        over = time.monotonic() + self.plan.seconds
        grown = time.monotonic()
        half = grown + self.plan.seconds / 2
        while (now := time.monotonic()) < over or self.tally["killed"] < self.plan.least_kills:
            if self.plan.outage and self._outage is None and now > half:
                self._outage = _Outage.begun(self.a)
                self.tally["outages"] += 1
            if self._outage is not None:
                self._outage.go_on(now)
            while len(self._runners) < self.plan.processes:
                self._runners.append(self._started(now))
            for runner in list(self._runners):
                self._look_after(runner, now)
            if (now - grown) * self.plan.growth >= 1:
                count = int((now - grown) * self.plan.growth)
                for symbol in MARKETS:
                    self.a.box.grow(symbol, count)
                grown = now
            time.sleep(TICK)

    def _started(self, now: float) -> Runner:
        weights, commands = zip(*COMMANDS, strict=True)
        (command,) = self._dice.choices(commands, weights)
        fate = self._dice.random()
        age = self._dice.uniform(0, 1.5 * self._usual)
        halted = self.plan.kills <= fate < self.plan.kills + self.plan.halts
        dies = fate < self.plan.kills
        spread = command[0] == "transform" and self._dice.random() < self.plan.spread
        if spread:
            command = (*command, "--workers", "2")
            age *= 4  # each of them is a Python that starts cold
        child = self.a.start(
            command,
            spread=spread,
            # The store of processes in processes is their own.
            acks=None if spread else self._acks,
            environ={"SCHEMAHUB_LEASE_TTL": str(self.plan.lease)},
        )
        self.tally["spread"] += spread
        self.tally["runs"] += 1
        return Runner(child, command, now, age if dies else None, age if halted else None)

    def _look_after(self, runner: Runner, now: float) -> None:
        age = now - runner.started
        if runner.child.over():
            self._ended(runner, age)
        elif runner.dies_at is not None and age >= runner.dies_at:
            runner.child.kill()
            runner.dies_at = None
        elif runner.halts_at is not None and age >= runner.halts_at:
            runner.child.kill(signal.SIGSTOP)
            runner.halts_at, runner.wakes_at = None, now + self.plan.halt
            self.tally["halted"] += 1
        elif runner.wakes_at is not None and now >= runner.wakes_at:
            runner.child.kill(signal.SIGCONT)
            runner.wakes_at = None

    def _ended(self, runner: Runner, age: float) -> None:
        said = runner.child.wait()
        self._runners.remove(runner)
        told = f"{runner.command}: exit {said.code}\n{said.out}\n{said.err}"
        too_soon = said.code == UsageError.exit_code and "there is no lake" in said.err
        left = self.a.place.leases and said.code == LeaseHeld.exit_code
        refused = said.code == StoreError.exit_code and self._outage_since(runner.started)
        assert too_soon or left or refused or said.code in {-signal.SIGKILL, *HONEST}, told
        self.tally["killed" if said.code == -signal.SIGKILL else f"exit {said.code}"] += 1
        if said.code >= 0:
            self._usual += 0.1 * (min(age, self.plan.halt) - self._usual)

    def _end(self) -> None:
        """Everybody left is killed at once, the halted as well."""
        for runner in self._runners:
            runner.child.kill()
        for runner in self._runners:
            self.tally["killed"] += runner.child.wait().code == -signal.SIGKILL
        self._runners.clear()
        if self._outage is not None:
            self._outage.end()

    def _outage_since(self, moment: float) -> bool:
        """Whether the service was down at some time since then."""
        return self._outage is not None and self._outage.over >= moment

    @contextmanager
    def _read(self) -> Iterator[None]:
        end = self.a.nursery.folder / "end"
        end.unlink(missing_ok=True)
        address = self.a.place.address
        patient = ["patient"] if self.plan.outage else []
        asked = [address, str(end), *patient]
        reader = self.a.nursery.start(asked, module="tests.crashes.reader")
        try:
            yield
        finally:
            end.touch()
            said = reader.wait()
        assert said.code == 0, said.err
        readings, void = said.out.split()
        self.tally["readings"] += int(readings)
        self.tally["void readings"] += int(void)

    def _assert_kept(self) -> None:
        """Whatever the store answered to have, and nobody asked to remove, is there."""
        answers = self._acks.read_text("utf-8").splitlines()
        gone = {one.removeprefix("delete ") for one in answers if one.startswith("delete ")}
        stored = {one.removeprefix("create ") for one in answers if one.startswith("create ")}
        lost = sorted(stored - gone - self.a.place.objects().keys())
        assert not lost, f"{len(lost)} objects were acknowledged and are lost: {lost[:5]}"
        self.tally["kept"] += len(stored - gone)

    def _heal(self) -> None:
        self.a.ok("ingest", *MARKETS, "--full")
        self.a.ok("transform")
        self.a.ok("verify")
        state = self.a.states["empty"]
        view = self.a.look(state)
        self.a.judge.assert_all(view, MARKETS)
        self.a.listed(view, state)
        self.tally["rows"] = sum(len(ids) for ids in view.shown.values())
