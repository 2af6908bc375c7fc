"""One part from raw: the task that transform runs, anywhere, any number of times.

Given the same names it makes the same rows, so it may be killed, raced and repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from schemahub.core.errors import ObjectCorrupt, RawUnread, StoreError, TooManyRejects
from schemahub.core.layout import Market, RawName, part_key, raw_key
from schemahub.core.span import NOTHING, Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import Rejected
from schemahub.pipelines.bars import store, watched
from schemahub.pipelines.lake import Lake, write_rejects
from schemahub.ports import Mapped, Mapper, PartFacts, Refused, Rows, Table

# More than these of a part is not a few bad rows: the exchange changed its format.
MAX_REJECTS = 5
MAX_REJECT_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class PartTask:
    """The part to make, and from which names: `raws` lowest first, `inside` disjoint."""

    market: Market
    spec: ExchangeSpec
    version: int
    span: Span
    raws: tuple[RawName, ...]
    inside: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Built:
    """`written` is False if the part was there already."""

    rows: int
    rejected: int
    bytes: int
    written: bool


@dataclass
class Builder:
    """Makes parts; can be sent to another process."""

    lake: Lake
    raw: RawRows
    table: Table

    def __call__(self, task: PartTask) -> Built:
        """Raises ObjectCorrupt, ObjectMissing, TooManyRejects, StoreError."""
        notes = _Notes()
        quarantine = b""

        def refused() -> Refused:
            nonlocal quarantine
            _check_whole(task, notes)
            quarantine, found = write_rejects(_beside(notes, task))
            return found

        bars = self.table.bars()
        rows = watched(self._rows(task, notes), bars)
        spec = task.spec
        part = self.table.encode(rows, task.market, task.span, spec.line, spec.shape(), refused)
        _check_share(task, part.facts.rows, notes.rejected)
        self.lake.quarantine(task.market, task.span, quarantine)
        key = part_key(task.version, task.market, task.span)
        written = self.lake.store.create(key, part.data)
        if written:  # else it may hold other rows: its bars are made from what it holds
            store(self.lake, self.table, key, part.facts, bars)
        return Built(part.facts.rows, len(notes.rejected), len(part.data), written)

    def _rows(self, task: PartTask, notes: _Notes) -> Iterator[Rows]:
        """The rows, noting on the way which positions they are, where each is a row's."""
        for rows in self._sources(task, notes):
            if task.spec.line.dense:
                notes.shown += rows.positions().spans
            yield rows

    def _sources(self, task: PartTask, notes: _Notes) -> Iterator[Rows]:
        """Of parts inside it as they are, else of raw, in axis order.

        A part is only a cache of raw: one that is damaged in any way is not used.
        """
        position = task.span.start
        for inside in task.inside:
            part = self._usable(task, inside, notes)
            if part is None:
                continue
            if position < inside.start:
                yield from self._raw_rows(task, Span(position, inside.start), notes)
            notes.rejected += part.refused
            notes.rejected += self._retold(task, inside, part.refused)
            yield from self.table.decode(part.data, part.key)
            notes.read(inside, task)
            position = inside.stop
        if position < task.span.stop:
            yield from self._raw_rows(task, Span(position, task.span.stop), notes)

    def _usable(self, task: PartTask, inside: Span, notes: _Notes) -> ReadPart | None:
        if not task.spec.line.dense and _told_twice(task.raws, inside):
            return None  # an object that came after the part may tell of trades that it lacks
        try:
            part = read_part(self.lake, self.table, task.version, task.market, inside)
        except ObjectCorrupt as error:
            notes.unusable = notes.unusable or error
            return None
        return part if part.facts.shape == task.spec.shape() else None

    def _retold(self, task: PartTask, inside: Span, refused: list[Rejected]) -> Iterator[Rejected]:
        """Rows that raw tells otherwise by now: the published one stays, all are told of.

        Only where raw objects overlap can there be two tellings.
        """
        known = {row.key for row in refused if row.conflicts}
        for twice in _told_twice(task.raws, inside):
            for _, mapped in self.raw.read(task.market, task.spec, task.raws, twice):
                yield from (
                    row for row in mapped.rejected if row.conflicts and row.key not in known
                )

    def _raw_rows(self, task: PartTask, gap: Span, notes: _Notes) -> Iterator[Rows]:
        for span, mapped in self.raw.read(task.market, task.spec, task.raws, gap):
            notes.rejected += mapped.rejected if task.spec.line.dense else _beside_rows(mapped)
            yield mapped.rows
            notes.read(span, task)


