"""Verify: every wanted trade is in the table, once, as raw tells it.

Deep (the default) reads everything: each raw answer is mapped anew and compared with the
table row by row, each part with its own digest and count, its bars with what is computed from
its rows. Shallow goes by names alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from schemahub.core import parts
from schemahub.core.errors import (
    ObjectCorrupt,
    ObjectMissing,
    SchemaHubError,
    StoreError,
)
from schemahub.core.harvest import attests_ids
from schemahub.core.layout import AbsentName, Market, OriginName, PartName, part_key, raw_key
from schemahub.core.ledger import Ledger
from schemahub.core.numbering import MOST_RUNS, IdHole, numbered
from schemahub.core.proof import (
    Certificate,
    Damaged,
    Dispute,
    certify,
    certify_sparse,
    merged,
)
from schemahub.core.span import NOTHING, Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import Rejected
from schemahub.pipelines.compare import VOIDED, Comparer, CompareTask, Findings, alone, give_up
from schemahub.pipelines.evidence import ATTESTED, Testimony, doubt, testimony
from schemahub.pipelines.lake import Lake, Specs, target_version
from schemahub.pipelines.transform import MOST_UNREAD
from schemahub.ports import Metrics, Table, Tasks

TRIES = 5
RUN_TRANSFORM = "run transform"
# A task has about so many rows: neighbours share a raw object, which only one process maps.
TASK_ROWS = 1 << 20
# Below this another process costs more than it gives.
ROWS_WORTH_A_PROCESS = 1 << 20


@dataclass(frozen=True, slots=True)
class Report:
    """A certificate, and what repair has to do.

    `bad_raw` are damaged, `stray_raw` sound but not what their names say; `disputes` are
    rows of which raw and table, both sound, say different things. `suspect` is what is held
    and has to be asked again all the same: between its trades there may be others.
    """

    certificate: Certificate
    bad_raw: tuple[str, ...] = ()
    stray_raw: tuple[str, ...] = ()
    bad_parts: tuple[str, ...] = ()
    bad_bars: tuple[str, ...] = ()
    bad_evidence: tuple[str, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    suspect: Coverage = NOTHING


@dataclass(frozen=True, slots=True)
class _Versions:
    """The versions of an exchange's table that may be read, and what shapes the rows of each."""

    readable: Sequence[int]
    shapes: Mapping[int, str]


@dataclass
class _View:
    """What the listings of a market said when it was looked at."""

    market: Market
    spec: ExchangeSpec
    ledger: Ledger
    shown: Coverage
    vouched: Coverage
    deep: bool
    suspect: list[Span] = field(default_factory=list)
    void: bool = False
    found: Findings = field(default_factory=Findings)


