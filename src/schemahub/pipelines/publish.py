"""Publish: the live parts as Iceberg tables, for engines that know nothing of our names.

What is published is what the tables themselves name: nothing is remembered beside them. Each
publish opens a table, then lists the lake, and makes the difference in one commit; where another
commit came first it begins again. So two at once end as one, and no snapshot names a row twice.
The order (first open, then list) means that no publish ever takes a newer one back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Literal

from schemahub.core.errors import (
    CatalogError,
    Interrupted,
    ObjectMissing,
    SchemaHubError,
    TableLost,
)
from schemahub.core.facts import Fact
from schemahub.core.layout import Market, bars_key, part_key, part_prefix, table_key
from schemahub.core.parts import reading
from schemahub.pipelines.lake import Lake
from schemahub.ports import Clock, Entry
from schemahub.ports.catalog import BARS, TRADES, Catalog, DataFile, DataTable, Kind

KEEP = timedelta(days=7)
KEEP_LAST = 1
# A commit that never comes first means a table that somebody writes to without a pause.
TRIES = 30
_LONGEST_PAUSE = 2.0
# What no snapshot needs is left alone for so long: its commit may be under way.
_UNDER_WAY = timedelta(hours=24)
_OWN_FILES = (".avro", ".metadata.json", ".parquet")


@dataclass(frozen=True, slots=True)
class Live:
    """What the lake shows now, as files; `notes` say what cannot be published yet, and why."""

    files: Mapping[str, DataFile]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be named no more, and from now on; a file that changed its size is in both."""

    removed: tuple[str, ...]
    added: tuple[DataFile, ...]

    @staticmethod
    def between(table: DataTable | None, live: Live) -> Difference:
        there = {} if table is None else table.files
        same = {
            location
            for location, file in live.files.items()
            if location in there and there[location].size == file.size
        }
        return Difference(
            tuple(sorted(there.keys() - same)),
            tuple(file for location, file in sorted(live.files.items()) if location not in same),
        )

    def __bool__(self) -> bool:
        return bool(self.removed or self.added)


@dataclass
class Outcome:
    """What was done for a table. `bytes` is 0: publishing stores no data of its own."""

    table: str
    state: Literal["complete", "partial", "failed"] = "complete"
    files: int = 0
    added: int = 0
    removed: int = 0
    rows: int = 0
    expired: int = 0
    bytes: int = 0
    notes: list[str] = field(default_factory=list)
    error: SchemaHubError | None = None


@dataclass(frozen=True, slots=True)
class Odd:
    """A file that table and lake do not say the same of; `what` in words."""

    table: str
    location: str
    what: str