@dataclass
class _Notes:
    """What was met on the way through the sources of a part.

    `shown` are the positions that rows were read of: on a dense axis those of the rows. On
    others most positions have none, and what counts is what was read for them. `unusable` is
    the first part that could not be read.
    """

    rejected: list[Rejected] = field(default_factory=list)
    shown: list[Span] = field(default_factory=list)
    unusable: ObjectCorrupt | None = None

    def read(self, span: Span, task: PartTask) -> None:
        """Notes that all there is of `span` was read."""
        if not task.spec.line.dense:
            self.shown.append(span)


def _check_whole(task: PartTask, notes: _Notes) -> None:
    """A part must be whole: who is told that it supersedes others will remove them."""
    line = task.spec.line
    refused = Coverage.of_ids(row.position for row in notes.rejected) if line.dense else NOTHING
    lacking = (Coverage.of(notes.shown) | refused).missing(task.span)
    if not lacking:
        return
    if notes.unusable is not None:
        raise notes.unusable
    raise StoreError(
        f"{line.between(lacking.spans[0])} of {task.market} are in nothing that was read for "
        f"{line.between(task.span)}",
        "neither raw nor the parts that it was to be made from hold them now",
        "`schemahub repair` finds out why",
    )


def _told_twice(names: tuple[RawName, ...], within: Span) -> Coverage:
    """The positions of `within` that more than one object holds."""
    found: list[Span] = []
    stop = -1
    for name in sorted(names):
        part = name.span.clip(within)
        if part is None:
            continue
        if part.start < stop:
            found.append(Span(part.start, min(stop, part.stop)))
        stop = max(stop, part.stop)
    return Coverage.of(found)


def _beside(notes: _Notes, task: PartTask) -> list[Rejected]:
    """What was rejected; on a dense axis by now it is known what has a row in the part."""
    if not task.spec.line.dense:
        return notes.rejected
    shown = Coverage.of(notes.shown)
    return [replace(row, in_table=row.position in shown) for row in notes.rejected]


def _beside_rows(mapped: Mapped) -> list[Rejected]:
    """What was rejected, knowing what has a row; it has one in these rows or in none."""
    ids = {row.trade_id for row in mapped.rejected if row.trade_id is not None}
    held = mapped.rows.holding(ids)
    return [replace(row, in_table=row.trade_id in held) for row in mapped.rejected]


def _check_share(task: PartTask, rows: int, rejected: list[Rejected]) -> None:
    rejected = [row for row in rejected if not row.voids]  # the exchange's word, not its fault
    share = len(rejected) / max(1, rows + len(rejected))
    if len(rejected) > MAX_REJECTS and share > MAX_REJECT_SHARE:
        where = task.spec.line.between(task.span)
        raise TooManyRejects(
            f"{len(rejected)} of {rows + len(rejected)} rows of {task.market} {where} "
            "fail the contract",
            f"the first: {rejected[0].reason} in {rejected[0].source}",
            "nothing of it was published, raw keeps it all; correct the exchange's spec",
        )


@dataclass(frozen=True, slots=True)
class ReadPart:
    """A part that is exactly what was written, with what stands in quarantine of it."""

    key: str
    data: bytes
    facts: PartFacts
    refused: list[Rejected]


