"""A lake in a folder: objects are files, made durable by fsync and exclusive by `link`."""

# What is promised here is a sequence of system calls: they go by their own names.
# ruff: noqa: PTH100, PTH102, PTH105, PTH108, PTH112, PTH118, PTH119, PTH120, PTH123

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from schemahub.core.errors import ObjectCorrupt, ObjectMissing, StoreError
from schemahub.core.keys import check_folder, check_key, check_prefix, is_unicode, refused
from schemahub.ports import Entry

LARGEST = 1 << 30  # bytes of an object: several times the largest part or raw object
_MOST_SCANS = 100  # of one folder, for two that agree
_TEMP = re.compile(r"\.[0-9a-f]{24}\.tmp")
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)


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
        if create_root:
            with _translated("", f"make the folder {self._root}"):
                self._make(self._root)

    def __getstate__(self) -> str:
        return self._root

    def __setstate__(self, root: str) -> None:
        self.__init__(root, create_root=False)  # type: ignore[misc]

    def create(self, key: str, data: bytes) -> bool:
        path = self._path(key)
        with _translated(key, "write"):
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
        with _translated(key, "read", missing=True):
            # O_NONBLOCK: a pipe of that name would keep us waiting for its writer.
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            file = os.open(path, flags)
            with open(file, "rb", buffering=0) as opened:
                _check_file(os.fstat(file), key)
                return opened.read()

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        check_prefix(prefix)
        folder = prefix.rpartition("/")[0]
        if folder:
            self._keep_inside(os.path.join(self._root, folder), folder)
        return self._walk(f"{folder}/" if folder else "", prefix, start_after)

    def folders(self, prefix: str) -> Iterator[str]:
        check_folder(prefix)
        if prefix:
            self._keep_inside(os.path.join(self._root, prefix), prefix)
        return self._folders(prefix)

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        with _translated(key, "write"):
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
        with _translated(key, "delete"):
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
        with _translated(leftover, "delete"):
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
        with _translated(key, "resolve"):
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

    def _walk(self, folder: str, prefix: str, start_after: str) -> Iterator[Entry]:
        for name, is_folder in self._scan(folder):
            key = f"{folder}{name}/" if is_folder else folder + name
            if is_folder:
                wanted = key.startswith(prefix) or prefix.startswith(key)
                # All keys below lie before `start_after`, unless it is one of them.
                passed = key < start_after and not start_after.startswith(key)
                if wanted and not passed:
                    yield from self._walk(key, prefix, start_after)
            elif key.startswith(prefix) and key > start_after:
                found = self._entry(key)
                if found is not None:
                    yield found

    def _folders(self, prefix: str) -> Iterator[str]:
        for name, is_folder in sorted(self._scan(prefix)):
            if is_folder and any(True for _ in self._walk(f"{prefix}{name}/", "", "")):
                yield name

    def _scan(self, folder: str) -> Sequence[tuple[str, bool]]:
        """Names in `folder` in the order of their keys, and whether they are folders.

        While names come and go one scan may miss a name that was there all the time; two
        that agree did not.
        """
        path = os.path.join(self._root, folder)
        last = None
        for _ in range(_MOST_SCANS):
            with _translated(folder, "list"):
                found = _names(path)
            if found == last:
                # A folder's keys go on with `/`, which sorts after `-` and `.`.
                return sorted(found, key=lambda each: each[0] + "/" if each[1] else each[0])
            last = found
        raise StoreError(
            f"{path} cannot be listed",
            f"{_MOST_SCANS} scans in a row all found something else",
            "find out who writes into this folder so fast",
        )

    def _entry(self, key: str) -> Entry | None:
        with _translated(key, "list"):
            try:
                found = os.lstat(os.path.join(self._root, key))
            except FileNotFoundError:
                return None  # deleted since the scan
            return Entry(key, found.st_size, _moment(found))


def _names(path: str) -> set[tuple[str, bool]]:
    found = set()
    try:
        with os.scandir(path) as scan:
            for entry in scan:
                name = entry.name
                if name.startswith(".") or "\\" in name or not is_unicode(name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    found.add((name, True))
                elif entry.is_file(follow_symlinks=False):
                    found.add((name, False))
    except (FileNotFoundError, NotADirectoryError):
        return set()
    return found


def _unlink(path: str) -> bool:
    """Whether it was there."""
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return False
        raise
    return True


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


# ---------------------------------------------------------------- errors

_FULL = ("the disk is full", "free some space, then run the same command again")
_FORBIDDEN = ("it may not be written or read by this user", "check the lake's permissions")
_MEANINGS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: ("the disk quota is used up", _FULL[1]),
    errno.EFBIG: ("the file would be larger than allowed", "check `ulimit -f`"),
    errno.EROFS: ("the disk is read-only", "choose another --lake, or mount it writable"),
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: ("the system forbids it", "a lake needs a disk with hard links; check --lake"),
    errno.ENOTSUP: ("the disk has no hard links", "choose a --lake on another disk"),
    errno.ENAMETOOLONG: ("the name is too long for this disk", "choose a --lake nearer the top"),
    errno.ENOTDIR: ("a folder on its way is a file", "check --lake, or move that file away"),
    errno.EISDIR: ("there is a folder of that name", "check --lake, or move that folder away"),
    errno.ELOOP: ("it is a symbolic link", "a lake holds plain files only; move it away"),
    errno.EMFILE: ("too many files are open", "raise `ulimit -n`, or use fewer --workers"),
    errno.EIO: ("the disk fails", "check the disk before anything else"),
}


def _unlink_if_there(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


@contextmanager
def _translated(key: str, verb: str, *, missing: bool = False) -> Iterator[None]:
    """OSErrors become StoreErrors here and nowhere else."""
    try:
        yield
    except OSError as error:
        what = f"cannot {verb} {key}".rstrip()
        if missing and error.errno in _NOT_THERE:
            raise ObjectMissing(f"{key} is not there", str(error)) from error
        meaning, do = _MEANINGS.get(
            error.errno or 0, ("the system refuses", "see the system's message above")
        )
        raise StoreError(what, f"{meaning}: {error}", do) from error
