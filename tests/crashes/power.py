"""Power loss: what of a run's file operations may be on the disk when the machine dies.

The model promises as little as POSIX does. A file's bytes are durable once the file was
synced; a name (made, linked, replaced, removed; a folder's too) once the folder that holds it
was. Of everything else each name is in any state that it had since, on its own, and bytes
that were not synced are there, cut, zero or garbage.
"""

from __future__ import annotations

import pickle
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from posixpath import dirname, join, relpath

from tests.crashes.arena import Arena, Job, State
from tests.crashes.place import Folder
from tests.crashes.recorder import Step

Log = Sequence[Step]


@dataclass(eq=False)
class Inode:
    data: bytes = b""
    synced: bool = False


@dataclass(eq=False)
class Name:
    """What a name may stand for: first what is durable, then what came since, with when.

    None is nothing, "" is a folder.
    """

    states: list[tuple[int, Inode | str | None]]

    @property
    def now(self) -> Inode | str | None:
        return self.states[-1][1]

    def settle(self, before: int) -> None:
        """What was so before that step is durable; older states are gone for ever."""
        last = max((i for i, (at, _) in enumerate(self.states) if at < before), default=0)
        del self.states[:last]


@dataclass
class Disk:
    """The disk after the first `steps` of a log, on which the lake `root` was `State` before."""

    root: str
    names: dict[str, Name] = field(default_factory=dict)

    def begin(self, state: State) -> None:
        for name, data in state.objects.items():
            path = join(self.root, name)
            self.names[path] = Name([(-1, Inode(data, synced=True))])
            folder = dirname(path)
            while len(folder) >= len(self.root):
                self.names[folder] = Name([(-1, "")])
                folder = dirname(folder)

    def apply(self, at: int, step: Step) -> None:
        if step.verb == "make":
            self._set(step.path, at, Inode())
        elif step.verb == "mkdir":
            self._set(step.path, at, "")
        elif step.verb == "write":
            inode = self._inode(step.path)
            inode.data += step.data
            inode.synced = False
        elif step.verb == "link":
            self._set(step.to, at, self._inode(step.path))
        elif step.verb == "replace":
            self._set(step.to, at, self._inode(step.path))
            self._set(step.path, at, None)
        elif step.verb == "unlink":
            self._set(step.path, at, None)
        elif step.verb == "fsync":
            self._sync(step)

    def _sync(self, step: Step) -> None:
        name = self.names.get(step.path)
        if name is not None and isinstance(name.now, Inode):
            # A file has one writer, whose fsync comes after its writes.
            name.now.synced = True
            return
        for path, held in self.names.items():
            if dirname(path) == step.path:
                held.settle(step.begun)

    def _set(self, path: str, at: int, state: Inode | str | None) -> None:
        self.names.setdefault(path, Name([(-1, None)])).states.append((at, state))

    def _inode(self, path: str) -> Inode:
        now = self.names[path].now
        assert isinstance(now, Inode), path
        return now

    def after_power_loss(self, dice: random.Random) -> dict[str, bytes]:
        """One of the many states of the disk that are possible now: files below the root."""
        luck = dice.choice([0.0, 0.1, 0.5, 0.9, 1.0])  # of what is not durable to be there
        chosen: dict[str, Inode | str | None] = {}
        for path, name in self.names.items():
            sure, *maybe = (state for _, state in name.states)
            chosen[path] = dice.choice(maybe) if maybe and dice.random() < luck else sure
        torn: dict[Inode, bytes] = {}
        found = {}
        for path, state in sorted(chosen.items()):
            if isinstance(state, Inode) and self._reachable(path, chosen):
                if state not in torn:
                    torn[state] = state.data if state.synced else _torn(state.data, dice)
                found[relpath(path, self.root)] = torn[state]
        return found

    def _reachable(self, path: str, chosen: dict[str, Inode | str | None]) -> bool:
        folder = dirname(path)
        while len(folder) >= len(self.root):
            if chosen.get(folder) != "":
                return False
            folder = dirname(folder)
        return True


def _torn(data: bytes, dice: random.Random) -> bytes:
    """Of bytes that were not synced anything may be there."""
    return dice.choice([
        data,
        b"",
        data[: dice.randrange(len(data) + 1)],
        bytes(len(data)),
        dice.randbytes(len(data)),
        data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
    ])  # fmt: skip


