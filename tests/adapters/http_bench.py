"""A client on the bench: its events, its clock, its gate at hand."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from schemahub.adapters.clock import Stop, SystemClock
from schemahub.adapters.http import Bounds, HttpClient
from schemahub.core.errors import BadAnswer
from schemahub.core.gate import Bucket, Gate
from schemahub.core.page import Answer, Request
from tests.adapters.http_server import Server

QUICK = Bounds(connect=1, read=0.3, total=0.6, wire=100_000, decoded=400_000)
ROWS = b'[{"trade_id":1}]'
ASK = Request("/products/BTC-USD/trades", (("after", "5"), ("limit", "2")))


class Events:
    """ports.Metrics that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, object]]] = []

    def emit(self, event: str, /, **fields: object) -> None:
        self.seen.append((event, fields))

    def of(self, event: str, name: str) -> list[object]:
        return [fields[name] for seen, fields in self.seen if seen == event]


class Hasty:
    """A clock on which sleeping costs a hundredth of its time; the real one otherwise."""

    def __init__(self, stop: Stop) -> None:
        self._clock = SystemClock(stop)
        self._skipped = 0.0
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        if seconds:
            self.slept.append(seconds)
        self._clock.sleep(seconds / 100)
        with self._lock:
            self._skipped += seconds * 0.99


class Faster:
    """A clock that runs twenty times as fast as the real one, for all threads alike."""

    def __init__(self, stop: Stop) -> None:
        self._clock = SystemClock(stop)

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic() * 20

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds / 20)


class Bench:
    """A client, its server's address and all that can be looked at."""

    def __init__(self, url: str, **changed: Any) -> None:
        self.stop = Stop()
        self.clock = Hasty(self.stop)
        self.events = Events()
        self.gate: Gate = changed.pop("gate", None) or Gate(Bucket(1_000, 1_000))
        self.client = HttpClient(
            url,
            title="Testex",
            gate=self.gate,
            clock=changed.pop("clock", self.clock),
            metrics=self.events,
            rng=random.Random(7),
            user_agent="schemahub/test",
            bounds=changed.pop("bounds", QUICK),
            **changed,
        )

    def fetch(self, request: Request = ASK) -> bytes:
        return self.client.fetch(request, listed)


def listed(answer: Answer) -> bytes:
    if not answer.body.startswith(b"["):
        raise BadAnswer("not a list", f"{answer.body[:20]!r}", body=answer.body)
    return answer.body


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    """Makes benches, and closes their connections after the test."""
    made: list[Bench] = []

    def make(where: Server | str, **changed: Any) -> Bench:
        made.append(Bench(where if isinstance(where, str) else where.url, **changed))
        return made[-1]

    yield make
    for each in made:
        each.client.close()
