"""The closed set of ways in which exchanges are asked for a span, as small pure functions.

A rule says what to ask for, and what may come back; what an answer *proves* is only the
ids in it (`page.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemahub.core.span import NOTHING, Coverage, Span
from schemahub.core.spec import CursorUnit, Paging
from schemahub.core.values import No, iso_time


@dataclass(frozen=True, slots=True)
class Ask:
    """At most `limit` rows of `start <= position < stop`; None where that end is open.

    Which of the rows between come, and which end is really asked for, is the rule's. With
    both ends open the newest come.
    `number` is a page of a window, from 1; `window` one of `latest_only`. `oldest` asks for
    the first rows that there are, where the rule itself cannot.
    """

    stop: int | None = None
    limit: int = 0
    start: int | None = None
    number: int | None = None
    window: str | None = None
    oldest: bool = False

    def params(self, paging: Paging) -> tuple[tuple[str, str], ...]:
        """The parameters that ask for it, as a URL has them."""
        found: list[tuple[str, str]] = []
        if paging.limit is not None:
            found.append((paging.limit, str(self.limit)))
        if self.window is not None and paging.cursor is not None:
            found.append((paging.cursor, self.window))
        if self.oldest:
            return (*found, *paging.oldest.items())
        given = [(name, at) for name, at in _cursors(self, paging) if at is not None]
        found += [(name, _written(at, paging.unit)) for name, at in given]
        if not given:
            found += paging.newest.items()
        if paging.number is not None and self.number is not None:
            found.append((paging.number, str(self.number)))
        return tuple(found)

    @staticmethod
    def of(params: dict[str, str], paging: Paging) -> Ask:
        """What was asked with these parameters. Raises ValueError if they are not ours."""
        limit = int(params[paging.limit]) if paging.limit is not None else paging.page
        if paging.rule == "latest_only":
            return Ask(limit=limit, window=params.get(paging.cursor or ""))
        number = params.get(paging.number) if paging.number else None
        start, stop = _bounds(params, paging)
        return Ask(stop, limit, start, None if number is None else int(number))


NANOSECONDS = {
    "s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1,
    "iso_s": 1_000_000_000, "iso_ms": 1_000_000, "iso_us": 1_000,
}  # fmt: skip
_DECIMALS = {"iso_s": 0, "iso_ms": 3, "iso_us": 6}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = 1_000  # ns


def _cursors(ask: Ask, paging: Paging) -> list[tuple[str, int | None]]:
    """The cursors with their values: never too narrow, what is told beside them is trimmed."""
    match paging.rule:
        case "newest_below":
            return [(paging.cursor or "", _up(ask.stop, paging))]
        case "oldest_from":
            return [(paging.cursor or "", _down(ask.start, paging))]
        case "oldest_after":
            return [(paging.cursor or "", _before(ask.start, paging))]
        case "time_window":
            return [
                (paging.start or "", _down(ask.start, paging)),
                # Never too narrow: some compare the whole second, some the exact time.
                (paging.stop or "", _up(ask.stop, paging)),
            ]
        case "latest_only":
            return []


def _down(position: int | None, paging: Paging) -> int | None:
    if position is None or paging.unit is None:
        return position
    return position * _MICROSECOND // NANOSECONDS[paging.unit]


def _up(position: int | None, paging: Paging) -> int | None:
    if position is None or paging.unit is None:
        return position
    return -(-position * _MICROSECOND // NANOSECONDS[paging.unit])


def _before(position: int | None, paging: Paging) -> int | None:
    """The cursor after which `position` comes.

    Of time a whole microsecond before it: where the wire's floats blur nanoseconds, rows
    that are told at `position` may really be a little earlier.
    """
    if position is None or paging.unit is None:
        return None if position is None else max(0, position - 1)
    size = NANOSECONDS[paging.unit]
    return max(0, (position * _MICROSECOND - max(size, _MICROSECOND)) // size)


def _written(cursor: int, unit: CursorUnit | None) -> str:
    """A cursor as it stands in a URL: an ISO time always with the decimals of its unit, and Z."""
    places = _DECIMALS.get(unit or "")
    if places is None:
        return str(cursor)
    seconds, fraction = divmod(cursor, 10**places)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:0{places}}Z" if places else f"{text}Z"


def _count(text: str, unit: CursorUnit) -> int:
    """The inverse of `_written`. Raises ValueError."""
    if unit not in _DECIMALS:
        return int(text)
    try:
        return iso_time(text) * _MICROSECOND // NANOSECONDS[unit]
    except No as no:
        raise ValueError(str(no)) from None


def _bounds(params: dict[str, str], paging: Paging) -> tuple[int | None, int | None]:
    """The inverse of `_cursors`, as far as cursors of another unit tell."""

    def given(name: str | None) -> int | None:
        text = params.get(name) if name else None
        if text is None or paging.unit is None:
            return None if text is None else int(text)
        return _count(text, paging.unit) * NANOSECONDS[paging.unit] // _MICROSECOND

    match paging.rule:
        case "newest_below":
            return None, given(paging.cursor)
        case "oldest_from":
            return given(paging.cursor), None
        case "oldest_after":
            after = given(paging.cursor)
            return None if after is None else after + 1, None
        case _:
            return given(paging.start), given(paging.stop)


def descends(paging: Paging) -> bool:
    """Whether answers begin at the top of what is asked for, and are walked down."""
    return paging.rule in {"newest_below", "time_window", "latest_only"}


def head(paging: Paging) -> Ask:
    """The newest rows that there are."""
    window = paging.windows[0] if paging.windows else None
    return Ask(limit=paging.page, window=window)


# ---------------------------------------------------------------- on an axis of ids


def exactly(span: Span, paging: Paging) -> Ask:
    """The rows of `span`, at most a page."""
    return _of(span.start, span.stop, min(paging.page, len(span)), paging)


def once_more(span: Span, paging: Paging) -> Ask:
    """The same span with its neighbours: between them what is missing is passed over."""
    limit = min(paging.page, len(span) + 2)
    return _of(max(0, span.start - 1), span.stop + 1, limit, paging)


def from_above(hole: Span, paging: Paging) -> Ask:
    """`hole` passed over below as many rows as an answer can hold: one of them dates it."""
    return _of(max(0, hole.start - 1), hole.stop + paging.page - 2, paging.page, paging)


def lowest(first_id: int, paging: Paging) -> Ask:
    """The lowest page of the axis."""
    return _of(first_id, first_id + paging.page, paging.page, paging)


def onward(ask: Ask, ids: Coverage, span: Span, paging: Paging) -> Ask | None:
    """What to ask for next, where `span` is walked and `ask` was answered with these ids.

    None once an answer reaches past the end of the walk, or tells nothing new. The last id
    told is asked for again: so what follows it is passed over, and dated.
    """
    if not ids:
        return None
    if descends(paging):
        done = ids.start <= span.start or ids.start + 1 == ask.stop
        return None if done else once_more(Span(span.start, ids.start), paging)
    done = ids.stop >= span.stop or ids.stop - 1 == ask.start
    return None if done else once_more(Span(ids.stop, span.stop), paging)


def _of(start: int, stop: int, limit: int, paging: Paging) -> Ask:
    """One end only: a rule that has one cursor knows no other."""
    return Ask(stop=stop, limit=limit) if descends(paging) else Ask(start=start, limit=limit)


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
