"""Compiled reading of answers, once there are so many that loading it pays."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from schemahub import kernels
from schemahub.core.spec import ExchangeSpec
from schemahub.core.told import Scan, Told

if TYPE_CHECKING:
    from schemahub.kernels.answers import Answers

# Bytes of answers that the general path reads in the CPU time that loading takes. Who waits for
# so many never spends twice of what the better choice would have cost.
WORTH_LOADING = 24_000_000
# Seconds that others wait for the thread that loads: less than a limit's burst makes good. Only
# where it has to be compiled, once a machine, is that not enough; then they go on without.
PATIENCE = 1.0


def scan(spec: ExchangeSpec) -> Scan | None:
    """The scan of a spec's answers; None if what compiles it is not installed."""
    return Deferred(spec) if kernels.installed() else None


class Deferred:
    """core.told.Scan that refuses everything until it has seen WORTH_LOADING bytes.

    And for good where the kernels turn out to be of no use here: `doctor` says so.
    """

    def __init__(self, spec: ExchangeSpec) -> None:
        self._spec = spec
        self._seen = 0
        self._useless = False
        self._loading = threading.Lock()
        self._answers: Answers | None = None

    def __call__(self, body: bytes, latest: int) -> Told | None:
        if self._answers is None:
            self._seen += len(body)  # threads that lose a count to each other do no harm
            if self._seen >= WORTH_LOADING and not self._useless:
                self._wait_for_it()
        return None if self._answers is None else self._answers(body, latest)

    def _wait_for_it(self) -> None:
        if not self._loading.acquire(timeout=PATIENCE):
            return
        try:
            if self._answers is None and not self._useless:
                self._answers = self._load()
        except ImportError:  # installed for another Python, or another numpy
            self._useless = True
        finally:
            self._loading.release()

    def _load(self) -> Answers:
        from schemahub.kernels.answers import Answers  # noqa: PLC0415  (start-up speed, an extra)

        return Answers(self._spec)
