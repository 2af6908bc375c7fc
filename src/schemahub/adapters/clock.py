"""The machine's clock, and the request to stop that every sleep listens to."""

from __future__ import annotations

import os
import select
import signal
import time
import weakref
from datetime import UTC, datetime

from schemahub.core.errors import Interrupted


class Stop:
    """Set once, by a signal's handler; never unset.

    `request` takes no lock, so a handler that interrupts a thread which is just waiting
    here cannot deadlock (threading.Event's `set` can). Waiting threads wake at once.
    """

    def __init__(self) -> None:
        # A byte that is written and never read wakes every waiter, now and later.
        self._read, self._write = (
            os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK) if hasattr(os, "pipe2") else os.pipe()
        )
        self._signal: int | None = None
        weakref.finalize(self, _close, self._read, self._write)

    def request(self, signal_number: int = signal.SIGINT) -> None:
        """Ask everything to stop. The first signal is the one that is reported."""
        if self._signal is None:
            self._signal = int(signal_number)
            os.write(self._write, b"\0")

    @property
    def requested(self) -> bool:
        return self._signal is not None

    @property
    def signal(self) -> int:
        """The number of the signal that asked; SIGINT's before any did."""
        return signal.SIGINT if self._signal is None else self._signal

    def wait(self, seconds: float) -> bool:
        """Whether it was requested, after at most `seconds`."""
        if self._signal is None and seconds > 0:
            # poll, unlike select, works with more than 1024 open files.
            poll = select.poll()
            poll.register(self._read, select.POLLIN)
            poll.poll(seconds * 1000)
        return self._signal is not None

    def check(self) -> None:
        """Raises Interrupted if it was requested."""
        if self._signal is not None:
            raise Interrupted(self._signal)


class SystemClock:
    """ports.Clock. `sleep`, even of 0 s, raises Interrupted once `stop` is requested."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        # poll counts whole milliseconds, so what is left is asked for again.
        until = time.monotonic() + seconds
        while not self._stop.wait(left := until - time.monotonic()):
            if left <= 0:
                return
        self._stop.check()


def _close(*files: int) -> None:
    for file in files:
        os.close(file)
