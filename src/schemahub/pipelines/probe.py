"""Does this backend keep the promises that a lake is built on? Asked before it is used."""

from __future__ import annotations

from schemahub.core.errors import ObjectMissing, SchemaHubError, StoreError
from schemahub.core.layout import probe_key
from schemahub.ports import Store, Tasks

WRITERS = 8


def probe(store: Store, tasks: Tasks, token: str) -> None:
    """Raises StoreError, naming the broken promise, unless `store` can hold a lake.

    Leaves nothing behind. `token` (letters and digits) must be new: two probes with the
    same one would find each other's object.
    """
    key = probe_key(token)
    try:
        winner = _race(store, tasks, key)
        _later(store, key, winner)
    finally:
        store.delete(key)
    if _listed(store, key):
        raise _broken("delete", "a deleted object is still listed")
    try:
        store.read(key)
    except ObjectMissing:
        return
    raise _broken("delete", "a deleted object can still be read")


def _race(store: Store, tasks: Tasks, key: str) -> bytes:
    """What the only winner of a race of creates wrote."""
    bodies = [f"{key} by writer {number}".encode() for number in range(WRITERS)]
    won = []
    for body, outcome in tasks.each(lambda body: store.create(key, body), bodies, WRITERS):
        if isinstance(outcome, SchemaHubError):
            raise outcome
        if outcome:
            won.append(body)
    if len(won) != 1:
        raise _broken("create", f"{len(won)} of {WRITERS} writers at once were told they won")
    if store.read(key) != won[0]:
        raise _broken("create", "what is stored is not what the winner wrote")
    return won[0]


def _later(store: Store, key: str, winner: bytes) -> None:
    if store.create(key, b"a later writer"):
        raise _broken("create", "a second create of the same name was told it won")
    if store.read(key) != winner:
        raise _broken("create", "a second create of the same name replaced the first")
    # Names are found by their beginning, too.
    for prefix in (key, key[:-1]):
        if [size for name, size in _listed(store, prefix) if name == key] != [len(winner)]:
            raise _broken("list", f"a new object is not listed as it is, under {prefix!r}")
    if any(name == key for name, _ in _listed(store, key, start_after=key)):
        raise _broken("list", "a listing that starts after a name holds that name")


def _listed(store: Store, prefix: str, start_after: str = "") -> list[tuple[str, int]]:
    return [(entry.key, entry.size) for entry in store.list(prefix, start_after)]


def _broken(verb: str, why: str) -> StoreError:
    return StoreError(
        "this storage cannot hold a lake",
        f"{verb}: {why}",
        "use a local disk, or an S3 service that honours If-None-Match",
    )
