"""The breaker, the retry budget, and all of it as one gate; no test sleeps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.core.gate import (
    GIVE_UP_AFTER,
    MAX_RETRY_AFTER,
    Breaker,
    Bucket,
    Budget,
    Gate,
    GiveUp,
    Outcome,
    Turn,
    retry_delay,
)

START = 12_345.678  # a machine's monotonic clock never starts at zero

relaxed = settings(deadline=None, max_examples=60)


# ---------------------------------------------------------------- breaker alone


def opened(now: float = START) -> Breaker:
    breaker = Breaker()
    said = [breaker.failed(None, now) for _ in range(Breaker.FAILURES)]
    assert said == [False] * 9 + [True]
    return breaker


def test_it_opens_at_ten_failures_in_a_row_only() -> None:
    breaker = Breaker()
    for _ in range(5):
        for _ in range(9):
            assert not breaker.failed(None, START)
        assert not breaker.succeeded(None)
    assert breaker.state(START) == "closed"
    assert opened().state(START) == "open"


def test_waits_double_from_one_second_to_thirty() -> None:
    breaker, now, waits = opened(), START, []
    for _ in range(8):
        waits.append(breaker.wait(now))
        now += waits[-1]
        assert breaker.wait(now) == 0
        assert breaker.state(now) == "half-open"
        assert breaker.failed(breaker.sent(now), now)
    assert waits == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30])


def test_exactly_one_probe_and_only_it_decides() -> None:
    breaker = opened()
    now = START + 1
    probe = breaker.sent(now)
    assert probe is not None
    assert all(breaker.wait(now + n) > 0 for n in range(40))
    assert not breaker.failed(None, now)  # sent before it opened: old news
    assert not breaker.succeeded(None)
    assert breaker.state(now) == "half-open"
    assert breaker.succeeded(probe)
    assert breaker.state(now) == "closed"
    assert breaker.wait(now) == 0
    # After closing it takes ten again, and the wait starts at one second again.
    for _ in range(10):
        breaker.failed(None, now)
    assert breaker.wait(now) == pytest.approx(1)


def test_a_lost_probe_is_replaced_and_its_late_word_ignored() -> None:
    breaker = opened()
    lost = breaker.sent(START + 1)
    later = START + 1 + Breaker.PROBE_PATIENCE
    assert breaker.wait(later - 0.1) > 0
    assert breaker.wait(later) == 0
    second = breaker.sent(later)
    assert second != lost
    assert not breaker.failed(lost, later)
    assert not breaker.succeeded(lost)
    breaker.abandoned(lost)
    assert breaker.wait(later) > 0
    breaker.abandoned(second)
    assert breaker.wait(later) == 0


# ---------------------------------------------------------------- retries


@relaxed
@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_jitter_is_full_and_bounded(attempt: int, uniform: float) -> None:
    assert 0 <= retry_delay(attempt, uniform) <= 5
    assert retry_delay(attempt, 1.0) == (5 if attempt > 4 else 0.25 * 2**attempt)
    assert retry_delay(attempt, uniform) <= retry_delay(attempt + 1, uniform)


def test_the_budget() -> None:
    budget = Budget()
    assert sum(budget.spend() for _ in range(500)) == 200
    budget.earn()
    assert not budget.spend()
    budget.earn()
    assert budget.spend()
    for _ in range(1_000):
        budget.earn()
    assert sum(budget.spend() for _ in range(500)) == 200


# ---------------------------------------------------------------- gate


def sent(gate: Gate, now: float) -> Turn:
    turn = gate.turn()
    assert gate.admit(turn, now) == 0
    return turn


def broken(now: float = START) -> Gate:
    gate = Gate.of(1_000, 1_000)
    said = [gate.report(sent(gate, now), now, Outcome.FAILED) for _ in range(Breaker.FAILURES)]
    assert said == [()] * 9 + [("breaker.opened",)]
    return gate


def test_429_is_no_failure_and_costs_no_retry() -> None:
    gate = Gate.of(1_000, 1_000)
    gate.budget.left = 20.0
    now = START
    for _ in range(100):
        now += 1
        assert gate.report(sent(gate, now), now, Outcome.THROTTLED) == ()
        assert gate.may_retry(Outcome.THROTTLED)
    state = gate.state(now)
    assert state.breaker == "closed"
    assert state.retries_left == 70
    assert state.rate < state.full_rate / 2


def test_retry_after_holds_everybody_and_above_two_minutes_turns_them_away() -> None:
    gate = Gate.of(10, 15)
    turn, other = sent(gate, START), gate.turn()
    gate.report(turn, START, Outcome.THROTTLED, retry_after=MAX_RETRY_AFTER)
    assert gate.admit(other, START) == pytest.approx(120, abs=1)
    assert gate.admit(other, START + 119.9) > 0  # type: ignore[operator]
    assert gate.admit(other, START + 121) == 0
    said = gate.report(other, START + 121, Outcome.THROTTLED, retry_after=3_600)
    assert said == ("host.barred",)
    assert gate.admit(gate.turn(), START + 122) == GiveUp("throttled", 3_599)
    assert gate.state(START + 122).barred == 3_599
    assert gate.admit(gate.turn(), START + 121 + 3_601) == 0


def test_one_probe_of_two_hundred_goes_and_its_success_lets_all_through_at_the_pace() -> None:
    gate = broken()
    now = START + 1.5
    crowd = [gate.turn() for _ in range(200)]
    waits = [gate.admit(turn, now) for turn in crowd]
    assert waits.count(0.0) == 1
    probe = crowd.pop(waits.index(0.0))
    assert gate.state(now).breaker == "half-open"
    assert gate.report(probe, now, Outcome.ANSWERED) == ("breaker.closed",)
    slow = Gate(Bucket(10, 5))
    slow.breaker = gate.breaker
    assert sum(slow.admit(turn, now) == 0 for turn in [slow.turn() for _ in range(200)]) == 5


def test_places_kept_while_it_was_open_are_not_all_due_when_it_closes() -> None:
    gate = Gate(Bucket(10, 20))
    turns = [gate.turn() for _ in range(220)]
    flying = [turn for turn in turns if gate.admit(turn, START) == 0]
    assert len(flying) == 20
    for turn in flying:
        gate.report(turn, START, Outcome.FAILED)
    waiting = [turn for turn in turns if turn not in flying]
    assert all(gate.admit(turn, START + 0.5) > 0 for turn in waiting)  # type: ignore[operator]
    probe = sent(gate, START + 30)
    gate.report(probe, START + 30, Outcome.ANSWERED)
    told = [gate.admit(turn, START + 30) for turn in waiting]
    assert told[:19] == [0.0] * 19
    assert told[19:] == pytest.approx([0.1 * (n + 1) for n in range(181)])


def test_an_abandoned_probe_frees_its_place_at_once() -> None:
    gate = broken()
    probe = sent(gate, START + 2)
    assert gate.admit(gate.turn(), START + 2) == Breaker.LOOK_AGAIN
    gate.leave(probe)
    gate.leave(probe)
    assert gate.admit(gate.turn(), START + 2) == 0


def test_it_gives_up_after_a_minute_without_success_but_still_sends_probes() -> None:
    gate, now = broken(), START
    waiter = gate.turn()
    while now < START + GIVE_UP_AFTER:
        wait = gate.admit(waiter, now)
        assert not isinstance(wait, GiveUp)
        if wait == 0:
            gate.report(waiter, now, Outcome.FAILED)
            waiter = gate.turn()
        now += wait
    said = gate.admit(waiter, now + 0.01)
    assert isinstance(said, GiveUp)
    assert (said.reason, round(said.seconds)) == ("unreachable", 60)
    # A later request, once the wait is over, is a probe: the host may be back.
    later = sent(gate, START + 100)
    assert isinstance(gate.admit(gate.turn(), START + 100), GiveUp)
    assert gate.report(later, START + 100, Outcome.ANSWERED) == ("breaker.closed",)


@relaxed
@given(st.lists(st.tuples(st.floats(0, 3), st.booleans(), st.booleans()), max_size=40))
def test_while_it_is_not_closed_at_most_one_request_is_out(
    steps: list[tuple[float, bool, bool]],
) -> None:
    gate, now = broken(), START
    turns: list[Turn] = []
    for seconds, ends, heard_of in steps:
        now += seconds
        turn = gate.turn()
        if gate.admit(turn, now) == 0:
            turns.append(turn)
        assert gate.state(now).breaker != "closed"
        # One that was out for 45 s counts as lost.
        assert len(turns) <= 1 + int((now - START) / Breaker.PROBE_PATIENCE)
        if turns and ends:
            if heard_of:
                gate.report(turns[-1], now, Outcome.FAILED)
            gate.leave(turns.pop())


def test_the_state_for_a_progress_bar() -> None:
    state = Gate.of(10, 15).state(START)
    assert (state.breaker, state.tokens, state.barred, state.retries_left) == ("closed", 14, 0, 200)
    assert state.rate == state.full_rate == pytest.approx(9.85)


def test_looking_on_changes_nothing() -> None:
    gate = Gate.of(10, 15)
    gate.report(sent(gate, START), START, Outcome.THROTTLED)
    before = dict(vars(gate.bucket))
    seen = [gate.state(START + second).rate for second in (0, 10, 40, 5)]
    assert seen == pytest.approx([4.925, 8.208, 9.85, 6.567], abs=0.01)
    assert vars(gate.bucket) == before
