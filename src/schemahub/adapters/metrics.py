"""Counts of what happened in this process, and whoever listens to it live."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping

Listener = Callable[[str, Mapping[str, object]], None]


class Recorder:
    """ports.Metrics. Counts every event and sums its numbers; safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._sums: dict[str, float] = {}
        self._listeners: list[Listener] = []

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
        for listener in self._listeners:
            listener(event, fields)

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
        }

    def damage(self) -> dict[str, int]:
        """Stored objects that were found damaged, by kind."""
        return {
            kind: self.count(f"{kind}.corrupt") for kind in ("object", "checkpoint", "sighting")
        }
