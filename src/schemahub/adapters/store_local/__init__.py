"""A lake in a folder: objects are files, made durable by fsync and exclusive by `link`."""

# What is promised here is a sequence of system calls: they go by their own names.
# ruff: noqa: PTH100, PTH102, PTH105, PTH108, PTH112, PTH118, PTH119, PTH120, PTH123

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

from schemahub.adapters.store_local.errors import NOT_THERE, translated
from schemahub.adapters.store_local.folder import Names, Run, Scans, chosen, inside
from schemahub.core.errors import ObjectCorrupt
from schemahub.core.keys import check_folder, check_key, check_prefix, refused
from schemahub.ports import Entry

LARGEST = 1 << 30  # bytes of an object: several times the largest part or raw object
_TEMP = re.compile(r"\.[0-9a-f]{24}\.tmp")


class LocalStore:
    """ports.Store in the folder `root`. Safe to use from many threads and processes.

    Files whose names begin with a dot are ours for a moment, or left over from a crash, and
    are never listed; no key may hold such a name. Symbolic links below the root are not
    followed out of it. With `create_root=False` nothing is made before the first write.
    """

    def __init__(self, root: Path | str, *, create_root: bool = True) -> None:
        self._root = os.path.abspath(root)
        self._real_root = os.path.realpath(self._root)
        self._settled: set[str] = set()
        self._scans = Scans()
        if create_root:
            with translated("", f"make the folder {self._root}"):
                self._make(self._root)

    def __getstate__(self) -> str:
        return self._root

    def __setstate__(self, root: str) -> None:
        self.__init__(root, create_root=False)  # type: ignore[misc]

    def create(self, key: str, data: bytes) -> bool:
        path = self._path(key)
        with translated(key, "write"):
            temp = self._write(path, data)
            try:
                os.link(temp, path)
                created = True
            except FileExistsError:
                if stat.S_ISDIR(os.lstat(path).st_mode):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
                created = False
            finally:
                # Before the fsync, which so makes it durable too. If it never happens, the
                # leftover is ignored.
                with suppress(OSError):
                    os.unlink(temp)
            # Also where somebody else was first: their name may not be durable yet.
            _fsync_folder(os.path.dirname(path))
        return created

    def read(self, key: str) -> bytes:
        path = self._path(key)
        with translated(key, "read", missing=True):
            # O_NONBLOCK: a pipe of that name would keep us waiting for its writer.
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            file = os.open(path, flags)
            with open(file, "rb", buffering=0) as opened:
                _check_file(os.fstat(file), key)
                return opened.read()

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        runs = self._below(prefix, start_after)
        entries = (self._entry(key) for run in runs for key in run)
        return (entry for entry in entries if entry is not None)

    def keys(self, prefix: str, start_after: str = "", before: str = "") -> Sequence[str]:
        found: Run = []
        for run in self._below(prefix, start_after):
            found += run
            if before and found and found[-1] >= before:
                return found[: bisect_left(found, before)]
        return found

    def folders(self, prefix: str) -> Iterator[str]:
        check_folder(prefix)
        if prefix:
            self._keep_inside(os.path.join(self._root, prefix), prefix)
        return self._folders(prefix)

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        with translated(key, "write"):
            temp = self._write(path, data)
            try:
                os.replace(temp, path)
            except OSError:
                with suppress(OSError):
                    os.unlink(temp)
                raise
            _fsync_folder(os.path.dirname(path))

    def delete(self, key: str) -> None:
        path = self._path(key)
        with translated(key, "delete"):
            if _unlink(path):
                _fsync_folder(os.path.dirname(path))

    def locate(self, key: str) -> str:
        return self._path(key)

    def now(self) -> datetime:
        # Asking the disk would take a write, and this is asked in dry runs too.
        return datetime.now(UTC)

    def leftovers(self, before: datetime) -> Iterator[str]:
        for folder, folders, files in os.walk(self._root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                path = os.path.join(folder, name)
                if _TEMP.fullmatch(name) and _older(path, before):
                    yield os.path.relpath(path, self._root)

    def sweep(self, leftover: str) -> None:
        if not _TEMP.fullmatch(os.path.basename(leftover)):
            raise refused(leftover, "it is no temporary file of a lake")
        folder = os.path.dirname(os.path.join(self._root, leftover))
        self._keep_inside(folder, leftover)
        with translated(leftover, "delete"):
            _unlink(os.path.join(self._root, leftover))

    # ------------------------------------------------------------ names

    def _path(self, key: str) -> str:
        """Where `key` lies. Raises StoreError if that is not below the root."""
        check_key(key)
        path = os.path.join(self._root, *key.split("/"))
        # The last part is never followed (O_NOFOLLOW, link), so only the folder is resolved.
        self._keep_inside(os.path.dirname(path), key)
        return path

    def _keep_inside(self, folder: str, key: str) -> None:
        with translated(key, "resolve"):
            real = os.path.realpath(folder)
        if real != self._real_root and not real.startswith(os.path.join(self._real_root, "")):
            raise refused(key, f"a symbolic link leads out of {self._root}, to {real}")

    # ------------------------------------------------------------ writing

    def _write(self, path: str, data: bytes) -> str:
        """The name of a temporary file beside `path` that durably holds `data`."""
        folder = os.path.dirname(path)
        self._make(folder)
        temp = os.path.join(folder, f".{secrets.token_hex(12)}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            file = os.open(temp, flags, 0o666)
        except FileNotFoundError:
            # Somebody removed the folder since we made it.
            self._settled.clear()
            self._make(folder)
            file = os.open(temp, flags, 0o666)
        with ExitStack() as undo:
            undo.callback(_unlink_if_there, temp)
            with open(file, "wb", buffering=0) as opened:
                rest = memoryview(data)
                while rest:
                    rest = rest[opened.write(rest) :]
                os.fsync(file)
            undo.pop_all()
        return temp

    def _make(self, folder: str) -> None:
        """Make `folder`, and its name durable.

        Once a folder, also for those that are there already: another process may have made
        them a moment ago and not yet come to its fsync.
        """
        if folder in self._settled:
            return
        above = os.path.dirname(folder)
        if folder != self._root:
            self._make(above)
            _mkdir(folder)
            _fsync_folder(above)
        elif not os.path.isdir(folder):
            _make_all(folder)
        self._settled.add(folder)

    # ------------------------------------------------------------ listing

    def _below(self, prefix: str, start_after: str) -> Iterator[Run]:
        check_prefix(prefix)
        folder = prefix.rpartition("/")[0]
        if folder:
            self._keep_inside(os.path.join(self._root, folder), folder)
        return self._runs(f"{folder}/" if folder else "", prefix, start_after)

    def _runs(self, folder: str, prefix: str, start_after: str) -> Iterator[Run]:
        """The keys below `folder` in their order, those between two folders at a time."""
        files, folders = self._scan(folder)
        begun = 0
        for name in folders:
            stop = bisect_left(files, name)
            yield chosen(files[begun:stop], folder, prefix, start_after)
            begun = stop
            below = folder + name
            wanted = below.startswith(prefix) or prefix.startswith(below)
            # All keys below lie before `start_after`, unless it is one of them.
            passed = below < start_after and not start_after.startswith(below)
            if wanted and not passed:
                yield from self._runs(below, prefix, start_after)
        yield chosen(files[begun:], folder, prefix, start_after)

    def _folders(self, prefix: str) -> Iterator[str]:
        for name in sorted(name[:-1] for name in self._scan(prefix).folders):
            if self._holds(f"{prefix}{name}/"):
                yield name

    def _holds(self, folder: str) -> bool:
        """Whether there is any object below: the first that is met tells, however many follow."""
        with translated(folder, "list"):
            if any(True for _ in inside(os.path.join(self._root, folder))):
                return True
        return any(self._runs(folder, "", ""))

    def _scan(self, folder: str) -> Names:
        with translated(folder, "list"):
            return self._scans.names(os.path.join(self._root, folder))

    def _entry(self, key: str) -> Entry | None:
        with translated(key, "list"):
            try:
                found = os.lstat(os.path.join(self._root, key))
            except FileNotFoundError:
                return None  # deleted since the scan
            return Entry(key, found.st_size, _moment(found))


def _unlink(path: str) -> bool:
    """Whether it was there."""
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno in NOT_THERE:
            return False
        raise
    return True


def _unlink_if_there(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def _check_file(found: os.stat_result, key: str) -> None:
    """Raises ObjectCorrupt for what no lake holds: what is read is read whole, into memory."""
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise ObjectCorrupt(key, "it is not a plain file", "move it away")
    if found.st_size > LARGEST:
        raise ObjectCorrupt(key, f"it is larger than any object: {found.st_size} bytes")


def _moment(found: os.stat_result) -> datetime:
    return datetime.fromtimestamp(found.st_mtime, UTC)


def _older(path: str, before: datetime) -> bool:
    try:
        return _moment(os.lstat(path)) < before
    except FileNotFoundError:
        return False


def _make_all(folder: str) -> None:
    above = os.path.dirname(folder)
    if not os.path.lexists(above):
        _make_all(above)
    _mkdir(folder)
    _fsync_folder(above)


def _mkdir(folder: str) -> None:
    try:
        os.mkdir(folder)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder) from None


def _fsync_folder(path: str) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
