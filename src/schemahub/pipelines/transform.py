"""Transform: the parts that raw covers and the table lacks, made one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from schemahub.core import parts
from schemahub.core.errors import (
    ObjectCorrupt,
    ObjectMissing,
    RawUnread,
    SchemaHubError,
    StoreError,
)
from schemahub.core.layout import Market, complete_key, job_lease, part_key, raw_key
from schemahub.core.ledger import Ledger
from schemahub.core.parts import Cells
from schemahub.core.span import Coverage, Span
from schemahub.pipelines.bars import BarsMaker, BarsTask, lacking, remove_part
from schemahub.pipelines.build import Builder, Built, PartTask, read_part
from schemahub.pipelines.lake import Lake, Specs, rebuild_version, target_version
from schemahub.pipelines.turn import LOST, turn
from schemahub.ports import Lease, Leases, Metrics, NoLeases, Tasks

T = TypeVar("T", PartTask, BarsTask)

# How often a market is planned anew because a listed object turned out corrupt or gone.
# Each round sets at least one aside; this only bounds a store that keeps losing them.
ROUNDS = 1_000
# So many objects that a spec does not read are not accidents of single objects.
MOST_UNREAD = 20
# Below this another process costs more than it gives.
ROWS_WORTH_A_PROCESS = 1 << 20


@dataclass
class Outcome:
    """What was done for a market.

    Partial: corrupt raw was set aside and must be fetched, or the lease was lost on the way.
    """

    market: Market
    state: Literal["complete", "partial", "failed"] = "complete"
    parts: int = 0
    rows: int = 0
    rejected: int = 0
    bytes: int = 0
    notes: list[str] = field(default_factory=list)
    error: SchemaHubError | None = None
    unread: set[str] = field(default_factory=set)


def _all(held: Coverage, existing: list[Span], cells: Cells) -> list[Span]:
    return parts.to_write(held, existing, cells)


@dataclass(frozen=True)
class Transform:
    """The pipeline with what it needs of the world.

    `tasks` may run in other processes; `builder` is only called if there is a part to make.
    `choose(held, existing, cells)` says which parts there should be beside the existing ones.
    Fewer rows than `small` are made part after part.
    """

    lake: Lake
    builder: Callable[[], Builder]
    specs: Specs
    tasks: Tasks
    metrics: Metrics
    choose: Callable[[Coverage, list[Span], Cells], list[Span]] = _all
    leases: Leases = field(default_factory=NoLeases)
    small: int = field(default_factory=lambda: ROWS_WORTH_A_PROCESS)

    def plan(self, markets: Sequence[Market], version: dict[str, int]) -> list[PartTask]:
        """The parts to write into these versions, by market and position."""
        return [
            task
            for market in markets
            for task in self._plan(market, version.get(market.exchange, 0), frozenset())
        ]

    def versions(
        self, markets: Iterable[Market], *, rebuild: bool, create: bool = True
    ) -> dict[str, int]:
        """The version to write into, an exchange. Raises ConfigError if a spec changed."""
        choose = rebuild_version if rebuild else target_version
        return {
            exchange: choose(self.lake, self.specs.of(exchange), create=create)
            for exchange in sorted({market.exchange for market in markets})
        }

    def run(
        self, markets: Sequence[Market], *, rebuild: bool, workers: int, wait: float = 0.0
    ) -> Iterator[Outcome]:
        """The outcome of every market.

        Waits for another run's transform for `wait` seconds, then raises LeaseHeld. Raises
        Interrupted, and ConfigError if a spec changed.
        """
        got = self.leases.acquire(job_lease("transform"), watch=True, wait=wait)
        with turn(got, "transform") as lease:
            yield from self.under(lease, markets, rebuild=rebuild, workers=workers)

    def under(
        self, lease: Lease, markets: Sequence[Market], *, rebuild: bool, workers: int
    ) -> Iterator[Outcome]:
        """The same under a lease that the caller has."""
        outcomes = {market: Outcome(market) for market in markets}
        known = [market for market in markets if self._known(market, outcomes[market])]
        versions = self.versions(known, rebuild=rebuild)
        if rebuild:
            self._distrust(known, versions)
        again = known
        for _ in range(ROUNDS):
            tasks = [
                task
                for market in again
                for task in self._plan(market, versions[market.exchange], outcomes[market].unread)
            ]
            self.metrics.emit("parts.planned", parts=len(tasks))
            again = self._round(tasks, outcomes, lease, workers)
            if not again:
                break
        for market in again:
            outcomes[market].state = "failed"
            outcomes[market].error = StoreError(
                f"objects of {market} vanish while they are read",
                f"planned {ROUNDS} times",
                "see what else writes to this lake",
            )
        for exchange, version in versions.items():
            mine = [market for market in known if market.exchange == exchange]
            self._fill(list(lacking(self.lake, version, mine)), outcomes, lease, workers)
        if rebuild:
            self._complete(versions, outcomes)
        yield from outcomes.values()

    def _distrust(self, markets: Sequence[Market], versions: dict[str, int]) -> None:
        """Removes what rotted in a rebuild that died: once it is complete readers prefer it."""
        for market in markets:
            version = versions[market.exchange]
            # The first version is complete from the start: what is wrong in it is for repair.
            for span in self.lake.parts(version, market) if version > 1 else ():
                try:
                    read_part(self.lake, self.builder().table, version, market, span)
                except ObjectCorrupt:
                    key = part_key(version, market, span)
                    remove_part(self.lake, key)
                    self.metrics.emit("damage.removed", market=str(market), key=key)

    def _known(self, market: Market, outcome: Outcome) -> bool:
        try:
            self.specs.of(market.exchange)
        except SchemaHubError as error:
            outcome.state, outcome.error = "failed", error
            return False
        return True

    def _round(
        self,
        tasks: list[PartTask],
        outcomes: dict[Market, Outcome],
        lease: Lease,
        workers: int,
    ) -> list[Market]:
        """The markets that must be planned anew."""
        again: set[Market] = set()
        if not tasks:
            return []
        width = self._width(tasks, workers)
        drawn = _while_held(tasks, lease, outcomes)
        for task, result in self.tasks.each(self.builder(), drawn, width):
            outcome = outcomes[task.market]
            if isinstance(result, Built):
                self._built(task, result, outcome)
            elif self._set_aside(task, result, outcome):
                again.add(task.market)
            else:
                outcome.state = "failed"
                outcome.error = outcome.error or result
        return sorted(again)

    def _width(self, tasks: Sequence[PartTask | BarsTask], workers: int) -> int:
        rows = sum(self.specs.of(task.market.exchange).line.rows(len(task.span)) for task in tasks)
        return 1 if rows < self.small else min(workers, len(tasks))

    def _fill(
        self, tasks: list[BarsTask], outcomes: dict[Market, Outcome], lease: Lease, workers: int
    ) -> None:
        """Makes the bars of parts that have none: of an older lake, or after a crash."""
        if not tasks:
            return
        builder = self.builder()
        maker = BarsMaker(builder.lake, builder.table)
        drawn = _while_held(tasks, lease, outcomes)
        for task, result in self.tasks.each(maker, drawn, self._width(tasks, workers)):
            outcome = outcomes[task.market]
            if isinstance(result, ObjectCorrupt):
                if outcome.state == "complete":
                    outcome.state = "partial"
                outcome.notes.append(
                    f"{result.key} is corrupt ({result.why}), so it gets no bars: "
                    f"`schemahub repair {task.market}` makes it anew"
                )
            elif isinstance(result, SchemaHubError) and not isinstance(result, ObjectMissing):
                outcome.state = "failed"
                outcome.error = outcome.error or result

    def _built(self, task: PartTask, built: Built, outcome: Outcome) -> None:
        outcome.parts += built.written
        outcome.rows += built.rows if built.written else 0
        outcome.rejected += built.rejected if built.written else 0
        outcome.bytes += built.bytes if built.written else 0
        self.metrics.emit(
            "part.written",
            market=str(task.market),
            rows=built.rows,
            bytes=built.bytes,
            rejected=built.rejected,
        )

    def _set_aside(self, task: PartTask, error: SchemaHubError, outcome: Outcome) -> bool:
        """Whether the market can go on without what the error is about."""
        if isinstance(error, ObjectMissing):
            return True
        if isinstance(error, RawUnread):
            return self._leave_out(task, error, outcome)
        if not isinstance(error, ObjectCorrupt) or not error.key.startswith("raw_"):
            return False
        self.lake.mark_bad(task.market, error.key)
        if outcome.state != "failed":
            outcome.state = "partial"
        outcome.notes.append(
            f"{error.key} is corrupt ({error.why}) and set aside: "
            f"`schemahub repair {task.market}` fetches it again"
        )
        return True

    def _leave_out(self, task: PartTask, error: RawUnread, outcome: Outcome) -> bool:
        """Whether the market can go on without an object that the spec does not read.

        For this run only: the spec may be what is wrong, so nothing is marked. It surely is
        if nothing else can be read either.
        """
        outcome.unread.add(error.key)
        others = {raw_key(task.market, name) for name in self.lake.ledger(task.market).objects}
        if others <= outcome.unread or len(outcome.unread) > MOST_UNREAD:
            return False
        if outcome.state != "failed":
            outcome.state = "partial"
        outcome.notes.append(f"{error}; left out: {error.do}")
        return True

    def _plan(self, market: Market, version: int, unread: Collection[str]) -> Iterator[PartTask]:
        """The parts to make of a market.

        That there is nothing to make the checkpoint may say; where it stands for objects, a
        part is made of what is listed.
        """
        spec = self.specs.of(market.exchange)
        ledger = self.lake.quick_ledger(market, spec)
        existing, chosen = self._chosen(market, version, ledger)
        # Only where chunks are cut alike does nothing that was not listed reach out of there.
        doubtful = ledger.doubtful
        doubt = doubtful and (spec.chunk == 1 or any(map(doubtful.overlaps, chosen)))
        if unread or (chosen and doubt):
            whole = self.lake.ledger(market, spec.line)
            ledger = whole.without(lambda name: raw_key(market, name) in unread)
            existing, chosen = self._chosen(market, version, ledger)
        for span, raws in ledger.sweep(chosen):
            inside = tuple(parts.reusable(span, existing))
            yield PartTask(market, spec, version, span, raws, inside)

    def _chosen(
        self, market: Market, version: int, ledger: Ledger
    ) -> tuple[list[Span], list[Span]]:
        """The parts that there are, listed after raw, and those that there should be beside."""
        existing = sorted(self.lake.parts(version, market)) if version else []
        cells = self.specs.of(market.exchange).line.cells
        return existing, self.choose(ledger.held, existing, cells)

    def _complete(self, versions: dict[str, int], outcomes: dict[Market, Outcome]) -> None:
        """Marks the versions that hold all that raw holds: from now on readers prefer them."""
        for exchange, version in versions.items():
            mine = [o for market, o in outcomes.items() if market.exchange == exchange]
            if version > 1 and all(outcome.state == "complete" for outcome in mine):
                self.lake.store.create(complete_key(version, exchange), b"")
                self.metrics.emit("version.completed", exchange=exchange, version=version)


def _while_held(tasks: Sequence[T], lease: Lease, outcomes: dict[Market, Outcome]) -> Iterator[T]:
    """The parts to begin; without the lease none any more, and their markets are partial."""
    for number, task in enumerate(tasks):
        if not lease.held:
            for market in {left.market for left in tasks[number:]}:
                outcome = outcomes[market]
                if outcome.state == "complete":
                    outcome.state = "partial"
                outcome.notes.append(LOST)
            return
        yield task
