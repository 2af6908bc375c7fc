"""What the answers of one chunk add up to: data objects, sightings, attested absences.

Pure: it is given packed answers with what they prove, and says what to store under which
name. `pipelines.ingest` stores it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import permutations

from schemahub.core.layout import AbsentName, RawEntry, SeenName
from schemahub.core.ledger import Ledger
from schemahub.core.page import Page
from schemahub.core.span import NOTHING, Coverage, Span


@dataclass(frozen=True, slots=True)
class Piece:
    """One answer: its packed raw line and what of it matters to a chunk.

    `ids` it proves; `bad` it holds only rows that fail the contract of; `silence` it
    passes over, each with the time (µs) of the good row above it (None: there is none).
    """

    packed: bytes
    ids: Coverage
    bad: Coverage
    silence: tuple[tuple[Span, int | None], ...]
    served_at: datetime


def piece(packed: bytes, page: Page, served_at: datetime) -> Piece:
    """What `page` says, with its packed raw line."""
    silence = []
    for hole in page.silence:
        above = bisect_left(page.times, (hole.stop, 0))
        moment = page.times[above][1] if above < len(page.times) else None
        silence.append((hole, moment))
    return Piece(packed, page.ids, page.bad_ids, tuple(silence), served_at)


@dataclass(frozen=True, slots=True)
class Witness:
    """What an earlier run saw of a hole: its packed answers, and when they were served."""

    run_id: str
    packed: bytes
    bad: Coverage
    silence: Coverage
    served_at: datetime


@dataclass(frozen=True, slots=True)
class Harvest:
    """Objects to store, in this order, and the rest that stays missing."""

    objects: tuple[tuple[RawEntry, bytes], ...]
    held: Coverage
    absent: Coverage
    missing: Coverage


def harvest(  # noqa: PLR0913, PLR0917  (all that decides, and nothing else)
    work: Coverage,
    pieces: Sequence[Piece],
    witnesses: Sequence[Witness],
    ledger: Ledger,
    run_id: str,
    settle: timedelta | None,
) -> Harvest:
    """What to store of `work` (the wanted positions of one chunk).

    Good rows are held. A bad row is held once two runs agree that it is bad. A hole is
    attested absent once answers of two runs, `settle` apart, pass over it. Anything else
    is sighted, and stays missing. Without `settle` only good rows are held, nothing is
    concluded about the rest.
    """
    held = work & _union(piece.ids for piece in pieces)
    rest = work - held
    objects = _data(held, pieces, ledger)
    if not rest or settle is None:
        return Harvest(tuple(objects), held, NOTHING, rest)

    bad = rest & _union(piece.bad for piece in pieces)
    twice_bad = bad & _union(w.bad for w in witnesses if w.run_id != run_id)
    objects += _data(twice_bad, [p for p in pieces if p.bad], ledger, bad=True)

    good = rest - bad
    settled = [(one, good & _settled(one, settle)) for one in pieces]
    quiet = _union(silence for _, silence in settled)
    others = [w for w in witnesses if w.run_id != run_id]
    absent = _union(
        silence & witness.silence
        for one, silence in settled
        for witness in others
        if silence and one.served_at - witness.served_at >= settle
    )
    for span in absent:
        packed = [w.packed for w in others if w.silence.overlaps(span)]
        packed += [one.packed for one, silence in settled if silence.overlaps(span)]
        objects.append((AbsentName(span), b"".join(packed)))

    fresh = quiet - absent - ledger.absent - _union(w.silence for w in witnesses)
    fresh |= bad - twice_bad - _union(w.bad for w in witnesses)
    for span in fresh:
        packed = [
            one.packed
            for one, silence in settled
            if silence.overlaps(span) or one.bad.overlaps(span)
        ]
        objects.append((SeenName(span, run_id), b"".join(packed)))
    return Harvest(tuple(objects), held | twice_bad, absent, rest - twice_bad - absent)


def _data(
    spans: Coverage, pieces: Sequence[Piece], ledger: Ledger, *, bad: bool = False
) -> list[tuple[RawEntry, bytes]]:
    objects: list[tuple[RawEntry, bytes]] = []
    for span in spans:
        told = [_within(one.bad if bad else one.ids, span) for one in pieces]
        # Lowest first, so that a reader finds rows in axis order; none that adds nothing.
        order = sorted((part.start, -len(part), index) for index, part in enumerate(told) if part)
        needed: list[bytes] = []
        taken = NOTHING
        for _, _, index in order:
            if told[index] - taken:
                needed.append(pieces[index].packed)
                taken |= told[index]
        objects.append((ledger.name_for(span), b"".join(needed)))
    return objects


def _within(ids: Coverage, span: Span) -> Coverage:
    return ids.within(span) if ids.overlaps(span) else NOTHING


def _settled(one: Piece, settle: timedelta) -> Coverage:
    """The silence of an answer about ids that are older than the settle time."""
    edge = int((one.served_at - settle).timestamp() * 1_000_000)
    spans = []
    for span, moment in one.silence:
        if moment is not None and moment <= edge:
            spans.append(span)
    return Coverage.of(spans)


def attests(told: Sequence[tuple[datetime, Coverage]], span: Span, settle: timedelta) -> bool:
    """Whether answers (when served, what they pass over) attest all of `span` absent.

    Each position needs two of them, `settle` apart.
    """
    agreed = _union(
        earlier & later
        for (at, earlier), (then, later) in permutations(told, 2)
        if then - at >= settle
    )
    return agreed.covers(span)


def reaches_beyond(one: Piece, page: Span) -> bool:
    """Whether it passes over positions outside `page`: it speaks for other chunks as well."""
    return any(not page.covers(hole) for hole, _ in one.silence)


def attests_ids(told: Sequence[tuple[datetime, Coverage]], ids: Span, settle: timedelta) -> bool:
    """Whether answers (when served, ids of all rows in them) attest that `ids` are no trades.

    Two of them must, `settle` apart: each tells the trades on both sides, and none between.
    An answer with a row whose id cannot be read must be left out by the caller.
    """
    passing = [
        at for at, has in told if ids.start - 1 in has and ids.stop in has and not has.overlaps(ids)
    ]
    return bool(passing) and max(passing) - min(passing) >= settle


def _union(coverages: Iterable[Coverage]) -> Coverage:
    return Coverage.of(span for coverage in coverages for span in coverage)
