"""Places where leases are kept, and the clocks of those who keep them there."""

from __future__ import annotations

import atexit
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from schemahub.adapters.lease_file import LeaseFiles
from schemahub.adapters.leases import Board, RenewedLeases, _Tenure
from schemahub.adapters.metrics import Recorder
from schemahub.adapters.store_local import LocalStore
from schemahub.core.lease import Holder
from schemahub.ports import Clock, Lease

NAME = "coinbase/BTC-USD"
TABLE = "schemahub-locks"
REGION = "eu-central-1"
TTL = 90.0
START = datetime(2024, 6, 1, 12, tzinfo=UTC)


@dataclass
class Hands:
    """ports.Clock moved by hand; `skew` is what its wall clock is wrong by."""

    skew: timedelta = timedelta()
    passed: float = 0.0
    slept: float = 0.0
    meanwhile: Callable[[], object] = lambda: None

    def now(self) -> datetime:
        return START + self.skew + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        # Two machines' monotonic clocks have nothing in common.
        return self.skew.total_seconds() * 7 + self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        self.slept += seconds
        self.meanwhile()


@dataclass
class Place:
    """Where records stand: `board()` is what one more process has of it."""

    board: Callable[[], Board]
    arguments: tuple[str, ...]  # of tests/lease_taker.py
    boards: list[Board] = field(default_factory=list)

    def leases(
        self,
        owner: str = "one",
        clock: Clock | None = None,
        ttl: float = TTL,
        metrics: Recorder | None = None,
    ) -> RenewedLeases:
        board = self.board()
        self.boards.append(board)
        return RenewedLeases(board, owner, clock or Hands(), metrics or Recorder(), ttl)


def got(answer: Lease | Holder) -> Lease:
    assert not isinstance(answer, Holder), answer
    return answer


def refused(answer: Lease | Holder) -> Holder:
    assert isinstance(answer, Holder), "it was given"
    return answer


def holds(lease: Lease) -> bool:
    """Asked anew each time, which a type checker does not expect of a property."""
    return lease.held


def beat(lease: Lease) -> None:
    """What the background thread does when a renewal is due."""
    assert isinstance(lease, _Tenure)
    lease.renew()


# ---------------------------------------------------------------- places


def elsewhere(folder: Path, host: str) -> LeaseFiles:
    """A process of another host on the same disk: locks tell nothing of it."""
    board = LeaseFiles(LocalStore(folder))
    vars(board)["host"] = host  # in place of what the machine says
    return board


def files(folder: Path) -> Place:
    return Place(lambda: LeaseFiles(LocalStore(folder)), ("file", str(folder)))


def hosts(folder: Path) -> Place:
    """Every process on a host of its own, on a shared disk."""
    numbers = iter(range(1000))
    return Place(lambda: elsewhere(folder, f"host {next(numbers)}"), ("hosts", str(folder)))


def items(url: str, lake: str) -> Place:
    """A lake of its own in the one table."""
    from schemahub.adapters.lease_dynamodb import LeaseItems

    return Place(lambda: LeaseItems(TABLE, lake, REGION, url), ("items", f"{url} {lake}"))


# A program of its own (npm), a second opinion where it is installed.
DYNALITE = os.environ.get("DYNALITE") or shutil.which("dynalite")


KINDS = [
    "files",
    "hosts",
    "moto",
    *(["dynalite"] if DYNALITE else []),
]


@cache
def server(kind: str) -> str:
    """The URL of one that lives as long as the tests do, with the table in it."""
    from tests.dynamodb import dynalite, make_table, moto

    running = (moto if kind == "moto" else dynalite)()
    url = running.__enter__()
    atexit.register(running.__exit__, None, None, None)
    make_table(url)
    return url


def place(kind: str, folder: Path) -> Place:
    if kind in {"files", "hosts"}:
        return (files if kind == "files" else hosts)(folder)
    return items(server(kind), str(folder))


def until(true: Callable[[], bool]) -> None:
    """Waits until it is so; a test that hangs is told by pytest."""
    while not true():
        time.sleep(0.01)
