"""A walk over an exchange that answers wrongly: what is called held is there, or was said to lack.

The real planning, walking and storing, over a store in memory; the answers are spoilt at random.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from schemahub.adapters.store_memory import MemoryStore
from schemahub.adapters.zstd import Zstd
from schemahub.core import page as pages
from schemahub.core.axis import SECOND
from schemahub.core.errors import BadAnswer, SchemaHubError, Unreachable
from schemahub.core.page import Answer, Key, Page, Request
from schemahub.core.paging import Ask
from schemahub.core.spec import ExchangeSpec
from schemahub.core.wire import Reader
from schemahub.pipelines.ingest import Ingest, Outcome
from schemahub.pipelines.lake import Lake
from schemahub.pipelines.plan import Wish
from schemahub.pipelines.source import Fetched, Source
from schemahub.pipelines.walks import _clean
from schemahub.ports import NoMetrics
from tests.core.dialect import MARKET, NOW, NOW_US, answer, body, row
from tests.core.lab import InTurn
from tests.core.test_sweep import KINDS, START, Server, page, spec_of

T = TypeVar("T")
PAGE = 12
# Without shrinking: a failing history is short enough as it is.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
TRIES = 6
SHARE = 0.1


@dataclass
class Still:
    """ports.Clock at a moment that a test moves on."""

    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Time does not pass."""


