"""What is in a folder of a lake: names, never one too few while others write."""

# ruff: noqa: PTH116  (a sequence of system calls, by their own names)

from __future__ import annotations

import os
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from schemahub.core.errors import StoreError
from schemahub.core.keys import is_unicode

MOST_SCANS = 100  # of one folder, for two that agree
# Nanoseconds after which a folder's next change surely has another time: no file system that
# has hard links tells times more coarsely than by the second.
CALM = 2_000_000_000


Run = list[str]  # names or keys, in order


class Names(NamedTuple):
    """What is in a folder, each in order; folders end in `/`, as they sort among keys."""

    files: Run
    folders: Run


class Change(NamedTuple):
    """Which folder it is, and when a name last came or went."""

    device: int
    inode: int
    at: int


class Scans:
    """Scans of folders; the last one is kept, and holds until that folder changes."""

    def __init__(self) -> None:
        self._kept: tuple[str, Change, Names] | None = None

    def names(self, path: str) -> Names:
        """What is in a folder, nothing if it is not there. Raises OSError, StoreError.

        While names come and go one scan may miss a name that was there all the time. Two
        that agree did not; nor did one before and after which the folder's own time of change
        is the same, and long gone.
        """
        last = None
        for _ in range(MOST_SCANS):
            before = _calm_since(path)
            kept = self._kept  # one tuple: other threads replace it whole
            if before is not None and kept is not None and kept[:2] == (path, before):
                return kept[2]
            found = _names(path)
            if before is not None and _calm_since(path) == before:
                self._kept = (path, before, found)
                return found
            if found == last:
                return found
            last = found
        raise StoreError(
            f"{path} cannot be listed",
            f"{MOST_SCANS} scans in a row all found something else",
            "find out who writes into this folder so fast",
        )


def chosen(names: Run, folder: str, prefix: str, start_after: str) -> Run:
    """Of sorted names in `folder` the keys that start with `prefix`, after `start_after`."""
    first, stop = 0, len(names)
    if start_after.startswith(folder):
        first = bisect_right(names, start_after[len(folder) :])
    elif start_after > folder:
        return []
    start = prefix[len(folder) :]
    if start:
        first = max(first, bisect_left(names, start))
        stop = bisect_right(names, start, key=lambda name: name[: len(start)])
    return [folder + name for name in names[first:stop]]


def _names(path: str) -> Names:
    try:
        with os.scandir(path) as scan:
            entries = list(scan)
    except (FileNotFoundError, NotADirectoryError):
        return Names([], [])
    files = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    folders = []
    if len(files) < len(entries):
        folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return Names(sorted(_ours(files)), sorted(f"{name}/" for name in _ours(folders)))


def inside(path: str) -> Iterator[str]:
    """The files in a folder, in no order: no more than somebody wants to know is looked at."""
    try:
        with os.scandir(path) as scan:
            for entry in scan:
                if entry.is_file(follow_symlinks=False):
                    yield from _ours([entry.name])
    except (FileNotFoundError, NotADirectoryError):
        return


def _ours(names: list[str]) -> list[str]:
    """Without those that no key can hold."""
    # No name holds a slash. That there is none of them is told of all at once.
    all_of_them = "/" + "/".join(names)
    if all_of_them.isascii() and "/." not in all_of_them and "\\" not in all_of_them:
        return names
    return [
        name
        for name in names
        if name[0] != "." and "\\" not in name and (name.isascii() or is_unicode(name))
    ]


def _calm_since(path: str) -> Change | None:
    """Which folder it is and when a name last came or went; None if that was just now.

    Two changes within the same tick of the file system's clock have the same time; once it
    has passed, any further change has another one, which nobody can set back.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if time.time_ns() - found.st_ctime_ns < CALM:
        return None
    return Change(found.st_dev, found.st_ino, found.st_ctime_ns)
