"""Leases as files beside the data: a record to be read, and a lock that dies with its process."""

# What is promised here is a sequence of system calls: they go by their own names.
# ruff: noqa: PTH103, PTH108, PTH120

from __future__ import annotations

import fcntl
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property

from schemahub.core import lease as rules
from schemahub.core.errors import ObjectMissing, StoreError
from schemahub.core.layout import LEASES, lease_key, parse_lease
from schemahub.core.lease import Holder
from schemahub.ports import Store

_TRIES = 5  # to lock a file that others replace meanwhile
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class LeaseFiles:
    """adapters.leases.Board in a folder lake.

    The record is `leases/{name}.json`. Its holder has a lock (flock) on the hidden file
    beside it for as long as it lives: the system frees it when the process dies, however it
    does, so on one host nobody waits for the dead. Where the record is another host's the
    lock says nothing (a network disk may not share it), and silence alone counts. A holder
    that is found dead but has its lock (it was stopped) loses the file that it locked: the
    new holder locks a new one of the same name.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mutex = threading.Lock()
        self._locks: dict[str, int] = {}

    @cached_property
    def host(self) -> str:
        """The machine and its boot: locks of processes under the same are told apart by it."""
        with suppress(OSError), open(_BOOT_ID, encoding="ascii") as file:  # noqa: PTH123
            return f"{socket.gethostname()} {file.read().strip()}"
        return socket.gethostname()

    def read(self, name: str) -> Holder | None:
        try:
            return rules.decode(name, self._store.read(lease_key(name)))
        except ObjectMissing:
            return None

    def take(self, new: Holder, over: Holder | None, *, dead: bool) -> bool:
        if over is not None and over.host != self.host and not dead:
            return False
        path = self._path(new.name)
        with _translated(new.name):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if dead and over is not None:
                return self._take_from_dead(path, new, over)
            file = _lock(path)
        if file is None:
            return False
        return self._write(file, path, new, over)

    def _take_from_dead(self, path: str, new: Holder, over: Holder) -> bool:
        """One at a time on this host, so that nobody removes the lock of who was first."""
        door = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if not _flock(door) or not _is(self.read(new.name), over):
                return False
            file = _lock(path)
            if file is None:
                _unlink(path)
                file = _lock(path)
            return file is not None and self._write(file, path, new, over, dead=True)
        finally:
            os.close(door)

    def _write(
        self, file: int, path: str, new: Holder, over: Holder | None, *, dead: bool = False
    ) -> bool:
        """Put the record, with the lock held. Closes `file` unless it is ours for good."""
        kept = False
        try:
            there = self.read(new.name)
            foreign = there is not None and there.host != self.host
            if _is(there, over) and (dead or not foreign):
                self._store.put(lease_key(new.name), rules.encode(new))
                with _translated(new.name):
                    # Somebody may have taken us for dead between the lock and the record.
                    kept = _same(file, path)
            if kept:
                with self._mutex:
                    self._locks[new.token] = file
            return kept
        finally:
            if not kept:
                os.close(file)

    def renew(self, new: Holder) -> bool:
        path = self._path(new.name)
        with self._mutex:
            file = self._locks.get(new.token)
        with _translated(new.name):
            if file is None or not _same(file, path):
                return False
        if not new.is_mine(self.read(new.name)):
            return False
        self._store.put(lease_key(new.name), rules.encode(new))
        with _translated(new.name):
            # Stopped in between for long, we may have written over somebody else's record.
            return _same(file, path)

    def drop(self, mine: Holder) -> None:
        path = self._path(mine.name)
        with self._mutex:
            file = self._locks.pop(mine.token, None)
        try:
            if mine.is_mine(self.read(mine.name)):
                self._store.delete(lease_key(mine.name))
            with _translated(mine.name):
                if file is not None and _same(file, path):
                    _unlink(path)
        finally:
            if file is not None:
                os.close(file)

    def remove(self, name: str) -> bool:
        there = self.read(name) is not None
        path = self._path(name)
        # Unreadable ones as well: whoever asks for it wants it gone.
        self._store.delete(lease_key(name))
        with _translated(name):
            _unlink(path)
        return there

    def records(self) -> Iterator[Holder]:
        for entry in self._store.list(LEASES):
            name = parse_lease(entry.key)
            holder = None if name is None else self.read(name)
            if holder is not None:
                yield holder

    def _path(self, name: str) -> str:
        """The lock file: a hidden name, which no listing of the lake shows."""
        folder, _, file = self._store.locate(lease_key(name)).rpartition("/")
        return f"{folder}/.{file.removesuffix('.json')}.lock"


def _is(there: Holder | None, over: Holder | None) -> bool:
    return (there and there.nonce) == (over and over.nonce)


def _lock(path: str) -> int | None:
    """The file at `path`, locked and still there; None if a living process has it."""
    for _ in range(_TRIES):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        with ExitStack() as undo:
            undo.callback(os.close, file)
            locked = _flock(file)
            if locked and _same(file, path):
                undo.pop_all()
                return file
        if not locked:
            return None
    return None


def _flock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same(file: int, path: str) -> bool:
    """Whether the open `file` is what lies at `path`."""
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return False
    mine = os.fstat(file)
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """OSErrors become StoreErrors here and nowhere else."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the lease {name} cannot be kept",
            str(error),
            "nothing depends on it but the sparing of double work",
        ) from error
