"""SIGKILL at every call of the store, and at pairs of them; what is left is judged and healed."""

from __future__ import annotations

import json
import random
import re
import signal
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.crashes.arena import BY_NAME, JOBS, Arena, Job, State
from tests.crashes.judge import View
from tests.crashes.mortal import Death
from tests.crashes.place import Objects

WRITES = {"create", "put", "delete"}
# A second run may meet a lake without a folder (2), with holes (3) or not yet proven (4).
HONEST = {0, 2, 3, 4}


class Kills:
    """Kills in an arena, and how many of what there were."""

    def __init__(self, a: Arena) -> None:
        self.a = a
        self.tally: Counter[str] = Counter()
        self._healed: set[tuple[str, ...]] = set()
        self._lengths: dict[tuple[str, ...], int] = {}

    def calls(self, job: Job) -> list[str]:
        """The store's calls of an undisturbed run: `verb key`."""
        log = self.a.nursery.folder / "calls"
        log.unlink(missing_ok=True)
        self.a.place.fill(self.a.states[job.state].objects)
        said = self.a.nursery.run(self.a.arguments(job.command), calls=log)
        assert said.code == job.code, said.err
        return log.read_text("utf-8").splitlines()

    def points(self, job: Job) -> Iterator[Death]:
        """Before every call and after every write, and once more where a run ends.

        What is after a call that only reads is before the next one.
        """
        calls = self.calls(job)
        for at, call in enumerate(calls, 1):
            yield Death(at, "before")
            if call.partition(" ")[0] in WRITES or at == len(calls):
                yield Death(at, "after")

    def point(self, job: Job, death: Death, *, heal: bool = True) -> None:
        """One kill; with `heal` each different state that kills leave is healed once."""
        state = self.a.states[job.state]
        self.a.place.fill(state.objects)
        with self.a.blaming(lambda: f"{job.name}, killed {death.when} call {death.at}"):
            view = self.killed(job.command, state, death, {job.code})
            objects = self.a.place.objects()
            self.tally["left a lease"] += _leased(objects)
            seen = (job.name, *signature(objects))
            if heal and seen not in self._healed:
                # What is refused to the next run, or waited for, is a lease of the dead.
                self.heal(job, state, view)
                assert not _leased(self.a.place.objects()), "a lease is not taken over"
                self.tally["took one over"] += _leased(objects)
                self._healed.add(seen)

    def pair(self, seed: int) -> None:
        """A kill, then a second run that is killed as well, then one fault-free run of each."""
        rng = random.Random(seed)
        job = rng.choice(JOBS)
        state = self.a.states[job.state]
        second = rng.choice([job.command, *(BY_NAME[n].command for n in ("first transform",
            "rebuild", "repair", "compact", "old versions")),
            ("ingest", *job.symbols, "--full")])  # fmt: skip
        deaths = [
            Death(rng.randint(1, self._length(job.state, command)), rng.choice(["before", "after"]))
            for command in (job.command, second)
        ]
        killed = self.tally["killed"]
        self.a.place.fill(state.objects)
        with self.a.blaming(lambda: f"pair {seed}: {job.name}, {second}, {deaths}"):
            view = self.killed(job.command, state, deaths[0], HONEST)
            view = self.killed(second, state, deaths[1], HONEST, view)
            self.heal(job, state, view)
        self.tally["pairs"] += 1
        self.tally["both died"] += self.tally["killed"] - killed == len(deaths)

    def _length(self, state: str, command: tuple[str, ...]) -> int:
        """How many calls that command makes of a store in that state; at least one."""
        if (state, *command) not in self._lengths:
            log = self.a.nursery.folder / "calls"
            log.write_bytes(b"")  # without a lake there is no store to call
            self.a.place.fill(self.a.states[state].objects)
            self.a.nursery.run(self.a.arguments(command), calls=log)
            self._lengths[state, *command] = log.read_bytes().count(b"\n") or 1
        return self._lengths[state, *command]

    def killed(
        self,
        command: Sequence[str],
        state: State,
        death: Death,
        codes: set[int],
        since: View | None = None,
    ) -> View:
        """What the lake is after this run, which may end before its death comes."""
        said = self.a.nursery.run(self.a.arguments(command), death)
        assert said.code in {-signal.SIGKILL, *codes}, f"exit {said.code}\n{said.err}"
        self.tally["runs"] += 1
        self.tally["killed"] += said.code == -signal.SIGKILL
        view = self.a.look(state)
        if since is not None:
            view.assert_not_less_than(since)
        return view

    def heal(self, job: Job, state: State, view: View) -> None:
        self.a.heal(job, state)
        self.a.look(state).assert_not_less_than(view)
        self.tally["healed"] += 1


RUN = re.compile(r"\d{8}T\w+Z\w+")


def _leased(objects: Objects) -> bool:
    return any(name.startswith("leases/") for name in objects)


def signature(objects: Objects) -> list[str]:
    """What distinguishes two lakes of true objects: the names, and what caches vouch for."""
    found = []
    for name, data in objects.items():
        said = RUN.sub("RUN", re.sub(r"probe-\w+", "probe", name))
        if name.startswith("checkpoints/") and name.endswith(".json"):
            said += json.dumps(json.loads(data), sort_keys=True)
        found.append(said)
    return sorted(found)
