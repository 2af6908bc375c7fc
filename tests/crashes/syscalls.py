"""The system refuses: errors and SIGKILL injected by strace into calls on the lake's own paths."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import dirname

from tests.crashes.arena import BY_NAME, Arena, Job
from tests.crashes.judge import View
from tests.crashes.kills import signature
from tests.crashes.nursery import Child
from tests.crashes.place import Folder
from tests.crashes.power import Outage

STRACE = Path("/usr/bin/strace")
CALLS = {
    "link": "link,linkat",
    "fsync": "fsync",
    "write": "write",
    "unlink": "unlink,unlinkat",
    "rename": "rename,renameat,renameat2",
    "openat": "openat",
    "mkdir": "mkdir,mkdirat",
}
ERRORS = ("ENOSPC", "EIO", "EACCES", "EDQUOT", "EMFILE")
# Only some of them can come from some calls.
CANNOT = {
    ("fsync", "EACCES"), ("write", "EACCES"), ("write", "EMFILE"), ("fsync", "EMFILE"),
    ("link", "EMFILE"), ("unlink", "EMFILE"), ("rename", "EMFILE"), ("mkdir", "EMFILE"),
    ("unlink", "ENOSPC"), ("unlink", "EDQUOT"),
}  # fmt: skip
KINDS = [
    *((call, f"error={error}") for call in CALLS for error in ERRORS
      if (call, error) not in CANNOT),
    *((call, "signal=KILL") for call in CALLS),
]  # fmt: skip
JOBS = tuple(BY_NAME[name] for name in ("first ingest", "ingest", "first transform", "transform"))
SPARE = 8  # more temporary names than an undisturbed run uses


@dataclass(frozen=True)
class Case:
    """A thread's `at`-th such call on the lake fails; with `on` all that follow do, too."""

    job: Job
    call: str
    fault: str
    at: int
    on: bool

    def __str__(self) -> str:
        return f"{self.job.name}: {self.call} {self.fault} at {self.at}{'+' * self.on}"


@dataclass
class Syscalls:
    a: Arena
    tally: Counter[str] = field(default_factory=Counter)
    _paths: dict[str, list[str]] = field(default_factory=dict)
    _healed: set[tuple[str, ...]] = field(default_factory=set)
    _most: dict[str, Counter[str]] = field(default_factory=dict)

    def cases(self, seed: int) -> list[Case]:
        """Every kind of fault in every job, each at a random call of those that there are."""
        dice = random.Random(seed)
        found = []
        for job in JOBS:
            most = self.most(job)
            for call, fault in KINDS:
                if most[call]:
                    on = fault != "signal=KILL" and dice.random() < 0.3
                    found.append(Case(job, call, fault, dice.randint(1, most[call]), on))
        dice.shuffle(found)
        return found

    def check(self, case: Case) -> None:
        """The program says honestly that it was refused, and is healed by a run that is not."""
        state = self.a.states[case.job.state]
        self.paths(case.job)  # works on the lake itself
        self.a.place.fill(state.objects)
        inject = f"inject={CALLS[case.call]}:{case.fault}:when={case.at}{'+' * case.on}"
        code, said, trace = self._traced(case.job, CALLS[case.call], inject)
        hits = trace.count("(INJECTED)") + (code == -signal.SIGKILL)
        with self.a.blaming(lambda: f"{case}; exit {code}\n{said}"):
            view = self.a.look(state)
            self._assert_honest(case, code, said, hits, view)
            seen = (case.job.name, *signature(self.a.place.objects()))
            if hits and seen not in self._healed:
                self.a.heal(case.job, state)
                self._healed.add(seen)
        self.tally["cases" if hits else "missed"] += 1
        self.tally[f"exit {code}"] += bool(hits)

    def _assert_honest(self, case: Case, code: int, said: str, hits: int, view: View) -> None:
        assert code in {0, 1, 3, -signal.SIGKILL}
        if code == 0:
            # A temporary file that stays behind is no loss; anything else must be told.
            assert not hits or case.call == "unlink", "refused, and not a word"
            for symbol in case.job.symbols:
                assert view.held[symbol] >= set(self.a.judge.truth[symbol])
                if "transform" in case.job.command:
                    assert view.shown[symbol] >= view.held[symbol]
        elif code > 0:
            assert "error SH-" in said, "failed, and not a word why"

    # ------------------------------------------------------------ tracing

    def most(self, job: Job) -> Counter[str]:
        """How many calls of each kind on the lake the busiest thread makes."""
        if job.name not in self._most:
            self.paths(job)  # works on the lake itself
            self.a.place.fill(self.a.states[job.state].objects)
            code, said, trace = self._traced(job, ",".join(CALLS.values()), None)
            assert code == 0, said
            found: Counter[tuple[str, str]] = Counter()
            for thread, call in re.findall(r"^(\d+) +(\w+)\(", trace, re.MULTILINE):
                found[thread, call] += 1
            self._most[job.name] = Counter({
                call: max([n for (_, name), n in found.items() if name in names.split(",")],
                          default=0)
                for call, names in CALLS.items()
            })  # fmt: skip
        return self._most[job.name]

    def _traced(self, job: Job, calls: str, inject: str | None) -> tuple[int, str, str]:
        """Exit code, words, and what strace saw on the lake's paths."""
        paths = self.paths(job)
        trace = self.a.nursery.folder / "trace"
        child = self.a.start(job.command, held=True)
        command = [str(STRACE), "-f", "-qq", "-p", str(child.pid), "-o", str(trace)]
        command += ["-e", f"trace={calls}", *(["-e", inject] if inject else [])]
        tracer = subprocess.Popen(
            [*command, *(part for path in paths for part in ("-P", path))],
            stderr=subprocess.PIPE,
            text=True,
        )
        _await_tracer(child, tracer)
        child.go()
        said = child.wait()
        tracer.communicate(timeout=60)
        return said.code, said.err, trace.read_text("utf-8")

    def paths(self, job: Job) -> Sequence[str]:
        """Every path that the job may write: its folders, and numbered temporary names there."""
        if job.name not in self._paths:
            assert isinstance(self.a.place, Folder)
            makes = [s.path for s in Outage(self.a).record(job) if s.verb == "make"]
            folders = {dirname(path) for path in makes}
            above = {str(up) for one in folders for up in Path(one).parents}
            root = str(self.a.place.root)
            self._paths[job.name] = [
                *sorted(folders | {one for one in above if one.startswith(root)}),
                *(f"{folder}/.{number:024x}.tmp"
                  for folder in sorted(folders) for number in range(1, len(makes) + SPARE)),
            ]  # fmt: skip
        return self._paths[job.name]


def _await_tracer(child: Child, tracer: subprocess.Popen[str]) -> None:
    status = Path(f"/proc/{child.pid}/status")
    while "\nTracerPid:\t0\n" in status.read_text("utf-8"):
        if tracer.poll() is not None:
            child.kill()
            child.wait()
            assert tracer.stderr is not None
            raise AssertionError(f"strace may not trace here: {tracer.stderr.read()}")
        time.sleep(0.002)
