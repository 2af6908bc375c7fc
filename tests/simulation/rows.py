"""Mapper, table and codec without a library: rows as tuples, parts as sealed JSON.

They keep the promises of `schemahub.ports`, and apply the real wire contract
(`schemahub.core.wire`); only the engines are left out, which have suites of their own.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec

from schemahub.core import page
from schemahub.core.axis import Axis
from schemahub.core.errors import ObjectCorrupt, RawUnread
from schemahub.core.layout import Market
from schemahub.core.numbering import Tally
from schemahub.core.span import Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import Rejected
from schemahub.core.wire import RowRefused
from schemahub.ports import Differing, Mapped, Part, PartFacts, RawObject, Refused, Rows
from tests.simulation.market import EPOCH, READER

# position, side, price, quantity, µs of the trade, µs of the answer
Row = tuple[int, str, str, str, int, int]


@dataclass(frozen=True, slots=True)
class Tuples:
    """ports.Rows."""

    rows: tuple[Row, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def positions(self) -> Coverage:
        return Coverage.of_ids(row[0] for row in self.rows)

    def extent(self) -> Span | None:
        return Span(self.rows[0][0], self.rows[-1][0] + 1) if self.rows else None

    def holding(self, ids: Collection[int]) -> set[int]:
        return {row[0] for row in self.rows} & set(ids)

    def tally(self, *, numbered: bool) -> Tally:
        raise NotImplementedError  # its ids are its positions

    def within(self, span: Span) -> Tuples:
        start, stop = span.start, span.stop
        return Tuples(tuple(row for row in self.rows if start <= row[0] < stop))


def tuples(rows: Rows) -> Tuples:
    assert isinstance(rows, Tuples)
    return rows


class Frames:
    """ports.Codec: length, checksum, bytes; frames joined are the bytes joined."""

    def pack(self, data: bytes) -> bytes:
        return len(data).to_bytes(4) + zlib.crc32(data).to_bytes(4) + data

    def unpack(self, data: bytes, key: str) -> bytes:
        pieces = []
        at = 0
        while at < len(data):
            size = int.from_bytes(data[at : at + 4])
            piece = data[at + 8 : at + 8 + size]
            if len(piece) != size or zlib.crc32(piece).to_bytes(4) != data[at + 4 : at + 8]:
                raise ObjectCorrupt(key, "a frame is damaged")
            pieces.append(piece)
            at += 8 + size
        if not pieces:
            raise ObjectCorrupt(key, "the object is empty")
        return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class _Line:
    path: str
    rows: tuple[Row, ...]
    # anchor, reason, text, url, at
    refused: tuple[tuple[int, str, str, str, str], ...]


@lru_cache(maxsize=4096)
def _line(line: bytes) -> _Line:
    """An answer read row by row by the authority. Raises ValueError."""
    answer = page.decode(line)
    raws = READER.split(answer.body)
    at = int((answer.at - EPOCH).total_seconds() * 1_000_000)
    told = answer.at.isoformat(timespec="microseconds")
    now = answer.latest
    verdicts: list[Row | RowRefused] = []
    for raw in raws:
        try:
            trade = READER.trade(raw, now)
        except RowRefused as refused:
            verdicts.append(refused)
        else:
            texts = str(trade.side), str(trade.price), str(trade.quantity)
            verdicts.append((trade.position, *texts, trade.trade_ts, at))
    places = [one.position if isinstance(one, RowRefused) else one[0] for one in verdicts]
    anchor = next((place for place in places if place is not None), 0)
    rows: list[Row] = []
    refusals = []
    for raw, one, place in zip(raws, verdicts, places, strict=True):
        anchor = anchor if place is None else place
        if isinstance(one, RowRefused):
            refusals.append((anchor, one.reason, raw.decode(), answer.url, told))
        else:
            rows.append(one)
    return _Line(urlsplit(answer.url).path, tuple(rows), tuple(refusals))


class PlainMapper:
    """ports.Mapper."""

    def map(
        self, sources: Sequence[RawObject], keep: Span, market: Market, spec: ExchangeSpec
    ) -> Mapped:
        path = page.path(market, spec)
        first: dict[int, Row] = {}
        rejected: list[Rejected] = []
        conflicts: set[int] = set()
        for source in sources:
            span = source.span.clip(keep)
            if span is None:
                continue
            for number, text in enumerate(source.lines.splitlines(), 1):
                try:
                    line = _line(text)
                except ValueError as error:
                    raise ObjectCorrupt(source.key, f"line {number}: {error}") from None
                if not line.path.endswith(path):
                    raise RawUnread(source.key, f"it holds an answer about {line.path}")
                for row in line.rows:
                    if row[0] in span and first.setdefault(row[0], row)[1:5] != row[1:5]:
                        conflicts.add(row[0])
                rejected += [
                    Rejected(anchor, reason, raw, source.key, url, at)
                    for anchor, reason, raw, url, at in line.refused
                    if anchor in span
                ]
        for position in sorted(conflicts):
            reason = "conflict: the same id was told with different content"
            rejected.append(Rejected(position, reason, str(first[position])))
        return Mapped(Tuples(tuple(first[n] for n in sorted(first))), tuple(rejected))


class PlainTable:
    """ports.Table: JSON behind its own checksum."""

    def encode(  # noqa: PLR0917  (as ports.Table has it)
        self,
        batches: Iterable[Rows],
        market: Market,
        span: Span,
        line: Axis,
        shape: str,
        refused: Callable[[], Refused],
    ) -> Part:
        del line
        rows: list[Row] = []
        last = span.start - 1
        for batch in batches:
            for row in tuples(batch).rows:
                if not last < row[0] < span.stop:
                    msg = f"rows of {market} {span} do not increase: {last}, {row[0]}"
                    raise ValueError(msg)
                last = row[0]
                rows.append(row)
        facts = PartFacts(
            market.exchange, market.symbol, span, len(rows), refused(), _digest(rows), shape
        )
        data = msgspec.json.encode((facts, rows))
        return Part(zlib.crc32(data).to_bytes(4) + data, facts)

    def decode(self, data: bytes, key: str) -> Iterator[Rows]:
        facts, rows = opened(data, key)
        if (facts.rows, facts.digest) != (len(rows), _digest(rows)):
            raise ObjectCorrupt(key, "its rows are not those of its digest")
        # Two batches, so that nobody relies on one.
        half = len(rows) // 2
        for some in (rows[:half], rows[half:]):
            if some:
                yield Tuples(some)

    def facts(self, data: bytes, key: str) -> PartFacts:
        return opened(data, key)[0]

    def digest(self, batches: Iterable[Rows]) -> str:
        return _digest([row for batch in batches for row in tuples(batch).rows])

    def bars(self) -> PlainBars:
        return PlainBars()

    def differing(self, left: Rows, right: Rows) -> Differing:
        mine = {row[0]: row[:5] for row in tuples(left).rows}
        theirs = {row[0]: row[:5] for row in tuples(right).rows}
        if mine == theirs:
            return Differing()
        return Differing(
            frozenset((n, n) for n in mine.keys() & theirs.keys() if mine[n] != theirs[n]),
            frozenset((n, n) for n in mine.keys() - theirs.keys()),
            frozenset((n, n) for n in theirs.keys() - mine.keys()),
        )


class PlainBars:
    """ports.Bars: not bars, but all that they depend on."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def add(self, rows: Rows) -> None:
        self._rows += tuples(rows).rows

    def encode(self, facts: PartFacts) -> bytes:
        return f"bars of {facts.digest} {_digest(self._rows)}".encode()

    def check(self, data: bytes, key: str, facts: PartFacts) -> None:
        if data != self.encode(facts):
            raise ObjectCorrupt(key, "it is not the bars of its part")


_part = msgspec.json.Decoder(tuple[PartFacts, tuple[Row, ...]])


@lru_cache(maxsize=1024)
def _opened(data: bytes) -> tuple[PartFacts, tuple[Row, ...]] | None:
    if zlib.crc32(data[4:]).to_bytes(4) != data[:4]:
        return None
    return _part.decode(data[4:])


def opened(data: bytes, key: str) -> tuple[PartFacts, tuple[Row, ...]]:
    """Raises ObjectCorrupt."""
    found = _opened(data)
    if found is None:
        raise ObjectCorrupt(key, "its seal is not that of its content")
    return found


def _digest(rows: Sequence[Row]) -> str:
    return f"{zlib.crc32(repr([row[:5] for row in rows]).encode()):08x}"
