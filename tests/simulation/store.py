"""One store for all processes: listings come page by page, answers get lost, time passes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from typing import Protocol

from schemahub.core.errors import ObjectMissing, StoreError
from schemahub.ports import Entry
from tests.simulation.dice import Odds
from tests.simulation.schedule import (
    AGAIN,
    FAIL,
    KILL_AFTER,
    LOST,
    WRITES,
    Process,
    Schedule,
)


class Watcher(Protocol):
    """Told of every change, before anybody else goes on."""

    def created(self, process: Process, key: str, data: bytes) -> None: ...

    def replaced(self, process: Process, key: str, old: bytes | None, data: bytes) -> None: ...

    def deleted(self, process: Process, key: str) -> None: ...


@dataclass
class Disk:
    """What is stored, and what happened to it."""

    schedule: Schedule
    objects: dict[str, bytes] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    born: dict[str, datetime] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    changes: list[tuple[str, Process]] = field(default_factory=list)
    watcher: Watcher | None = None

    def set(self, process: Process, key: str, data: bytes) -> None:
        if key not in self.objects:
            insort(self.keys, key)
            self.born[key] = self.schedule.now
            if process.slept and key in self.gone:
                self.schedule.counts["zombie writes after deletion"] += 1
        self.objects[key] = data
        self.changes.append((key, process))

    def remove(self, process: Process, key: str) -> None:
        if self.objects.pop(key, None) is not None:
            self.keys.remove(key)
            self.gone.add(key)
            self.changes.append((key, process))


@dataclass(frozen=True)
class DiskOf:
    """ports.Store, as one process has it."""

    disk: Disk
    process: Process

    def _write(self, what: str, key: str) -> int:
        schedule = self.disk.schedule
        found = schedule.point(self.process, what, key, WRITES)
        if found == FAIL:
            schedule.counts["failed writes"] += 1
            raise StoreError(f"{key} could not be written", "the store is busy")
        return found

    def _written(self, found: int, key: str) -> bool:
        """What became of the response. True: the process writes again, and sees that."""
        schedule = self.disk.schedule
        if found == KILL_AFTER:
            schedule.kill(self.process)
        if found == LOST:
            schedule.counts["lost responses"] += 1
            raise StoreError(f"no response about {key}", "it may have been written or not")
        if found == AGAIN:
            schedule.counts["lost responses"] += 1
        return found == AGAIN

    def create(self, key: str, data: bytes) -> bool:
        found = self._write("create", key)
        made = key not in self.disk.objects
        if made:
            self.disk.set(self.process, key, bytes(data))
            if self.disk.watcher:
                self.disk.watcher.created(self.process, key, data)
        return made and not self._written(found, key)

    def put(self, key: str, data: bytes) -> None:
        found = self._write("put", key)
        old = self.disk.objects.get(key)
        self.disk.set(self.process, key, bytes(data))
        if self.disk.watcher:
            self.disk.watcher.replaced(self.process, key, old, data)
        self._written(found, key)

    def delete(self, key: str) -> None:
        found = self._write("delete", key)
        if key in self.disk.objects:
            self.disk.remove(self.process, key)
            if self.disk.watcher:
                self.disk.watcher.deleted(self.process, key)
        self._written(found, key)

    def _read(self, what: str, key: str, odds: Odds | None = None) -> None:
        odds = odds or self.process.reads
        if self.disk.schedule.point(self.process, what, key, odds) == FAIL:
            self.disk.schedule.counts["failed reads"] += 1
            raise StoreError(f"{key} could not be read", "the store is busy")

    def read(self, key: str) -> bytes:
        self._read("read", key)
        try:
            return self.disk.objects[key]
        except KeyError:
            raise ObjectMissing(f"{key} is not there", "in the simulated store") from None

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        disk = self.disk
        keys = disk.keys
        size = 1_000_000
        if not disk.schedule.calm:
            size = 1 + disk.schedule.dice.pick(8)
        after = start_after
        since = -1
        try:
            while True:
                self._read("list", prefix, self.process.reads if since < 0 else self.process.pages)
                since = len(disk.changes) if since < 0 else since
                place = bisect_right(keys, after) if after >= prefix else bisect_left(keys, prefix)
                page = []
                for key in keys[place : place + size]:
                    if not key.startswith(prefix):
                        break
                    page.append(Entry(key, len(disk.objects[key]), disk.born[key]))
                yield from page
                if len(page) < size:
                    break
                after = page[-1].key
        finally:
            # Closed early by who has seen enough: it may have been torn all the same.
            self._torn(prefix, since)

    def _torn(self, prefix: str, since: int) -> None:
        others = self.disk.changes[since:] if since >= 0 else []
        if any(key.startswith(prefix) and who is not self.process for key, who in others):
            self.process.torn = True
            self.disk.schedule.counts["torn listings"] += 1

    def keys(self, prefix: str, start_after: str = "", before: str = "") -> Sequence[str]:
        found = (entry.key for entry in self.list(prefix, start_after))
        return [*takewhile(lambda key: not before or key < before, found)]

    def folders(self, prefix: str) -> Iterator[str]:
        self._read("folders", prefix)
        rest = (key[len(prefix) :] for key in self.disk.keys if key.startswith(prefix))
        return iter(sorted({name.partition("/")[0] for name in rest if "/" in name}))

    def locate(self, key: str) -> str:
        return f"memory://{key}"

    def now(self) -> datetime:
        return self.disk.schedule.now

    def leftovers(self, before: datetime) -> Iterator[str]:
        del before  # a write either happened or did not
        return iter(())

    def sweep(self, leftover: str) -> None:
        del leftover
