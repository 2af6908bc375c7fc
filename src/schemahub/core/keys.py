"""Which names an object may have, in every store alike."""

from __future__ import annotations

from schemahub.core.errors import StoreError


def check_key(key: str) -> None:
    """Raises StoreError for a name that could mean something else than an object of the lake."""
    if not key:
        raise refused(key, "it is empty")
    for segment in key.split("/"):
        _check_segment(key, segment)


def check_prefix(prefix: str) -> None:
    """The same for the beginning of a name, which may end anywhere."""
    *whole, last = prefix.split("/")
    for segment in whole:
        _check_segment(prefix, segment)
    if last:
        _check_segment(prefix, last)


def check_folder(prefix: str) -> None:
    """The same for a name that ends in `/`, or is empty."""
    check_prefix(prefix)
    if prefix and not prefix.endswith("/"):
        raise refused(prefix, "folders are asked for below a name that ends in /")


def is_unicode(name: str) -> bool:
    """False for names that hold half a surrogate pair: bytes that no encoding gave."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def refused(key: str, why: str) -> StoreError:
    return StoreError(f"{key!r} is not an object's name", why, "this is a bug; please report it")


def _check_segment(key: str, segment: str) -> None:
    if not segment:
        raise refused(key, "it begins or ends with / or holds //")
    if segment.startswith("."):
        raise refused(key, "a part of it begins with a dot")
    if "\\" in segment or "\0" in segment:
        raise refused(key, "it holds a backslash or NUL")
    if not is_unicode(segment):
        raise refused(key, "it is not Unicode")
