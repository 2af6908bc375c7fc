"""Quarantine: what was refused and why, and what of it today's spec would take.

Looking reads only. What is quarantined stays in raw whatever happens here: a table that takes
more of it is made anew from raw, by transform.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from schemahub.core import page as pages
from schemahub.core.errors import BadAnswer, ObjectCorrupt, ObjectMissing, RawUnread, StoreError
from schemahub.core.layout import (
    MAX_STOP,
    Market,
    PartName,
    RawName,
    answers_prefix,
    market_of,
    parse_raw,
    part_key,
)
from schemahub.core.ledger import Ledger
from schemahub.core.page import Answer
from schemahub.core.parts import Slice
from schemahub.core.span import Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import Rejected
from schemahub.core.wire import Reader
from schemahub.pipelines.build import RawRows
from schemahub.pipelines.lake import Lake, Specs
from schemahub.pipelines.verify import TRIES
from schemahub.ports import Key, Mapper, RawObject, Rows, Table

EVERYTHING = Span(0, MAX_STOP)


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that could not be read at all, as it came."""

    key: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Held:
    """What stands in quarantine of a market now.

    `rows` are those that live parts refused, by position, each once however often it was
    told; `table` is what those parts hold or refuse. `damaged` are keys of what is not as it
    was written, of which nothing else is told.
    """

    market: Market
    table: Coverage
    rows: tuple[Rejected, ...]
    answers: tuple[Kept, ...]
    damaged: tuple[str, ...]

    @property
    def refused(self) -> set[Key]:
        """The keys of what is no row of the table because it was refused."""
        return {row.key for row in self.rows if not row.in_table}


def kind(reason: str) -> str:
    """A reason without the value that it is about: what rows are counted by."""
    return ": ".join(reason.split(": ")[:2])


@dataclass(frozen=True)
class Quarantine:
    """The pipeline with what it needs of the world. Reads only, and needs no spec."""

    lake: Lake
    table: Table

    def markets(self) -> list[Market]:
        """The markets of the lake, and those of which it has nothing but quarantine."""
        folders = self.lake.store.folders
        only = (
            market_of(exchange, name)
            for exchange in folders("quarantine/")
            for name in folders(f"quarantine/{exchange}/")
        )
        return sorted({*self.lake.all_markets(), *(market for market in only if market)})

    def market(self, market: Market) -> Held:
        """Goes by the live parts, as readers do. Raises StoreError."""
        for _ in range(TRIES):
            try:
                return self._look(market)
            except ObjectMissing:
                continue  # superseded and deleted since it was listed: all that was read is void
        raise StoreError(
            f"objects of {market} vanish while they are read",
            f"tried {TRIES} times",
            "look again when no other job is deleting",
        )

    def _look(self, market: Market) -> Held:
        slices = self.lake.slices(market)
        stems = self.lake.quarantined_stems(market)
        rows: dict[tuple[Key, str], Rejected] = {}
        damaged: list[str] = []
        for piece in slices:
            # Only a part with something in quarantine has to be opened.
            if PartName(piece.part).stem not in stems:
                continue
            try:
                refused = self._refused(market, piece)
            except ObjectCorrupt as error:
                damaged.append(error.key)
                continue
            keep = Coverage(piece.keep)
            for row in refused:
                if row.position in keep:
                    rows.setdefault((row.key, row.raw), row)
        table = Coverage.of(span for piece in slices for span in piece.keep)
        answers = tuple(self._answers(market, damaged))
        ordered = tuple(sorted(rows.values(), key=lambda row: row.position))
        return Held(market, table, ordered, answers, tuple(damaged))

    def _refused(self, market: Market, piece: Slice) -> list[Rejected]:
        key = part_key(piece.version, market, piece.part)
        facts = self.table.facts(self.lake.store.read(key), key)
        return self.lake.quarantined(market, piece.part, facts.refused)

    def _answers(self, market: Market, damaged: list[str]) -> Iterator[Kept]:
        for entry in self.lake.store.list(answers_prefix(market)):
            try:
                yield Kept(entry.key, pages.decode(self.lake.store.read(entry.key)))
            except ValueError:
                damaged.append(entry.key)


Outcome = Literal["row", "refused", "conflict", "unfetched", "unread"]


@dataclass(frozen=True, slots=True)
class TriedRow:
    """What today's spec makes of a refused row, and why if it is not a row.

    conflict: its id was told with different content, so it stays; unfetched: it can be read
    now, but no object is named for its id, so `ingest` has to ask for it; unread: raw around
    it cannot be read.
    """

    row: Rejected
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TriedAnswer:
    """`ids` are good rows of the answer that raw does not hold; `reason` if it is still bad."""

    kept: Kept
    ids: Coverage
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What today's spec makes of all that is quarantined of a market."""

    held: Held
    rows: tuple[TriedRow, ...]
    answers: tuple[TriedAnswer, ...]

    @property
    def market(self) -> Market:
        return self.held.market

    @property
    def gained(self) -> bool:
        """Whether a table made anew would take any of it."""
        return any(tried.outcome == "row" for tried in self.rows)


