"""Spans of one integer axis and sets of them.

Backfill, catch-up, gap repair, resume and re-run are all one subtraction:
`wanted - held`. Everything here is half-open: a span holds `start <= n < stop`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter

_START = attrgetter("start")


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """The positions `start <= n < stop`; never empty."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            msg = f"not a span: {self.start}..{self.stop}"
            raise ValueError(msg)

    def __len__(self) -> int:
        return self.stop - self.start

    def __contains__(self, position: int) -> bool:
        return self.start <= position < self.stop

    def __str__(self) -> str:
        return f"[{self.start}, {self.stop})"

    def covers(self, other: Span) -> bool:
        return self.start <= other.start and other.stop <= self.stop

    def overlaps(self, other: Span) -> bool:
        return self.start < other.stop and other.start < self.stop

    def clip(self, other: Span) -> Span | None:
        """The part of this span that lies in `other`, if any."""
        start, stop = max(self.start, other.start), min(self.stop, other.stop)
        return Span(start, stop) if start < stop else None


def cut(span: Span, size: int) -> Iterator[Span]:
    """`span` cut at the multiples of `size`, lowest piece first."""
    start = span.start
    while start < span.stop:
        stop = min(span.stop, (start // size + 1) * size)
        yield Span(start, stop)
        start = stop


def cut_down(span: Span, size: int) -> Iterator[Span]:
    """The same pieces, highest first."""
    stop = span.stop
    while stop > span.start:
        start = max(span.start, (stop - 1) // size * size)
        yield Span(start, stop)
        stop = start


@dataclass(frozen=True, slots=True)
class Coverage:
    """A set of positions as sorted, disjoint, non-touching spans.

    Build it with `Coverage.of`, which accepts spans in any order, overlapping or not.
    """

    spans: tuple[Span, ...] = ()

    @staticmethod
    def of(spans: Iterable[Span]) -> Coverage:
        merged: list[Span] = []
        reached: Span | None = None  # the last of those that touch, if it is all of them
        start = stop = -1
        for span in sorted(spans, key=_START):
            if span.start <= stop:
                if span.stop > stop:
                    stop, reached = span.stop, None
                continue
            if stop > 0:
                merged.append(Span(start, stop) if reached is None else reached)
            start, stop, reached = span.start, span.stop, span
        if stop > 0:
            merged.append(Span(start, stop) if reached is None else reached)
        return Coverage(tuple(merged))

    @staticmethod
    def of_ids(ids: Iterable[int]) -> Coverage:
        """The coverage of single positions, in any order, repeated or not."""
        spans: list[Span] = []
        first = last = -2
        for position in sorted(ids):
            if position <= last:
                continue
            if position != last + 1:
                if last >= 0:
                    spans.append(Span(first, last + 1))
                first = position
            last = position
        if last >= 0:
            spans.append(Span(first, last + 1))
        return Coverage(tuple(spans))

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __len__(self) -> int:
        return sum(len(span) for span in self.spans)

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def __contains__(self, position: int) -> bool:
        found = self._at(position)
        return found is not None

    def __or__(self, other: Coverage) -> Coverage:
        return Coverage.of(chain(self.spans, other.spans))

    def __and__(self, other: Coverage) -> Coverage:
        return self - (self - other)

    def __sub__(self, other: Coverage) -> Coverage:
        left: list[Span] = []
        holes = iter(other.spans)
        hole = next(holes, None)
        for span in self.spans:
            start = span.start
            while hole is not None and hole.stop <= start:
                hole = next(holes, None)
            while hole is not None and hole.start < span.stop:
                if start < hole.start:
                    left.append(Span(start, hole.start))
                start = hole.stop
                if hole.stop >= span.stop:
                    break
                hole = next(holes, None)
            if start < span.stop:
                left.append(Span(start, span.stop))
        return Coverage(tuple(left))

    @property
    def start(self) -> int:
        """The lowest position; ValueError if empty."""
        return self._bounds().start

    @property
    def stop(self) -> int:
        """One past the highest position; ValueError if empty."""
        return self._bounds().stop

    def add(self, span: Span) -> Coverage:
        return self | Coverage((span,))

    def missing(self, want: Span) -> Coverage:
        """What of `want` is not held."""
        return Coverage((want,)) - self

    def within(self, span: Span) -> Coverage:
        """The part of this coverage in `span`; its time grows with what is found."""
        first = bisect_right(self.spans, span.start, key=lambda one: one.stop)
        found = []
        for index in range(first, len(self.spans)):
            piece = self.spans[index].clip(span)
            if piece is None:
                break
            found.append(piece)
        return Coverage(tuple(found))

    def covers(self, span: Span) -> bool:
        found = self._at(span.start)
        return found is not None and span.stop <= found.stop

    def overlaps(self, span: Span) -> bool:
        """Whether any position of `span` is held; in logarithmic time."""
        index = bisect_right(self.spans, span.start, key=lambda one: one.stop)
        return index < len(self.spans) and self.spans[index].start < span.stop

    def watermark(self, origin: int) -> int:
        """The end of the contiguous run that holds `origin`; `origin` itself if not held."""
        found = self._at(origin)
        return origin if found is None else found.stop

    def _at(self, position: int) -> Span | None:
        index = bisect_right(self.spans, position, key=lambda span: span.start) - 1
        if index >= 0 and position in self.spans[index]:
            return self.spans[index]
        return None

    def _bounds(self) -> Span:
        if not self.spans:
            msg = "an empty coverage has no bounds"
            raise ValueError(msg)
        return Span(self.spans[0].start, self.spans[-1].stop)


NOTHING = Coverage()
