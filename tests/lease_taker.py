"""A process that takes one lease: says `got` or the owner, then waits to be ended.

python -m tests.lease_taker KIND PLACE TTL OWNER
"""

from __future__ import annotations

import sys
from pathlib import Path

from schemahub.adapters.clock import Stop, SystemClock
from schemahub.adapters.leases import Board, RenewedLeases
from schemahub.adapters.metrics import Recorder
from schemahub.core.lease import Holder
from tests.lease_places import NAME, elsewhere, files, items


def board(kind: str, where: str, owner: str) -> Board:
    if kind == "items":
        url, _, lake = where.partition(" ")
        return items(url, lake).board()
    if kind == "hosts":
        return elsewhere(Path(where), owner)
    return files(Path(where)).board()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    kind, where, ttl, owner = sys.argv[1:]
    clock = SystemClock(Stop())
    leases = RenewedLeases(board(kind, where, owner), owner, clock, Recorder(), float(ttl))
    say("ready")
    sys.stdin.readline()
    answer = leases.acquire(NAME)
    say(answer.owner if isinstance(answer, Holder) else "got")
    sys.stdin.readline()
    say("held" if not isinstance(answer, Holder) and answer.held else "lost")


if __name__ == "__main__":
    main()
