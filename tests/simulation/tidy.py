"""Compaction and deletion by PROTOCOL §4, as small as they can be said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from schemahub.core import parts
from schemahub.core.errors import ObjectCorrupt, ObjectMissing
from schemahub.core.layout import Market, part_key
from schemahub.core.span import Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import Rejected
from schemahub.pipelines.build import ReadPart, read_part
from schemahub.pipelines.lake import Lake, write_rejects
from schemahub.ports import Refused, Table

GRACE = timedelta(hours=24)


@dataclass(frozen=True)
class Tidy:
    """One market's table. `age` of an object is by the store's clock."""

    lake: Lake
    table: Table
    market: Market
    spec: ExchangeSpec
    age: Callable[[str], timedelta]

    # ------------------------------------------------------------ deletion

    def delete(self) -> None:
        """Removes superseded parts, ascending; a superseder is verified first, and a day old."""
        for version in sorted(self.lake.versions(self.market.exchange)):
            existing = self.lake.parts(version, self.market)
            ready: dict[Span, bool] = {}
            for part in parts.superseded(existing):
                over = superseder(existing, part)
                if over not in ready:
                    ready[over] = self.ready(version, over)
                if ready[over]:
                    self.lake.store.delete(part_key(version, self.market, part))

    def ready(self, version: int, over: Span) -> bool:
        old = self.age(part_key(version, self.market, over)) >= GRACE
        return old and self.sound(version, over)

    def sound(self, version: int, span: Span) -> bool:
        return self.read(version, span) is not None

    def read(self, version: int, span: Span) -> ReadPart | None:
        try:
            return read_part(self.lake, self.table, version, self.market, span)
        except (ObjectCorrupt, ObjectMissing):
            return None

    # ------------------------------------------------------------ compaction

    def compact(self) -> None:
        """Writes the larger cells that parts cover whole, from these parts alone."""
        for version in sorted(self.lake.versions(self.market.exchange)):
            existing = self.lake.parts(version, self.market)
            for cell in cells(existing):
                inside = parts.reusable(cell, existing)
                # Where parts cross, transform makes the union from raw.
                if whole(inside, cell):
                    self.merge(version, cell, inside)

    def merge(self, version: int, cell: Span, inside: list[Span]) -> None:
        read = []
        for one in inside:
            part = self.read(version, one)
            if part is None or part.shape != self.spec.shape():
                return
            read.append(part)
        rejected: list[Rejected] = [row for part in read for row in part.refused]
        quarantine, refused = write_rejects(rejected)

        def told() -> Refused:
            return refused

        batches = (rows for part in read for rows in self.table.decode(part.data, part.key))
        made = self.table.encode(batches, self.market, cell, self.spec.shape(), told)
        self.store(version, cell, made.data, quarantine, read)

    def store(
        self, version: int, cell: Span, data: bytes, quarantine: bytes, read: list[ReadPart]
    ) -> None:
        """What was read stays: `delete` removes it once it is superseded."""
        del read
        self.lake.quarantine(self.market, cell, quarantine)
        self.lake.store.create(part_key(version, self.market, cell), data)


def superseder(existing: list[Span], part: Span) -> Span:
    """A live part that `part` lies strictly inside of."""
    return next(one for one in parts.live(existing) if one.covers(part) and one != part)


def cells(existing: list[Span]) -> list[Span]:
    """The larger cells to write."""
    covered = Coverage.of(existing)
    return [one for one in parts.to_write(covered, existing) if len(one) in parts.CELLS[:-1]]


def whole(inside: list[Span], cell: Span) -> bool:
    return Coverage.of(inside).covers(cell)
