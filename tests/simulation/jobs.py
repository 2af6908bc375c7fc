"""What simulated processes do: the real pipelines, over the simulated ports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from schemahub.core.errors import ObjectCorrupt, ObjectMissing
from schemahub.core.layout import part_key
from schemahub.core.span import Span
from schemahub.core.spec import ExchangeSpec
from schemahub.pipelines import ingest as ingests
from schemahub.pipelines.bars import BarsMaker
from schemahub.pipelines.build import Builder, RawRows
from schemahub.pipelines.compact import GRACE, Choose, Compact, Outcome
from schemahub.pipelines.compare import Comparer
from schemahub.pipelines.garbage import Garbage
from schemahub.pipelines.ingest import Ingest
from schemahub.pipelines.lake import Lake, Specs
from schemahub.pipelines.plan import Wish
from schemahub.pipelines.repair import Repair
from schemahub.pipelines.source import Source
from schemahub.pipelines.transform import Transform
from schemahub.pipelines.verify import Report, Verify
from schemahub.ports import NoMetrics, Unlocked
from tests.simulation.checks import Checks
from tests.simulation.exchange import Exchange, Line
from tests.simulation.market import MARKET, READER, positions
from tests.simulation.rows import Frames, PlainMapper, PlainTable, Row, tuples
from tests.simulation.schedule import Process, Schedule, SharedClock, Strands
from tests.simulation.store import Disk, DiskOf

WIDTH = 3


@dataclass(frozen=True)
class Jobs:
    """The pipelines of one process, and what each of them must have done when it says so."""

    schedule: Schedule
    exchange: Exchange
    disk: Disk
    checks: Checks
    process: Process
    spec: ExchangeSpec

    # ------------------------------------------------------------ wiring

    @property
    def store(self) -> DiskOf:
        return DiskOf(self.disk, self.process)

    @property
    def specs(self) -> Specs:
        return Specs({self.spec.exchange: self.spec})

    @property
    def lake(self) -> Lake:
        return Lake(self.store, Frames(), NoMetrics())

    def source(self) -> Source:
        source = Source(self.spec, Line(self.exchange, self.process))
        source.__dict__["reader"] = READER  # made once: it is the same for everybody
        return source

    def builder(self) -> Builder:
        return Builder(self.lake, RawRows(self.lake, PlainMapper()), PlainTable())

    def tasks(self) -> Strands:
        return Strands(self.schedule, self.process)

    def pipeline(self) -> Ingest:
        clock = SharedClock(self.schedule, self.process)
        tasks = self.tasks()
        run_id = f"run{self.process.number}"
        return Ingest(self.lake, tasks, tasks, clock, NoMetrics(), run_id, WIDTH)

    def verifier(self) -> Verify:
        return Verify(self.lake, self.comparer, PlainTable(), self.specs, self.tasks(), NoMetrics())

    def comparer(self) -> Comparer:
        return Comparer(self.lake, RawRows(self.lake, PlainMapper()), PlainTable())

    # ------------------------------------------------------------ jobs

    def ingest(self, wish: Wish) -> ingests.Outcome:
        (outcome,) = self.pipeline().run([(self.source(), MARKET)], wish, 1)
        self._honest(outcome)
        return outcome

    def repair(self, *, audit: bool) -> ingests.Outcome:
        pipeline = Repair(self.lake, self.verifier(), self.pipeline())
        (damage,) = pipeline.look([MARKET], 1)
        outcome = pipeline.heal(self.source(), damage, audit=audit)
        self._honest(outcome)
        self.transform(rebuild=False)
        return outcome

    def transform(self, *, rebuild: bool) -> None:
        lake = self.lake
        markets = lake.markets()
        if MARKET not in markets:
            return
        held = self.process.held = self.checks.held

        def apart(work: Builder | BarsMaker) -> Builder | BarsMaker:
            if isinstance(work, BarsMaker):
                return work  # it remembers nothing
            return replace(work, raw=RawRows(lake, PlainMapper()))

        tasks = Strands(self.schedule, self.process, apart)
        pipeline = Transform(lake, self.builder, self.specs, tasks, NoMetrics())
        (outcome,) = pipeline.run([MARKET], rebuild=rebuild, workers=WIDTH)
        if outcome.error is not None:
            raise outcome.error
        if outcome.state == "complete" and not rebuild:
            lacking = held & self.checks.held & ~self._in_table()
            lacking &= ~self.checks.shaken(self.process)
            if lacking and not self.checks.removals:
                self.checks.broken(
                    f"{self.process.name} is done, but {positions(lacking)} are not in the table"
                )

    def _in_table(self) -> int:
        bits = 0
        for version in self.checks.versions.values():
            bits |= version.union
        return bits

    def verify(self) -> Report:
        return self.verifier().market(MARKET, deep=True)

    def compaction(self) -> Compact:
        def transform(choose: Choose) -> Transform:
            return Transform(self.lake, self.builder, self.specs, self.tasks(), NoMetrics(), choose)

        return Compact(self.lake, PlainTable(), transform, NoMetrics(), GRACE)

    def compact(self) -> None:
        """Larger cells from parts, and the removal of what is superseded."""
        for outcome in self.compaction().run([MARKET], 1):
            if outcome.error is not None:
                raise outcome.error

    def delete(self) -> None:
        """The removal alone: short, so that readers are often met in the middle."""
        self.compaction().remove(Outcome(MARKET), Unlocked())

    def remove_versions(self) -> None:
        garbage = Garbage(self.lake, PlainTable(), NoMetrics(), GRACE)
        for old in garbage.old_versions(self.spec.exchange):
            if garbage.remove(old):
                self.schedule.counts["old versions removed"] += 1

    # ------------------------------------------------------------ reading

    def read(self) -> list[Row]:
        """PROTOCOL §4: the list is resolved once; a file that is gone voids all that was read."""
        kept: list[Row] = []
        while True:
            removals, visible = self.checks.removals, self.checks.visible
            rows: list[Row] = []
            try:
                for some in self._rows():
                    rows += some
            except ObjectMissing:
                self.schedule.counts["readings begun again"] += 1
                kept = self.after_a_loss(rows)
                continue
            except ObjectCorrupt as error:
                if error.key not in self.checks.damaged and not self.checks.removals:
                    self.checks.broken(f"{self.process.name} cannot read {error.key}")
                return []
            rows = sorted(kept + rows)
            self._seen(rows, visible if removals == self.checks.removals else 0)
            return rows

    def after_a_loss(self, rows: list[Row]) -> list[Row]:
        """What is kept of what was read: nothing."""
        del rows
        return []

    def _rows(self) -> Iterator[list[Row]]:
        lake, table = self.lake, PlainTable()
        for piece in lake.slices(MARKET):
            version = self.checks.versions.get(piece.version)
            if piece.version > 1 and (version is None or not version.complete):
                self.checks.broken(f"{self.process.name} reads v{piece.version}, not complete")
            key = part_key(piece.version, MARKET, piece.part)
            data = lake.store.read(key)
            for keep in piece.keep:
                for batch in table.decode(data, key):
                    yield list(tuples(batch).within(keep).rows)

    def _seen(self, rows: list[Row], visible: int) -> None:
        ids = 0
        last = -1
        for row in rows:
            if row[0] <= last:
                self.checks.broken(f"{self.process.name} reads {row[0]} after {last}")
            last = row[0]
            ids |= 1 << last
            if row[1:5] != self.exchange.sold[last].expected:
                self.checks.broken(f"{self.process.name} reads {row}")
        refused = sum(1 << n for n, one in self.exchange.sold.items() if not one.good)
        lost = visible & ~ids & ~refused
        if lost:
            self.checks.broken(f"{self.process.name} does not see {positions(lost)}")
        self.schedule.counts["readings"] += 1

    # ------------------------------------------------------------ honesty

    def _honest(self, outcome: ingests.Outcome) -> None:
        """Complete means: every wanted id up to the head that it saw is held or attested absent."""
        process, checks = self.process, self.checks
        if outcome.watermark is not None and checks.origins:
            start = max(checks.origins)
            if start < outcome.watermark:
                below = checks.unknown(process, Span(start, outcome.watermark))
                checks.expect(
                    not below,
                    f"{process.name} tells the watermark {outcome.watermark}, "
                    f"but {positions(below)} are not known",
                )
        if outcome.state != "complete" or process.head is None:
            return
        self.schedule.counts["ingests complete"] += 1
        # What others have asked for since it began is not its business.
        checks.expect(bool(checks.origins), f"{process.name} is complete, but there is no origin")
        origin = min(process.origins, default=max(checks.origins))
        lacking = checks.unknown(process, Span(origin, max(process.head, origin + 1)))
        if lacking and origin < process.head:
            checks.broken(f"{process.name} says complete, but {positions(lacking)} are not known")


Work = Callable[[Jobs], Any]
