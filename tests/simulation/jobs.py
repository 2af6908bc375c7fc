"""What simulated processes do: the real pipelines, over the simulated ports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from schemahub.core.errors import ObjectCorrupt, ObjectMissing, SchemaHubError
from schemahub.core.layout import part_key
from schemahub.core.span import Span
from schemahub.pipelines import ingest as ingests
from schemahub.pipelines.build import Builder, RawRows
from schemahub.pipelines.ingest import Ingest
from schemahub.pipelines.lake import Lake, Specs
from schemahub.pipelines.plan import Wish
from schemahub.pipelines.repair import Repair
from schemahub.pipelines.source import Source
from schemahub.pipelines.transform import Transform
from schemahub.pipelines.verify import Report, Verify
from schemahub.ports import NoMetrics
from tests.simulation import tidy
from tests.simulation.checks import Checks
from tests.simulation.exchange import Exchange, Line
from tests.simulation.market import MARKET, READER, SPEC, mask, positions
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

    # ------------------------------------------------------------ wiring

    @property
    def store(self) -> DiskOf:
        return DiskOf(self.disk, self.process)

    @property
    def lake(self) -> Lake:
        return Lake(self.store, Frames(), NoMetrics())

    def source(self) -> Source:
        source = Source(SPEC, Line(self.exchange, self.process))
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
        raw = RawRows(self.lake, PlainMapper())
        return Verify(self.lake, raw, PlainTable(), Specs({SPEC.exchange: SPEC}), NoMetrics())

    # ------------------------------------------------------------ jobs

    def ingest(self, wish: Wish) -> ingests.Outcome:
        self.process.notes["origins"] = set(self.checks.origins)
        (outcome,) = self.pipeline().run([(self.source(), MARKET)], wish, 1)
        self._honest(outcome)
        return outcome

    def repair(self, *, audit: bool) -> ingests.Outcome:
        self.process.notes["origins"] = set(self.checks.origins)
        pipeline = Repair(self.lake, self.verifier(), self.pipeline())
        outcome = pipeline.heal(self.source(), pipeline.look(MARKET), audit=audit)
        self._honest(outcome)
        self.transform(rebuild=False)
        return outcome

    def transform(self, *, rebuild: bool) -> None:
        lake = self.lake
        markets = lake.markets()
        if MARKET not in markets:
            return
        held = self.process.notes["held"] = self.checks.held

        def apart(builder: Builder) -> Builder:
            return replace(builder, raw=RawRows(lake, PlainMapper()))

        tasks = Strands(self.schedule, self.process, apart)
        pipeline = Transform(
            lake, self.builder, Specs({SPEC.exchange: SPEC}), tasks, NoMetrics()
        )
        (outcome,) = pipeline.run([MARKET], rebuild=rebuild, workers=WIDTH)
        if outcome.error is not None:
            raise outcome.error
        if outcome.state == "complete" and not rebuild:
            lacking = held & self.checks.held & ~self._in_table()
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

    def delete(self) -> None:
        tidy.delete(self.lake, PlainTable(), MARKET, self._age)

    def compact(self) -> None:
        tidy.compact(self.lake, PlainTable(), MARKET, SPEC)

    def _age(self, key: str) -> timedelta:
        born = self.disk.born.get(key)
        return timedelta() if born is None else self.schedule.now - born

    # ------------------------------------------------------------ reading

    def read(self) -> list[Row]:
        """PROTOCOL §4: the list is resolved once; a file that is gone voids all that was read."""
        while True:
            removals, visible = self.checks.removals, self.checks.visible
            try:
                rows = self._rows()
            except ObjectMissing:
                self.schedule.counts["readings begun again"] += 1
                continue
            except ObjectCorrupt as error:
                if error.key not in self.checks.damaged and not self.checks.removals:
                    self.checks.broken(f"{self.process.name} cannot read {error.key}")
                return []
            self._seen(rows, visible if removals == self.checks.removals else 0)
            return rows

    def _rows(self) -> list[Row]:
        lake, table = self.lake, PlainTable()
        rows: list[Row] = []
        for piece in lake.slices(MARKET):
            key = part_key(piece.version, MARKET, piece.part)
            data = lake.store.read(key)
            for keep in piece.keep:
                for batch in table.decode(data, key):
                    rows += tuples(batch).within(keep).rows
        return rows

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
        if outcome.error is not None and not isinstance(outcome.error, SchemaHubError):
            self.checks.broken(f"{outcome.error!r}")
        if outcome.state != "complete" or "head" not in self.process.notes:
            return
        self.schedule.counts["ingests complete"] += 1
        # What others have asked for since it began is not its business.
        origins, head = self.process.notes["origins"], self.process.notes["head"]
        if not origins or min(origins) >= head:
            return
        origin = min(origins)
        known = self.checks.held | self.checks.absent
        for name in self.checks.marked:
            known |= mask(name.span)  # found corrupt meanwhile, by somebody else
        lacking = mask(Span(origin, head)) & ~known
        if lacking:
            self.checks.broken(
                f"{self.process.name} says complete, but {positions(lacking)} are not known"
            )


Work = Callable[[Jobs], Any]