@dataclass(frozen=True)
class Publish:
    """The pipeline with what it needs of the world; `locate` is where a key lies, absolute."""

    lake: Lake
    catalog: Catalog
    clock: Clock
    locate: Callable[[str], str]
    keep: timedelta = KEEP
    keep_last: int = KEEP_LAST
    check: Callable[[], None] = lambda: None

    # ------------------------------------------------------------ publishing

    def run(self, facts: Callable[[], Sequence[Fact]]) -> Iterator[Outcome]:
        """Each table as it is done; what fails does not stop the others. Raises Interrupted."""
        for kind in (TRADES, BARS):
            yield self._guarded(kind, partial(self._files, kind))
        try:
            every = list(facts())
        except Interrupted:
            raise
        except SchemaHubError as error:
            yield Outcome("facts", "failed", error=error)
            every = []
        for fact in every:
            yield self._guarded(fact.name, partial(self._fact, fact))
        views = Outcome("views")
        try:
            defined = self.catalog.define_views()
        except SchemaHubError as error:
            views.state, views.error = "failed", error
            yield views
        else:
            if defined:
                views.notes.append(f"defined: {', '.join(defined)}")
                yield views

    def _guarded(self, table: str, work: Callable[[Outcome], None]) -> Outcome:
        outcome = Outcome(table)
        self.check()
        try:
            work(outcome)
            before = self.clock.now() - self.keep
            outcome.expired = self.catalog.expire(table, before, self.keep_last)
            self._sweep(table)
        except Interrupted:
            raise
        except SchemaHubError as error:
            outcome.state, outcome.error = "failed", error
        return outcome

    def _files(self, kind: Kind, outcome: Outcome) -> None:
        """Until the table is what a listing after its opening shows."""
        for _ in self._tries(kind):
            table = self.catalog.open(kind, create=True)
            if table is None:
                raise CatalogError(f"the table {kind} was not made", "it is gone again")
            live = self.live(kind)
            difference = Difference.between(table, live)
            if not difference:
                outcome.files = len(live.files)
                outcome.notes += live.notes
                outcome.state = "partial" if live.notes else "complete"
                return
            try:
                rows = table.replace(difference.removed, difference.added)
            except ObjectMissing:  # superseded and removed since it was listed
                continue
            if rows is not None:
                outcome.added += len(difference.added)
                outcome.removed += len(difference.removed)
                outcome.rows += rows
                outcome.notes += _taken_out(difference)

    def _fact(self, fact: Fact, outcome: Outcome) -> None:
        for _ in self._tries(fact.name):
            done = self.catalog.put(fact)
            if done is not None:
                outcome.files, outcome.rows = 1, len(fact.rows)
                outcome.added = outcome.removed = int(done)
                return

    def _tries(self, table: str) -> Iterator[None]:
        """Raises CatalogError once it is no use."""
        pause = 0.02
        for _ in range(TRIES):
            self.check()
            yield
            self.clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        raise CatalogError(
            f"the table {table} did not come to rest",
            f"other commits came first {TRIES} times",
            "see who else writes to it: it is publish's alone",
        )

    # ------------------------------------------------------------ what is live

    def live(self, kind: Kind) -> Live:
        """Lists the lake: the files of parts that are read whole.

        A part of which a reader reads only some (parts that cross; a version that fills up
        another) is left out: a table names files, not rows, and would hold keys twice.
        """
        found: dict[str, DataFile] = {}
        notes: list[str] = []
        readable: dict[str, list[int]] = {}
        for market in self.lake.table_markets():
            if market.exchange not in readable:
                readable[market.exchange] = self.lake.readable(market.exchange)
            files, odd = self._market(kind, market, readable[market.exchange])
            found |= {one.location: one for one in files}
            notes += odd
        return Live(found, tuple(notes))

    def _market(
        self, kind: Kind, market: Market, versions: Iterable[int]
    ) -> tuple[list[DataFile], list[str]]:
        parts = {version: dict(self.lake.part_entries(version, market)) for version in versions}
        slices = reading(parts)
        trimmed = [one for one in slices if not one.whole]
        notes = []
        if trimmed and kind == TRADES:
            spans = ", ".join(f"{one.part} of v{one.version}" for one in trimmed[:3])
            notes.append(
                f"{market}: {len(trimmed)} part(s) that others overlap are left out until "
                f"`schemahub transform` unites them: {spans}"
            )
        whole = [(one, parts[one.version][one.part]) for one in slices if one.whole]
        if kind == TRADES:
            return [self._file(market, entry) for _, entry in whole], notes
        beside = {
            entry.key: entry
            for version in parts
            for entry in self.lake.store.list(bars_key(part_prefix(version, market)))
        }
        wanted = [bars_key(part_key(one.version, market, one.part)) for one, _ in whole]
        lacking = [key for key in wanted if key not in beside]
        if lacking:
            notes.append(
                f"{market}: {len(lacking)} part(s) have no minute bars, so `bars_1m` of the "
                "catalog lacks theirs until `schemahub transform` makes them"
            )
        return [self._file(market, beside[key]) for key in wanted if key in beside], notes

    def _file(self, market: Market, entry: Entry) -> DataFile:
        return DataFile(self.locate(entry.key), market, entry.size)

    # ------------------------------------------------------------ verify, plan

    def plan(self, kind: Kind) -> tuple[Difference, Live]:
        """What a publish would do now. Writes nothing."""
        table = self.catalog.open(kind, create=False)
        live = self.live(kind)
        return Difference.between(table, live), live

    def verify(self, kind: Kind) -> tuple[list[Odd], int]:
        """How table and live set differ, by names, sizes and row counts; and rows in the table.

        Row counts of files are read from the files themselves.
        """
        try:
            table = self.catalog.open(kind, create=False)
        except TableLost as lost:
            return [Odd(kind, "", f"{lost}")], 0
        live = self.live(kind)
        if table is None:
            return [Odd(kind, "", "there is no such table: nothing is published")], 0
        there = table.files
        odd = [Odd(kind, location, self._why_named(location)) for location in
               sorted(there.keys() - live.files.keys())]  # fmt: skip
        odd += [Odd(kind, location, "is live, and not in the table") for location in
                sorted(live.files.keys() - there.keys())]  # fmt: skip
        both = sorted(there.keys() & live.files.keys())
        counted = self.catalog.rows(both)
        for location in both:
            said, size, rows = there[location], live.files[location].size, counted[location]
            if said.size != size:
                odd.append(Odd(kind, location, f"has {size} bytes; the table says {said.size}"))
            if said.rows != rows:
                odd.append(Odd(kind, location, f"has {rows} rows; the table says {said.rows}"))
        odd += [Odd(kind, "", note) for note in live.notes]
        return odd, sum(one.rows for one in there.values())

    def _why_named(self, location: str) -> str:
        key = table_key(location)
        if key is None:
            return "is in the table, and no file of a lake: somebody else wrote it there"
        if self.locate(key) != location:
            return "is in the table by a place where the lake is not any more: it was moved"
        return "is in the table, and not live any more"

    # ------------------------------------------------------------ what nobody needs

    def _sweep(self, table: str) -> None:
        """Removes what publishes that died, and expired snapshots, left under iceberg/."""
        needed = self.catalog.needed(table)
        if needed is None:
            return
        folder, locations = needed
        top = self.locate("iceberg/x").removesuffix("x")
        if not folder.startswith(top):
            return
        before = self.lake.store.now() - _UNDER_WAY
        prefix = f"iceberg/{folder.removeprefix(top)}/"
        for entry in list(self.lake.store.list(prefix)):
            old = entry.created_at < before and entry.key.endswith(_OWN_FILES)
            if old and self.locate(entry.key) not in locations:
                self.lake.store.delete(entry.key)


def kept(catalog: Catalog | None) -> frozenset[str]:
    """The keys of parts and bars that a snapshot still names: they may not be removed.

    Raises CatalogError if the catalog cannot be asked.
    """
    if catalog is None:
        return frozenset()
    return frozenset(key for one in catalog.named() if (key := table_key(one)) is not None)


def _taken_out(difference: Difference) -> list[str]:
    foreign = [one for one in difference.removed if table_key(one) is None]
    if not foreign:
        return []
    return [f"{len(foreign)} file(s) that somebody else wrote were taken out of the table"]