@dataclass(frozen=True)
class Verify:
    """The pipeline with what it needs of the world. Reads only.

    `tasks` may run in other processes; `comparer` is what is sent there.
    """

    lake: Lake
    comparer: Callable[[], Comparer]
    table: Table
    specs: Specs
    tasks: Tasks
    metrics: Metrics

    def market(self, market: Market, *, deep: bool = True) -> Report:
        """One market, in this process. Raises what `run` raises."""
        (report,) = self.run([market], deep=deep)
        return report

    def run(
        self, markets: Sequence[Market], *, deep: bool = True, workers: int = 1
    ) -> Iterator[Report]:
        """A report of every market, in their order.

        Raises StoreError, UsageError (no such exchange), ConfigError (the spec changed).
        """
        for exchange in dict.fromkeys(market.exchange for market in markets):
            # By a changed spec the whole table would look damaged, and repair would remove it.
            target_version(self.lake, self.specs.of(exchange), create=False)
        chosen = list(dict.fromkeys(markets))
        # By names alone one after another: of a lake's names only one market's are kept.
        groups = [chosen] if deep else [[market] for market in chosen]
        reports: dict[Market, Report] = {}
        versions: dict[str, _Versions] = {}
        for group in groups:
            reports |= self._reports(group, versions, deep=deep, workers=workers)
        for market in markets:
            yield reports[market]

    def _reports(
        self,
        markets: list[Market],
        versions: dict[str, _Versions],
        *,
        deep: bool,
        workers: int,
    ) -> dict[Market, Report]:
        """`versions` are those of each exchange, where they are known already."""
        reports: dict[Market, Report] = {}
        left = markets
        for _ in range(TRIES):
            for exchange in {market.exchange for market in left} - versions.keys():
                readable = self.lake.readable(exchange)
                versions[exchange] = _Versions(readable, self.lake.versions(exchange))
            views = [
                (market, self._view(market, versions[market.exchange], deep=deep))
                for market in left
            ]
            self._compare([pair for _, pair in views], workers if deep else 1)
            for market, (view, _) in views:
                if not view.void:
                    reports[market] = self._report(view)
            left = [market for market in left if market not in reports]
            if not left:
                return reports
            versions.clear()  # one of them may be what vanished
        raise StoreError(
            f"objects of {left[0]} vanish while they are read",
            f"tried {TRIES} times",
            "verify again when no other job is deleting",
        )

    def _compare(self, views: list[tuple[_View, list[CompareTask]]], workers: int) -> None:
        owners = {view.market: view for view, _ in views}
        tasks = [task for _, mine in views for task in mine]
        if not tasks:
            return
        small = sum(task.rows for task in tasks) < ROWS_WORTH_A_PROCESS
        width = 1 if small else min(workers, len(tasks))
        for task, result in self.tasks.each(self.comparer(), tasks, width):
            view = owners[task.market]
            if isinstance(result, ObjectMissing):
                view.void = True  # superseded and deleted since it was listed
            elif isinstance(result, SchemaHubError):
                raise result
            else:
                view.found.add(result)

    # ------------------------------------------------------------ one market

    def _view(
        self, market: Market, versions: _Versions, *, deep: bool
    ) -> tuple[_View, list[CompareTask]]:
        """What the names of a market say, and what is to be compared of it."""
        spec = self.specs.of(market.exchange)
        # Before the listing: whatever it vouches for was durable then.
        vouched = self.lake.vouched(market, spec)
        ledger = self.lake.ledger(market, spec.line)
        slices = self.lake.slices(market, versions.readable)
        stems = self.lake.quarantined_stems(market)
        shape = spec.shape()
        current = [one for one in slices if versions.shapes.get(one.version) == shape]
        shown = Coverage.of(span for piece in slices for span in piece.keep)
        view = _View(market, spec, ledger, shown, vouched, deep)
        for piece in slices:
            if versions.shapes.get(piece.version) != shape:
                why = f"v{piece.version} is not known to be of today's spec: {RUN_TRANSFORM}"
                view.found.hole(Coverage(piece.keep), "missing", why)
            elif not deep:
                try:
                    self._shallow(view, piece, stems)
                except ObjectMissing:
                    view.void = True
        if spec.line.dense:
            self._absences(view)
        if not deep:
            return view, []
        return view, list(_tasks(view, current))

    def _report(self, view: _View) -> Report:
        found, ledger, shown = view.found, view.ledger, view.shown
        found.hole(shown - ledger.held, "missing", "in the table, but raw does not hold it")
        waiting = ledger.held - shown
        found.hole(waiting, "missing", f"held in raw, not yet in the table: {RUN_TRANSFORM}")
        lies = view.vouched - ledger.held - shown
        found.hole(lies, "missing", "the checkpoint vouches for it, but raw does not hold it")
        stray = _stray(found)
        # Only what was read, and is this market's, says that an origin was lost.
        unsound = {one.key for one in (*found.raw, *found.unread)}
        sound = ledger
        if unsound:
            sound = ledger.without(lambda name: raw_key(view.market, name) in unsound)
        lost = sound.lost_origin
        gone = []
        if lost is not None:
            key = raw_key(view.market, OriginName(lost))
            why = "it is gone, and it alone says how far back this market is wanted"
            gone.append(Damaged(key, Span(lost, lost + 1), why))
        if not view.spec.line.dense:
            self._number(view)
        damaged = [*found.raw, *stray, *found.parts, *found.bars, *found.evidence, *gone]
        certificate = _certificate(view, _wanted(ledger, shown, lost), damaged)
        self.metrics.emit("market.verified", market=str(view.market), status=certificate.status)
        return Report(
            certificate,
            _keys(found.raw),
            _keys(stray),
            _keys(found.parts),
            _keys(found.bars),
            _keys(found.evidence),
            tuple(sorted(found.disputes)),
            Coverage.of(view.suspect),
        )

    # ------------------------------------------------------------ what the source lacks

    def _number(self, view: _View) -> None:
        """What the ids of the trades say, where they are numbered and positions are not ids."""
        found, line = view.found, view.spec.line
        # Where raw and table differ the exchange decides, by being asked again.
        view.suspect += (line.widened(dispute.span) for dispute in found.disputes)
        covered = Coverage.of(found.rows)
        if found.tally.crowded:
            found.hole(covered, "missing", f"there are more than {MOST_RUNS} holes in its ids")
        said = numbered(found.tally.runs, covered, Coverage.of_ids(found.refused))
        for twice in said.twice:
            found.duplicates += len(twice.ids)
            found.hole(
                Coverage((line.widened(twice.span),)), "conflict", f"{_ids(twice.ids)} told twice"
            )
        told: dict[AbsentName, Testimony] = {}
        for hole in said.holes:
            self._missing_ids(view, hole, told)
        for name, one in told.items():
            if one.why or not one.attests:
                why = one.why or f"{len(one.told)} answers, which attest nothing"
                found.evidence.append(Damaged(raw_key(view.market, name), name.span, why))

    def _missing_ids(self, view: _View, hole: IdHole, told: dict[AbsentName, Testimony]) -> None:
        """Whether evidence attests that the ids of a hole are no trades; else they are missing."""
        where = view.spec.line.widened(hole.span)
        settle = timedelta(seconds=view.spec.settle)
        for name in view.ledger.attested:
            if not name.span.covers(hole.span):
                continue
            if name not in told:
                told[name] = testimony(self.lake, view.market, view.spec, name)
            if attests_ids(told[name].told, hole.ids, settle):
                told[name].attests = True
                reason = f"{_ids(hole.ids)} not there: {ATTESTED}"
                view.found.hole(Coverage((where,)), "absent_at_source", reason)
                return
        reason = f"{_ids(hole.ids)} missing between two trades that are held"
        view.found.hole(Coverage((where,)), "missing", reason)
        view.suspect.append(where)

    def _absences(self, view: _View) -> None:
        """What is attested absent; by content, that the evidence still says so."""
        for name in view.ledger.attested:
            where = view.ledger.absent.within(name.span)
            why = doubt(self.lake, view.market, view.spec, name) if view.deep and where else None
            if why is None:
                view.found.hole(where, "absent_at_source", ATTESTED)
                continue
            key = raw_key(view.market, name)
            view.found.evidence.append(Damaged(key, name.span, why))
            view.found.hole(where, "missing", f"{key} does not attest that it is absent: {why}")

    # ------------------------------------------------------------ by names

    def _shallow(self, view: _View, piece: parts.Slice, quarantined: set[str]) -> None:
        market, found = view.market, view.found
        refused: list[Rejected] = []
        # Only a part with something in quarantine has to be opened.
        if PartName(piece.part).stem in quarantined:
            try:
                refused = alone(self._refused(market, piece))
            except ObjectCorrupt as error:
                give_up(piece, part_key(piece.version, market, piece.part), error, found)
                return
        held = view.ledger.held
        keep = Coverage.of(one for span in piece.keep for one in held.within(span))
        void = Coverage.of_ids(row.position for row in refused if row.voids) & keep
        bad = Coverage.of_ids(row.position for row in refused if not row.voids) & keep
        found.hole(void, "absent_at_source", VOIDED)
        found.hole(bad, "quarantined", "held in raw, refused by the table")
        found.rows += keep - void - bad if view.spec.line.dense else keep

    def _refused(self, market: Market, piece: parts.Slice) -> list[Rejected]:
        """What stands in quarantine of a part. Raises ObjectCorrupt."""
        key = part_key(piece.version, market, piece.part)
        facts = self.table.facts(self.lake.store.read(key), key)
        return self.lake.quarantined(market, piece.part, facts.refused)


