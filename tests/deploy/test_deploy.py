"""compose.yaml, the systemd units and the crontab: read as their programs would, and run."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from schemahub.core.settings import Settings
from schemahub.sandbox import Generated, Sandbox
from tests.command_line import parse
from tests.s3_server import free_ports

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {f"SCHEMAHUB_{field.name.upper()}" for field in fields(Settings)}
SHARED = {
    "S3_BUCKET", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
    "NO_COLOR",
}  # fmt: skip
# What a service's own command reads, beside settings.
OWN = {"scheduled": {"MARKETS", "EVERY"}, "s3": {"HOME"}}
KEYS = {"AWS_ACCESS_KEY_ID": "some-key", "AWS_SECRET_ACCESS_KEY": "some-secret"}


def names(service: str) -> set[str]:
    return set(SERVICES[service].get("environment", {}))


# ---------------------------------------------------------------- compose.yaml


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_rights_that_it_does_not_need(service: str) -> None:
    told = SERVICES[service]
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert "ports" not in told
    assert "privileged" not in told
    if service == "owner":
        assert (told["cap_add"], told["network_mode"]) == (["CHOWN"], "none")
    else:
        assert told.get("user", "10001:10001") == "10001:10001"  # the image's own
        assert told["tmpfs"] == ["/tmp"]  # noqa: S108  (in the container)


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_is_one_that_somebody_reads(service: str) -> None:
    assert names(service) <= OURS | SHARED | OWN.get(service, set())


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_service_needs_is_there(service: str) -> None:
    for needed, condition in SERVICES[service].get("depends_on", {}).items():
        healthy = condition["condition"] == "service_healthy"
        assert not healthy or "healthcheck" in SERVICES[needed]
    for volume in SERVICES[service].get("volumes", []):
        assert volume.split(":")[0] in COMPOSE["volumes"]


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "compose.yaml").read_text("utf-8")
    for name in ("S3_ACCESS_KEY", "S3_SECRET_KEY"):
        assert set(re.findall(rf"\$\{{{name}[^}}]*\}}", text)) == {f"${{{name}:?name one}}"}


def test_the_compose_file_is_one() -> None:
    """By Docker's own reading where its plugin is there; it needs no engine for that."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], check=False,
                                        capture_output=True).returncode:  # fmt: skip
        known = {
            "build", "cap_add", "cap_drop", "command", "depends_on", "entrypoint", "environment",
            "healthcheck", "image", "network_mode", "profiles", "read_only", "restart",
            "security_opt", "stop_grace_period", "tmpfs", "user", "volumes", "working_dir",
        }  # fmt: skip
        assert all(set(told) <= known for told in SERVICES.values())
        assert all(
            "image" in told and "command" in {*told, "command"} for told in SERVICES.values()
        )
        return
    keys = {"S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "b"}
    done = subprocess.run(
        [docker, "compose", "-f", str(ROOT / "compose.yaml"), "--profile", "*", "config", "-q"],
        env={**os.environ, **keys}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def until(true: Callable[[], bool], why: Callable[[], str]) -> None:
    give_up = time.monotonic() + 60
    while not true():
        assert time.monotonic() < give_up, why()
        time.sleep(0.1)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310  (loopback)
            return bool(reply.status == 200)
    except OSError:
        return False


@contextmanager
def s3(folder: Path) -> Iterator[str]:
    """The S3 server with the arguments of compose.yaml; folders, address and ports are ours."""
    port, *others = free_ports(14)
    told = {"-logdir": str(folder), "-dir": str(folder), "-ip.bind": "127.0.0.1", "-s3.port": port}
    given = [
        f"{name}={told[name]}" if (name := argument.split("=")[0]) in told else argument
        for argument in SERVICES["s3"]["command"]
    ]
    inner = [f"-{part}.port{kind}" for part in ("master", "volume", "filer", "admin")
             for kind in ("", ".grpc")]  # fmt: skip
    inner += ["-s3.port.grpc", "-s3.port.iceberg", "-s3.port.lance"]
    given += [f"{name}={number}" for name, number in zip(inner, others, strict=False)]
    program = Path(sys.executable).parent / "weed"
    own = {"S3_BUCKET": SERVICES["s3"]["environment"]["S3_BUCKET"], "HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(program), *given], cwd=folder, stdout=log, stderr=log,
            env={"PATH": os.environ["PATH"], **KEYS, **own},
        )  # fmt: skip
    try:
        path = SERVICES["s3"]["healthcheck"]["test"][-1].removeprefix("http://127.0.0.1:8333")
        until(
            lambda: answers(f"http://127.0.0.1:{port}{path}"),
            lambda: (folder / "log").read_text()[-3000:],
        )
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


def test_the_scheduled_loop_fills_a_lake_in_the_s3_server_and_ends_by_sigterm(
    tmp_path: Path,
) -> None:
    (tmp_path / "s3").mkdir()
    told = SERVICES["scheduled"]
    shell, option, script = told["command"]
    script = script.replace("$$", "$").replace("/tmp/ran", str(tmp_path / "ran"))  # noqa: S108
    with s3(tmp_path / "s3") as url, Sandbox({"BTC-USD": Generated(seed=1, trades=2_500)}) as box:
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path),
            "PYTHONPATH": os.pathsep.join(sys.path), **KEYS,
            "S3_BUCKET": told["environment"]["S3_BUCKET"], "AWS_ENDPOINT_URL": url,
            "AWS_REGION": told["environment"]["AWS_REGION"], "NO_COLOR": "1",
            "SCHEMAHUB_BASE_URLS": f"coinbase={box.url}", "MARKETS": "BTC-USD", "EVERY": "1",
        }  # fmt: skip
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [shell, option, script], env=environment, cwd=tmp_path, stdout=log, stderr=log
            )
        try:
            until((tmp_path / "ran").exists, (tmp_path / "log").read_text)
            first = (tmp_path / "ran").stat().st_mtime_ns
            box.grow("BTC-USD", 500)
            until(lambda: (tmp_path / "ran").stat().st_mtime_ns > first, lambda: "ran once only")
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 143
        finally:
            if process.poll() is None:
                process.kill()
        asked = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1",
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        ).list_objects_v2(Bucket="lake", Prefix="schemahub/unified_trades/")  # fmt: skip
        assert asked["KeyCount"] >= 1


