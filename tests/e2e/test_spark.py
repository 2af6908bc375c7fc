"""The table made on a cluster is the table made here, whatever happens to the cluster."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

import schemahub
from schemahub.sandbox import Fault, Generated, Sandbox
from tests.e2e.world import BTC, Clock, Said, here
from tests.s3_server import BUCKET, S3Server
from tests.spark_cluster import QUICK, WORKERS, Cluster, driver, worker_environment

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # pyspark's own sockets
    pytest.mark.filterwarnings("ignore:PySpark does not yet:FutureWarning"),
]
CELL = 1 << 14  # ids of a part
ETH = "ETH-USD"
TABLE = ("unified_trades/", "quarantine/")
ON_SPARK = ("--engine", "spark", "--workers", "4")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake that has never been transformed: eleven parts to make, rows to refuse among them."""
    folder = tmp_path_factory.mktemp("raw")
    spec = (Path(schemahub.__file__).parent / "exchanges/coinbase.yaml").read_text()
    quick = folder / "coinbase.yaml"
    quick.write_text(spec.replace("rate: 10.0, burst: 15", "rate: 1000.0, burst: 100"))
    assert quick.read_text() != spec
    sources = {
        BTC: Generated(seed=5, trades=7 * CELL + 100),
        ETH: Generated(seed=6, trades=2 * CELL + 100),
    }
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch, Sandbox(sources, clock=clock) as box:
        patch.chdir(folder)
        patch.setattr("schemahub.adapters.specs.installed", lambda *_: {"coinbase": quick})
        box.set_faults([Fault("bad_row", ids=[5, CELL + 7], kind="zero_size")])
        for code in (3, 0):  # what cannot be read is held once two runs agree on it
            lake = ["--full", "--lake", "lake", "--base-url", f"coinbase={box.url}"]
            said = here(["ingest", BTC, ETH, *lake])
            assert said.code == code, said.err
            clock.ahead += 100
    return folder / "lake"


