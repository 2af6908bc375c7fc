"""Children: run and measured, or serving as the exchange."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
LONGEST = 900.0  # s that one child may take, but for those that are given longer
_LOOK_EVERY = 0.05
_NOT_OURS = ("PYTHONDONTWRITEBYTECODE", "S3_BUCKET")


class BenchmarkFailed(Exception):
    """What was to be measured did not do its work: there is no figure."""


class Enough(Exception):
    """Raised by who watches a child: it is to be killed, and has not failed by that."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a child and its own children cost. Seconds; `rss` is the largest one's peak, bytes."""

    wall: float
    cpu: float
    rss: int
    out: str

    def json(self) -> dict[str, Any]:
        """The object that it printed."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass(frozen=True, slots=True)
class Setting:
    """What the command line says: where files go, and how much is measured."""

    folder: Path
    trades: int | None = None
    large: bool = False

    def count(self, usual: int, large: int = 10_000_000) -> int:
        return self.trades or (large if self.large else usual)

    @property
    def cache(self) -> Path:
        return self.folder / "bytecode"

    def environment(self, cache: Path | None = None) -> dict[str, str]:
        """Without settings of the caller's; bytecode is cached, as after any first run."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in _NOT_OURS and not name.startswith("SCHEMAHUB_")
        }
        path = os.pathsep.join(filter(None, (str(REPOSITORY), kept.get("PYTHONPATH"))))
        return kept | {"PYTHONPYCACHEPREFIX": str(cache or self.cache), "PYTHONPATH": path}

    # ------------------------------------------------------------ children

    def schemahub(
        self,
        *arguments: object,
        watch: Callable[[int], None] | None = None,
        cold: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> Spent:
        """The product's own command line; `cold` compiles every module anew."""
        command = [sys.executable, "-m", "schemahub.cli", *map(str, arguments)]
        if not cold:
            variables = {**self.environment(), **(environment or {})}
            return run(command, variables, self.folder, watch)
        with tempfile.TemporaryDirectory(dir=self.folder) as empty:
            return run(command, self.environment(Path(empty)), self.folder, watch)

    def child(
        self,
        name: str,
        *arguments: object,
        watch: Callable[[int], None] | None = None,
        longest: float = LONGEST,
    ) -> Spent:
        """`benchmarks.children.{name}`, which may take `longest` seconds."""
        command = [sys.executable, "-m", f"benchmarks.children.{name}", *map(str, arguments)]
        return run(command, self.environment(), self.folder, watch, longest)

    def python(self, code: str) -> Spent:
        return run([sys.executable, "-c", code], self.environment(), self.folder)

    @contextmanager
    def sandbox(self, *arguments: object) -> Iterator[Exchange]:
        """`schemahub sandbox` in a process of its own, on a free port."""
        command = [sys.executable, "-m", "schemahub.cli", "sandbox", "--port", "0", "-q"]
        with subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment(),
            cwd=self.folder,
        ) as process:
            try:
                url = process.stdout.readline().strip() if process.stdout else ""
                if not url:
                    raise BenchmarkFailed("the sandbox did not start")
                yield Exchange(url)
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A new folder, gone afterwards."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            yield Path(name)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A sandbox in another process."""

    url: str

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/_sandbox/stats", timeout=30) as reply:  # noqa: S310
            found: dict[str, Any] = json.load(reply)
        return found

    def grow(self, market: str, trades: int) -> None:
        """So many trades happen at once."""
        body = json.dumps({"market": market, "count": trades}).encode()
        with urllib.request.urlopen(f"{self.url}/_sandbox/grow", body, timeout=30):  # noqa: S310
            pass


def run(
    command: list[str],
    environment: Mapping[str, str],
    folder: Path,
    watch: Callable[[int], None] | None = None,
    longest: float = LONGEST,
) -> Spent:
    """Runs a command to its end; `watch` is called with its id all the while.

    Where `watch` raises Enough it is killed with SIGKILL. Raises BenchmarkFailed with the
    end of its stderr if it fails.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors,
            env=environment, cwd=folder,
        )  # fmt: skip
        # Not `process.kill`: it would first ask whether the child is still there, and so reap it.
        alarm = threading.Timer(longest, os.kill, (process.pid, signal.SIGKILL))
        alarm.start()
        try:
            status, usage, killed = _wait(process.pid, watch)
        except BaseException:
            process.kill()
            raise
        finally:
            alarm.cancel()
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if process.returncode and not killed:
            said = errors.read().decode(errors="replace").strip()[-2000:]
            raise BenchmarkFailed(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
        unit = 1 if sys.platform == "darwin" else 1024
        return Spent(
            wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit, out.read().decode()
        )


def _wait(
    pid: int, watch: Callable[[int], None] | None
) -> tuple[int, resource.struct_rusage, bool]:
    """Its status, what it used, and whether `watch` had it killed."""
    while watch is not None:
        try:
            watch(pid)
        except Enough:
            os.kill(pid, signal.SIGKILL)
            return *os.wait4(pid, 0)[1:], True
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            return status, usage, False
        time.sleep(_LOOK_EVERY)
    return *os.wait4(pid, 0)[1:], False


def resident(pid: int) -> int | None:
    """Bytes of memory that a process holds now; None where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return None
