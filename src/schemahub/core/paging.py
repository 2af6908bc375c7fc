"""The closed set of ways in which exchanges are asked for a span, as small pure functions.

A rule says what to ask for, and what may come back; what an answer *proves* is only the
ids in it (`page.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemahub.core.span import NOTHING, Coverage, Span
from schemahub.core.spec import Paging


@dataclass(frozen=True, slots=True)
class Ask:
    """At most `limit` rows, the newest whose position is below `below` (None: of all)."""

    below: int | None
    limit: int

    def params(self, paging: Paging) -> tuple[tuple[str, str], ...]:
        limit = (paging.limit, str(self.limit))
        return (limit,) if self.below is None else (limit, (paging.cursor, str(self.below)))

    @staticmethod
    def of(params: dict[str, str], paging: Paging) -> Ask:
        """What was asked with these parameters. Raises ValueError if they are not ours."""
        below = params.get(paging.cursor)
        return Ask(None if below is None else int(below), int(params[paging.limit]))


def head(paging: Paging) -> Ask:
    """The newest rows that there are."""
    return Ask(None, paging.page)


def newest_below(span: Span, paging: Paging) -> Ask:
    """Rows strictly below the cursor, the newest of them: the spec names the parameter."""
    return Ask(span.stop, min(paging.page, len(span)))


def once_more(span: Span, paging: Paging) -> Ask:
    """The same span with its neighbours: between them what is missing is passed over."""
    return Ask(span.stop + 1, min(paging.page, len(span) + 2))


def from_above(hole: Span, paging: Paging) -> Ask:
    """`hole` passed over below as many rows as an answer can hold: one of them dates it."""
    return Ask(hole.stop + paging.page - 2, paging.page)


def windows(work: Coverage, paging: Paging) -> Iterator[Coverage]:
    """`work` in as few answers as can hold it, highest first.

    Holes that lie within one page are one question.
    """
    waiting: list[Span] = []
    stop = None
    for whole in reversed(work.spans):
        span: Span | None = whole
        while span is not None:
            if stop is None:
                stop = span.stop
            bottom = max(0, stop - paging.page)
            if span.stop > bottom:
                waiting.append(Span(max(span.start, bottom), span.stop))
                if span.start >= bottom:
                    break
                span = Span(span.start, bottom)
            yield Coverage.of(waiting)
            waiting, stop = [], None
    if waiting:
        yield Coverage.of(waiting)


def silent(ids: Coverage) -> Coverage:
    """Positions that an answer with these ids (of good rows and bad) passes over.

    Only what lies between two of its own rows. What is above its highest a lagging replica
    lacks as well; what is below its lowest a short page, or a lowered cap; and an empty
    answer is what a faulty server gives too.
    """
    return ids.missing(Span(ids.start, ids.stop)) if ids else NOTHING
