"""Compact: larger cells from smaller parts, then the removal of what they supersede.

Nothing is removed but what raw makes again, and only once its place is taken: by a part that
strictly contains it, that was read and is whole, and that readers have known for the grace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from schemahub.core import parts
from schemahub.core.errors import (
    CatalogError,
    ConfigError,
    Interrupted,
    ObjectCorrupt,
    ObjectMissing,
    SchemaHubError,
)
from schemahub.core.layout import (
    Market,
    bars_key,
    job_lease,
    part_key,
)
from schemahub.core.parts import Cells
from schemahub.core.span import Coverage, Span
from schemahub.pipelines import bars, transform
from schemahub.pipelines.build import PartTask, read_part
from schemahub.pipelines.lake import Lake
from schemahub.pipelines.transform import Transform
from schemahub.pipelines.turn import LOST, turn
from schemahub.ports import Entry, Lease, Leases, Metrics, NoLeases, Table

GRACE = timedelta(hours=24)
Choose = Callable[[Coverage, list[Span], Cells], list[Span]]


@dataclass(frozen=True, slots=True)
class Heir:
    """A part in whose favour others go."""

    version: int
    part: Span


@dataclass(frozen=True, slots=True)
class Doomed:
    """A part that may go from `free_at` on (by the store's clock) if its heir is whole."""

    key: str
    size: int
    free_at: datetime
    heir: Heir


@dataclass(frozen=True, slots=True)
class _Listed:
    """The parts of a market in one version; `live` by start."""

    version: int
    entries: dict[Span, Entry]
    live: list[Span]

    @staticmethod
    def of(version: int, entries: list[tuple[Span, Entry]]) -> _Listed:
        by_span = dict(entries)
        return _Listed(version, by_span, parts.live(by_span))

    def container(self, span: Span) -> Span | None:
        """The live part that strictly contains `span`."""
        found = parts.container(self.live, span)
        return None if found == span else found


@dataclass
class Outcome:
    """What was done for a market; `waiting` counts what may not go yet.

    Of these, `named` are still named by a snapshot of the published table.
    """

    market: Market
    state: Literal["complete", "partial", "failed"] = "complete"
    parts: int = 0
    rows: int = 0
    bytes: int = 0
    removed: int = 0
    freed: int = 0
    waiting: int = 0
    named: int = 0
    notes: list[str] = field(default_factory=list)
    error: SchemaHubError | None = None


@dataclass(frozen=True)
class Compact:
    """The pipeline with what it needs of the world.

    `transform(choose)` is the pipeline that writes the parts which `choose` names; `check`
    raises Interrupted once the process was asked to stop. `kept` names the objects that a
    published snapshot still needs: where it cannot be asked, nothing is removed.
    """

    lake: Lake
    table: Table
    transform: Callable[[Choose], Transform]
    metrics: Metrics
    grace: timedelta = GRACE
    leases: Leases = field(default_factory=NoLeases)
    check: Callable[[], None] = lambda: None
    kept: Callable[[], AbstractSet[str]] = frozenset

    def merges(self, markets: Sequence[Market]) -> list[PartTask]:
        """The cells that would be written now. Raises ConfigError if a spec changed."""
        pipeline = self.transform(_cells)
        versions = pipeline.versions(markets, rebuild=False, create=False)
        return pipeline.plan(markets, versions)

    def run(self, markets: Sequence[Market], workers: int) -> Iterator[Outcome]:
        """Writes the cells, then removes what they and earlier ones supersede.

        Raises Interrupted, ConfigError if a spec changed, and LeaseHeld if another run is at it.
        """
        with turn(self.leases.acquire(job_lease("transform"), watch=True), "compact") as lease:
            yield from self._run(markets, lease, workers)

    def _run(self, markets: Sequence[Market], lease: Lease, workers: int) -> Iterator[Outcome]:
        pipeline = self.transform(_cells)
        for merged in pipeline.under(lease, markets, rebuild=False, workers=workers):
            outcome = _continued(merged)
            try:
                self.remove(outcome, lease)
            except Interrupted:
                raise
            except SchemaHubError as error:
                outcome.state, outcome.error = "failed", error
            yield outcome

    def doomed(self, market: Market) -> list[Doomed]:
        """Superseded parts, in the order of removal.

        What stands in quarantine of them stays: its names know no versions, so that a rebuild
        may just rely on an object that was there.
        """
        listed = [
            _Listed.of(version, self.lake.part_entries(version, market))
            for version in self.lake.every_version(market.exchange)
        ]
        return [
            self._doomed(one.entries[span], one, larger)
            for one in listed
            for span in parts.superseded(one.entries)
            if (larger := one.container(span)) is not None
        ]

    def _doomed(self, entry: Entry, listed: _Listed, larger: Span) -> Doomed:
        free_at = listed.entries[larger].created_at + self.grace
        return Doomed(entry.key, entry.size, free_at, Heir(listed.version, larger))

    def remove(self, outcome: Outcome, lease: Lease) -> None:
        """Removes what may go of a market, in the order of `doomed`. Raises StoreError."""
        now = self.lake.store.now()
        whole: dict[Heir, bool] = {}
        every = self.doomed(outcome.market)
        try:
            kept = self.kept()
        except (CatalogError, ConfigError) as error:
            outcome.state = "partial"
            outcome.notes.append(f"nothing was removed: {error}")
            outcome.waiting += len(every)
            return
        for doomed in every:
            self.check()
            if not lease.held:
                outcome.state = "partial"
                outcome.notes.append(LOST)
                return
            if doomed.heir not in whole and doomed.free_at <= now:
                whole[doomed.heir] = self._reads(outcome, doomed.heir)
            named = doomed.key in kept or bars_key(doomed.key) in kept
            if named or doomed.free_at > now or not whole[doomed.heir]:
                outcome.waiting += 1
                outcome.named += named
                continue
            bars.remove_part(self.lake, doomed.key)
            outcome.removed += 1
            outcome.freed += doomed.size
            self.metrics.emit(
                "object.superseded", market=str(outcome.market), key=doomed.key, bytes=doomed.size
            )
        for version in self.lake.every_version(outcome.market.exchange):
            for key in bars.sweep(self.lake, version, outcome.market, kept):
                self.metrics.emit("trace.swept", key=key)

    def _reads(self, outcome: Outcome, heir: Heir) -> bool:
        try:
            read_part(self.lake, self.table, heir.version, outcome.market, heir.part)
        except (ObjectCorrupt, ObjectMissing) as error:
            key = part_key(heir.version, outcome.market, heir.part)
            outcome.state = "partial"
            outcome.notes.append(f"what {key} supersedes stays: {error}")
            return False
        return True


def _cells(held: Coverage, existing: list[Span], cells: Cells) -> list[Span]:
    """By the parts alone: a cell that raw covers and they do not is transform's work."""
    del held
    return parts.to_compact(existing, cells)


def _continued(merged: transform.Outcome) -> Outcome:
    return Outcome(
        merged.market,
        merged.state,
        merged.parts,
        merged.rows,
        merged.bytes,
        notes=merged.notes,
        error=merged.error,
    )
