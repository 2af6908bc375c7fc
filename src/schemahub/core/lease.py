"""Who works on what: the rules by which leases are held, lost and taken over.

A lease saves work; nothing that is written depends on it (docs/CORRECTNESS_INVARIANTS.md).
No rule compares the clocks of two machines: silence is measured by the watcher's own
monotonic clock, from the moment at which it saw a nonce first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from schemahub.core.settings import MAX_TTL

SCHEMA_VERSION = 1
_MAX_DIGITS = 19
# Of a lease's life: renewed after a third, so that two attempts may fail; without new work
# after two, so that who sees it expire meets nobody who begins something.
_RENEWED_AFTER = 1 / 3
_TRUSTED_FOR = 2 / 3

Verdict = Literal["free", "held", "dead"]


@dataclass(frozen=True, slots=True)
class Holder:
    """A lease's record: who holds it, as of the last time that they said so.

    `owner` is for people. `generation` grows with every takeover. `nonce` is another each time
    the record is written; its first half, the token, stays the same while one holder has the
    lease. `renewed_at` is told by the holder's own clock, `ttl` in seconds; `host` names the
    running system in which its process lives, where that matters.
    """

    name: str
    owner: str
    generation: int
    nonce: str
    renewed_at: datetime
    ttl: float
    host: str = ""

    @property
    def token(self) -> str:
        return self.nonce.partition(".")[0]

    def renewed(self, at: datetime) -> Holder:
        """The record's next writing, by the same holder."""
        beat = int(self.nonce.partition(".")[2]) + 1
        return replace(self, nonce=f"{self.token}.{beat}", renewed_at=at)

    def is_mine(self, other: Holder | None) -> bool:
        """Whether a record that was read is one of this holder's own."""
        return other is not None and other.token == self.token


def first_nonce(token: str) -> str:
    """`token`: letters and digits that nobody else ever draws."""
    return f"{token}.0"


# ---------------------------------------------------------------- watching somebody else's


@dataclass(frozen=True, slots=True)
class Sight:
    """A nonce, and since when (the watcher's monotonic seconds) it was seen unchanged."""

    nonce: str
    since: float


def judge(record: Holder | None, before: Sight | None, now: float) -> tuple[Verdict, Sight | None]:
    """What to think of a record that was read at `now`, and what to remember of it.

    Dead: it stood still for the whole life that it claims.
    """
    if record is None:
        return "free", None
    if before is None or before.nonce != record.nonce:
        return "held", Sight(record.nonce, now)
    return ("dead" if now - before.since >= record.ttl else "held"), before


def is_doubtful(record: Holder, now: datetime) -> bool:
    """Whether it is worth to watch: by its own words the holder was silent for too long.

    A wall clock decides only that: a wrong one costs a wait, or a skipped run.
    """
    return abs(now - record.renewed_at) > timedelta(seconds=record.ttl)


def patience(record: Holder) -> float:
    """Seconds after which a holder that lives has moved, and one that does not is known dead."""
    return record.ttl * (1 + _RENEWED_AFTER)


# ---------------------------------------------------------------- holding one


def renew_after(ttl: float) -> float:
    """Seconds after the last renewal at which the next is due."""
    return ttl * _RENEWED_AFTER


def retry_after(ttl: float) -> float:
    """Seconds until a renewal that failed is tried again."""
    return ttl / 30


def is_lost(renewed: float, ttl: float, now: float) -> bool:
    """Whether the holder must take its own lease for lost: the last renewal is too old.

    `renewed` is the monotonic moment *before* the write that succeeded.
    """
    return now - renewed >= ttl * _TRUSTED_FOR


# ---------------------------------------------------------------- as bytes


class _Record(msgspec.Struct, forbid_unknown_fields=False):
    schema_version: int
    owner: str
    generation: int
    nonce: str
    renewed_at: datetime
    ttl: float
    host: str = ""


def encode(holder: Holder) -> bytes:
    record = _Record(
        SCHEMA_VERSION,
        holder.owner,
        holder.generation,
        holder.nonce,
        holder.renewed_at,
        holder.ttl,
        holder.host,
    )
    return msgspec.json.encode(record) + b"\n"


def decode(name: str, data: bytes) -> Holder | None:
    """The holder of lease `name`; None if these bytes are no record, so that nobody holds it."""
    try:
        said = msgspec.json.decode(data, type=_Record)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return checked(
        Holder(
            name,
            said.owner,
            said.generation,
            said.nonce,
            said.renewed_at,
            said.ttl,
            said.host,
        )
    )


def checked(holder: Holder) -> Holder | None:
    """A record as it was read, its life within bounds; None if nobody could have written it."""
    token, dot, beat = holder.nonce.partition(".")
    numbered = beat.isascii() and beat.isdecimal() and len(beat) < _MAX_DIGITS
    aware = holder.renewed_at.tzinfo is not None
    if not (token and dot and numbered and aware and holder.generation >= 0):
        return None
    if not math.isfinite(holder.ttl) or holder.ttl <= 0:
        return None
    return replace(holder, ttl=min(holder.ttl, float(MAX_TTL)))
