"""Where a lake is: what the harness must be able to do with a store, whatever its kind."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.s3_server import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, S3Server

Objects = Mapping[str, bytes]  # what a listing shows: name to bytes


class Place(Protocol):
    @property
    def leases(self) -> bool:
        """Whether runs there hold leases, and so may find another's."""
        ...

    @property
    def environ(self) -> Mapping[str, str]:
        """What the program must find set."""
        ...

    @property
    def arguments(self) -> list[str]:
        """What tells the program where the lake is."""
        ...

    @property
    def address(self) -> str:
        """What `schemahub.open` is told."""
        ...

    def objects(self) -> dict[str, bytes]:
        """Every object that a listing shows, read without the product."""
        ...

    def fill(self, objects: Objects) -> None:
        """Makes it hold exactly these."""
        ...


@dataclass(frozen=True)
class Folder:
    """A lake in a folder. Names that begin with a dot are no objects."""

    root: Path
    leases: bool = True
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def arguments(self) -> list[str]:
        return ["--lake", str(self.root)]

    @property
    def address(self) -> str:
        return str(self.root)

    def objects(self) -> dict[str, bytes]:
        found = {}
        for path in self.root.rglob("[!.]*"):
            if path.is_file():
                found[str(path.relative_to(self.root))] = path.read_bytes()
        return found

    def fill(self, objects: Objects) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        for name, data in objects.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


@dataclass(frozen=True)
class Bucket:
    """A lake in a bucket, without leases; seen and filled with the SDK alone."""

    server: S3Server
    prefix: str = "lake"
    leases: bool = False
    _read: dict[tuple[str, str], bytes] = field(default_factory=dict)

    @property
    def environ(self) -> Mapping[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.server.url,
            "AWS_ENDPOINT_URL_S3": self.server.url,
        }

    @property
    def arguments(self) -> list[str]:
        return ["--s3-bucket", f"{BUCKET}/{self.prefix}"]

    @property
    def address(self) -> str:
        return f"s3://{BUCKET}/{self.prefix}"

    def objects(self) -> dict[str, bytes]:
        """What was read once is not read again: the tag of a plain PUT is its bytes' digest."""
        found = {}
        for name, tag in self._tags().items():
            if (name, tag) not in self._read:
                try:
                    got = self._client.get_object(Bucket=BUCKET, Key=self._key(name))
                except self._client.exceptions.NoSuchKey:
                    continue  # removed since it was listed
                self._read[name, tag] = got["Body"].read()
            found[name] = self._read[name, tag]
        return found

    def fill(self, objects: Objects) -> None:
        tags = self._tags()
        for name in tags.keys() - objects.keys():
            self._client.delete_object(Bucket=BUCKET, Key=self._key(name))
        for name, data in objects.items():
            if tags.get(name) != hashlib.md5(data, usedforsecurity=False).hexdigest():
                self._client.put_object(Bucket=BUCKET, Key=self._key(name), Body=data)

    def forget(self) -> None:
        """All that was read will be read again."""
        self._read.clear()

    def _tags(self) -> dict[str, str]:
        pages = self._client.get_paginator("list_objects_v2")
        return {
            each["Key"].removeprefix(self._key("")): each["ETag"].strip('"')
            for page in pages.paginate(Bucket=BUCKET, Prefix=self._key(""))
            for each in page.get("Contents", ())
        }

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}"

    @property
    def _client(self) -> Any:
        return self.server.client
