"""A store whose process dies, by SIGKILL, at a given call: before it, or just after it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypeVar

from schemahub.adapters import store_local
from schemahub.app import App
from schemahub.ports import Entry, Store
from tests.pipelines.stores import Wrapped

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Death:
    """At call `at` of the process's store, counted from 1; at 0 never.

    `forgets`: a sabotage, so many of the objects created last die with the process.
    """

    at: int
    when: Literal["before", "after"] = "before"
    forgets: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Likeness(Wrapped):
    """Passes for the kind of store that it wraps: by that the program chooses where leases are."""

    __class__ = property(lambda self: type(self.inner))  # what isinstance asks


class Mortal(Likeness):
    """ports.Store: notes every call in a file, one line each, and dies at one of them.

    In `acks` it notes a creation once it was answered, and a removal before it is asked for.
    """

    def __init__(self, inner: Store, death: Death, log: Path, acks: Path) -> None:
        super().__init__(inner)
        self._death = death
        self._calls = 0
        self._created: list[str] = []
        self._lock = threading.Lock()
        self._log, self._acks = (
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) for path in (log, acks)
        )

    def create(self, key: str, data: bytes) -> bool:
        created = self._call("create", key, lambda: self.inner.create(key, data))
        os.write(self._acks, f"create {key}\n".encode())
        self._created.append(key)
        return created

    def read(self, key: str) -> bytes:
        return self._call("read", key, lambda: self.inner.read(key))

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        # One call, as it is one request of another kind of store.
        return iter(self._call("list", prefix, lambda: [*self.inner.list(prefix, start_after)]))

    def keys(self, prefix: str, start_after: str = "", before: str = "") -> Sequence[str]:
        found = self._call("list", prefix, lambda: self.inner.keys(prefix, start_after, before))
        return list(found)

    def folders(self, prefix: str) -> Iterator[str]:
        return iter(self._call("folders", prefix, lambda: [*self.inner.folders(prefix)]))

    def put(self, key: str, data: bytes) -> None:
        self._call("put", key, lambda: self.inner.put(key, data))

    def delete(self, key: str) -> None:
        os.write(self._acks, f"delete {key}\n".encode())
        self._call("delete", key, lambda: self.inner.delete(key))

    def _call(self, verb: str, key: str, work: Callable[[], T]) -> T:
        with self._lock:
            self._calls += 1
            mine = self._calls == self._death.at
            os.write(self._log, f"{verb} {key}\n".encode())
            if mine and self._death.when == "before":
                self._die()
        done = work()
        if mine:
            self._die()
        return done

    def _die(self) -> None:
        for key in self._created[len(self._created) - self._death.forgets :]:
            self.inner.delete(key)
        os.kill(os.getpid(), signal.SIGKILL)


def wrap_store(wrap: Callable[[Any], Store]) -> None:
    """From now on the app of this process works on what `wrap` makes of its store."""
    opened = App.__dict__["store"].func
    wrapped = cached_property(lambda app: wrap(opened(app)))
    wrapped.__set_name__(App, "store")
    setattr(App, "store", wrapped)  # noqa: B010  (to mypy it is not of that type)


class _Turns:
    """Stands for the module `secrets` of the folder store: names that a tracer can be told."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def token_hex(self, size: int) -> str:
        return f"{next(self._numbers):0{2 * size}x}"


def name_in_turn() -> None:
    """This process's temporary files are numbered from 1."""
    module: Any = store_local
    module.secrets = _Turns()


def doom(death: Death, log: Path, acks: Path) -> None:
    """This process's store is mortal from now on."""
    wrap_store(lambda store: Mortal(store, death, log, acks))