def _tasks(view: _View, slices: Sequence[parts.Slice]) -> Iterator[CompareTask]:
    """Neighbouring slices together, about TASK_ROWS at a time; then what no part shows."""
    waiting: list[parts.Slice] = []
    rows = 0
    for piece in slices:
        waiting.append(piece)
        rows += view.spec.line.rows(sum(len(span) for span in piece.keep))
        if rows >= TASK_ROWS:
            yield _task(view, waiting)
            waiting, rows = [], 0
    if waiting:
        yield _task(view, waiting)
    unshown = view.ledger.held - view.shown
    if unshown:
        yield _task(view, (), unshown)


def _task(view: _View, slices: Sequence[parts.Slice], unshown: Coverage = NOTHING) -> CompareTask:
    where = Coverage.of(span for piece in slices for span in piece.keep) | unshown
    ledger = view.ledger.around(Span(where.start, where.stop))
    return CompareTask(view.market, view.spec, tuple(slices), unshown, ledger)


def _ids(ids: Span) -> str:
    if len(ids) == 1:
        return f"id {ids.start} is"
    return f"ids {ids.start} to {ids.stop - 1} are"


def _certificate(view: _View, span: Span | None, damaged: Iterable[Damaged]) -> Certificate:
    found, spec = view.found, view.spec
    rows, holes = Coverage.of(found.rows), merged(found.holes)
    if spec.line.dense:
        return certify(view.market, span, rows, holes, found.duplicates, damaged, spec.provable)
    return certify_sparse(
        view.market,
        spec.line,
        spec.provable,
        span=span,
        covered=rows,
        tally=found.tally if view.deep else None,
        holes=holes,
        duplicates=found.duplicates,
        damaged=damaged,
    )


def _stray(found: Findings) -> list[Damaged]:
    """Objects that the spec does not read, while it reads others: these names are not theirs.

    If it reads none, or there are too many to be accidents, it is the spec that is wrong, and
    nothing may be set aside for that.
    """
    unread = {one.key for one in found.unread}
    return found.unread if found.readable and len(unread) <= MOST_UNREAD else []


def _keys(damaged: Iterable[Damaged]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.key for one in damaged))


def _wanted(ledger: Ledger, shown: Coverage, lost: int | None) -> Span | None:
    everything = ledger.extent | shown
    lowest = ledger.lowest_origin if lost is None else lost
    if not everything or lowest is None:
        return None
    return Span(min(lowest, everything.stop - 1), everything.stop)
