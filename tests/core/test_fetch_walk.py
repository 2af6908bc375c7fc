"""Whatever an exchange's pages look like, each trade of a span is fetched, and none is made up."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemahub.core.errors import Unreachable
from schemahub.core.span import Coverage, Span
from tests.core.dialect import ID_RULES, NOW_US, Exchange, speaking
from tests.core.lab import Lab, down
from tests.core.strategies import points

Rows = list[dict[str, object]]
HIGHEST = 70
DAY = 86_400_000_000
MINUTE = 60_000_000


@pytest.fixture(params=ID_RULES, autouse=True, scope="module")
def rule(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every test of this file, with each of the rules by which ids are asked for."""
    with speaking(request.param):
        yield request.param


quick = settings(max_examples=30)
holes = st.sets(st.integers(1, HIGHEST), max_size=25)
caps = st.integers(2, 12)


def old(ids: set[int]) -> dict[int, int]:
    """Trades, a minute apart, all older than a day."""
    return {one: NOW_US - DAY - (HIGHEST - one) * MINUTE for one in ids}


def market(missing: set[int]) -> set[int]:
    # Planning wants what lies between the lowest and the newest trade that there are.
    return set(range(1, HIGHEST + 1)) - missing | {1, HIGHEST}


WANT = Span(1, HIGHEST + 1)
WANT_IDS = set(range(WANT.start, WANT.stop))


@quick
@given(holes, caps)
@example({65, 50}, 3)  # two holes in one page and a lowered cap lost what lay below them
@example(set(range(3, 70, 5)), 2)
@example(set(range(2, 60)), 2)
def test_one_run_holds_every_trade_there_is(missing: set[int], cap: int) -> None:
    ids = market(missing)
    lab = Lab(Exchange(old(ids), cap=cap))
    landed = lab.run(WANT)
    assert points(lab.ledger.held) == ids
    assert lab.proven() == lab.ledger.held
    assert points(Coverage.of(s for one in landed for s in one.missing)) == WANT_IDS - ids
    assert not lab.ledger.absent


@quick
@given(holes, caps, caps)
@example({65, 50}, 3, 3)
def test_two_runs_attest_exactly_what_the_exchange_lacks(
    missing: set[int], cap: int, later: int
) -> None:
    ids = market(missing)
    lab = Lab(Exchange(old(ids), cap=cap))
    lab.run(WANT)
    lab.exchange.cap = later
    lab.run(WANT)
    assert points(lab.ledger.absent) == WANT_IDS - ids
    assert lab.ledger.work(WANT) == Coverage()
    lab.run(WANT)
    assert lab.requests == 0


def test_a_market_without_holes_costs_one_request_a_page() -> None:
    lab = Lab(Exchange(old(market(set()))))
    lab.run(WANT)
    assert lab.requests == 9  # chunks of 23, 24 and 23 ids, in pages of 8


