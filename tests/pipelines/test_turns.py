"""What the pipelines do with leases: who comes last, what is begun no more, what is let go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from schemahub.core.errors import LeaseHeld, StoreError
from schemahub.core.layout import complete_key, job_lease, market_lease
from schemahub.core.lease import Holder
from schemahub.pipelines import ingest, transform
from schemahub.pipelines.ingest import Ingest
from schemahub.pipelines.job import Job, exit_code
from schemahub.pipelines.plan import Wish
from schemahub.pipelines.source import Source
from schemahub.pipelines.turn import LOST
from schemahub.ports import Lease
from tests.pipelines.exchange import FakeExchange, HandClock
from tests.pipelines.raw_lake import BTC, ETH, RawLake, small_cells, truth

__all__ = ["small_cells"]  # a fixture

OTHER = Holder("x", "somebody", 4, "aa.1", datetime(2024, 6, 1, tzinfo=UTC), 90.0)


@dataclass
class Fleeting:
    """ports.Lease, lost once it was looked at so often."""

    looks: int = 1 << 30
    generation: int = 1
    released: int = 0

    @property
    def held(self) -> bool:
        self.looks -= 1
        return self.looks >= 0

    def release(self) -> None:
        self.released += 1


@dataclass
class Told:
    """ports.Leases: gives what a name is told to be given, in this order; else a lease."""

    answers: dict[str, list[Lease | Holder]] = field(default_factory=dict)
    asked: list[tuple[str, bool, float]] = field(default_factory=list)
    given: list[Fleeting] = field(default_factory=list)

    def acquire(self, name: str, *, watch: bool = False, wait: float = 0.0) -> Lease | Holder:
        self.asked.append((name, watch, wait))
        answers = self.answers.get(name)
        if answers:
            return answers.pop(0)
        lease = Fleeting()
        self.given.append(lease)
        return lease

    def records(self) -> Sequence[Holder]:
        return ()

    def remove(self, name: str) -> bool:
        return False


def over(exchange: FakeExchange, leases: Told) -> Ingest:
    return replace(exchange.pipeline("run1"), leases=leases)


def exchange(head: int = 900) -> FakeExchange:
    return FakeExchange(RawLake(), head)


def run(box: FakeExchange, leases: Told, *markets: Any) -> list[ingest.Outcome]:
    source = Source(box.lake.spec, box)
    items = [(source, market) for market in markets]
    return list(over(box, leases).run(items, Wish(full=True), 1))


# ---------------------------------------------------------------- ingest


def test_a_market_that_was_held_is_looked_at_again_after_the_free_ones() -> None:
    leases = Told({market_lease(BTC): [OTHER]})
    outcomes = run(exchange(), leases, BTC, ETH)
    assert [(one.market, one.state) for one in outcomes] == [(ETH, "complete"), (BTC, "complete")]
    assert leases.asked == [
        (market_lease(BTC), False, 0.0),
        (market_lease(ETH), False, 0.0),
        (market_lease(BTC), True, 0.0),  # only now a silent holder is worth a wait
    ]
    assert [lease.released for lease in leases.given] == [1, 1]


def test_a_market_that_stays_held_is_left_out_and_nothing_is_asked_of_the_exchange() -> None:
    box = exchange()
    (outcome,) = run(box, Told({market_lease(BTC): [OTHER, OTHER]}), BTC)
    assert outcome.state == "held"
    assert isinstance(outcome.error, LeaseHeld)
    assert "somebody" in outcome.error.why
    assert box.asked == []


@pytest.mark.parametrize("looks", [0, 1, 5])
def test_without_the_lease_no_page_is_asked_for_and_what_is_there_is_stored(looks: int) -> None:
    box = exchange(12_000)
    lease = Fleeting(looks)
    leases = Told({market_lease(BTC): [lease]})
    before = exchange(12_000)
    run(before, Told(), BTC)
    (outcome,) = run(box, leases, BTC)
    assert outcome.state == "partial"
    assert LOST in outcome.notes
    assert outcome.error is None
    # Planning asks for the newest page and the first; then one for each look that went well.
    assert len(box.asked) == 2 + looks
    assert outcome.trades >= 1_000 * (1 + looks)
    assert len(outcome.missing) == 12_000 - outcome.trades
    assert lease.released == 1
    (rest,) = run(box, Told(), BTC)
    assert (rest.state, rest.trades) == ("complete", 12_000 - outcome.trades)
    assert len(box.asked) <= len(before.asked) + 3


def test_a_lease_is_let_go_when_a_market_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    box, leases = exchange(), Told()

    def refuse(*_: object) -> bool:
        raise StoreError("the disk is full")

    monkeypatch.setattr(box.lake.store, "create", refuse)
    (outcome,) = run(box, leases, BTC)
    assert outcome.state == "failed"
    assert [lease.released for lease in leases.given] == [1]


# ---------------------------------------------------------------- transform


def pipeline(lake: RawLake, leases: Told) -> transform.Transform:
    return replace(lake.pipeline(), leases=leases)


def test_a_transform_that_is_anothers_writes_nothing_and_waits_as_long_as_it_is_told() -> None:
    lake = RawLake()
    lake.put(0, 8)
    leases = Told({job_lease("transform"): [OTHER]})
    with pytest.raises(LeaseHeld):
        list(pipeline(lake, leases).run([BTC], rebuild=False, workers=1, wait=7.0))
    assert leases.asked == [(job_lease("transform"), True, 7.0)]
    assert lake.parts() == []


@pytest.mark.usefixtures("small_cells")
@pytest.mark.parametrize("looks", [0, 1, 2])
def test_without_the_lease_no_part_is_begun(looks: int) -> None:
    lake = RawLake()
    lake.origin(0)
    lake.put(0, 5)
    lake.put(8, 13)
    lake.put(20, 26)
    wanted = len(pipeline(lake, Told()).plan([BTC], {"coinbase": 1}))
    lease = Fleeting(looks)
    leases = Told({job_lease("transform"): [lease]})
    (outcome,) = pipeline(lake, leases).run([BTC], rebuild=False, workers=1)
    assert (outcome.state, outcome.parts) == ("partial", looks)
    assert LOST in outcome.notes
    assert lease.released == 1
    assert lake.transform().parts == wanted - looks
    assert lake.shown() == truth(0, 5) + truth(8, 13) + truth(20, 26)


@pytest.mark.usefixtures("small_cells")
def test_a_rebuild_that_lost_its_lease_is_not_called_complete() -> None:
    lake = RawLake()
    lake.put(0, 5)
    lake.put(8, 13)
    lake.transformed()
    leases = Told({job_lease("transform"): [Fleeting(1)]})
    (outcome,) = pipeline(lake, leases).run([BTC], rebuild=True, workers=1)
    assert outcome.state == "partial"
    assert complete_key(2, "coinbase") not in [entry.key for entry in lake.store.list("")]
    assert lake.shown() == truth(0, 5) + truth(8, 13)


# ---------------------------------------------------------------- exit codes


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([], 0), (["complete"], 0), (["held"], 5), (["held", "held"], 5), (["failed"], 1),
        (["complete", "held"], 3), (["partial", "held"], 3), (["failed", "held"], 1),
        (["complete", "failed"], 3), (["complete", "failed", "held"], 3), (["partial"], 3),
    ],
)  # fmt: skip
def test_what_is_anothers_neither_saves_nor_fails_the_rest(states: list[Any], code: int) -> None:
    assert exit_code(ingest.Outcome(BTC, state) for state in states) == code


@pytest.mark.parametrize(
    ("ingested", "transformed", "skipped", "owing", "code"),
    [
        (["held"], [], True, False, 5),
        (["held"], ["complete"], False, False, 5),
        (["complete"], [], True, False, 0),
        (["complete"], [], True, True, 3),
        (["failed"], [], True, False, 1),
        (["held", "complete"], [], True, False, 3),
    ],
)
def test_a_run_of_two_steps(
    ingested: list[Any], transformed: list[Any], skipped: bool, owing: bool, code: int
) -> None:
    lake = RawLake()
    clock = HandClock()
    job = Job("run", "run1", lake.store, clock, _Counts(), {}, clock.now())
    for state in ingested:
        job.add("ingest", ingest.Outcome(BTC, state))
    for state in transformed:
        job.add("transform", transform.Outcome(BTC, state))
    if skipped:
        job.skip("transform", LeaseHeld("what", "why", "do"), owing=owing)
    assert job.exit_code == code


def test_a_run_that_wrote_parts_of_what_others_fetched_did_something() -> None:
    lake = RawLake()
    clock = HandClock()
    job = Job("run", "run1", lake.store, clock, _Counts(), {}, clock.now())
    job.add("ingest", ingest.Outcome(BTC, "held"))
    job.add("transform", transform.Outcome(BTC, parts=1, rows=8, bytes=900))
    assert job.exit_code == 3


class _Counts:
    def requests(self) -> dict[str, object]:
        return {}

    def damage(self) -> dict[str, int]:
        return {}
