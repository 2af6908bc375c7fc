"""A small exchange, a lake, the jobs that work on it, and the states that they begin from."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from schemahub.sandbox import Fault, Generated, Sandbox
from tests.crashes.judge import Judge, View
from tests.crashes.nursery import Child, Nursery
from tests.crashes.place import Bucket, Folder, Objects, Place
from tests.e2e.world import TALKS, Clock, Said
from tests.s3_server import seaweed

BTC, ETH, SOL = "BTC-USD", "ETH-USD", "SOL-USD"
ALL = (BTC, ETH, SOL)
HOLE = range(30, 32)  # SOL's: two ids that the source does not have
SETTLE = 61.0
# Longer than any test: who does not take over from the dead at once is found out.
LEASE_TTL = "3600"

# Of the first ingest, and those that come before the second.
FIRST = {BTC: 400, ETH: 70, SOL: 60}
THEN = {BTC: 350, ETH: 60, SOL: 40}


@dataclass(frozen=True, repr=False)
class State:
    """A lake to begin from; `damaged` are the objects in it that are not as they were."""

    objects: Objects
    damaged: Objects = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """`command` on the lake `state`; one more run of it, and of ingest and transform, heals.

    Undisturbed it exits with `code`: with 3 where it meets a hole of the source for the first
    time, which takes two runs, a settle time apart, to be attested.
    """

    name: str
    state: str
    command: tuple[str, ...]
    symbols: tuple[str, ...] = ALL
    code: int = 0


# One line a job: a new command is killed, refused by the disk and cut off power as these are.
JOBS = (
    Job("first ingest", "empty", ("ingest", BTC, ETH, "--full"), (BTC, ETH)),
    Job("sighting", "empty", ("ingest", SOL, "--full"), (SOL,), 3),
    Job("ingest", "held", ("ingest", *ALL)),
    Job("first transform", "raw", ("transform",)),
    Job("transform", "grown", ("transform",)),
    Job("rebuild", "whole", ("transform", "--rebuild")),
    Job("repair", "damaged", ("repair",), (ETH, SOL)),
    Job("audit", "whole", ("repair", "--audit")),
    Job("compact", "small parts", ("compact", "--grace", "0s")),
    Job("old versions", "rebuilt", ("compact", "--grace", "0s", "--old-versions")),
    Job("run", "held", ("run", *ALL)),
)
BY_NAME = {job.name: job for job in JOBS}


@dataclass(eq=False, repr=False)
class Arena:
    """Everything that a crash needs: who dies, where, and who judges what is left."""

    box: Sandbox
    clock: Clock
    place: Place
    nursery: Nursery
    states: dict[str, State] = field(default_factory=dict)

    # ------------------------------------------------------------ the program

    def arguments(self, command: Sequence[str]) -> list[str]:
        given = [*command, *self.place.arguments]
        if command[0] in TALKS:
            given += ["--base-url", f"coinbase={self.box.url}"]
        return given

    def run(self, *command: str) -> Said:
        return self.nursery.run(self.arguments(command))

    def ok(self, *command: str) -> Said:
        said = self.run(*command)
        assert said.code == 0, f"{command}: exit {said.code}\n{said.out}\n{said.err}"
        return said

    def start(self, command: Sequence[str], **more: Any) -> Child:
        return self.nursery.start(self.arguments(command), **more)

    # ------------------------------------------------------------ the judgement

    @property
    def judge(self) -> Judge:
        heads = tuple(self.box.head(symbol) for symbol in ALL)
        return self._judge(heads)

    @cache  # noqa: B019  (an arena lives as long as its tests)
    def _judge(self, heads: tuple[int, ...]) -> Judge:
        del heads
        found = {
            symbol: {one.trade_id: one for one in self.box.truth(symbol, served=True)}
            for symbol in ALL
        }
        return Judge(found)

    @contextmanager
    def blaming(self, what: Callable[[], str]) -> Iterator[None]:
        """Whatever is found wrong inside says what was done, and keeps a copy of the lake."""
        try:
            yield
        except AssertionError as error:
            kept = Path(tempfile.mkdtemp(prefix="crashed-"))
            Folder(kept).fill(self.place.objects())
            error.add_note(f"{what()}; the lake is kept in {kept}")
            raise

    def before(self, state: State) -> View:
        return self.judge.look(state.objects, state.damaged)

    def look(self, state: State) -> View:
        """The lake now, after whatever happened to a job that began from `state`.

        Whole, true, and not less than it was.
        """
        view = self.judge.look(self.place.objects(), state.damaged)
        view.assert_not_less_than(self.before(state))
        return view

    def heal(self, job: Job, state: State) -> None:
        """One fault-free run of each job, and everything is as if nothing had happened."""
        self.listed(self.look(state), state)
        if job.code:
            self.run(*job.command)
            self.clock.ahead += SETTLE
        self.ok(*job.command)
        self.ok("ingest", *job.symbols, "--full")
        self.ok("transform")
        self.ok("verify")
        view = self.look(state)
        self.judge.assert_all(view, job.symbols)
        self.listed(view, state)

    def listed(self, view: View, state: State) -> None:
        """The product's own list of live files shows each key once, and what we think it shows."""
        shown: dict[str, list[int]] = {}
        objects = self.place.objects()
        if not any(name.startswith("unified_trades/") for name in objects):
            return
        for file in json.loads(self.ok("files", "--json").out)["files"]:
            ids = shown.setdefault(file["market"].partition(":")[2], [])
            ids += [number for start, stop in file["keep"] for number in range(start, stop)]
        for symbol, found in shown.items():
            assert len(found) == len(set(found)), f"{symbol}: a key is read twice"
        if not state.damaged:
            assert {s: frozenset(ids) for s, ids in shown.items()} == view.shown


