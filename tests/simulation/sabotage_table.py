"""Sabotage of the table: parts, what readers show of them, versions, deletion."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from schemahub.core import parts
from schemahub.core.errors import ObjectMissing
from schemahub.core.layout import Market, PartName, complete_key, part_key, raw_key
from schemahub.core.parts import Slice
from schemahub.core.span import Coverage, Span
from schemahub.pipelines import build, transform
from schemahub.pipelines import lake as lakes
from schemahub.pipelines.build import Builder, PartTask
from schemahub.pipelines.compact import _Listed
from schemahub.pipelines.lake import Lake
from schemahub.pipelines.transform import Transform
from schemahub.ports import Mapped, RawObject
from tests.simulation import jobs
from tests.simulation.jobs import Jobs
from tests.simulation.sabotage import Sabotage, sabotage

Changes = list[tuple[Any, str, Any]]


@sabotage("answers are not trimmed to the span that the object's name says")
def no_trim() -> Changes:
    real = Lake.raw

    def raw(lake: Lake, market: Market, name: Any) -> RawObject:
        found = real(lake, market, name)
        return RawObject(found.key, Span(0, 1 << 40), found.lines)

    def clip(mapped: Mapped, _span: Span) -> Mapped:
        return mapped

    return [(Lake, "raw", raw), (build, "_clip", clip)]


@sabotage("parts span what is attested absent")
def parts_over_absent_spans() -> Changes:
    def plan(
        self: Transform, market: Market, version: int, unread: Collection[str]
    ) -> Iterator[PartTask]:
        ledger = self.lake.ledger(market).without(lambda name: raw_key(market, name) in unread)
        existing = self.lake.parts(version, market) if version else []
        spec = self.specs.of(market.exchange)
        for span in parts.to_write(ledger.known, existing, spec.line.cells):
            inside = tuple(parts.reusable(span, existing))
            yield PartTask(market, spec, version, span, ledger.overlapping(span), inside)

    return [(Transform, "_plan", plan)]


def _parts_named_by_start() -> Changes:
    def stem(name: PartName) -> str:
        return f"{name.span.start:020}-{name.span.stop:020}"

    return [(PartName, "stem", property(stem))]


# A reader must sleep for more than a day between two pages of a listing: too rare to wait for.
PARTS_NAMED_BY_START = Sabotage(
    "parts_named_by_start",
    "parts are named {start}-{stop}: a forward listing can lose coverage",
    _parts_named_by_start,
)


@sabotage("no part is looked for that contains the one to write", within=60, first=4_400)
def no_containing_part_check() -> Changes:
    return [(parts, "any_contains", lambda there, part: part in there)]


@sabotage("parts that cross are both read whole", within=1_000)
def crossing_parts_not_trimmed() -> Changes:
    def reading(versions: Mapping[int, Iterable[Span]]) -> list[Slice]:
        taken = Coverage()
        slices: list[Slice] = []
        for version in sorted(versions, reverse=True):
            live = parts.live(versions[version])
            keeps = [(part, Coverage((part,)) - taken.within(part)) for part in live]
            slices += [Slice(version, part, keep.spans) for part, keep in keeps if keep]
            taken |= Coverage.of(live)
        return sorted(slices, key=lambda piece: piece.keep[0])

    return [(parts, "reading", reading), (lakes, "reading", reading)]


@sabotage("a part is superseded by the union of others", within=300, first=200)
def superseded_by_union() -> Changes:
    def superseded(existing: Iterable[Span]) -> list[Span]:
        found = sorted(set(existing), key=lambda part: (part.stop, len(part)))
        return [
            part
            for part in found
            if Coverage.of(other for other in found if other != part).covers(part)
        ]

    return [
        (parts, "superseded", superseded),
        (_Listed, "container", lambda listed, part: next(s for s in listed.live if s != part)),
    ]


@sabotage("what a part supersedes is deleted before that part is written")
def delete_before_create() -> Changes:
    real = Builder._sources

    def sources(builder: Builder, task: PartTask, rejected: Any) -> Iterator[Any]:
        yield from real(builder, task, rejected)
        for one in task.inside:
            builder.lake.store.delete(part_key(task.version, task.market, one))

    return [(Builder, "_sources", sources)]


@sabotage("compaction writes a cell of which it read only some")
def compaction_from_uncovered_inputs() -> Changes:
    def wanted(existing: list[Span], cells: parts.Cells) -> list[Span]:
        size = cells[0]
        starts = sorted({part.start // size * size for part in existing})
        return [cell for start in starts if (cell := Span(start, start + size)) not in existing]

    return [(parts, "to_compact", wanted)]


@sabotage("superseded parts are deleted at once", within=400)
def no_grace() -> Changes:
    return [(jobs, "GRACE", timedelta())]


@sabotage("a zombie overwrites the part that others have read", within=200)
def parts_are_put() -> Changes:
    real = Builder.__call__

    def built(builder: Builder, task: PartTask) -> Any:
        found = real(builder, task)
        key = part_key(task.version, task.market, task.span)
        builder.lake.store.put(key, builder.lake.store.read(key))
        return found

    return [(Builder, "__call__", built)]


@sabotage("bars that a crash left unmade stay unmade")
def bars_not_filled_in() -> Changes:
    return [(transform, "lacking", lambda *_: ())]


@sabotage("bars are those of no rows")
def bars_not_shown_the_rows() -> Changes:
    return [(build, "watched", lambda rows, _: rows)]


@sabotage("a part goes out without its quarantine")
def quarantine_not_written() -> Changes:
    return [(Lake, "quarantine", lambda *_: None)]


@sabotage("readers prefer a version that a rebuild has not completed")
def incomplete_versions_are_read() -> Changes:
    return [(Lake, "complete", lambda *_: True)]


@sabotage("a rebuild is complete before its parts are written")
def complete_before_all_is_written() -> Changes:
    real = Transform.versions

    def versions(self: Transform, markets: Any, *, rebuild: bool, create: bool = True) -> Any:
        found = real(self, markets, rebuild=rebuild, create=create)
        for exchange, version in found.items():
            if rebuild and version > 1:
                self.lake.store.create(complete_key(version, exchange), b"")
        return found

    return [(Transform, "versions", versions)]


@sabotage("a reader whose file is gone keeps the rows that it has read", within=300)
def rows_kept_over_a_retry() -> Changes:
    return [(Jobs, "after_a_loss", lambda _jobs, rows: rows)]


@sabotage("a reader passes over a file that is gone", within=600)
def missing_files_are_passed_over() -> Changes:
    real = Jobs._rows

    def rows(jobs: Jobs) -> Iterator[list[Any]]:
        try:
            yield from real(jobs)
        except ObjectMissing:
            return

    return [(Jobs, "_rows", rows)]
