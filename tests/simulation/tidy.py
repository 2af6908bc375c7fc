"""Compaction and deletion by PROTOCOL §4, as small as they can be said."""

from __future__ import annotations

from collections.abc import Callable
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


def delete(lake: Lake, table: Table, market: Market, age: Callable[[str], timedelta]) -> int:
    """Removes superseded parts, ascending; a superseder is verified first, and a day old."""
    count = 0
    for version in sorted(lake.versions(market.exchange)):
        existing = lake.parts(version, market)
        sound: dict[Span, bool] = {}
        for part in parts.superseded(existing):
            over = next(one for one in parts.live(existing) if one.covers(part) and one != part)
            if over not in sound:
                sound[over] = _sound(lake, table, version, market, over)
            if sound[over] and age(part_key(version, market, over)) >= GRACE:
                lake.store.delete(part_key(version, market, part))
                count += 1
    return count


def _sound(lake: Lake, table: Table, version: int, market: Market, span: Span) -> bool:
    try:
        read_part(lake, table, version, market, span)
    except (ObjectCorrupt, ObjectMissing):
        return False
    return True


def compact(lake: Lake, table: Table, market: Market, spec: ExchangeSpec) -> int:
    """Writes the larger cells that parts cover whole, from these parts alone."""
    count = 0
    for version in sorted(lake.versions(market.exchange)):
        existing = lake.parts(version, market)
        for span in parts.to_write(Coverage.of(existing), existing):
            if len(span) in parts.CELLS[:-1]:
                count += _merge(lake, table, version, market, span, existing, spec)
    return count


def _merge(  # noqa: PLR0913, PLR0917  (what a part is)
    lake: Lake, table: Table, version: int, market: Market, span: Span,
    existing: list[Span], spec: ExchangeSpec,
) -> bool:  # fmt: skip
    inside = parts.reusable(span, existing)
    if not Coverage.of(inside).covers(span):
        return False  # parts that cross: what raw holds decides, and transform reads it
    try:
        read = [read_part(lake, table, version, market, one) for one in inside]
    except (ObjectMissing, ObjectCorrupt):
        return False
    if any(one.shape != spec.shape() for one in read):
        return False
    part, quarantine = _joined(table, market, span, spec, read)
    lake.quarantine(market, span, quarantine)
    return lake.store.create(part_key(version, market, span), part)


def _joined(
    table: Table, market: Market, span: Span, spec: ExchangeSpec, read: list[ReadPart]
) -> tuple[bytes, bytes]:
    rejected: list[Rejected] = [row for one in read for row in one.refused]
    quarantine, refused = write_rejects(rejected)

    def told() -> Refused:
        return refused

    batches = (rows for one in read for rows in table.decode(one.data, one.key))
    part = table.encode(batches, market, span, spec.shape(), told)
    return part.data, quarantine