@quick
@given(holes, caps)
def test_the_questions_are_bounded(missing: set[int], cap: int) -> None:
    lab = Lab(Exchange(old(market(missing)), cap=cap))
    lab.run(WANT)
    assert lab.requests <= 2 * (HIGHEST // (cap - 1) + 12)


@quick
@given(holes, caps, st.booleans())
def test_an_answer_that_planning_got_is_used_and_concludes_nothing_more(
    missing: set[int], cap: int, fail: bool
) -> None:
    ids = market(missing)
    lab = Lab(Exchange(old(ids), cap=cap))
    for _ in range(2):  # a short newest page, and nothing else answers: twice
        lab.exchange.trades |= old({max(lab.exchange.trades) + 1})
        with suppress(Unreachable):
            lab.run(
                Span(1, max(lab.exchange.trades) + 1),
                lambda number, rows: down(number, rows) if number and fail else rows,
                head=True,
            )
        assert not points(lab.ledger.absent) & ids
    lab.run(WANT, head=True)
    assert points(lab.ledger.held.within(WANT)) == ids
    assert lab.proven() == lab.ledger.held


def test_what_is_at_hand_is_not_asked_for_again() -> None:
    lab = Lab(Exchange(old(market(set()))))
    lab.run(WANT, head=True)
    assert lab.requests == 9  # one of the pages of 8 was the head
    assert lab.ledger.held == Coverage((WANT,))


# ---------------------------------------------------------------- faults of single answers


def faults(seed: int, share: float) -> Callable[[int, Rows], Rows]:
    """Some answers are short, empty, late, repeated or in disorder."""

    def fault(number: int, rows: Rows) -> Rows:
        dice = random.Random(f"{seed} {number}")
        if dice.random() >= share or not rows:
            return rows
        where = dice.randrange(len(rows))
        damaged = {
            "short": rows[:where],
            "empty": [],
            "late": rows[where:],
            "twice": [*rows, *rows[:where]],
            "mixed": dice.sample(rows, len(rows)),
            "bad": [*rows[:where], {**rows[where], "price": "-1"}, *rows[where + 1 :]],
        }
        return damaged[dice.choice(sorted(damaged))]

    return fault


@quick
@given(holes, caps, st.integers(0, 10_000), st.sampled_from([0.2, 0.6, 1.0]))
def test_faulty_answers_never_make_a_trade_up_nor_rename_one(
    missing: set[int], cap: int, seed: int, share: float
) -> None:
    ids = market(missing)
    lab = Lab(Exchange(old(ids), cap=cap))
    lab.run(WANT, faults(seed, share))
    assert points(lab.ledger.held) <= ids
    assert lab.proven() == lab.ledger.held
    assert not lab.ledger.absent


@quick
@given(holes, caps, st.integers(0, 10_000), st.sampled_from([0.3, 1.0]))
def test_after_a_faulty_run_a_clean_one_completes_and_two_attest_the_truth(
    missing: set[int], cap: int, seed: int, share: float
) -> None:
    ids = market(missing)
    lab = Lab(Exchange(old(ids), cap=cap))
    lab.run(WANT, faults(seed, share))
    lab.run(WANT)
    assert points(lab.ledger.held) == ids
    assert points(lab.ledger.absent) <= WANT_IDS - ids
    lab.run(WANT)
    assert points(lab.ledger.absent) == WANT_IDS - ids


@quick
@given(holes, caps, st.lists(st.integers(0, 30), min_size=1, max_size=4))
@example({47, 48}, 12, [4])  # of a hole across two chunks the upper half is attested first
def test_an_exchange_that_fails_half_way_never_makes_a_trade_absent(
    missing: set[int], cap: int, stops: list[int]
) -> None:
    ids = market(missing)
    lab = Lab(Exchange(old(ids), cap=cap))
    for stop in stops:

        def fail(number: int, rows: Rows, stop: int = stop) -> Rows:
            return down(number, rows) if number >= stop else rows

        with suppress(Unreachable):
            lab.run(WANT, fail)
        assert points(lab.ledger.held) <= ids
        assert not points(lab.ledger.absent) & ids
    lab.run(WANT)
    assert points(lab.ledger.held) == ids
    lab.run(WANT)
    assert points(lab.ledger.absent) == WANT_IDS - ids


def test_what_was_answered_before_a_failure_is_durable() -> None:
    lab = Lab(Exchange(old(market(set()))))
    with pytest.raises(Unreachable):
        lab.run(WANT, lambda number, rows: down(number, rows) if number == 5 else rows)
    assert len(lab.ledger.held) == 7 + 4 * 8  # the head's chunk is 47..70 and 24..47
    lab.run(WANT)
    assert lab.ledger.held == Coverage((WANT,))


def test_a_chunk_without_all_its_answers_sights_nothing() -> None:
    lab = Lab(Exchange(old(market({60, 65}))))
    with pytest.raises(Unreachable):
        lab.run(WANT, lambda number, rows: down(number, rows) if number == 2 else rows)
    assert 64 in lab.ledger.held
    assert [sighting.span for sighting in lab.ledger.seen] == []
    lab.run(WANT)
    assert [sighting.span for sighting in lab.ledger.seen] == [Span(60, 61), Span(65, 66)]


@quick
@given(holes, caps, st.sets(st.integers(1, HIGHEST - 1), max_size=6))
def test_a_bad_row_is_held_once_two_runs_saw_it_bad(
    missing: set[int], cap: int, bad: set[int]
) -> None:
    ids = market(missing)
    lab = Lab(Exchange(old(ids), cap=cap, bad=frozenset(bad)))
    lab.run(WANT)
    assert points(lab.ledger.held) == ids - bad
    lab.run(WANT)
    assert points(lab.ledger.held) == ids
    assert lab.proven() == lab.ledger.held
    # A hole needs a good row above it in the same answer: only that has a time.
    assert points(lab.ledger.absent) <= WANT_IDS - ids
    if cap > len(bad) + 2:
        assert points(lab.ledger.absent) == WANT_IDS - ids


def test_a_hole_below_a_row_that_is_held_as_bad_is_attested_all_the_same() -> None:
    """A bad row has no time. Asked for with its neighbours alone the hole was never dated."""
    lab = Lab(Exchange(old(market({30, 50, 51})), bad=frozenset({31, 52, 53})))
    lab.run(WANT, pause=1)  # too soon after one another: the bad rows are held, no more
    lab.run(WANT)
    holes = Coverage((Span(30, 31), Span(50, 52)))
    assert lab.ledger.work(WANT) == holes
    lab.run(WANT)
    assert lab.ledger.absent == holes
    assert lab.proven() == lab.ledger.held


def test_a_trade_whose_id_cannot_be_read_stays_missing_and_fails_no_later_run() -> None:
    """Asked for alone its row would be the whole answer: its neighbours are asked for too."""
    lab = Lab(Exchange(old(market(set()))))

    def unreadable(_: int, rows: Rows) -> Rows:
        return [{**row, "trade_id": "30"} if row["trade_id"] == 30 else row for row in rows]

    for _ in range(3):
        lab.run(WANT, unreadable)
        assert lab.ledger.work(WANT) == Coverage((Span(30, 31),))
    lab.run(WANT)
    assert lab.ledger.held == Coverage((WANT,))


def test_a_late_trade_in_an_attested_hole_is_held_by_the_run_that_asks_again() -> None:
    lab = Lab(Exchange(old(market({30, 31}))))
    for _ in range(2):
        lab.run(WANT)
    assert lab.ledger.absent == Coverage((Span(30, 32),))
    lab.exchange.trades |= old({30})
    ledger = lab.ledger
    assert ledger.work(WANT) == Coverage()
    lab.run(WANT, audit=True)
    assert lab.ledger.held == Coverage((Span(1, 31), Span(32, 71)))
    assert lab.ledger.absent == Coverage((Span(31, 32),))


def test_a_head_that_moves_meanwhile_disturbs_nothing() -> None:
    lab = Lab(Exchange(old(market({20, 21, 55}))))

    def moving(number: int, rows: Rows) -> Rows:
        lab.exchange.trades |= old({HIGHEST + 1 + number})
        return rows

    lab.run(WANT, moving)
    assert points(lab.ledger.held) == market({20, 21, 55})


def test_young_holes_are_neither_sighted_nor_attested() -> None:
    """The trade above them is younger than the settle time: a replica may just lag."""
    ids = market({60})
    young = {one: NOW_US - (HIGHEST - one) * 1_000_000 for one in ids}
    lab = Lab(Exchange(young))
    lab.run(WANT, pause=1)
    lab.run(WANT, pause=1)
    assert lab.ledger.seen == ()
    assert lab.ledger.absent == Coverage()
    assert lab.ledger.work(WANT) == Coverage((Span(60, 61),))


def test_two_runs_closer_than_the_settle_time_attest_nothing() -> None:
    lab = Lab(Exchange(old(market({60}))))
    lab.run(WANT, pause=59)
    lab.run(WANT, pause=1)
    assert not lab.ledger.absent
    lab.run(WANT)
    assert lab.ledger.absent == Coverage((Span(60, 61),))
