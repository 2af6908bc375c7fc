"""Comparing a run of parts with raw, row by row: the task that verify does, in any process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from schemahub.core import parts
from schemahub.core.axis import Axis
from schemahub.core.errors import ObjectCorrupt, ObjectMissing, RawUnread
from schemahub.core.layout import Market, RawName, bars_key, part_key, raw_key
from schemahub.core.ledger import Ledger
from schemahub.core.numbering import Tally
from schemahub.core.proof import Damaged, Dispute, Hole, Status
from schemahub.core.span import Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import Rejected
from schemahub.pipelines.bars import watched
from schemahub.pipelines.build import RawRows, ReadPart, open_part
from schemahub.pipelines.lake import Lake
from schemahub.ports import Differing, Key, Mapped, Rows, Table

VOIDED = "the exchange voided this id"
TOLD_TWICE = "the source told this id with different content"


@dataclass
class Findings:
    """What a look at a market found, as it goes.

    `rows` are positions that are rows; on an axis that is not dense, those whose rows were
    compared. `refused` are ids that were told, and that the table refuses. `unread` are
    objects that the spec does not read, as long as nobody knows whether it is the spec that is
    wrong; `readable` says that it reads others.
    """

    rows: list[Span] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    refused: list[int] = field(default_factory=list)
    duplicates: int = 0
    raw: list[Damaged] = field(default_factory=list)
    unread: list[Damaged] = field(default_factory=list)
    parts: list[Damaged] = field(default_factory=list)
    bars: list[Damaged] = field(default_factory=list)
    evidence: list[Damaged] = field(default_factory=list)
    disputes: list[Dispute] = field(default_factory=list)
    readable: bool = False

    def hole(self, where: Coverage, status: Status, reason: str) -> None:
        for span in where:
            self.holes.append(Hole(span, status, reason))

    def refuse(self, row: Rejected) -> None:
        """Notes a row that the table does not have, by the contract or the exchange's word."""
        where = Coverage.of_ids([row.position])
        if row.voids:
            self.hole(where, "absent_at_source", VOIDED)
        else:
            self.hole(where, "quarantined", row.reason)
        if row.trade_id is not None:
            self.refused.append(row.trade_id)

    def add(self, other: Findings) -> None:
        self.rows += other.rows
        self.holes += other.holes
        self.tally.add(other.tally)
        self.refused += other.refused
        self.duplicates += other.duplicates
        self.raw += other.raw
        self.unread += other.unread
        self.parts += other.parts
        self.bars += other.bars
        self.evidence += other.evidence
        self.disputes += other.disputes
        self.readable |= other.readable


@dataclass(frozen=True, slots=True)
class CompareTask:
    """Neighbouring slices, or none and spans of raw (`unshown`) that no part shows.

    `ledger` is what raw holds of their extent.
    """

    market: Market
    spec: ExchangeSpec
    slices: tuple[parts.Slice, ...]
    unshown: Coverage
    ledger: Ledger

    @property
    def rows(self) -> int:
        shown = sum(len(span) for piece in self.slices for span in piece.keep)
        return self.spec.line.rows(shown + len(self.unshown))


