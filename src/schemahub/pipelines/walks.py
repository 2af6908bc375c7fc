"""Fetching on axes of time and of ids that skip: walks, each stored as it goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

from schemahub.core import page as pages
from schemahub.core.errors import BadAnswer, ObjectCorrupt, ObjectMissing, SchemaHubError
from schemahub.core.harvest import attests_ids
from schemahub.core.layout import AbsentName, RawName, SeenName, raw_key
from schemahub.core.page import Key, Page
from schemahub.core.span import NOTHING, Coverage, Span, cut_down
from schemahub.core.spec import ExchangeSpec
from schemahub.core.sweep import NotThis, Stuck, Walk, skips, sole, together
from schemahub.pipelines.evidence import testimonies
from schemahub.pipelines.fetch import ChunkWork, Landed
from schemahub.pipelines.lake import Lake
from schemahub.pipelines.source import Fetched
from schemahub.ports import Tasks

# One question is asked so often before its answers are taken as they are.
TELLINGS = 3
# A walk goes back so often to an answer that the next one contradicts.
MOST_BACKS = 10


@dataclass
class _Told:
    """Answers to one question, and what they told beyond what was known (None: nothing yet)."""

    span: Span | None
    answers: list[Fetched]


@dataclass
class _Lane:
    """What one walk did: it goes on in its own thread, and stores what it proved itself."""

    held: list[Span] = field(default_factory=list)
    trades: int = 0
    objects: int = 0
    bytes: int = 0
    beyond: list[Span] = field(default_factory=list)
    holes: list[tuple[Key, Key]] = field(default_factory=list)
    error: SchemaHubError | None = None


def land_walks(
    work: ChunkWork, newest: Key, lake: Lake, tasks: Tasks, width: int
) -> Iterator[Landed]:
    """Yields what each walk made durable; then raises the first error that ended one.

    `newest` is the newest trade that is wanted. Whatever ends a walk, what its answers
    proved until then is stored.
    """
    error: SchemaHubError | None = None

    def walk(span: Span) -> _Lane:
        return _Walker(work, newest, lake).walk(span)

    for span, lane in tasks.each(walk, _lanes(work, width), width):
        if isinstance(lane, SchemaHubError):
            error = error or lane
            continue
        error = error or lane.error
        held = Coverage.of(lane.held)
        yield Landed(
            held,
            NOTHING,
            held.missing(span),
            lane.objects,
            lane.bytes,
            lane.trades,
            Coverage.of(lane.beyond),
            tuple(lane.holes),
        )
    if error is not None:
        raise error


def _lanes(work: ChunkWork, width: int) -> Iterator[Span]:
    """The walks, highest first: a long time in as many pieces as the rate can feed.

    Each piece costs one request more than no piece. Where only a window of history is shown,
    the oldest hour comes before all: it is the first to leave.
    """
    spec = work.source.spec
    most = max(1, min(width, int(spec.limits.rate)))
    _, day, hour = spec.line.cells
    spans = list(work.work.spans)
    if spans and spec.line.timed and spec.reach is not None and len(spans[0]) > day:
        oldest, *above = spans
        first = Span(oldest.start, oldest.start + hour)
        yield first
        spans = [Span(first.stop, oldest.stop), *above]
    for span in reversed(spans):
        if not spec.line.timed or len(span) < 2 * day or most == 1:
            yield span
        else:
            yield from cut_down(span, max(day, -(-len(span) // most) // day * day))


@dataclass
class _Walker:
    work: ChunkWork
    newest: Key
    lake: Lake
    lane: _Lane = field(default_factory=_Lane)
    sure: list[_Told] = field(default_factory=list)
    carried: list[Fetched] = field(default_factory=list)

    def walk(self, span: Span) -> _Lane:
        """One span to its end, or as far as it goes."""
        joins = span.start > 0 and span.start - 1 in self.work.ledger.held
        walk = Walk.through(self.spec, span, self.newest, joins=joins)
        waiting: list[_Told] = []
        try:
            walk = self._offered(walk, waiting)
            before: Walk | None = None
            backs = 0
            while walk.ask is not None and self.work.lease.held:
                try:
                    answers = self._answers(walk)
                except BadAnswer:
                    if before is None or backs >= MOST_BACKS:
                        raise
                    # Perhaps it was the answer before it that was wrong: nobody bore it out.
                    backs += 1
                    walk, before, waiting = before, None, []
                    continue
                self.sure += waiting
                edge = min(self.work.source.edge(one.answer) for one in answers)
                before, (walk, told) = walk, walk.take([one.page for one in answers], edge)
                waiting = [_Told(told, answers)]
                self._count([one.page for one in answers], told)
                self._store(least=self.spec.trades.chunk_pages)
            if walk.ask is None:
                self.sure += waiting
                self.lane.beyond = [span for span in (walk.lost, walk.left) if span is not None]
        except SchemaHubError as error:
            self.lane.error = error
        except Stuck:
            self.lane.error = _stuck(self.work)
        self._store(least=1)
        return self.lane

    @property
    def spec(self) -> ExchangeSpec:
        return self.work.source.spec

    def _offered(self, walk: Walk, waiting: list[_Told]) -> Walk:
        """What planning asked for anyway may be all that is wanted."""
        for head in self.work.hand:
            walk, told = walk.offer(head.page, self.work.source.edge(head.answer))
            if told is not None:
                waiting.append(_Told(told, [head]))
                self._count([head.page], told)
                if walk.ask is None:
                    return walk
                # No other head speaks of what is left.
                break
        return walk

    def _answers(self, walk: Walk) -> list[Fetched]:
        """The answers to the walk's next question: one, or more where that leaves a doubt."""
        found: list[Fetched] = []
        while not found or (len(found) < TELLINGS and walk.doubts([one.page for one in found])):
            found.append(self._ask(walk))
        whole = sole([one.page for one in found]) if self.spec.provable.by == "ids" else None
        if whole is not None:
            return [one for one in found if one.page is whole]
        return _needed(_clean(found))

    def _ask(self, walk: Walk) -> Fetched:
        ask = walk.ask
        if ask is None:
            msg = "a walk that is over asks nothing"
            raise ValueError(msg)

        def check(fetched: Fetched) -> None:
            try:
                walk.check(fetched.page, self.work.source.edge(fetched.answer))
            except NotThis as no:
                answer = fetched.answer
                raise BadAnswer(
                    "an answer contradicts the one before it",
                    f"{no}: {answer.url}",
                    body=answer.body,
                    url=answer.url,
                ) from None

        return self.work.source.ask(self.work.market, ask, check=check)

    # ------------------------------------------------------------ storing

    def _store(self, least: int) -> None:
        """Stores what is sure, as one object a run of spans, if there are `least` answers."""
        if sum(len(one.answers) for one in self.sure) < least:
            return
        last = max((n for n, one in enumerate(self.sure) if one.span is not None), default=-1)
        ready, self.sure = self.sure[: last + 1], self.sure[last + 1 :]
        answers = self.carried + [answer for one in ready for answer in one.answers]
        for span in Coverage.of(one.span for one in ready if one.span is not None):
            self._create(span, answers)
        # Of the step at which it ends, the answers to come may not tell all again.
        self.carried = ready[-1].answers if ready else self.carried

    def _create(self, span: Span, answers: Sequence[Fetched]) -> None:
        span = self._with_late(span, answers)
        everything = together([one.page for one in answers])
        keys = [key for key in everything if key[0] in span]
        told = sorted(
            (one for one in answers if _speaks_of(one.page, span)),
            key=lambda one: one.page.keys[:1],
        ) or [answers[-1]]
        lines = (pages.encode(one.answer, flat=one.page.flat) for one in told)
        data = b"".join(map(self.lake.codec.pack, lines))
        name = self._name(span)
        self.lake.store.create(raw_key(self.work.market, name), data)
        self.lane.held.append(span)
        self.lane.trades += len(keys)
        self.lane.objects += 1
        self.lane.bytes += len(data)
        # With the trades next to it: ids may be missing where two objects meet, too.
        below = [key for key in everything if key[0] < span.start][-1:]
        above = [key for key in everything if key[0] >= span.stop][:1]
        around = [*below, *keys, *above]
        if self.spec.provable.by == "ids" and keys and skips(around):
            for before, after in pairwise(sorted(around, key=lambda key: key[1])):
                hole = (before, after)
                if after[1] == before[1] + 1 or hole in self.lane.holes:
                    continue
                if not self._attested(before, after, told):
                    self.lane.holes.append(hole)

    def _with_late(self, span: Span, answers: Sequence[Fetched]) -> Span:
        """`span`, with the step below it if trades came to that after it was held."""
        ledger, line = self.work.ledger, self.spec.line
        below = Span(max(0, span.start - line.step), span.start) if span.start else span
        if not line.timed or below.stop != span.start or below.start not in ledger.held:
            return span
        told = {key for key in together([one.page for one in answers]) if key[0] in below}
        if not told:
            return span
        known = self._held_ids(below)
        late = known is not None and any(trade_id not in known for _, trade_id in told)
        return Span(below.start, span.stop) if late else span

    def _held_ids(self, span: Span) -> Coverage | None:
        """The ids that raw tells there; None if it cannot be read: others report that."""
        market, found = self.work.market, NOTHING
        # A quick ledger does not name every object.
        names = self.work.ledger.overlapping(span)
        try:
            for name in names or self.lake.ledger(market, self.spec.line).overlapping(span):
                for line in self.lake.raw(market, name).lines.splitlines():
                    found |= pages.told_ids(pages.decode(line), self.work.source.reader) or NOTHING
        except (ObjectCorrupt, ObjectMissing, ValueError):
            return None
        return found

    def _attested(self, before: Key, after: Key, answers: Sequence[Fetched]) -> bool:
        """Whether the source has no ids between these trades, by the word of two runs.

        The first run to see it leaves its answers for the next.
        """
        work, ids = self.work, Span(before[1] + 1, after[1])
        low, high = sorted((before[0], after[0]))
        span = self.spec.line.widened(Span(low, high + 1))
        if any(name.span.covers(span) for name in work.ledger.attested):
            return True
        mine = {pages.encode(one.answer): one.answer for one in answers if _passes(one, ids)}
        theirs = testimonies(self.lake, work.market, self.spec, span, work.run_id, work.ledger)
        told = [
            (answer.served_at, has)
            for answer in (*mine.values(), *theirs.values())
            if (has := pages.told_ids(answer, work.source.reader)) is not None
        ]
        settle = timedelta(seconds=self.spec.settle)
        agreed = bool(mine and theirs) and attests_ids(told, ids, settle)
        name = AbsentName(span) if agreed else SeenName(span, work.run_id)
        lines = [*theirs, *mine] if agreed else [*mine]
        if lines:
            data = b"".join(self.lake.codec.pack(line) for line in lines)
            self.lake.store.create(raw_key(work.market, name), data)
        return agreed

    def _name(self, span: Span) -> RawName:
        """The span's name; another revision of it where what it names was asked for again."""
        name = self.work.ledger.name_for(span)
        same = [one.revision for one in self.work.ledger.objects if one.span == span]
        return RawName(span, max([name.revision, *(revision + 1 for revision in same)]))

    def _count(self, told: Sequence[Page], span: Span | None) -> None:
        trades = 0 if span is None else sum(key[0] in span for key in together(told))
        self.lake.metrics.emit("page.fetched", market=str(self.work.market), trades=trades)


