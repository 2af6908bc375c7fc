"""What `--require-proof` lets be read: the certified trades of a range, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemahub.core.errors import ProofFailed, UsageError
from schemahub.core.layout import Market
from schemahub.core.proof import Certificate, doubt
from schemahub.core.span import Coverage, Span

if TYPE_CHECKING:
    from schemahub.adapters.duck import FileSlice
    from schemahub.app.backend import LakeBackend

Times = tuple[datetime | None, datetime | None]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS = 1_000_000
# Ids are not quite in the order of times: neighbours of the range are neighbours by id.
_ENDS = """
WITH inside AS (
  SELECT min(trade_id) AS low, max(trade_id) AS high FROM trades
  WHERE trade_ts >= coalesce(?::TIMESTAMPTZ, '-infinity'::TIMESTAMPTZ)
    AND trade_ts < coalesce(?::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ)
)
SELECT low, high,
  (SELECT max(trade_id) FROM trades WHERE trade_id < low),
  (SELECT min(trade_id) FROM trades WHERE trade_id > high)
FROM inside
"""


def certified(
    backend: LakeBackend, markets: Sequence[Market], times: Times, *, deep: bool, workers: int
) -> list[FileSlice]:
    """The live files of these markets, each cut to the positions that are certified.

    Of trades from the first of `times` up to the second: None is as far as the lake goes. A
    hole counts if trades of the range may be in it. Where not `deep` only names are gone by.
    Raises ProofFailed if any position of any of the markets is not proven, UsageError for none.
    """
    if not markets:
        raise UsageError("there is nothing to prove", "the lake holds no market", "ingest one")
    slices = {market: backend.slices(market, bars=True) for market in markets}
    found: list[FileSlice] = []
    for report in backend.app.verify().run(markets, deep=deep, workers=workers):
        one = report.certificate
        own = slices[one.market]
        window = _window(backend, one, own, times)
        why = doubt(one, window)
        if why is not None:
            raise _failed(one.market, why)
        found += own if window is None else _cut(own, window)
    return found


def _window(
    backend: LakeBackend, one: Certificate, slices: Sequence[FileSlice], times: Times
) -> Span | None:
    """Every position at which a trade of these times may lie; None: all of them."""
    since, until = times
    if one.span is None or (since is None and until is None):
        return None
    if one.line.timed:
        start = one.span.start if since is None else _position(since)
        stop = one.span.stop if until is None else _position(until)
        return _checked(one, start, stop, one.span)
    low, high, before, after = _ends(backend, slices, times)
    if low is None or high is None:
        raise _failed(one.market, "it has no trade in this range, so nothing tells where it lies")
    if since is not None and before is None and low > 1:
        raise _failed(one.market, f"the lake begins with id {low}: what was before it is not held")
    if until is not None and after is None:
        raise _failed(
            one.market, f"the lake ends with id {high}: whether more followed nobody can tell"
        )
    start = one.span.start if since is None else 1 + (before or 0)
    stop = one.span.stop if until is None or after is None else after
    return Span(start, stop)


def _ends(
    backend: LakeBackend, slices: Sequence[FileSlice], times: Times
) -> tuple[int | None, int | None, int | None, int | None]:
    from schemahub.adapters.duck import Duck

    with (
        Duck(slices, [], objects=backend.objects) as duck,
        duck.sql(_ENDS, list(times)) as result,
    ):
        ((low, high, before, after),) = result.rows_plain()
    return low, high, before, after


def _checked(one: Certificate, start: int, stop: int, held: Span) -> Span:
    if start >= stop:
        raise _failed(one.market, "the range is empty")
    if start < held.start or stop > held.stop:
        raise _failed(one.market, f"the lake holds {one.line.between(held)}, which is less")
    return Span(start, stop)


def _cut(slices: Sequence[FileSlice], window: Span) -> list[FileSlice]:
    """Those that reach into the window, with no position outside of it."""
    found = []
    for one in slices:
        spans = Coverage(one.keep if one.keep is not None else (one.part,))
        inside = spans.within(window)
        if inside == spans:
            found.append(one)
        elif inside:
            found.append(replace(one, keep=inside.spans, bars=None))
    return found


def _position(at: datetime) -> int:
    delta = at - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * _MICROSECONDS + delta.microseconds


def _failed(market: Market, why: str) -> ProofFailed:
    return ProofFailed(
        f"{market} is not proven in this range",
        why,
        f"`schemahub verify {market}` shows all of it; `schemahub repair {market}` mends it",
    )
