"""Fetching the chunks of one market: pages side by side, objects as chunks fill."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from schemahub.core import page as pages
from schemahub.core import paging
from schemahub.core.errors import BadAnswer, Interrupted, ObjectCorrupt, SchemaHubError, StoreError
from schemahub.core.harvest import Piece, Witness, harvest, piece, reaches_beyond
from schemahub.core.layout import Market, raw_key
from schemahub.core.ledger import Ledger
from schemahub.core.page import Key
from schemahub.core.paging import Ask
from schemahub.core.span import NOTHING, Coverage, Span, cut_down
from schemahub.pipelines.lake import Lake
from schemahub.pipelines.source import Fetched, Source
from schemahub.ports import Lease, Tasks, Unlocked


@dataclass(frozen=True, slots=True)
class ChunkWork:
    """What is to be fetched of a market; `hand` are answers that are there already.

    Once `lease` is not held any more, no page is asked for that was not yet.
    """

    source: Source
    market: Market
    ledger: Ledger
    work: Coverage
    hand: tuple[Fetched, ...]
    run_id: str
    lease: Lease = field(default_factory=Unlocked)


@dataclass(frozen=True, slots=True)
class Landed:
    """What of a piece of work is durable now, and what stays missing.

    `trades` are those of `held`. `beyond` is what the exchange does not show any more,
    `holes` are neighbouring trades whose ids should follow each other and do not.
    """

    held: Coverage
    absent: Coverage
    missing: Coverage
    objects: int
    bytes: int
    trades: int
    beyond: Coverage = NOTHING
    holes: tuple[tuple[Key, Key], ...] = ()


@dataclass
class _Chunk:
    work: Coverage
    pieces: list[Piece]
    open: int = 0
    drawn: bool = False
    failed: bool = False


@dataclass(frozen=True)
class _Page:
    """Positions, all within one page, that one question asks for."""

    chunk: _Chunk
    work: Coverage


@dataclass
class _Run:
    """The state of one market's fetching; touched by the market's own thread alone."""

    work: ChunkWork
    lake: Lake
    wide: list[Piece] = field(default_factory=list)
    chunks: list[_Chunk] = field(default_factory=list)
    error: SchemaHubError | None = None

    def take(self, page: _Page, result: list[Piece] | SchemaHubError) -> None:
        page.chunk.open -= 1
        if isinstance(result, SchemaHubError):
            self.error = self.error or result
            page.chunk.failed = True
            return
        page.chunk.pieces += result
        # A hole that is wider than a page shows only in the answer that spans it.
        self.wide += [
            one for one in result if reaches_beyond(one, Span(page.work.start, page.work.stop))
        ]

    def filled(self) -> list[_Chunk]:
        """Chunks all of whose pages were answered."""
        return [one for one in self.chunks if one.drawn and not one.open and not one.failed]

    def store(self, chunk: _Chunk) -> Iterator[Landed]:
        """What landed; a store that fails stops the asking, but not the storing of the rest."""
        self.chunks.remove(chunk)
        chunk.pieces += [one for one in self.wide if one not in chunk.pieces]
        try:
            yield _store(self.work, self.lake, chunk)
        except StoreError as error:
            self.error = self.error or error


def land_chunks(work: ChunkWork, lake: Lake, tasks: Tasks, width: int) -> Iterator[Landed]:
    """Yields each chunk once it is durable, highest first as far as answers allow.

    After an error, or without the lease, no page is asked for any more; what has been
    answered is stored, then the error is raised.
    """
    run = _Run(work, lake)
    hands = _Hands(work, lake)

    def fetch(page: _Page) -> list[Piece]:
        return _fetch(work, lake, page.work)

    try:
        for page, result in tasks.each(fetch, _pages(work, hands, run), width):
            run.take(page, result)
            for chunk in run.filled():
                yield from run.store(chunk)
    except Interrupted as stop:
        run.error = stop
    for chunk in list(run.chunks):
        yield from run.store(chunk)
    if run.error is not None:
        raise run.error


def _pages(work: ChunkWork, hands: _Hands, run: _Run) -> Iterator[_Page]:
    """The pages to ask for, head first; opens their chunks on the way."""
    paging_ = work.source.spec.trades.paging
    for chunk_work in _chunks(work.work, work.source.spec.chunk):
        chunk = _Chunk(chunk_work, hands.of(chunk_work))
        run.chunks.append(chunk)
        rest = chunk_work - Coverage.of(span for one in chunk.pieces for span in one.ids)
        for window in paging.windows(rest, paging_):
            if run.error is not None or not work.lease.held:
                chunk.failed = True
                return
            chunk.open += 1
            yield _Page(chunk, window)
        chunk.drawn = True


def _chunks(work: Coverage, size: int) -> Iterator[Coverage]:
    """`work` cut at the multiples of the chunk size, highest chunk first.

    Every run cuts alike, so that runs that race write the same names.
    """
    waiting: list[Span] = []
    number = None
    for span in reversed(work.spans):
        for part in cut_down(span, size):
            if number is not None and part.start // size != number:
                yield Coverage.of(waiting)
                waiting = []
            number = part.start // size
            waiting.append(part)
    if waiting:
        yield Coverage.of(waiting)


class _Hands:
    """Answers that planning got, as pieces of the chunks they belong to."""

    def __init__(self, work: ChunkWork, lake: Lake) -> None:
        useful = [fetched for fetched in work.hand if fetched.page.ids & work.work]
        self.pieces = [_piece(lake, fetched) for fetched in useful]
        proved = Coverage.of(span for one in useful for span in one.page.ids) & work.work
        lake.metrics.emit("page.fetched", market=str(work.market), trades=len(proved))

    def of(self, chunk: Coverage) -> list[Piece]:
        return [one for one in self.pieces if (one.ids | one.bad) & chunk]


def _piece(lake: Lake, fetched: Fetched) -> Piece:
    packed = lake.codec.pack(pages.encode(fetched.answer, flat=fetched.page.flat))
    return piece(packed, fetched.page, fetched.answer.served_at)


def _fetch(work: ChunkWork, lake: Lake, wanted: Coverage) -> list[Piece]:
    """The answers to one page: walked through, then what they passed over asked once more.

    A short page, a cap that was lowered, a lagging replica: either walk heals them. What
    both walks pass over is a hole that `harvest` may call a sighting.
    """
    rules = work.source.spec.trades.paging
    span = Span(wanted.start, wanted.stop)
    # A question with room to spare asks for the neighbours too: even if every row that is
    # wanted cannot be read, the answer can.
    roomy = len(span) + 2 <= rules.page
    first = paging.once_more(span, rules) if roomy else paging.exactly(span, rules)
    pieces: list[Piece] = []
    rest = wanted
    for fetched in _walk(work, span, first):
        rest = _take(work, lake, fetched, rest, pieces)
    if rest:
        again = _up_to_next(work, Span(rest.start, rest.stop))
        for fetched in _walk(work, again, paging.once_more(again, rules)):
            rest = _take(work, lake, fetched, rest, pieces)
    for hole in _undated(pieces, rest):
        if _undated(pieces, rest).overlaps(hole):
            ask = paging.from_above(_up_to_next(work, hole), rules)
            fetched = work.source.ask(work.market, ask)
            rest = _take(work, lake, fetched, rest, pieces)
    return pieces


def _up_to_next(work: ChunkWork, hole: Span) -> Span:
    """`hole` up to the next id that there may be: a row above it dates it."""
    return Span(hole.start, work.ledger.absent.watermark(hole.stop))


def _undated(pieces: list[Piece], rest: Coverage) -> Coverage:
    """What of `rest` is passed over, but only below rows that are bad: they have no time."""
    if not rest:
        return rest
    silence = [(span, moment) for one in pieces for span, moment in one.silence]
    passed = Coverage.of(span for span, _ in silence)
    dated = Coverage.of(span for span, moment in silence if moment is not None)
    return rest & (passed - dated)


def _walk(work: ChunkWork, span: Span, ask: Ask) -> Iterator[Fetched]:
    """Answers from one end of `span` on, until one reaches past the other or tells no more."""
    question: Ask | None = ask
    while question is not None:
        fetched = work.source.ask(work.market, question)
        yield fetched
        rules = work.source.spec.trades.paging
        question = paging.onward(question, fetched.page.all_ids, span, rules)


def _take(
    work: ChunkWork, lake: Lake, fetched: Fetched, rest: Coverage, pieces: list[Piece]
) -> Coverage:
    """Adds an answer to `pieces` if it says something; returns what of `rest` is left."""
    left = rest - fetched.page.ids
    gained = len(rest) - len(left)
    lake.metrics.emit("page.fetched", market=str(work.market), trades=gained)
    if gained or fetched.page.silence or fetched.page.bad:
        pieces.append(_piece(lake, fetched))
    return left


def _store(work: ChunkWork, lake: Lake, chunk: _Chunk) -> Landed:
    settle = timedelta(seconds=work.source.spec.settle)
    answered = chunk.drawn and not chunk.open and not chunk.failed
    found = harvest(
        chunk.work,
        chunk.pieces,
        _witnesses(work, lake, chunk.work) if answered else [],
        work.ledger,
        work.run_id,
        # Without all its answers a chunk cannot say what the source lacks.
        settle if answered else None,
    )
    size = 0
    for name, data in found.objects:
        # Taken already: somebody, perhaps we ourselves, stored this span before.
        lake.store.create(raw_key(work.market, name), data)
        size += len(data)
    trades = len(found.held)
    return Landed(found.held, found.absent, found.missing, len(found.objects), size, trades)


def _witnesses(work: ChunkWork, lake: Lake, chunk: Coverage) -> list[Witness]:
    """What earlier runs saw of the holes of this chunk, an answer told once a run."""
    windows: dict[tuple[str, bytes], list[Span]] = {}
    for name in work.ledger.seen:
        if not chunk.overlaps(name.span) or name.run_id == work.run_id:
            continue
        key = raw_key(work.market, name)
        try:
            lines = lake.codec.unpack(lake.store.read(key), key).splitlines(keepends=True)
        except ObjectCorrupt as error:
            _damaged(work, lake, key, error)
            continue
        for line in lines:
            windows.setdefault((name.run_id, line), []).append(name.span)
    found = []
    for (run_id, line), spans in windows.items():
        try:
            found.append(_witness(work, lake, run_id, line, Coverage.of(spans)))
        except (BadAnswer, ValueError) as error:
            _damaged(work, lake, f"a sighting of {run_id}", error)
    return found


def _witness(work: ChunkWork, lake: Lake, run_id: str, line: bytes, window: Coverage) -> Witness:
    answer = pages.decode(line)
    page = pages.read(answer, pages.asked(answer, work.source.spec), work.source.reader)
    return Witness(
        run_id,
        lake.codec.pack(line),
        page.bad_ids & window,
        page.silence & window,
        answer.served_at,
    )


def _damaged(work: ChunkWork, lake: Lake, key: str, error: Exception) -> None:
    """A damaged sighting is no evidence: the hole is sighted anew."""
    lake.metrics.emit("sighting.corrupt", market=str(work.market), key=key, why=str(error))
