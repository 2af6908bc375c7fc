"""A standalone Spark cluster on loopback: a master and two workers, each a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import pytest

from schemahub.adapters.clock import Stop
from schemahub.adapters.spark import SparkTasks
from schemahub.adapters.tasks import Threads
from tests.s3_server import ACCESS_KEY, SECRET_KEY, free_ports

# A test run that is killed leaves no cluster behind: the kernel is asked to see to it.
_DIES_WITH_PARENT = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execv(sys.argv[1], sys.argv[1:])"
)
ROOT = Path(__file__).parents[1]
WORKERS = 2
# A Java that starts sooner: ours do next to nothing, and not for long.
QUICK = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"


@dataclass
class Cluster:
    """`executors` are the workers' children, and make the parts."""

    url: str
    page: str
    folder: Path
    home: Path
    stack: ExitStack
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.page}/json/", timeout=10) as answer:  # noqa: S310
            return dict(json.load(answer))

    def executors(self) -> list[int]:
        """Their process ids; Java starts them from any of its threads."""
        living = [worker.pid for worker in self.workers if worker.poll() is None]
        threads = [path for pid in living for path in Path(f"/proc/{pid}/task").iterdir()]
        return [int(pid) for path in threads for pid in (path / "children").read_text().split()]

    def begin_worker(self) -> None:
        worker = _java(
            self.home, self.folder, f"worker-{len(self.workers)}",
            "org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--webui-port", "0",
            "--cores", "2", "--memory", "1100m", self.url,
        )  # fmt: skip
        self.stack.callback(_end, worker)
        self.workers.append(worker)

    def until_alive(self, count: int) -> None:
        give_up = time.monotonic() + 60
        while True:
            try:
                alive = self.state()["aliveworkers"]
            except (OSError, ValueError):  # not there yet, or only its beginnings
                alive = -1
            if alive >= count:
                return
            logs = [path.read_text()[-1500:] for path in self.folder.glob("*.log")]
            assert time.monotonic() < give_up, "\n".join(logs)
            time.sleep(0.1)


def driver(home: Path) -> dict[str, str]:
    """What a driver here needs in its environment: small, on loopback alone, quiet.

    It takes half of each worker: another application finds room beside it.
    """
    return {
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_SUBMIT_ARGS": (
            f"--driver-memory 512m --driver-java-options '{QUICK}' "
            f"--conf 'spark.executor.extraJavaOptions={QUICK}' "
            "--conf spark.executor.memory=512m --conf spark.ui.enabled=false "
            "--conf spark.driver.host=127.0.0.1 --conf spark.log.level=OFF "
            "--conf spark.task.maxFailures=2 "
            "--conf spark.executor.cores=1 --conf spark.cores.max=2 pyspark-shell"
        ),
    }


def worker_environment() -> dict[str, str]:
    """Of the machine that a worker would be: the code is there, and credentials of its own."""
    return {
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """One that does not outlive this process."""
    import pyspark

    port, page = free_ports(2)
    home = Path(pyspark.__file__).parent
    with ExitStack() as stack:
        url = f"spark://127.0.0.1:{port}"
        made = Cluster(url, f"http://127.0.0.1:{page}", folder, home, stack)
        master = _java(
            home, folder, "master", "org.apache.spark.deploy.master.Master",
            "--host", "127.0.0.1", "--port", str(port), "--webui-port", str(page),
        )  # fmt: skip
        stack.callback(_end, master)
        made.until_alive(0)
        for _ in range(WORKERS):
            made.begin_worker()
        made.until_alive(WORKERS)
        yield made


@contextmanager
def connected(folder: Path) -> Iterator[Cluster]:
    """The same with a context in this process, which whatever runs here then uses."""
    with cluster(folder) as made, pytest.MonkeyPatch.context() as patch:
        for name, value in driver(made.home).items():
            patch.setenv(name, value)
        tasks = SparkTasks(Threads(Stop()), made.url, sys.executable)
        with catch_warnings():
            simplefilter("ignore")  # pyspark's, of pandas and of sockets
            list(tasks.each(str, [""], 1))
        try:
            yield made
        finally:
            tasks.close()


def _java(home: Path, folder: Path, name: str, *arguments: str) -> subprocess.Popen[bytes]:
    program = [str(home / "bin" / "spark-class"), *arguments]
    with (folder / f"{name}.log").open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", _DIES_WITH_PARENT, *program],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={
                **os.environ,
                **worker_environment(),
                "SPARK_NO_DAEMONIZE": "1",
                "SPARK_WORKER_DIR": str(folder / "work"),
                "SPARK_DAEMON_MEMORY": "200m",
                "SPARK_DAEMON_JAVA_OPTS": QUICK,
            },
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(10)
