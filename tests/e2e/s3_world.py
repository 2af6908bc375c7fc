"""A user's world whose lake is in a bucket of a real S3 service.

What is stored is read by the SDK alone, into a folder, and judged there as any lake is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import schemahub
from schemahub.sandbox import Sandbox
from tests.e2e.world import TALKS, Clock, Said, World, here, start
from tests.s3_server import BUCKET, S3Server


@dataclass
class S3World:
    """`run` is the program in this process."""

    server: S3Server
    box: Sandbox
    folder: Path
    prefix: str
    clock: Clock = field(default_factory=Clock)
    copies: int = 0

    @property
    def bucket(self) -> str:
        return f"{BUCKET}/{self.prefix}"

    def arguments(self, command: str, *more: str) -> list[str]:
        given = [command, *more, "--s3-bucket", self.bucket]
        return [*given, "--base-url", f"coinbase={self.box.url}"] if command in TALKS else given

    def run(self, command: str, *more: str) -> Said:
        return here(self.arguments(command, *more))

    def ok(self, command: str, *more: str) -> Said:
        said = self.run(command, *more)
        assert said.code == 0, f"{command} {more}: exit {said.code}\n{said.out}\n{said.err}"
        return said

    def start(self, command: str, *more: str) -> Any:
        return start(self.arguments(command, *more))

    def open(self) -> schemahub.Lake:
        return schemahub.open(f"s3://{self.bucket}")

    def objects(self) -> dict[str, bytes]:
        return self.server.objects(self.prefix)

    def copied(self) -> World:
        """The lake as it is now, in a folder."""
        self.copies += 1
        lake = self.folder / f"copy-{self.copies}"
        for key, data in self.objects().items():
            path = lake / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return World(lake, self.box, self.clock)

    def spoil(self, key: str, data: bytes, **marks: str) -> None:
        """Somebody overwrites an object with the tools of the service."""
        name = f"{self.prefix}/{key}"
        self.server.client.put_object(Bucket=BUCKET, Key=name, Body=data, Metadata=marks)

    def remove(self, key: str) -> None:
        self.server.client.delete_object(Bucket=BUCKET, Key=f"{self.prefix}/{key}")