@dataclass
class Comparer:
    """Compares; can be sent to another process. Holds no more than one part."""

    lake: Lake
    raw: RawRows
    table: Table

    def __call__(self, task: CompareTask) -> Findings:
        """Raises ObjectMissing, StoreError."""
        found = Findings()
        for piece in task.slices:
            self._slice(task, piece, found)
        self._read(task, task.unshown, found)
        return found

    def _slice(self, task: CompareTask, piece: parts.Slice, found: Findings) -> None:
        key = part_key(piece.version, task.market, piece.part)
        mine = Findings()
        try:
            part = open_part(
                self.lake, self.table, piece.version, task.market, piece.part, task.spec.shape()
            )
            look = _Look(key, piece, task.spec, _conflicts(part.refused))
            bars = _HeldBars(self.lake, self.table, part)
            feed = _Feed(bars.watch(self.table.decode(part.data, key)))
            for keep in piece.keep:
                for span, mapped in self._raw(task, keep, mine):
                    for some, rows in feed.take(span):
                        self._compare(look, some, rows, mapped, mine)
            feed.finish()
        except ObjectCorrupt as error:
            # Of a part whose digest is wrong at its end, everything that was seen is void.
            give_up(piece, key, error, found)
            self._read(task, Coverage(piece.keep), found)
        else:
            found.add(mine)
            found.bars += bars.damage(piece.part)

    def _compare(
        self, look: _Look, span: Span, rows: Rows | None, mapped: Mapped, found: Findings
    ) -> None:
        """Rows of the table (None: it has none) against what raw says of the same span."""
        line = look.spec.line
        raw = mapped.rows.within(span)
        mine = raw.within(Span(span.stop, span.stop + 1)) if rows is None else rows
        unlike = self.table.differing(mine, raw)
        if line.dense:
            found.rows += mine.positions()
        else:
            found.rows.append(span)
            found.tally.add(mine.tally(numbered=look.spec.provable.by == "ids"))
        rejected = [row for row in mapped.rejected if row.position in span]
        if unlike.keys or rejected or look.conflicts:
            self._judge(look, span, _Sides(mine, raw, unlike), rejected, found)

    def _judge(
        self, look: _Look, span: Span, sides: _Sides, rejected: list[Rejected], found: Findings
    ) -> None:
        """Notes why rows are not the same, or not there."""
        line = look.spec.line
        conflicts = {key for key in look.conflicts if key[0] in span} | _conflicts(rejected)
        alone = [row for row in rejected if row.key not in conflicts]
        ids = {_id(row, line) for row in alone} | {key[1] for key in conflicts}
        here = sides.table.holding(ids)
        found.hole(_at(key for key in conflicts if key[1] in here), "conflict", TOLD_TWICE)
        # On a dense axis a refused row stands for its position, whoever told it otherwise later;
        # elsewhere what another answer tells rightly is a row that the table must have.
        told = here if line.dense else here | sides.raw.holding(ids)
        alone = [row for row in alone if _id(row, line) not in told]
        for row in alone:
            found.refuse(row)
        unlike = sides.unlike
        known = conflicts | {row.key for row in alone}
        both, left, right = (
            _at(keys - known) for keys in (unlike.changed, unlike.left, unlike.right)
        )
        found.hole(both, "conflict", f"{look.key} differs from raw")
        found.disputes += (Dispute(one, look.key) for one in both)
        found.hole(left, "conflict", f"it is in {look.key}, but not in raw")
        found.hole(right, "missing", f"in raw, but not in {look.key}")
        if left | right:
            where = line.between((left | right).spans[0])
            why = f"its rows of {where} are not those of raw"
            found.parts.append(Damaged(look.key, look.piece.part, why))

    def _raw(self, task: CompareTask, keep: Span, found: Findings) -> Iterator[tuple[Span, Mapped]]:
        """What raw holds of `keep`, object by object; damaged ones are noted, not raised."""
        names = task.ledger.overlapping(keep)
        for span in task.ledger.held.within(keep):
            yield from self._raw_span(task, names, span, found)

    def _raw_span(
        self, task: CompareTask, names: tuple[RawName, ...], span: Span, found: Findings
    ) -> Iterator[tuple[Span, Mapped]]:
        rest: Span | None = span
        while rest is not None:
            done = rest.start
            try:
                for part, mapped in self.raw.read(task.market, task.spec, names, rest, alone=True):
                    found.readable = True
                    yield part, mapped
                    done = part.stop
                rest = None
            except (ObjectCorrupt, RawUnread) as error:
                spoilt = {n for n in names if raw_key(task.market, n) == error.key}
                noted = found.unread if isinstance(error, RawUnread) else found.raw
                noted += (Damaged(error.key, name.span, error.why) for name in spoilt)
                names = tuple(name for name in names if name not in spoilt)
                left = Coverage.of(name.span for name in names).missing(Span(done, span.stop))
                found.hole(left, "missing", str(error))
                # What other objects hold of it goes on.
                covered = Coverage((Span(done, span.stop),)) - left
                for piece in covered.spans[:-1]:
                    yield from self._raw_span(task, names, piece, found)
                rest = covered.spans[-1] if covered else None

    def _read(self, task: CompareTask, where: Coverage, found: Findings) -> None:
        """Notes what of raw is damaged where there is no part to compare it with."""
        for span in where:
            for _ in self._raw(task, span, found):
                pass