def _clean(answers: Sequence[Fetched]) -> Sequence[Fetched]:
    """The answers without bad rows, if they tell all that the others do."""
    clean = [one for one in answers if not (one.page.bad or one.page.unreadable)]
    told = set(together([one.page for one in clean]))
    places = {position for position, _ in told}
    everything = together([one.page for one in answers])
    lacking = any(bad not in places for one in answers for bad in one.page.bad)
    return answers if lacking or not told.issuperset(everything) else clean


def _needed(answers: Sequence[Fetched]) -> list[Fetched]:
    """The answers without those that tell nothing that the others do not."""
    kept: list[Fetched] = []
    for one in sorted(answers, key=lambda fetched: -len(fetched.page.keys)):
        told = set(together([each.page for each in kept]))
        odd = bool(one.page.bad or one.page.unreadable)
        # The same told thrice would stand in quarantine thrice.
        if any(each.page == one.page for each in kept):
            continue
        if not kept or odd or not told.issuperset(one.page.keys):
            kept.append(one)
    return kept


def _passes(fetched: Fetched, ids: Span) -> bool:
    """Whether an answer tells the trades on both sides of these ids, and none between."""
    has = {trade_id for _, trade_id in fetched.page.keys}
    return ids.start - 1 in has and ids.stop in has


def _speaks_of(page: Page, span: Span) -> bool:
    return any(position in span for position, _ in page.keys) or any(
        position in span for position in page.bad
    )


def _stuck(work: ChunkWork) -> BadAnswer:
    return BadAnswer(
        f"more trades of {work.market} share one instant than an answer holds",
        f"answers hold {work.source.spec.trades.paging.page} rows, and no cursor gets past these",
        "what lies before them is saved; the exchange offers no way to ask for the rest",
    )
