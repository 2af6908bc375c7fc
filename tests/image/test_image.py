"""The image: built from the Dockerfile as it is, run as an engine would, and looked into."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemahub.sandbox import Generated, Sandbox
from tests.image.buildah import ROOT, Built, build, missing
from tests.image.container import Container

pytestmark = pytest.mark.heavy

LIMIT = 450_000_000  # bytes
EXTRAS = """
import boto3, duckdb, pyarrow, pyarrow.dataset, pyarrow.fs, pyarrow.parquet, zstandard
import pyiceberg.catalog.glue, pyiceberg.catalog.rest, pyiceberg.catalog.sql, pyiceberg.io.pyarrow
for service in ("athena", "cloudwatch", "dynamodb", "glue", "logs", "s3", "sts"):
    boto3.client(service, region_name="eu-central-1")
pyarrow.fs.S3FileSystem(region="eu-central-1", anonymous=True)
zstandard.decompress(zstandard.compress(b"x"))
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Built:
    assert not missing(), f"needed to build the image: apt-get install {' '.join(missing())}"
    assert os.geteuid() == 0, "building and running an image without an engine needs root"
    return build(tmp_path_factory.mktemp("image"))


@pytest.fixture
def container(image: Built, tmp_path: Path) -> Container:
    volume = tmp_path / "volume"
    volume.mkdir()
    user, group = map(int, image.config["User"].split(":"))
    os.chown(volume, user, group)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o111)
    return Container(image, volume)


# ---------------------------------------------------------------- how it is called


@pytest.mark.parametrize("command", [["schemahub"], ["python3", "-m", "schemahub.cli"]])
def test_both_forms_of_the_command_work(container: Container, command: list[str]) -> None:
    assert container.image.config.get("Entrypoint") is None
    assert "ingest" in container.run(*command, "--help")
    assert "schemahub, version" in container.run(*command, "--version")


def test_without_a_command_it_shows_the_help(container: Container) -> None:
    assert container.image.config["Cmd"] == ["schemahub", "--help"]
    assert container.run(*container.image.config["Cmd"]) == container.run("schemahub", "-h")


def test_it_says_what_it_is(image: Built) -> None:
    labels = image.config["Labels"]
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert labels["org.opencontainers.image.version"] == version[1]
    assert labels["org.opencontainers.image.revision"] == "0123abc"
    assert labels["org.opencontainers.image.licenses"] == "MIT"


# ---------------------------------------------------------------- read-only, without rights


def test_the_demo_runs_on_a_read_only_root_as_nobody_in_particular(container: Container) -> None:
    assert "uid=10001" in container.run("id")
    container.run("sh", "-c", "! touch /new && ! touch /opt/schemahub/new")
    said = container.run("schemahub", "demo", "--lake", "/data/lake")
    assert "proven" in said
    told = json.loads(container.run("schemahub", "status", "--lake", "/data/lake", "--json"))
    assert told["markets"]
    assert (container.volume / "lake" / "raw_coinbase_trades").is_dir()


def test_a_volume_over_tmp_is_everyones_to_write_to(image: Built) -> None:
    """Engines give a volume the mode of the folder that the image declares as one."""
    assert set(image.config["Volumes"]) == {"/tmp"}  # noqa: S108  (of the image)
    told = (image.root / "tmp").stat()
    assert (stat.S_IMODE(told.st_mode), told.st_uid) == (0o1777, 0)
    environment = dict(each.split("=", 1) for each in image.config["Env"])
    assert environment["HOME"] == environment["TMPDIR"] == "/tmp"  # noqa: S108


def test_extras_and_services_are_whole_after_slimming(container: Container) -> None:
    container.run("python3", "-W", "ignore", "-c", EXTRAS)


def test_sigterm_to_process_1_saves_what_was_proven(container: Container, tmp_path: Path) -> None:
    with Sandbox({"BTC-USD": Generated(seed=1, trades=150_000)}, latency=0.02) as exchange:
        ingest = ["schemahub", "ingest", "BTC-USD", "--full", "--base-url"]
        ingest.append(f"coinbase={exchange.url}")
        with container.started(*ingest, log=tmp_path / "log") as running:
            _until(lambda: len(list(container.volume.rglob("*.jsonl.zst"))) > 1)
            code, seconds = running.stop()
        assert (code, seconds < 10) == (143, True), (code, seconds, running.log.read_text())
        # The lake holds whole objects only, the lease is gone, and the same command goes on.
        (market,) = json.loads(container.run("schemahub", "status", "--json"))["markets"]
        assert 0 < market["held"] < 150_000
        assert market["at_work"] is None
        container.run(*ingest)
    container.run("schemahub", "transform")
    told = json.loads(container.run("schemahub", "verify", "--shallow", "--json"))
    assert [one["status"] for one in told["markets"]] == ["proven"]


def _until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.05)


# ---------------------------------------------------------------- what is in it


def test_it_unpacks_to_at_most_450_mb(image: Built) -> None:
    assert sum(image.layers) <= LIMIT, image.layers
    assert sum(image.layers) > 100_000_000  # they were counted


def test_no_compiler_cache_or_installer_is_left(image: Built, container: Container) -> None:
    names = {path.relative_to(image.root).as_posix() for path in _files(image.root)}
    assert not [name for name in names if re.search(r"(^|/)(\.cache|pip-.*|wheels?)/", name)]
    assert not [name for name in names if name.startswith(("src/", "opt/build/", "opt/wheel/"))]
    assert not [name for name in names if re.search(r"(^|/)(gcc|cc1|ld|make)$", name)]
    container.run("sh", "-c", "! python3 -m pip --version && ! command -v gcc")


def test_everything_is_readable_by_everyone_and_nothing_writable(image: Built) -> None:
    odd = []
    for path in _files(image.root / "opt" / "schemahub"):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and (not mode & stat.S_IROTH or mode & 0o022):
            odd.append(path)
    assert not odd


def test_bytecode_is_there_for_every_module(image: Built) -> None:
    (packages,) = (image.root / "opt" / "schemahub" / "lib").glob("python*/site-packages")
    for name in ("schemahub/cli/main", "duckdb/__init__", "botocore/client"):
        folder, _, module = name.rpartition("/")
        assert list((packages / folder / "__pycache__").glob(f"{module}.*.pyc")), name


def test_no_layer_knows_where_packages_came_from(image: Built) -> None:
    told = json.dumps([image.config, image.history])
    assert "no-index" not in told
    assert "http" not in told
    pip_conf = image.root / "etc" / "pip.conf"
    assert not pip_conf.exists() or pip_conf.stat().st_size == 0


def _files(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):
        for name in names:
            yield Path(where) / name


def test_hadolint_has_nothing_to_say() -> None:
    program = Path(sys.executable).parent / "hadolint"
    done = subprocess.run(
        [str(program), str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
