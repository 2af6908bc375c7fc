"""What the system's errors mean to a lake in a folder."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from schemahub.core.errors import ObjectMissing, StoreError

NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)

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


@contextmanager
def translated(key: str, verb: str, *, missing: bool = False) -> Iterator[None]:
    """OSErrors become StoreErrors here and nowhere else."""
    try:
        yield
    except OSError as error:
        what = f"cannot {verb} {key}".rstrip()
        if missing and error.errno in NOT_THERE:
            raise ObjectMissing(f"{key} is not there", str(error)) from error
        meaning, do = _MEANINGS.get(
            error.errno or 0, ("the system refuses", "see the system's message above")
        )
        raise StoreError(what, f"{meaning}: {error}", do) from error