@dataclass(frozen=True)
class Replay:
    """Tries what is quarantined by today's spec, and writes nothing."""

    lake: Lake
    quarantine: Quarantine
    raw: RawRows
    mapper: Mapper
    specs: Specs

    def market(self, market: Market) -> Tried:
        """Raises StoreError, UsageError (no such exchange)."""
        spec = self.specs.of(market.exchange)
        held = self.quarantine.market(market)
        trial = _Trial(self, market, spec, self.lake.ledger(market, spec.line))
        rows = tuple(trial.row(row) for row in held.rows)
        answers = tuple(trial.answer(kept) for kept in held.answers)
        return Tried(held, rows, answers)


@dataclass
class _Trial:
    """One market's; remembers the raw object read last, for rows come object by object."""

    replay: Replay
    market: Market
    spec: ExchangeSpec
    ledger: Ledger
    _source: str = ""
    _told: dict[tuple[str, str], Answer] | None = None

    def row(self, row: Rejected) -> TriedRow:
        try:
            answer = self._answer_of(row)
            if answer is None:
                return TriedRow(row, "unread", f"{row.source} does not hold its answer")
            # The row by itself, told when and where it was: so its own id is known.
            alone = replace(answer, body=b"[" + row.raw.encode() + b"]")
            source = RawObject(row.source, EVERYTHING, pages.encode(alone))
            mapped = self.replay.mapper.map([source], EVERYTHING, self.market, self._bare)
            if mapped.rejected:
                return TriedRow(row, "refused", mapped.rejected[0].reason)
            return self._among_others(row, mapped.rows)
        except (ObjectCorrupt, ObjectMissing, RawUnread) as error:
            return TriedRow(row, "unread", str(error))

    @property
    def _bare(self) -> ExchangeSpec:
        """The spec for rows without the rest of their answer."""
        trades = self.spec.trades.model_copy(update={"rows": ""})
        return self.spec.model_copy(update={"trades": trades, "errors": None})

    def _among_others(self, row: Rejected, own: Rows) -> TriedRow:
        """A row that is good by itself, beside all else that raw tells of its id."""
        (span,) = own.positions().spans
        if span.start not in self.ledger.held:
            where = self.spec.line.between(span)
            return TriedRow(row, "unfetched", f"no raw object is named for {where}")
        names = self.ledger.overlapping(span)
        for _, mapped in self.replay.raw.read(self.market, self.spec, names, span):
            for rejected in mapped.rejected:
                if rejected.conflicts and own.holding({rejected.key[1]}):
                    return TriedRow(row, "conflict", rejected.reason)
        return TriedRow(row, "row")

    def _answer_of(self, row: Rejected) -> Answer | None:
        if self._told is None or self._source != row.source:
            self._told = self._answers(row.source)
            self._source = row.source
        return self._told.get((row.url, row.at))

    def _answers(self, key: str) -> dict[tuple[str, str], Answer]:
        name = parse_raw(key.rpartition("/")[2])
        if not isinstance(name, RawName):
            raise ObjectCorrupt(key, "it is not the name of a raw object")
        told = {}
        for number, line in enumerate(self.replay.lake.raw(self.market, name).lines.splitlines()):
            try:
                answer = pages.decode(line)
            except ValueError as error:
                raise ObjectCorrupt(key, f"line {number + 1}: {error}") from None
            told[answer.url, answer.at.isoformat(timespec="microseconds")] = answer
        return told

    def answer(self, kept: Kept) -> TriedAnswer:
        """As ingest would judge it."""
        try:
            ask = pages.asked(kept.answer, self.spec)
            page = pages.read(kept.answer, ask, Reader(self.spec))
        except (BadAnswer, ValueError) as error:
            return TriedAnswer(kept, Coverage(), str(error))
        if page.rows and not page.ids:
            return TriedAnswer(kept, Coverage(), next(iter(page.bad.values()), "no row is good"))
        return TriedAnswer(kept, page.ids - self.ledger.held)


def lost(before: Held, after: Held) -> list[Rejected]:
    """Rows that the table had before and refuses now: what a worse spec costs."""
    refused = before.refused
    return [
        row
        for row in after.rows
        if not row.in_table and row.position in before.table and row.key not in refused
    ]


def by_kind(rows: Sequence[Rejected]) -> dict[str, list[Rejected]]:
    """The rows by reason, as `kind` tells it; within one by position."""
    found: dict[str, list[Rejected]] = {}
    for row in rows:
        found.setdefault(kind(row.reason), []).append(row)
    return dict(sorted(found.items()))
