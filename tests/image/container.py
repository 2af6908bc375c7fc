"""A process in an image's root, as an engine starts it: process 1, read-only, without rights."""

from __future__ import annotations

import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.image.buildah import Built

# In namespaces of its own: the root read-only, /tmp and /data the only places to write to.
_START = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount --bind "$2" "$1/data"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
mount -t proc proc "$1/proc"
mount --bind /dev "$1/dev"
mount -o remount,bind,ro "$1"
root=$1 user=$3
shift 3
exec chroot --userspec="$user" --groups="${user#*:}" "$root" "$@"
"""


@dataclass(frozen=True, slots=True)
class Container:
    """One image with one volume. The network is this machine's: only loopback is used."""

    image: Built
    volume: Path

    def command(self, arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        told = [*self.image.config["Env"], *(f"{k}={v}" for k, v in environment.items())]
        user, work = self.image.config["User"], self.image.config["WorkingDir"]
        return [
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _START, "sh",
            str(self.image.root), str(self.volume), user,
            "/usr/bin/env", "-i", f"--chdir={work}", *told, *arguments,
        ]  # fmt: skip

    def run(self, *arguments: str, code: int = 0, **environment: str) -> str:
        """What it said, both streams. Fails unless it ends with `code`."""
        done = subprocess.run(
            self.command(arguments, environment), stdin=subprocess.DEVNULL, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, f"{shlex.join(arguments)}: {done.returncode}\n{done.stdout}"
        return done.stdout

    @contextmanager
    def started(self, *arguments: str, log: Path, **environment: str) -> Iterator[Running]:
        with (
            log.open("wb") as out,
            subprocess.Popen(
                self.command(arguments, environment),
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            ) as process,
        ):  # fmt: skip
            try:
                yield Running(process, log)
            finally:
                if process.poll() is None:
                    process.kill()


@dataclass(frozen=True, slots=True)
class Running:
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> tuple[int, float]:
        """SIGTERM to the container's first process: its exit code, and the seconds it took."""
        asked = time.monotonic()
        (first,) = _children(self.process.pid)
        subprocess.run(["kill", f"-{signal.SIGTERM:d}", str(first)], check=True)
        code = self.process.wait(30)
        return code, time.monotonic() - asked


def _children(parent: int) -> list[int]:
    return [
        int(text) for text in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    ]