@pytest.fixture(scope="module")
def made_here(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the table as this machine's processes make them."""
    lake = tmp_path_factory.mktemp("local") / "lake"
    shutil.copytree(raw, lake)
    said = here(["transform", "--lake", str(lake), "--workers", "1"])
    assert said.code == 0, said.err
    found = table(lake)
    assert sum(name.endswith(".parquet") for name in found) == 11
    assert any(name.startswith("quarantine/") for name in found)
    return found


@pytest.fixture
def lake(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(raw, tmp_path / "lake"))


def table(lake: Path) -> dict[str, bytes]:
    files = {str(path.relative_to(lake)): path for path in lake.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name.startswith(TABLE)}


def transform(lake: Path, spark: Cluster, *more: str) -> Said:
    """In this process, on the application that is there."""
    return here(["transform", "--lake", str(lake), *ON_SPARK, "--spark-master", spark.url, *more])


def test_the_files_are_those_that_are_made_here(
    lake: Path, spark: Cluster, made_here: dict[str, bytes]
) -> None:
    said = transform(lake, spark)
    assert said.code == 0, said.err
    assert "in 11 part(s)" in said.err
    assert table(lake) == made_here
    again = transform(lake, spark)
    assert (again.code, "in 0 part(s)" in again.err) == (0, True)
    assert transform(lake, spark, "--rebuild").code == 0
    anew = {name for name in table(lake) if name.startswith("unified_trades/v2/")}
    assert len([name for name in anew if name.endswith(".parquet")]) == 11
    proof = here(["verify", ETH, "--lake", str(lake), "--json"]).json()["markets"][0]
    assert (proof["status"], len(proof["holes"])) == ("quarantined", 2)  # its bad rows


def test_in_a_bucket_the_workers_write_with_their_own_credentials(
    raw: Path,
    spark: Cluster,
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    made_here: dict[str, bytes],
) -> None:
    prefix = s3.prefix()
    upload(raw, s3, prefix)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
    said = here(
        ["transform", "--s3-bucket", f"{BUCKET}/{prefix}", *ON_SPARK, "--spark-master", spark.url]
    )
    assert said.code == 0, said.err
    found = {name: data for name, data in s3.objects(prefix).items() if name.startswith(TABLE)}
    assert found == made_here


def upload(raw: Path, s3: S3Server, prefix: str) -> None:
    store = s3.store(prefix)
    for path in raw.rglob("*"):
        name = str(path.relative_to(raw))
        if path.is_file() and name.startswith("raw_"):
            assert store.create(name, path.read_bytes())


def test_what_is_damaged_is_told_as_it_is_told_here(
    lake: Path, spark: Cluster, tmp_path: Path
) -> None:
    """One market lacks an object, of the other nearly every row is refused."""
    (damaged, *_) = sorted((lake / f"raw_coinbase_trades/{BTC}").glob("*.jsonl.zst"))
    damaged.write_bytes(b"not what was written")
    other = Path(shutil.copytree(lake, tmp_path / "other"))
    told = []
    for place, more in ((lake, (*ON_SPARK, "--spark-master", spark.url)), (other, ())):
        said = here(["transform", "--lake", str(place), "--json", *more])
        assert said.code == 3, said.err
        told.append([{**one, "notes": sorted(one["notes"])} for one in said.json()["markets"]])
    assert told[0] == told[1]
    assert [one["state"] for one in told[0]] == ["partial", "complete"]
    assert table(lake) == table(other)


class Meanwhile:
    """Does something once the first part is there, while a transform goes on."""

    def __init__(self, lake: Path, action: Callable[[], None]) -> None:
        self.lake, self.action, self.parts = lake, action, 0
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.join(60)

    def watch(self) -> None:
        give_up = time.monotonic() + 50
        while time.monotonic() < give_up:
            self.parts = len(list((self.lake / "unified_trades").rglob("*.parquet")))
            if self.parts:
                self.action()
                return
            time.sleep(0.005)


def test_an_executor_that_is_killed_changes_nothing(
    lake: Path, spark: Cluster, made_here: dict[str, bytes]
) -> None:
    killed: list[int] = []

    def kill() -> None:
        killed.append(spark.executors()[0])
        os.kill(killed[0], signal.SIGKILL)

    with Meanwhile(lake, kill) as seen:
        said = transform(lake, spark)
    assert said.code == 0, said.err
    assert killed
    assert seen.parts < 11
    assert table(lake) == made_here


@pytest.fixture
def mortal(spark: Cluster) -> Iterator[Cluster]:
    yield spark
    spark.begin_worker()
    spark.until_alive(WORKERS)


def test_a_worker_that_is_killed_changes_nothing(
    lake: Path, mortal: Cluster, made_here: dict[str, bytes]
) -> None:
    (victim, *_) = [one for one in mortal.workers if one.poll() is None]
    with Meanwhile(lake, victim.kill) as seen:
        said = transform(lake, mortal)
    assert said.code == 0, said.err
    assert victim.wait(10) == -signal.SIGKILL
    assert seen.parts < 11
    assert table(lake) == made_here


def test_a_lease_that_is_broken_begins_no_more_parts(
    lake: Path, spark: Cluster, made_here: dict[str, bytes]
) -> None:
    """The holder looks every third of the lease's life."""

    def broken() -> None:
        for path in (lake / "leases/jobs").glob("*.json"):
            path.unlink()

    with pytest.MonkeyPatch.context() as patch, Meanwhile(lake, broken):
        patch.setenv("SCHEMAHUB_LEASE_TTL", "1")
        said = here(
            ["transform", "--lake", str(lake), "--engine", "spark", "--workers", "1",
             "--spark-master", spark.url, "--json"]
        )  # fmt: skip
    assert said.code == 3, said.err
    told = said.json()["markets"]
    assert sum(one["parts"] for one in told) < 11
    assert "lease" in str([one["notes"] for one in told])
    assert transform(lake, spark).code == 0
    assert table(lake) == made_here


# ---------------------------------------------------------------- drivers of their own


def environment(spark: Cluster, **more: str) -> dict[str, str]:
    return {**os.environ, **worker_environment(), **driver(spark.home), **more}


@pytest.fixture
def alone(raw: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(raw, tmp_path / "lake"))


def test_a_signal_ends_a_driver_in_time_and_the_next_run_goes_on(
    alone: Path, spark: Cluster, made_here: dict[str, bytes]
) -> None:
    """On a cluster within the driver, as Spark is configured: there are only two cores."""
    arguments = ["transform", "--lake", str(alone), "--engine", "spark", "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "schemahub.cli", *arguments, "--spark-master", "local[1]"],
        env=environment(spark), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with Meanwhile(alone, lambda: process.send_signal(signal.SIGTERM)) as seen:
        _, err = process.communicate(timeout=100)
    assert process.returncode == 143, err
    assert "error SH-INTERRUPTED" in err
    assert 0 < seen.parts < 11
    assert not list((alone / "leases/jobs").glob("*.json"))
    assert transform(alone, spark).code == 0
    assert table(alone) == made_here


def test_a_script_submitted_to_a_cluster_does_the_same(
    raw: Path, spark: Cluster, s3: S3Server, made_here: dict[str, bytes]
) -> None:
    """As AWS Glue and EMR do it, with options of their own among ours."""
    prefix = s3.prefix()
    upload(raw, s3, prefix)
    script = Path(schemahub.__file__).parent / "aws" / "spark_job.py"
    done = subprocess.run(
        [spark.home / "bin" / "spark-submit", "--master", spark.url, "--driver-memory", "512m",
         "--driver-java-options", QUICK, "--conf", f"spark.executor.extraJavaOptions={QUICK}",
         "--conf", "spark.executor.memory=512m", "--conf", "spark.ui.enabled=false",
         "--conf", "spark.cores.max=1", "--conf", f"spark.pyspark.python={sys.executable}",
         script, "--JOB_NAME", "table", "--s3-bucket", f"{BUCKET}/{prefix}", "--workers", "2"],
        env=environment(spark, AWS_ENDPOINT_URL=s3.url), capture_output=True, text=True,
        timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "left alone: --JOB_NAME" in done.stdout  # spark-submit joins the two
    found = {name: data for name, data in s3.objects(prefix).items() if name.startswith(TABLE)}
    assert found == made_here


def test_without_java_it_says_what_to_install(alone: Path, spark: Cluster, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for tool in ("bash", "dirname", "cat", "env"):
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    bare = environment(spark, PATH=str(tmp_path / "bin"))
    bare.pop("JAVA_HOME", None)
    done = subprocess.run(
        [sys.executable, "-m", "schemahub.cli", "transform", "--lake", str(alone),
         "--engine", "spark", "--spark-master", "local[1]"],
        env=bare, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 6, done.stderr
    assert "error SH-CONFIG: Spark cannot be started" in done.stderr
    assert "Java 17" in done.stderr
