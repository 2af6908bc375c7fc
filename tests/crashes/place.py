"""Where a lake is: what the harness must be able to do with a store, whatever its kind."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

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
