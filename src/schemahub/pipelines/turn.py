"""Taking turns: work is done under a lease, or said to be somebody else's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from schemahub.core.errors import LeaseHeld
from schemahub.core.lease import Holder
from schemahub.ports import Lease

LOST = (
    "the lease was lost on the way (another run took it, or it could not be renewed in time): "
    "nothing new was begun, what was under way is saved"
)


@contextmanager
def turn(got: Lease | Holder, what: str) -> Iterator[Lease]:
    """The lease, let go at the end however that comes. Raises LeaseHeld if it is another's."""
    if isinstance(got, Holder):
        raise LeaseHeld(
            f"{what}: another run is at it, so this one left it out",
            f"{got.owner} has held the lease {got.name} (generation {got.generation}) "
            f"and renewed it at {got.renewed_at:%Y-%m-%d %H:%M:%S} UTC",
            f"wait for it; if that run is gone for good, `schemahub locks break {got.name}`",
        )
    try:
        yield got
    finally:
        got.release()
