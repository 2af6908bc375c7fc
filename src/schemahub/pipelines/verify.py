"""Verify: every wanted trade is in the table, once, as raw tells it.

Deep (the default) reads everything: each raw answer is mapped anew and compared with the
table row by row, each part with its own digest and count. Shallow goes by names alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from schemahub.core import page as pages
from schemahub.core import parts
from schemahub.core.errors import BadAnswer, ObjectCorrupt, ObjectMissing, RawUnread, StoreError
from schemahub.core.harvest import attests
from schemahub.core.layout import AbsentName, Market, PartName, RawName, part_key, raw_key
from schemahub.core.ledger import Ledger
from schemahub.core.proof import Certificate, Hole, certify
from schemahub.core.span import NOTHING, Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import Rejected
from schemahub.core.wire import Reader
from schemahub.pipelines.build import RawRows, read_part
from schemahub.pipelines.lake import Lake, Specs, target_version
from schemahub.ports import Mapped, Metrics, Rows, Table

TRIES = 5
CONFLICT = "conflict"


@dataclass
class _Findings:
    """What a look at a market found, as it goes."""

    rows: list[Span] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    duplicates: int = 0
    bad_raw: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    bad_evidence: list[str] = field(default_factory=list)
    readable: bool = False
    bad_parts: list[str] = field(default_factory=list)

    def hole(self, where: Coverage, status: str, reason: str) -> None:
        for span in where:
            self.holes.append(Hole(span, status, reason))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Look:
    """A part that is looked at, and the conflicts that its quarantine tells of."""

    key: str
    conflicts: Coverage


@dataclass(frozen=True, slots=True)
class Report:
    """A certificate, and the stored objects that are damaged: what repair heals."""

    certificate: Certificate
    bad_raw: tuple[str, ...]
    bad_parts: tuple[str, ...]
    bad_evidence: tuple[str, ...] = ()

    @property
    def damaged(self) -> tuple[str, ...]:
        """The keys of all of them."""
        return (*self.bad_raw, *self.bad_parts, *self.bad_evidence)


@dataclass(frozen=True)
class Verify:
    """The pipeline with what it needs of the world. Reads only."""

    lake: Lake
    raw: RawRows
    table: Table
    specs: Specs
    metrics: Metrics

    def market(self, market: Market, *, deep: bool = True) -> Report:
        """Raises StoreError, UsageError (no such exchange), ConfigError (the spec changed)."""
        spec = self.specs.of(market.exchange)
        # By a changed spec the whole table would look damaged, and repair would remove it.
        target_version(self.lake, spec, create=False)
        for _ in range(TRIES):
            try:
                return self._look(market, spec, deep=deep)
            except ObjectMissing:
                continue  # superseded and deleted since it was listed: all that was read is void
        raise StoreError(
            f"objects of {market} vanish while they are read",
            f"tried {TRIES} times",
            "verify again when no other job is deleting",
        )

    def _look(self, market: Market, spec: ExchangeSpec, *, deep: bool) -> Report:
        ledger = self.lake.ledger(market)
        slices = self.lake.slices(market)
        stems = self.lake.quarantined_stems(market)
        found = _Findings()
        shown = Coverage.of(span for piece in slices for span in piece.keep)
        versions = self.lake.versions(market.exchange)
        for piece in slices:
            if versions.get(piece.version) != spec.shape():
                found.hole(
                    Coverage(piece.keep),
                    "missing",
                    f"v{piece.version} is not known to be of today's spec: run transform",
                )
            elif deep:
                self._deep(market, spec, ledger, piece, found)
            else:
                self._shallow(market, ledger, piece, stems, found)
        found.hole(shown - ledger.held, "missing", "in the table, but raw does not hold it")
        waiting = ledger.held - shown
        found.hole(waiting, "missing", "held in raw, not yet in the table: run transform")
        if deep:
            self._read(market, spec, ledger, waiting, found)
        self._absences(market, spec, ledger, found, deep=deep)
        span = _wanted(ledger, shown)
        certificate = certify(
            market, span, Coverage.of(found.rows), _merge(found.holes), found.duplicates
        )
        if found.readable:
            # The spec reads other objects: these lie under names that are not theirs. If it
            # reads none, it is the spec that is wrong, and nothing may be set aside for that.
            found.bad_raw += found.unread
        self.metrics.emit("market.verified", market=str(market), status=certificate.status)
        return Report(
            certificate,
            tuple(dict.fromkeys(found.bad_raw)),
            tuple(dict.fromkeys(found.bad_parts)),
            tuple(found.bad_evidence),
        )

    def _absences(
        self, market: Market, spec: ExchangeSpec, ledger: Ledger, found: _Findings, *, deep: bool
    ) -> None:
        """What is attested absent; by content, that the evidence still says so."""
        for name in ledger.attested:
            where = ledger.absent.within(name.span)
            if not deep or not where or self._attests(market, spec, name):
                found.hole(where, "absent_at_source", "two runs, a settle time apart, attest it")
                continue
            key = raw_key(market, name)
            found.bad_evidence.append(key)
            found.hole(where, "missing", f"{key} does not attest that it is absent")

    def _attests(self, market: Market, spec: ExchangeSpec, name: AbsentName) -> bool:
        key = raw_key(market, name)
        reader = Reader(spec.trades.fields)
        told = []
        try:
            for line in self.lake.codec.unpack(self.lake.store.read(key), key).splitlines():
                answer = pages.decode(line)
                page = pages.read(answer, pages.asked(answer, spec), reader)
                told.append((answer.served_at, page.silence))
        except (ObjectCorrupt, BadAnswer, ValueError):
            return False
        return attests(told, name.span, timedelta(seconds=spec.settle))

    # ------------------------------------------------------------ by names

    def _shallow(
        self,
        market: Market,
        ledger: Ledger,
        piece: parts.Slice,
        quarantined: set[str],
        found: _Findings,
    ) -> None:
        refused = NOTHING
        # Only a part with something in quarantine has to be opened.
        if PartName(piece.part).stem in quarantined:
            try:
                refused = _alone(self._refused(market, piece))
            except ObjectCorrupt as error:
                self._give_up(market, piece, error, found)
                return
        keep = Coverage(piece.keep) & ledger.held
        found.hole(refused & keep, "quarantined", "held in raw, refused by the table")
        found.rows += (keep - refused).spans

    def _refused(self, market: Market, piece: parts.Slice) -> list[Rejected]:
        """What stands in quarantine of a part. Raises ObjectCorrupt."""
        key = part_key(piece.version, market, piece.part)
        facts = self.table.facts(self.lake.store.read(key), key)
        return self.lake.quarantined(market, piece.part, facts.refused)

    def _give_up(
        self, market: Market, piece: parts.Slice, error: ObjectCorrupt, found: _Findings
    ) -> None:
        found.hole(Coverage(piece.keep), "missing", str(error))
        found.duplicates += error.duplicates
        found.bad_parts.append(part_key(piece.version, market, piece.part))

    # ------------------------------------------------------------ by content

    def _deep(
        self,
        market: Market,
        spec: ExchangeSpec,
        ledger: Ledger,
        piece: parts.Slice,
        found: _Findings,
    ) -> None:
        try:
            part = read_part(self.lake, self.table, piece.version, market, piece.part)
        except ObjectCorrupt as error:
            self._give_up(market, piece, error, found)
            self._read(market, spec, ledger, Coverage(piece.keep), found)
            return
        look = _Look(part.key, _conflicts(part.refused))
        feed = _Feed(self.table.decode(part.data, part.key))
        for keep in piece.keep:
            for span, mapped in self._raw(market, spec, ledger, keep, found):
                for some, rows in feed.take(span):
                    self._compare(look, some, rows, mapped, found)

    def _compare(
        self, look: _Look, span: Span, rows: Rows | None, mapped: Mapped, found: _Findings
    ) -> None:
        """Rows of the table (None: it has none) against what raw says of the same span."""
        raw = mapped.rows.within(span)
        here = NOTHING if rows is None else rows.positions()
        differing = raw.positions() if rows is None else self.table.differing(rows, raw)
        found.rows += here.spans
        rejected = [row for row in mapped.rejected if row.position in span]
        conflicts = look.conflicts.within(span) | _conflicts(rejected)
        found.hole(conflicts & here, "conflict", "the source told this id with different content")
        alone = [r for r in rejected if r.position not in here and r.position not in conflicts]
        for row in alone:
            found.hole(Coverage.of_ids([row.position]), "quarantined", row.reason)
        wrong = differing - conflicts - Coverage.of_ids(row.position for row in alone)
        if wrong:
            found.bad_parts.append(look.key)
        found.hole(wrong & here, "conflict", f"{look.key} differs from raw")
        found.hole(wrong - here, "missing", f"in raw, but not in {look.key}")

    def _raw(
        self,
        market: Market,
        spec: ExchangeSpec,
        ledger: Ledger,
        keep: Span,
        found: _Findings,
    ) -> Iterator[tuple[Span, Mapped]]:
        """What raw holds of `keep`, object by object; damaged ones are noted, not raised."""
        names = ledger.overlapping(keep)
        for span in ledger.held.within(keep):
            yield from self._raw_span(market, spec, names, span, found)

    def _raw_span(
        self,
        market: Market,
        spec: ExchangeSpec,
        names: tuple[RawName, ...],
        span: Span,
        found: _Findings,
    ) -> Iterator[tuple[Span, Mapped]]:
        rest: Span | None = span
        while rest is not None:
            done = rest.start
            try:
                for part, mapped in self.raw.read(market, spec, names, rest):
                    found.readable = True
                    yield part, mapped
                    done = part.stop
                rest = None
            except (ObjectCorrupt, RawUnread) as error:
                (found.unread if isinstance(error, RawUnread) else found.bad_raw).append(error.key)
                names = tuple(name for name in names if raw_key(market, name) != error.key)
                left = Coverage.of(name.span for name in names).missing(Span(done, span.stop))
                found.hole(left, "missing", str(error))
                # What other objects hold of it goes on.
                covered = Coverage((Span(done, span.stop),)) - left
                for piece in covered.spans[:-1]:
                    yield from self._raw_span(market, spec, names, piece, found)
                rest = covered.spans[-1] if covered else None

    def _read(
        self,
        market: Market,
        spec: ExchangeSpec,
        ledger: Ledger,
        where: Coverage,
        found: _Findings,
    ) -> None:
        """Notes what of raw is damaged where there is no part to compare it with."""
        for span in where:
            for _ in self._raw(market, spec, ledger, span, found):
                pass


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

    def _next(self) -> bool:
        self._batch = next(self._batches, None)
        if self._batch is None:
            return False
        positions = self._batch.positions()
        self._stop = positions.stop if positions else self._stop
        return True


def _conflicts(rejected: list[Rejected]) -> Coverage:
    return Coverage.of_ids(row.position for row in rejected if row.reason.startswith(CONFLICT))


def _alone(rejected: list[Rejected]) -> Coverage:
    return Coverage.of_ids(row.position for row in rejected if not row.in_table)


def _wanted(ledger: Ledger, shown: Coverage) -> Span | None:
    everything = ledger.extent | shown
    lowest = ledger.lowest_origin
    if not everything or lowest is None:
        return None
    return Span(min(lowest, everything.stop - 1), everything.stop)


def _merge(holes: list[Hole]) -> list[Hole]:
    """Neighbouring holes of one kind and reason, as one."""
    by_kind: dict[tuple[str, str], list[Span]] = {}
    for hole in holes:
        by_kind.setdefault((hole.status, hole.reason), []).append(hole.span)
    return [
        Hole(span, status, reason)  # type: ignore[arg-type]
        for (status, reason), spans in by_kind.items()
        for span in Coverage.of(spans)
    ]
