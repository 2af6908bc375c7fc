"""Whole answers read by the compiled scanner, for who wants their ids and times alone."""

from __future__ import annotations

import numpy as np

from schemahub.core.span import Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.told import Told
from schemahub.kernels.scan import Scanned, Scanner


class Answers:
    """core.told.Scan. Safe from many threads: each call takes a scanner that is free."""

    def __init__(self, spec: ExchangeSpec) -> None:
        self._spec = spec
        # Taken and put back by single operations of a list, which need no lock.
        self._free: list[tuple[Scanner, Scanned]] = []

    def __call__(self, body: bytes, latest: int) -> Told | None:
        try:
            scanner, rows = self._free.pop()
        except IndexError:
            scanner, rows = Scanner(self._spec), Scanned.empty()
        try:
            rows.count = 0
            return _told(rows) if scanner.scan(body, latest, 0, rows) else None
        finally:
            self._free.append((scanner, rows))


def _told(rows: Scanned) -> Told:
    # Copies: the arrays are the next answer's.
    ids, times = rows.ids[: rows.count].copy(), rows.times[: rows.count].copy()
    return Told(ids.data, times.data, _runs(ids))


def _runs(ids: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Coverage | None:
    """The ids as spans; None if they do not rise from row to row."""
    if not len(ids):
        return Coverage()
    steps = ids[1:] - ids[:-1]
    if len(steps) and int(steps.min()) < 1:
        return None
    first, last = int(ids[0]), int(ids[-1])
    if last - first == len(steps):
        return Coverage((Span(first, last + 1),))
    # A span ends where the next id is not the next number.
    ends = [*np.flatnonzero(steps != 1).tolist(), len(ids) - 1]
    starts = [0, *(end + 1 for end in ends[:-1])]
    return Coverage(
        tuple(
            Span(int(ids[start]), int(ids[end]) + 1)
            for start, end in zip(starts, ends, strict=True)
        )
    )