def test_the_scheduled_service_is_unhealthy_when_no_run_ended_well(tmp_path: Path) -> None:
    script = SERVICES["scheduled"]["healthcheck"]["test"][1].replace("$$", "$")
    script = script.replace("/tmp/ran", str(tmp_path / "ran"))  # noqa: S108

    def healthy() -> bool:
        done = subprocess.run(["sh", "-c", script], env={**os.environ, "EVERY": "60"}, check=False,
                              stderr=subprocess.DEVNULL)  # fmt: skip
        return done.returncode == 0

    assert not healthy()
    (tmp_path / "ran").touch()
    assert healthy()
    os.utime(tmp_path / "ran", (time.time() - 130, time.time() - 130))
    assert not healthy()


# ---------------------------------------------------------------- systemd and cron


def unit(name: str) -> configparser.ConfigParser:
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(UNITS / name)
    return read


def parses(words: list[str]) -> None:
    """Raises click.UsageError for a command line that the program would refuse."""
    at = next(index for index, word in enumerate(words) if word.endswith("schemahub")) + 1
    parse(words[at:])


def test_the_units_start_a_command_that_there_is_hardened() -> None:
    service = unit("schemahub.service")["Service"]
    parses(service["ExecStart"].split())
    assert service["DynamicUser"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    for told in service["Environment"].split():
        assert told.split("=")[0] in OURS | SHARED
    assert unit("schemahub.timer")["Timer"]["Persistent"] == "true"


def test_systemd_itself_has_nothing_to_say_against_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze (package systemd); the test above reads the units")
    for path in UNITS.iterdir():
        text = path.read_text("utf-8").replace("/opt/schemahub/bin/schemahub", "/bin/true")
        (tmp_path / path.name).write_text(text)
    units = [str(path) for path in sorted(tmp_path.iterdir())]
    done = subprocess.run([analyze, "verify", *units], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "schemahub" in line]
    assert (done.returncode, ours) == (0, [])


def test_the_crontab_has_times_a_user_and_a_command_that_there_is() -> None:
    lines = (ROOT / "deploy" / "cron" / "schemahub").read_text("utf-8").splitlines()
    jobs = [line for line in lines if re.match(r"[0-9*]", line)]
    (job,) = jobs
    *times, user, words = job.split(maxsplit=6)
    assert (times, user) == (["7", "*/6", "*", "*", "*"], "schemahub")
    assert "%" not in words  # cron reads it as the end of the line
    parses(words.split(";")[1].split("5h")[1].split())
    for told in (line for line in lines if re.match(r"[A-Z_]+=", line)):
        assert told.split("=")[0] in OURS | SHARED | {"PATH", "SHELL"}
