"""A lake in memory: the same promises as a folder's, for as long as the process lives."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from schemahub.core.errors import ObjectMissing, StoreError
from schemahub.ports import Entry


class MemoryStore:
    """ports.Store. Safe to use from many threads; every operation is atomic."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def create(self, key: str, data: bytes) -> bool:
        _check(key)
        with self._lock:
            if key in self._objects:
                return False
            self._objects[key] = bytes(data)
            return True

    def read(self, key: str) -> bytes:
        _check(key)
        with self._lock:
            if key not in self._objects:
                raise ObjectMissing(f"{key} is not there", "in the memory store")
            return self._objects[key]

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        _check_prefix(prefix)
        # Code points sort as their UTF-8 bytes do.
        with self._lock:
            found = sorted(
                (key, len(data))
                for key, data in self._objects.items()
                if key.startswith(prefix) and key > start_after
            )
        return (Entry(key, size) for key, size in found)

    def folders(self, prefix: str) -> Iterator[str]:
        _check_prefix(prefix)
        with self._lock:
            rest = [key[len(prefix) :] for key in self._objects if key.startswith(prefix)]
        return iter(sorted({name.partition("/")[0] for name in rest if "/" in name}))

    def put(self, key: str, data: bytes) -> None:
        _check(key)
        with self._lock:
            self._objects[key] = bytes(data)

    def delete(self, key: str) -> None:
        _check(key)
        with self._lock:
            self._objects.pop(key, None)

    def locate(self, key: str) -> str:
        _check(key)
        return f"memory://{key}"


def _check(key: str) -> None:
    """Raises StoreError for what a folder would refuse too."""
    if not key:
        raise _refused(key, "it is empty")
    for segment in key.split("/"):
        _check_segment(key, segment)


def _check_prefix(prefix: str) -> None:
    *whole, last = prefix.split("/")
    for segment in whole:
        _check_segment(prefix, segment)
    if last:
        _check_segment(prefix, last)


def _check_segment(key: str, segment: str) -> None:
    if not segment:
        raise _refused(key, "it begins or ends with / or holds //")
    if segment.startswith("."):
        raise _refused(key, "a part of it begins with a dot")
    if "\\" in segment or "\0" in segment:
        raise _refused(key, "it holds a backslash or NUL")
    try:
        segment.encode()
    except UnicodeEncodeError:
        raise _refused(key, "it is not Unicode") from None


def _refused(key: str, why: str) -> StoreError:
    return StoreError(f"{key!r} is not an object's name", why, "this is a bug; please report it")