@dataclass(frozen=True, slots=True)
class _Look:
    """A part that is looked at, and the conflicts that its quarantine tells of."""

    key: str
    piece: parts.Slice
    spec: ExchangeSpec
    conflicts: frozenset[Key]


@dataclass(frozen=True, slots=True)
class _Sides:
    """Rows of the table, those of raw, and what is not the same."""

    table: Rows
    raw: Rows
    unlike: Differing


class _HeldBars:
    """The bars that lie beside a part, to be compared with its rows as these go by."""

    def __init__(self, lake: Lake, table: Table, part: ReadPart) -> None:
        self._key = bars_key(part.key)
        self._facts = part.facts
        self._bars = table.bars()
        self._data: bytes | None = None
        self._why = ""
        try:
            self._data = lake.store.read(self._key)
        except ObjectMissing:
            pass  # readers compute them, transform makes them
        except ObjectCorrupt as error:
            self._why = error.why

    def watch(self, rows: Iterator[Rows]) -> Iterator[Rows]:
        return rows if self._data is None else watched(rows, self._bars)

    def damage(self, part: Span) -> Iterator[Damaged]:
        """After the last row."""
        if self._why:
            yield Damaged(self._key, part, self._why)
        if self._data is None:
            return
        try:
            self._bars.check(self._data, self._key, self._facts)
        except ObjectCorrupt as error:
            yield Damaged(self._key, part, error.why)


class _Feed:
    """The rows of a part, taken span by span in axis order."""

    def __init__(self, batches: Iterator[Rows]) -> None:
        self._batches = batches
        self._batch: Rows | None = None
        self._stop = -1

    def take(self, span: Span) -> Iterator[tuple[Span, Rows | None]]:
        """`span` piece by piece with the rows of each; None where the part has no more."""
        start = span.start
        while start < span.stop:
            while self._stop <= start:
                if not self._next():
                    yield Span(start, span.stop), None
                    return
            piece = Span(start, min(span.stop, self._stop))
            yield piece, self._batch.within(piece) if self._batch is not None else None
            start = piece.stop

    def finish(self) -> None:
        """Reads to the end, where the digest is: raises ObjectCorrupt if it is another."""
        while self._next():
            pass

    def _next(self) -> bool:
        self._batch = next(self._batches, None)
        if self._batch is None:
            return False
        extent = self._batch.extent()
        self._stop = extent.stop if extent is not None else self._stop
        return True


def give_up(piece: parts.Slice, key: str, error: ObjectCorrupt, found: Findings) -> None:
    """Nothing that a corrupt part says counts."""
    found.hole(Coverage(piece.keep), "missing", str(error))
    found.duplicates += error.duplicates
    why = error.why if error.key == key else str(error)  # its quarantine may be what is wrong
    found.parts.append(Damaged(key, piece.part, why))


def alone(rejected: Iterable[Rejected]) -> list[Rejected]:
    """Those that are refused and have no row in the table."""
    return [row for row in rejected if not row.in_table]


def _conflicts(rejected: Iterable[Rejected]) -> frozenset[Key]:
    return frozenset(row.key for row in rejected if row.conflicts)


def _id(row: Rejected, line: Axis) -> int:
    """Its trade id; of one that cannot be read what stands for it: none, if not its position."""
    if row.trade_id is not None:
        return row.trade_id
    return row.position if line.dense else -1


def _at(keys: Iterable[Key]) -> Coverage:
    return Coverage.of_ids(position for position, _ in keys)