def read_part(lake: Lake, table: Table, version: int, market: Market, span: Span) -> ReadPart:
    """Reads a part whole. Raises ObjectCorrupt if anything of it is not as it was written."""
    part = open_part(lake, table, version, market, span)
    for _ in table.decode(part.data, part.key):
        pass  # raises if the rows are not those of the digest
    return part


def open_part(  # noqa: PLR0913, PLR0917  (which part, and what it must be)
    lake: Lake, table: Table, version: int, market: Market, span: Span, shape: str | None = None
) -> ReadPart:
    """The same, but that nobody has looked yet whether its rows are those of its digest.

    Decoding them to the end tells. With `shape`, a part of any other is corrupt.
    """
    key = part_key(version, market, span)
    data = lake.store.read(key)
    facts = table.facts(data, key)
    said = (facts.exchange, facts.symbol, facts.span)
    if said != (market.exchange, market.symbol, span):
        raise ObjectCorrupt(key, f"it says that it is {facts.exchange}:{facts.symbol} {facts.span}")
    if shape is not None and facts.shape != shape:
        raise ObjectCorrupt(key, "it says that another spec shaped its rows")
    return ReadPart(key, data, facts, lake.quarantined(market, span, facts.refused))


@dataclass
class RawRows:
    """Maps raw objects, and remembers the last: small parts share one raw object."""

    lake: Lake
    mapper: Mapper
    _last: tuple[str, Mapped] | None = None

    def read(
        self,
        market: Market,
        spec: ExchangeSpec,
        names: tuple[RawName, ...],
        keep: Span,
        *,
        alone: bool = False,
    ) -> Iterator[tuple[Span, Mapped]]:
        """The rows that raw holds of `keep`, group of overlapping objects by group, in order.

        On a dense axis every position of a group is a row or rejected; else RawUnread names
        the object whose name says more than it holds. `alone` asks that of each object, not of
        the group. On other axes nobody can know.
        """
        dense = spec.line.dense
        for span, group in _groups(names, keep):
            if len(group) == 1:
                mapped = _clip(self._whole(market, spec, group[0]), span)
                if dense:
                    _check(mapped, span, market, group[0])
            else:
                for name in group if alone and dense else ():
                    whole = self.mapper.map([self.lake.raw(market, name)], span, market, spec)
                    _check(whole, name.span.clip(span) or name.span, market, name)
                sources = [self.lake.raw(market, name) for name in group]
                mapped = self.mapper.map(sources, span, market, spec)
                for name in group if dense else ():
                    _check(mapped, name.span.clip(span) or name.span, market, name)
            yield span, mapped

    def _whole(self, market: Market, spec: ExchangeSpec, name: RawName) -> Mapped:
        key = raw_key(market, name)
        if self._last is None or self._last[0] != key:
            mapped = self.mapper.map([self.lake.raw(market, name)], name.span, market, spec)
            self._last = (key, mapped)
        return self._last[1]


def _check(mapped: Mapped, span: Span, market: Market, name: RawName) -> None:
    """Raises RawUnread if a position of `span` is neither a row nor rejected."""
    refused = Coverage.of_ids(row.position for row in mapped.rejected)
    lacking = (mapped.rows.positions() | refused).missing(span)
    if lacking:
        raise RawUnread(raw_key(market, name), f"ids {lacking.spans[0]} are not in it")


def _clip(mapped: Mapped, span: Span) -> Mapped:
    rejected = tuple(row for row in mapped.rejected if row.position in span)
    return Mapped(mapped.rows.within(span), rejected)


def _groups(names: tuple[RawName, ...], keep: Span) -> Iterator[tuple[Span, list[RawName]]]:
    """Names that overlap in `keep`, together, with the span that they cover of it."""
    group: list[RawName] = []
    start = stop = -1
    for name in sorted(names):
        part = name.span.clip(keep)
        if part is None:
            continue
        if group and part.start >= stop:
            yield Span(start, stop), group
            group = []
        if not group:
            start, stop = part.start, part.stop
        group.append(name)
        stop = max(stop, part.stop)
    if group:
        yield Span(start, stop), group
