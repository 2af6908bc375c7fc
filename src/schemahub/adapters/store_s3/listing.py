"""Byte order out of whatever order a service lists in.

AWS lists keys in byte order. Services that keep folders walk them, so that `a/b` comes
before `a-b`, although `/` sorts after `-`: what lies in a folder comes too early, never too
late. So keys below a folder are held back until everything that may sort before them is past.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from schemahub.core.errors import StoreError
from schemahub.ports import Entry


def base_of(prefix: str) -> str:
    """The folder in which keys that start with `prefix` lie, or which holds their folders."""
    return prefix[: prefix.rfind("/") + 1]


def start_for(base: str, start_after: str) -> str | None:
    """What the service may be told to start after, without losing a key in any order.

    Never later than `start_after`, and seldom much earlier. None: all keys below `base` sort
    before it.
    """
    if not start_after.startswith(base):
        return "" if start_after < base else None
    start = start_after[len(base) :]
    # Up to the first character that sorts before `/` both orders agree.
    start = next((start[:at] for at, one in enumerate(start) if one < "/"), start)
    # A service that walks folders takes the name of one to mean: after all that is in it. So
    # it is told a name just below, which ends as no folder above a wanted key does.
    while start and (start[-1] <= "0" or start[-1] == "\ue000"):
        start = start[:-1]
    return f"{base}{start[:-1]}{chr(ord(start[-1]) - 1)}~" if start else ""


def in_byte_order(found: Iterable[Entry], base: str) -> Iterator[Entry]:
    """`found` in byte order of the keys; keeps at most one folder of `base` in memory.

    Raises StoreError if that cannot be had: the service's order is neither of the two.
    """
    held: list[Entry] = []
    edge = b""  # every key before this may still sort among those held
    last = b""
    for entry in found:
        name = entry.key.encode()
        if held and name >= edge:
            held.sort(key=lambda each: each.key.encode())
            for each in held:
                last = _after(last, each)
                yield each
            held.clear()
        if held or "/" in entry.key[len(base) :]:
            if not held:
                folder = entry.key[: entry.key.index("/", len(base))]
                edge = folder.encode() + b"0"  # the character after `/`
            held.append(entry)
        else:
            last = _after(last, entry)
            yield entry
    held.sort(key=lambda each: each.key.encode())
    for each in held:
        last = _after(last, each)
        yield each


def _after(last: bytes, entry: Entry) -> bytes:
    name = entry.key.encode()
    if name <= last:
        raise StoreError(
            "this storage cannot hold a lake",
            f"list: {entry.key} is listed after {last.decode()}, which is no order of names",
            "use a service that lists in the order of names",
        )
    return name
