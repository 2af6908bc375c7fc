"""A tenth of the answers faulty, jobs killed, many at once: nothing is lost, nothing twice."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.foreign.binance import Binance
from tests.e2e.foreign.conftest import Make, World, ago
from tests.e2e.foreign.deals import deals
from tests.e2e.foreign.faults import LIES, REFUSED, Faults
from tests.e2e.foreign.kraken import Kraken
from tests.e2e.foreign.venue import Venue

BOTH = pytest.mark.parametrize("kind", [Binance, Kraken])
# FOREIGN_SEEDS=15 is the longer run.
MOST = int(os.environ.get("FOREIGN_SEEDS", "2"))
SEEDS = pytest.mark.parametrize(
    "seed", [1, *(pytest.param(n, marks=pytest.mark.heavy) for n in range(2, MOST + 1))]
)


def kinds(kind: type[Venue]) -> list[str]:
    return [*REFUSED, *LIES, *(["error_200"] if kind is Kraken else [])]


def bad_day(w: World, seed: int, p: float = 0.1) -> None:
    w.venue.faults = Faults(kinds(type(w.venue)), p, seed)


def heal(w: World) -> None:
    """One clean run of each; if that leaves a hole between two trades, verify knew it."""
    w.venue.faults = Faults()
    w.run("ingest", w.market, "--full")
    w.ok("transform")
    if w.run("verify", w.market).code:
        assert isinstance(w.venue, Kraken)
        w.certificate(code=4)
        w.ok("repair", w.market)
    w.assert_whole()


@BOTH
@SEEDS
def test_a_tenth_of_faulty_answers(
    foreign: Make, hurried: None, kind: type[Venue], seed: int
) -> None:
    count = 20_000 if seed > 1 else 6_000
    w = foreign(kind, deals(seed, count, ends=ago(5), first=0 if kind is Binance else 1))
    bad_day(w, seed)
    said = w.run("ingest", w.market, "--full")
    w.ok("transform")
    if said.code == 0 and not w.venue.faults.lagged:
        w.assert_whole()
    heal(w)
    w.assert_quiet("--full", requests=3)


@pytest.mark.parametrize("kind", [pytest.param(Binance, marks=pytest.mark.heavy), Kraken])
@SEEDS
def test_kills_and_faulty_answers(foreign: Make, kind: type[Venue], seed: int) -> None:
    count = 20_000 if seed > 1 else 6_000
    made = deals(seed, count, ends=ago(5), first=0 if kind is Binance else 1)
    # Slow enough to be killed on the way: Binance is asked for many pages at once.
    w = foreign(kind, made, latency=0.6 if kind is Binance else 0.12 if seed > 1 else 0.3)
    bad_day(w, seed)
    killed = w.kills(seed, 5, 12, "--full")
    assert killed >= 3
    w.venue.latency = 0
    heal(w)


@BOTH
def test_runs_of_one_market_side_by_side(foreign: Make, kind: type[Venue]) -> None:
    made = deals(7, 6_000, ends=ago(5), first=0 if kind is Binance else 1)
    w = foreign(kind, made, latency=0.05)
    with ThreadPoolExecutor(3) as pool:
        jobs = [
            pool.submit(w.process, "ingest", w.market, *wish)
            for wish in (["--full"], ["--full"], ["--since", w.moment(made[2_999]).isoformat()])
        ]
        assert {job.result().code for job in jobs} <= {0, 5}
    w.fetch("--full")
    w.assert_whole()


@pytest.mark.parametrize("kind", [Binance, Kraken] if MOST > 2 else [Kraken])
# What HTTP itself shows to be wrong is the longer run's: toxics try it one by one already.
@pytest.mark.parametrize("kind_of_lie", [*LIES, *(REFUSED if MOST > 2 else ())])
@pytest.mark.heavy
def test_each_fault_alone_on_half_of_the_answers(
    foreign: Make, hurried: None, kind: type[Venue], kind_of_lie: str
) -> None:
    w = foreign(kind, deals(8, 4_000, ends=ago(5), first=0 if kind is Binance else 1))
    # A row without an id that three answers in a row tell stands in quarantine for good.
    w.venue.faults = Faults([kind_of_lie], 0.2 if kind_of_lie == "bad_id" else 0.5, 8)
    assert w.run("ingest", w.market, "--full").code in {0, 1, 3}
    w.ok("transform")
    heal(w)


def test_an_answer_without_a_hole_is_believed_before_one_with_a_wrong_id(
    foreign: Make, hurried: None
) -> None:
    w = foreign(Kraken, deals(12, 8_000, ends=ago(5)))
    w.venue.faults = Faults(at=dict.fromkeys([4, 6, 9], "wrong_id"))
    w.fetch("--full")
    assert w.venue.faults.count["wrong_id"] == 3
    w.assert_whole()


def test_trades_that_three_answers_lack_are_missed_and_repaired(
    foreign: Make, hurried: None
) -> None:
    """Kraken's ids tell: the run says partly, verify missing, and repair asks again."""
    w = foreign(Kraken, deals(13, 7_000, ends=ago(5)))
    w.book.hidden = frozenset({3_333, *range(5_000, 5_040)})
    said = w.run("ingest", w.market, "--full")
    assert said.code == 3, said.err
    assert "schemahub repair" in said.err
    w.ok("transform")
    w.assert_table(w.book.visible())
    found = w.certificate(code=4)
    assert found["status"] == "missing"
    w.book.hidden = frozenset()
    asked = len(w.venue.asked)
    w.ok("repair", w.market)
    assert 0 < len(w.venue.asked) - asked < 12
    w.assert_whole()
    w.assert_quiet("--full", requests=3)
