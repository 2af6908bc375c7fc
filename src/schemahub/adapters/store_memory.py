"""A lake in memory: the same promises as a folder's, for as long as the process lives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from schemahub.core.errors import ObjectMissing
from schemahub.core.keys import check_folder, check_key, check_prefix
from schemahub.ports import Entry


def _machine() -> datetime:
    return datetime.now(UTC)


class MemoryStore:
    """ports.Store. Safe to use from many threads; every operation is atomic."""

    def __init__(self, now: Callable[[], datetime] = _machine) -> None:
        self._objects: dict[str, tuple[bytes, datetime]] = {}
        self._lock = threading.Lock()
        self._now = now

    def create(self, key: str, data: bytes) -> bool:
        check_key(key)
        with self._lock:
            if key in self._objects:
                return False
            self._objects[key] = (bytes(data), self._now())
            return True

    def read(self, key: str) -> bytes:
        check_key(key)
        with self._lock:
            if key not in self._objects:
                raise ObjectMissing(f"{key} is not there", "in the memory store")
            return self._objects[key][0]

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        check_prefix(prefix)
        # Code points sort as their UTF-8 bytes do.
        with self._lock:
            found = sorted(
                (key, len(data), created_at)
                for key, (data, created_at) in self._objects.items()
                if key.startswith(prefix) and key > start_after
            )
        return (Entry(*each) for each in found)

    def keys(self, prefix: str, start_after: str = "", before: str = "") -> Sequence[str]:
        found = (entry.key for entry in self.list(prefix, start_after))
        return [key for key in found if not before or key < before]

    def folders(self, prefix: str) -> Iterator[str]:
        check_folder(prefix)
        with self._lock:
            rest = [key[len(prefix) :] for key in self._objects if key.startswith(prefix)]
        return iter(sorted({name.partition("/")[0] for name in rest if "/" in name}))

    def put(self, key: str, data: bytes) -> None:
        check_key(key)
        with self._lock:
            self._objects[key] = (bytes(data), self._now())

    def delete(self, key: str) -> None:
        check_key(key)
        with self._lock:
            self._objects.pop(key, None)

    def locate(self, key: str) -> str:
        check_key(key)
        return f"memory://{key}"

    def now(self) -> datetime:
        return self._now()

    def leftovers(self, before: datetime) -> Iterator[str]:
        del before  # a write either happened or did not
        return iter(())

    def sweep(self, leftover: str) -> None:
        del leftover