@dataclass
class Spoiler:
    """ports.Http over a server; spoils a share of its answers in ways that real ones are."""

    spec: ExchangeSpec
    server: Server
    clock: Still
    dice: random.Random
    share: float
    middles: bool
    asked: int = 0
    last: list[Key] = field(default_factory=list)

    def fetch(self, request: Request, read: Callable[[Answer], T]) -> T:
        ask = Ask.of(dict(request.params), self.spec.trades.paging)
        for left in reversed(range(TRIES)):
            self.asked += 1
            assert self.asked < 5_000, "it would ask for ever"
            keys = list(self.server.page(ask).keys)
            told = self._spoilt(keys) if self.dice.random() < self.share else keys
            self.last = keys
            since = 0 if self.spec.line.timed else NOW_US - 90_000 * SECOND
            rows = [row(one, since + at) for at, one in told]
            try:
                return read(answer(body(*rows), ask, self.clock.moment))
            except BadAnswer:
                if not left:
                    raise
        raise AssertionError

    def _spoilt(self, keys: list[Key]) -> list[Key]:
        cut = self.dice.randint(0, len(keys))
        kinds: list[Callable[[], list[Key]]] = [
            list,
            lambda: keys[:cut],
            lambda: keys[cut:],
            lambda: self.dice.sample(keys, len(keys)),
            lambda: keys + keys[: cut // 2],
            lambda: list(self.last),
        ]
        if self.middles and len(keys) > 2:
            kinds.append(lambda: [key for n, key in enumerate(keys) if n != len(keys) // 2])
        return self.dice.choice(kinds)()


def ingest(lake: Lake, clock: Still, run: int) -> Ingest:
    return Ingest(lake, InTurn(), InTurn(), clock, NoMetrics(), f"run{run}", 4)


def held(lake: Lake, spec: ExchangeSpec) -> set[Key]:
    """The trades that raw tells within its names."""
    reader = Reader(spec)
    found: set[Key] = set()
    for name in lake.ledger(MARKET, spec.line).objects:
        for line in lake.raw(MARKET, name).lines.splitlines():
            kept = pages.decode(line)
            page = pages.read(kept, pages.asked(kept, spec), reader)
            found |= {key for key in page.keys if key[0] in name.span}
    return found


@st.composite
def trades(draw: st.DrawFn, *, timed: bool) -> tuple[Key, ...]:
    """Old enough to be settled; several share an instant, or a second."""
    count = draw(st.integers(1, 80))
    position = NOW_US - 90_000 * SECOND if timed else draw(st.integers(1, 9))
    found = []
    for number in range(1, count + 1):
        if timed:
            position += draw(st.sampled_from([0, 0, 300_000, SECOND, 40 * SECOND]))
            if number % 8 == 0:
                position += SECOND
        else:
            position += draw(st.integers(1, 40))
        found.append((position, number if timed else position))
    return tuple(found)


def run(
    spec: ExchangeSpec, known: tuple[Key, ...], seed: int, share: float, *, middles: bool
) -> tuple[Lake, list[Outcome], Spoiler, Still]:
    clock = Still()
    lake = Lake(MemoryStore(), Zstd(), NoMetrics())
    dice = random.Random(seed)
    # What comes later comes in a later second: the first look was settled.
    ends = [n for n in range(1, len(known)) if known[n][0] // SECOND > known[n - 1][0] // SECOND]
    cut = dice.choice([*(ends if spec.line.timed else range(1, len(known))), len(known)])
    outcomes = []
    wire = Spoiler(spec, Server(spec.trades.paging, known[:cut], PAGE), clock, dice, share, middles)
    for number in range(3):
        if number:
            wire.server = Server(spec.trades.paging, known, PAGE)
        source = Source(spec, wire)
        # Of a history that shows only its latest, all is wanted from the first look on.
        (outcome,) = ingest(lake, clock, number).run([(source, MARKET)], Wish(full=number < 2), 1)
        outcomes.append(outcome)
        clock.moment += timedelta(seconds=3_600)
    # A trade that a stale head hid in its last second is looked for once there is a newer one.
    wire.share = 0.0
    wire.server = Server(spec.trades.paging, (*known, later(spec, known)), PAGE)
    for number in range(3, 5):
        (outcome,) = ingest(lake, clock, number).run(
            [(Source(spec, wire), MARKET)], Wish(full=True), 1
        )
        outcomes.append(outcome)
        clock.moment += timedelta(seconds=3_600)
    return lake, outcomes, wire, clock


def later(spec: ExchangeSpec, known: tuple[Key, ...]) -> Key:
    position, trade_id = known[-1]
    if spec.line.timed:
        return position + 5 * SECOND, trade_id + 1
    return position + 1, position + 1


WALKED = [kind for kind in KINDS if kind[1] != "latest_only"]


@pytest.mark.parametrize(("axis", "rule", "unit"), WALKED)
@given(st.data(), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None, phases=PHASES)
def test_nothing_is_lost_to_answers_that_are_cut_empty_stale_or_shuffled(
    axis: str, rule: str, unit: str | None, given_: st.DataObject, seed: int
) -> None:
    spec = spec_of(axis, rule, unit, PAGE)
    known = given_.draw(trades(timed=spec.line.timed))
    lake, outcomes, *_ = run(spec, known, seed, SHARE, middles=False)
    assert outcomes[-1].state == "complete", outcomes[-1].error
    assert held(lake, spec) == {*known, later(spec, known)}


@pytest.mark.parametrize(("rule", "unit"), [("oldest_after", "ns"), ("time_window", "ms")])
@given(st.data(), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None, phases=PHASES)
def test_ids_without_holes_show_what_an_answer_left_out(
    rule: str, unit: str, given_: st.DataObject, seed: int
) -> None:
    spec = spec_of("time", rule, unit, PAGE, by="ids")
    known = given_.draw(trades(timed=True))
    lake, outcomes, wire, clock = run(spec, known, seed, SHARE, middles=True)
    everything = {*known, later(spec, known)}
    lacking = everything - held(lake, spec)
    if lacking:
        said = " ".join(note for outcome in outcomes for note in outcome.notes)
        assert "are missing between two trades" in said
        again = lake.ledger(MARKET, spec.line).held
        (outcome,) = ingest(lake, clock, 9).run(
            [(Source(spec, wire), MARKET)], Wish(again=again), 1
        )
        assert outcome.state == "complete", (outcome.error, outcome.notes)
    assert held(lake, spec) == everything


def test_an_exchange_that_cannot_be_reached_leaves_what_was_proven() -> None:
    spec = spec_of("time", "oldest_after", "ns", PAGE)
    known = tuple((NOW_US - 90_000 * SECOND + n * SECOND, n) for n in range(100))
    clock = Still()
    lake = Lake(MemoryStore(), Zstd(), NoMetrics())
    wire = Spoiler(
        spec, Server(spec.trades.paging, known, PAGE), clock, random.Random(1), 0.0, False
    )
    real = wire.fetch

    def failing(request: Request, read: Callable[[Answer], T]) -> T:
        if wire.asked > 5:
            raise Unreachable("no answer", "the exchange is down")
        return real(request, read)

    wire.fetch = failing  # type: ignore[method-assign]
    (outcome,) = ingest(lake, clock, 1).run([(Source(spec, wire), MARKET)], Wish(full=True), 1)
    assert outcome.state == "failed"
    assert isinstance(outcome.error, SchemaHubError)
    kept = held(lake, spec)
    assert kept
    assert kept == {key for key in known if key[0] in lake.ledger(MARKET, spec.line).held}


def test_an_exchange_that_contradicts_itself_for_ever_ends_the_walk() -> None:
    """The trade with which one answer ends is in no answer that begins with it."""
    spec = spec_of("time", "oldest_after", "ns", PAGE)
    known = tuple((NOW_US - 90_000 * SECOND + n * SECOND, n) for n in range(100))
    clock = Still()
    lake = Lake(MemoryStore(), Zstd(), NoMetrics())

    class Liar(Server):
        def page(self, ask: Ask) -> Page:
            told = super().page(ask)
            later = ask.start is not None and ask.start > known[30][0]
            return page(told.keys[1:]) if later else told

    wire = Spoiler(
        spec, Liar(spec.trades.paging, known, PAGE), clock, random.Random(1), 0.0, middles=False
    )
    (outcome,) = ingest(lake, clock, 1).run([(Source(spec, wire), MARKET)], Wish(full=True), 1)
    assert outcome.state == "failed"
    assert isinstance(outcome.error, BadAnswer)
    assert wire.asked < 200
    assert held(lake, spec) == {key for key in known if key[0] in lake.ledger(MARKET).held}


def fetched(keys: list[Key], bad: dict[int, str] | None = None) -> Fetched:
    told = replace(page(tuple(keys)), bad=bad or {})
    return Fetched(Ask(), answer(body()), told)


def test_answers_with_bad_rows_are_left_out_only_if_others_tell_all_of_it() -> None:
    long = [(START + n * SECOND, n) for n in range(20)]
    spoilt = fetched(long[:5] + long[6:], {long[5][0]: "13 decimals"})
    short, whole = fetched(long[-1:]), fetched(long)
    assert _clean([spoilt, short]) == [spoilt, short]
    assert _clean([spoilt, fetched(long[:5] + long[6:])])[0] is spoilt
    assert _clean([spoilt, whole]) == [whole]


def test_ids_that_are_missing_where_two_objects_meet_are_told() -> None:
    spec = spec_of("time", "oldest_after", "ns", PAGE, by="ids")
    known = tuple((NOW_US - 90_000 * SECOND + n * 2 * SECOND, n) for n in range(1, 41))
    holed = tuple(key for key in known if key[1] not in {31, 32})
    clock = Still()
    lake = Lake(MemoryStore(), Zstd(), NoMetrics())
    wire = Spoiler(
        spec, Server(spec.trades.paging, known[:30], PAGE), clock, random.Random(1), 0.0, False
    )
    (first,) = ingest(lake, clock, 1).run([(Source(spec, wire), MARKET)], Wish(full=True), 1)
    assert first.state == "complete"
    wire.server = Server(spec.trades.paging, holed, PAGE)
    (second,) = ingest(lake, clock, 2).run([(Source(spec, wire), MARKET)], Wish(), 1)
    assert second.state == "partial"
    assert any("ids 31 to 32 are missing" in note for note in second.notes)