# ---------------------------------------------------------------- sabotage of a log


def without_file_fsync(log: Log) -> list[Step]:
    return [step for step in log if not (step.verb == "fsync" and step.path.endswith(".tmp"))]


def without_folder_fsync(log: Log) -> list[Step]:
    return [step for step in log if step.verb != "fsync" or step.path.endswith(".tmp")]


def link_before_fsync(log: Log) -> list[Step]:
    """A file's fsync comes only after its name was linked or replaced."""
    found: list[Step] = []
    held: dict[str, Step] = {}
    for step in log:
        if step.verb == "fsync" and step.path.endswith(".tmp"):
            held[step.path] = step
            continue
        found.append(step)
        if step.verb in {"link", "replace"} and step.path in held:
            # Of the linked name now: the file is the same.
            late = held.pop(step.path)
            found.append(replace(late, path=step.to))
    return found


# ---------------------------------------------------------------- the check


@dataclass
class Outage:
    """Power losses in an arena, judged and healed."""

    a: Arena
    tally: Counter[str] = field(default_factory=Counter)

    def record(self, job: Job) -> Log:
        """The steps of an undisturbed run, but for those of leases: they may be lost."""
        into = self.a.nursery.folder / "steps"
        self.a.place.fill(self.a.states[job.state].objects)
        said = self.a.nursery.run(self.a.arguments(job.command), record=into)
        assert said.code == job.code, said.err
        steps = pickle.loads(into.read_bytes())  # noqa: S301  (written by our own child)
        return _without_leases(steps)

    def check(
        self, job: Job, log: Log, states: int, dice: random.Random, heal: Callable[[int], bool]
    ) -> None:
        """That many losses at random steps of the log; those that `heal` names are healed."""
        moments = sorted(dice.randrange(len(log) + 1) for _ in range(states))
        for number, (at, disk) in enumerate(self._disks(job, log, moments)):
            files = disk.after_power_loss(dice)
            self.a.place.fill(files)
            what = f"{job.name}: power lost after step {at} of {len(log)}"
            with self.a.blaming(what.__str__):
                self._judge(job, log[:at], heal=heal(number))
            self.tally["states"] += 1

    def _disks(self, job: Job, log: Log, moments: Sequence[int]) -> Iterator[tuple[int, Disk]]:
        place = self.a.place
        assert isinstance(place, Folder), "only a folder has files to be torn"
        disk, done = Disk(str(place.root)), 0
        disk.begin(self.a.states[job.state])
        for at in moments:
            while done < at:
                disk.apply(done, log[done])
                done += 1
            yield at, disk

    def _judge(self, job: Job, past: Log, *, heal: bool) -> None:
        state = self.a.states[job.state]
        listed = self.a.place.objects()
        view = self.a.judge.look(listed, state.damaged)
        view.assert_not_less_than(self.a.before(state))
        assert_kept(past, listed, dict(state.damaged))
        if heal:
            self.a.heal(job, state)
            self.tally["healed"] += 1


def _without_leases(log: Log) -> list[Step]:
    """With numbers of steps that say the same."""
    kept = [f"/{step.path}/".find("/leases/") < 0 for step in log]
    at = [0, *accumulate(kept)]  # how many are kept of so many
    return [
        replace(step, begun=at[step.begun])
        for step, is_kept in zip(log, kept, strict=True)
        if is_kept
    ]


def assert_kept(past: Log, listed: dict[str, bytes], damaged: dict[str, bytes]) -> None:
    """Every answer that the store gave still holds: what was stored is there."""
    stored: dict[str, str] = {}
    begun: set[str] = set()  # removals under way
    for step in past:
        if step.verb == "unlink":
            begun.add(step.path)
        if step.verb == "ack":
            stored[step.path] = step.to
    for key, verb in stored.items():
        gone = any(path.endswith("/" + key) for path in begun)
        if verb == "delete":
            continue  # a delete may come back: what is deleted is superseded, or damaged
        assert key in listed or gone, f"{key} was acknowledged ({verb}) and is lost"
        assert not (key in listed and listed[key] == damaged.get(key)), f"{key} is the old one"