MEMORY = Path("/dev/shm")  # noqa: S108  (a process that dies leaves there what it leaves on disk)


@contextmanager
def workshop() -> Iterator[Path]:
    """A folder of one's own, in memory where there is such a disk."""
    there = MEMORY if os.access(MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="crashes-", dir=there))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def arena(folder: Path, place: Callable[[Path], Place] | None = None) -> Iterator[Arena]:
    """An arena at its second day, with all states to begin from."""
    with ExitStack() as stack:
        clock = Clock()
        sources = {symbol: Generated(seed=5, trades=count) for symbol, count in FIRST.items()}
        box = stack.enter_context(Sandbox(sources, clock=clock))
        box.set_faults([Fault("hole", market=SOL, ids=HOLE)])
        chosen = place(folder) if place else Folder(folder / "lake")
        environ = {"SCHEMAHUB_LEASE_TTL": LEASE_TTL, **chosen.environ}
        nursery = stack.enter_context(Nursery(folder / "children", environ))
        made = Arena(box, clock, chosen, nursery)
        _prepare(made)
        yield made


@contextmanager
def bucket_arena(folder: Path) -> Iterator[Arena]:
    """The same on a real S3 service of its own."""
    (folder / "seaweed").mkdir()
    with (
        seaweed(folder / "seaweed") as server,
        arena(folder, lambda _: Bucket(server)) as made,
    ):
        yield made


def _prepare(a: Arena) -> None:
    def keep(name: str) -> dict[str, bytes]:
        objects = a.place.objects()
        a.states[name] = State(objects)
        return objects

    a.place.fill({})
    keep("empty")
    a.clock.ahead += SETTLE  # only ids that had time to show up can be missing
    assert a.run("ingest", *ALL, "--full").code == 3  # the hole is seen for the first time
    a.ok("transform")
    keep("held")
    for symbol, count in THEN.items():
        a.box.grow(symbol, count)
    a.clock.ahead += SETTLE
    a.ok("ingest", *ALL)
    objects = keep("grown")
    a.states["raw"] = State(_without(objects, "unified_trades/", "bars_1m/"))
    said = a.nursery.run(a.arguments(["transform"]), module="tests.crashes.finest")
    assert said.code == 0, said.err
    keep("small parts")
    a.place.fill(objects)
    a.ok("transform")
    whole = keep("whole")
    a.ok("transform", "--rebuild")
    keep("rebuilt")
    a.states["damaged"] = _damage(whole)


def _without(objects: Objects, *prefixes: str) -> Objects:
    return {name: data for name, data in objects.items() if not name.startswith(prefixes)}


def _damage(whole: Objects) -> State:
    """A flipped byte in raw of one market, in a part and in bars of another; a lost raw object."""
    objects = {name: data for name, data in whole.items() if BTC not in name}
    raws = sorted(n for n in objects if n.startswith(f"raw_coinbase_trades/{ETH}/0"))
    raws = [name for name in raws if name.endswith(".zst")]
    parts = sorted(name for name in objects if f"symbol={SOL}/" in name)
    damaged = {}
    bars = next(name for name in parts if name.startswith("bars_1m/"))
    for name in (raws[0], bars, parts[-1]):
        data = bytearray(objects[name])
        data[len(data) // 2] ^= 1
        objects[name] = damaged[name] = bytes(data)
    del objects[raws[-1]]
    return State(objects, damaged)
