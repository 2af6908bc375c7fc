"""Counts of what happened in this process, and whoever listens to it live."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from schemahub.core.spread import Spread
from schemahub.ports import Metrics

Listener = Callable[[str, Mapping[str, object]], None]
OUTCOMES = (
    "ok", "throttled", "server_error", "timeout", "connection", "bad_answer", "refused"
)  # fmt: skip
"""What becomes of one request: each ends as exactly one of these."""
_MOST_SAMPLES = 100


class Labelled:
    """ports.Metrics that says with each event which exchange it is about."""

    def __init__(self, metrics: Metrics, exchange: str) -> None:
        self._metrics = metrics
        self._exchange = exchange

    def emit(self, event: str, /, **fields: object) -> None:
        self._metrics.emit(event, exchange=self._exchange, **fields)


class _Exchange:
    """What one exchange was asked; `open` breakers are counted, for gates may be a market's."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.seconds = Spread()
        self.opened = 0
        self.open = 0

    def as_json(self) -> dict[str, Any]:
        return {
            **{name: self.outcomes[name] for name in OUTCOMES},
            "response_seconds": {
                "count": self.seconds.count,
                "mean": round(self.seconds.mean, 6),
                "p50": self.seconds.quantile(0.5),
                "p99": self.seconds.quantile(0.99),
                "max": round(self.seconds.largest, 6),
            },
            "breaker_opened": self.opened,
            "breaker_open": self.open > 0,
        }


class Recorder:
    """ports.Metrics. Counts every event and sums its numbers; safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._sums: dict[str, float] = {}
        self._listeners: list[Listener] = []
        self._exchanges: dict[str, _Exchange] = {}

    def listen(self, listener: Listener) -> None:
        """`listener(event, fields)` is called for each event from now on."""
        self._listeners.append(listener)

    def emit(self, event: str, /, **fields: object) -> None:
        with self._lock:
            self._counts[event] += 1
            for name, value in fields.items():
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    key = f"{event}.{name}"
                    self._sums[key] = self._sums.get(key, 0) + value
            self._count(event, fields)
        for listener in self._listeners:
            # What writes to a stream that is closed, or draws on one, must not stop the work.
            with suppress(OSError, ValueError, RuntimeError):
                listener(event, fields)

    def _count(self, event: str, fields: Mapping[str, object]) -> None:
        exchange = fields.get("exchange")
        if not isinstance(exchange, str):
            return
        own = self._exchanges.setdefault(exchange, _Exchange())
        if event == "request.ended":
            own.outcomes[str(fields["outcome"])] += 1
        elif event == "request.answered" and isinstance(seconds := fields["seconds"], float):
            own.seconds.add(seconds)
        elif event == "breaker.opened":
            own.opened += 1
            own.open += 1
        elif event == "breaker.closed":
            own.open -= 1

    def count(self, event: str) -> int:
        with self._lock:
            return self._counts[event]

    def total(self, event: str, field: str) -> float:
        """The sum of a numeric field over all events of a name."""
        with self._lock:
            return self._sums.get(f"{event}.{field}", 0)

    def requests(self) -> dict[str, object]:
        """The figures about requests that a run's record holds."""
        return {
            "answered": self.count("request.answered"),
            "retried": self.count("request.retried"),
            "throttled": self.count("request.throttled"),
            "failed": self.count("request.failed"),
            "bytes": int(self.total("request.answered", "bytes")),
            "seconds": round(self.total("request.answered", "seconds"), 3),
            "breaker_opened": self.count("breaker.opened"),
            "exchanges": self._by_exchange(),
        }

    def _by_exchange(self) -> dict[str, dict[str, Any]]:
        with self._lock:
            return {name: one.as_json() for name, one in sorted(self._exchanges.items())}

    def response_seconds(self) -> dict[str, list[float]]:
        """By exchange at most 100 response times that are spread as all of them are."""
        with self._lock:
            return {
                name: one.seconds.sample(_MOST_SAMPLES) for name, one in self._exchanges.items()
            }

    def damage(self) -> dict[str, int]:
        """Stored objects that were found damaged, by kind."""
        return {
            kind: self.count(f"{kind}.corrupt") for kind in ("object", "checkpoint", "sighting")
        }
