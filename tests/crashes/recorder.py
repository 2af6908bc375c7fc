"""What a folder store asks of the system, in order: what the model of a disk is made from."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from schemahub.adapters import store_local
from tests.crashes.mortal import Likeness, wrap_store


@dataclass(frozen=True, slots=True)
class Step:
    """One operation that succeeded, or an answer that the store gave (`ack`).

    `begun` is how many steps were done when an fsync began: it covers those alone.
    """

    verb: Literal["mkdir", "make", "write", "fsync", "link", "replace", "unlink", "ack"]
    path: str
    to: str = ""
    data: bytes = b""
    begun: int = 0


class Recorder:
    """Stands for the modules `os` and `builtins` of the store, and notes what changes a disk.

    A change is noted when it succeeded, an fsync with what was noted when it began: so the
    record never calls durable what may not have been.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._lock = threading.Lock()
        self._paths: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def note(self, *step: Any, **more: Any) -> None:
        with self._lock:
            self.steps.append(Step(*step, **more))

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        file = os.open(path, flags, mode)
        self._paths[file] = path
        if flags & os.O_CREAT:
            self.note("make", path)
        return file

    def fsync(self, file: int) -> None:
        begun = len(self.steps)
        os.fsync(file)
        self.note("fsync", self._paths[file], begun=begun)

    def mkdir(self, path: str) -> None:
        os.mkdir(path)  # noqa: PTH102  (as the store calls it)
        self.note("mkdir", path)

    def link(self, path: str, to: str) -> None:
        os.link(path, to)
        self.note("link", path, to)

    def replace(self, path: str, to: str) -> None:
        os.replace(path, to)  # noqa: PTH105  (as the store calls it)
        self.note("replace", path, to)

    def unlink(self, path: str) -> None:
        os.unlink(path)  # noqa: PTH108  (as the store calls it)
        self.note("unlink", path)

    def file(self, number: int, mode: str, buffering: int = -1) -> Any:
        """The store's `open`."""
        if mode != "wb":
            return builtins.open(number, mode, buffering)
        assert buffering == 0, "what is buffered would be noted before it is written"
        return _Watched(number, self._paths[number], self.note)


class _Watched(io.FileIO):
    def __init__(self, number: int, path: str, note: Callable[..., None]) -> None:
        super().__init__(number, "wb")
        self._path, self._note = path, note

    def write(self, data: Any) -> int:
        size = super().write(data)
        self._note("write", self._path, data=bytes(data[:size]))
        return size


class _Answers(Likeness):
    """Notes what the store promised, once it did."""

    def __init__(self, inner: Any, note: Callable[..., None]) -> None:
        super().__init__(inner)
        self._note = note

    def create(self, key: str, data: bytes) -> bool:
        created = self.inner.create(key, data)
        self._note("ack", key, "create")
        return created

    def put(self, key: str, data: bytes) -> None:
        self.inner.put(key, data)
        self._note("ack", key, "put")

    def delete(self, key: str) -> None:
        self.inner.delete(key)
        self._note("ack", key, "delete")


@contextmanager
def recording(into: Path) -> Iterator[None]:
    """Records this process's folder store, and stores the steps when it ends."""
    recorder = Recorder()
    module: Any = store_local
    module.os, module.open = recorder, recorder.file
    wrap_store(lambda store: _Answers(store, recorder.note))
    try:
        yield
    finally:
        into.write_bytes(pickle.dumps(recorder.steps))
