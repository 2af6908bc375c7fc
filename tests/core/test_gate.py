"""What decides is pure, so a year of traffic is a loop here; no test sleeps."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

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

rates = st.floats(0.1, 1_000)
bursts = st.floats(1, 100)


def claim(bucket: Bucket, ticket: float, now: float) -> float:
    """When the ticket was granted to somebody who does just as told."""
    while wait := bucket.claim(ticket, now):
        now += wait
    return now


def most_in_any_window(grants: list[float], rate: float, burst: float) -> float:
    """By how many grants any window holds more than burst + rate * its length."""
    worst = float("-inf")
    least = float("inf")  # of rate * t_i - i over the starts so far
    for index, at in enumerate(grants):
        least = min(least, index - rate * at)
        worst = max(worst, index + 1 - rate * at - least - burst)
    return worst


@dataclass
class Crowd:
    """Threads that send as soon as they may, one after another, each waking a bit late."""

    bucket: Bucket
    lateness: Callable[[int], float] = lambda _: 0.0
    grants: list[float] = field(default_factory=list)
    order: list[int] = field(default_factory=list)

    def run(self, threads: int, sends: int, now: float = START) -> Crowd:
        waking = [(now, number, self.bucket.ticket(now)) for number in range(threads)]
        heapq.heapify(waking)
        step = 0
        while len(self.grants) < sends:
            step += 1
            at, number, ticket = heapq.heappop(waking)
            wait = self.bucket.claim(ticket, at)
            if wait == 0:
                self.grants.append(at)
                self.order.append(number)
                ticket = self.bucket.ticket(at)
            heapq.heappush(waking, (at + wait + self.lateness(step), number, ticket))
        return self


# ---------------------------------------------------------------- bucket


@relaxed
@given(rates, bursts, st.lists(st.floats(0, 5), max_size=40), st.integers(1, 30))
def test_no_window_holds_more_than_burst_and_rate(
    rate: float, burst: float, lateness: list[float], threads: int
) -> None:
    late = [*lateness, 0.0]
    crowd = Crowd(Bucket(rate, burst), lambda step: late[step % len(late)]).run(threads, 80)
    assert most_in_any_window(crowd.grants, rate, burst) < 1e-3


@relaxed
@given(
    rates,
    bursts,
    st.lists(
        st.tuples(
            st.sampled_from(["ticket", "claim", "surrender", "throttled", "pause"]),
            st.floats(-3, 10),
            st.integers(0, 99),
        ),
        max_size=80,
    ),
)
def test_nothing_that_happens_lets_more_through(
    rate: float, burst: float, steps: list[tuple[str, float, int]]
) -> None:
    bucket = Bucket(rate, burst)
    now, tickets, grants, paused = START, [], [], 0.0
    for what, seconds, pick in steps:
        now = max(START, now + seconds)  # threads read the clock before they get the lock
        if what == "ticket":
            tickets.append(bucket.ticket(now))
        elif what == "claim" and tickets:
            ticket = tickets[pick % len(tickets)]
            if bucket.claim(ticket, now) == 0:
                assert now >= paused
                tickets.remove(ticket)
                grants.append(max([now, *grants]))
        elif what == "surrender" and tickets:
            tickets.pop(pick % len(tickets))
            bucket.surrender()
        elif what == "throttled":
            bucket.throttled(now)
        elif what == "pause":
            bucket.pause(now, pick / 10)
            paused = max(paused, now + pick / 10)
        assert -1e-5 < bucket.level(now) <= burst
        assert rate / 32 * 0.999 <= bucket.rate(now) <= rate
    assert most_in_any_window(grants, rate, burst) < 1e-3


@pytest.mark.parametrize("threads", [1, 20, 200])
def test_tickets_fall_due_in_their_order_at_exactly_the_pace(threads: int) -> None:
    crowd = Crowd(Bucket(10, 14)).run(threads, 1_000)
    assert crowd.order == [n % threads for n in range(1_000)]
    for index, at in enumerate(crowd.grants):
        assert at - START == pytest.approx(max(0, index + 1 - 14) / 10, abs=0.02)


@relaxed
@given(st.floats(0.5, 1_000), st.integers(1, 200), st.sampled_from([1.0, 0.5, 0.25]))
def test_at_least_95_percent_of_the_published_limit_is_used(
    rate: float, burst: int, share: float
) -> None:
    crowd = Crowd(Bucket.inside(rate, burst, share)).run(50, 2_000)
    took = crowd.grants[-1] - crowd.grants[0]
    assert 2_000 / took >= 0.95 * rate * share


@relaxed
@given(st.floats(0.5, 1_000), st.integers(2, 200), st.lists(st.floats(0, 1), min_size=1))
def test_the_exchange_never_sees_more_than_it_allows_though_the_network_is_uneven(
    rate: float, burst: int, jitter: list[float]
) -> None:
    crowd = Crowd(Bucket.inside(rate, burst)).run(30, 500)
    # A second's worth of one token is the unevenness that the token kept back absorbs.
    arrived = sorted(at + jitter[n % len(jitter)] / rate for n, at in enumerate(crowd.grants))
    assert most_in_any_window(arrived, rate, burst) < 1e-3


def test_shares_of_all_processes_together_stay_inside() -> None:
    whole, quarter = Bucket.inside(10, 15), Bucket.inside(10, 15, 0.25)
    assert quarter.full_rate * 4 == pytest.approx(whole.full_rate)
    assert quarter.burst * 4 <= whole.burst
    assert Bucket.inside(1, 1).burst == 1
    with pytest.raises(ValueError, match="share"):
        Bucket.inside(10, 15, 0)
    with pytest.raises(ValueError, match="bucket"):
        Bucket(0, 1)


def test_a_ticket_that_is_never_claimed_costs_its_turn_and_blocks_nobody() -> None:
    bucket = Bucket(10, 1)
    lost = [bucket.ticket(START) for _ in range(5)]
    assert lost
    assert claim(bucket, bucket.ticket(START), START) == pytest.approx(START + 0.5)
    # Given back in order, it costs nothing.
    given_back, mine = bucket.ticket(START + 1), bucket.ticket(START + 1)
    assert bucket.claim(given_back, START + 1) == 0
    waiting = bucket.ticket(START + 1)
    bucket.surrender()
    assert claim(bucket, mine, START + 1) == pytest.approx(START + 1.1)
    assert claim(bucket, waiting, START + 1.1) == pytest.approx(START + 1.2)


def test_threads_that_slept_too_long_do_not_send_all_at_once() -> None:
    bucket = Bucket(10, 3)
    tickets = [bucket.ticket(START) for _ in range(50)]
    woken = START + 60  # the machine was suspended
    assert sum(bucket.claim(ticket, woken) == 0 for ticket in tickets) == 3


def test_429_halves_the_rate_once_for_a_burst_and_it_recovers_in_half_a_minute() -> None:
    bucket = Bucket(10, 14)
    for number in range(20):
        bucket.throttled(START + number / 100)
    assert bucket.rate(START + 0.2) == pytest.approx(5, rel=0.05)
    assert bucket.level(START + 0.2) < 1
    bucket.throttled(START + 2)
    assert bucket.rate(START + 2) == pytest.approx(2.8, rel=0.05)
    rising = [bucket.rate(START + 2 + second) for second in range(31)]
    assert rising == sorted(rising)
    assert rising[-1] == 10
    steps = [after - before for before, after in zip(rising[:20], rising[1:21], strict=True)]
    assert steps == pytest.approx([1 / 3] * 20)


def test_tickets_taken_before_a_429_wait_for_the_slower_rate_too() -> None:
    bucket = Bucket(10, 1)
    tickets = [bucket.ticket(START) for _ in range(101)]
    assert bucket.claim(tickets[0], START) == 0
    told = bucket.claim(tickets[100], START)
    assert told == pytest.approx(10)
    bucket.throttled(START)
    # 5/s rising to 10/s within 15 s: 100 tokens take 13.72 s, where 10 s had been told.
    later = claim(bucket, tickets[100], START) - START
    assert later == pytest.approx(13.72, abs=0.01)


@relaxed
@given(st.floats(0.1, 100), st.floats(0, 60), st.floats(0, 200))
def test_the_wait_told_is_the_wait_needed_while_the_rate_rises(
    rate: float, since: float, ahead: float
) -> None:
    bucket = Bucket(rate, 1)
    bucket.throttled(START)
    bucket._fill(START + since)
    seconds = bucket._time_for(ahead)
    assert bucket._gain(seconds) == pytest.approx(ahead, rel=1e-6, abs=1e-6)


# ---------------------------------------------------------------- breaker


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
    assert sum(budget.spend() for _ in range(50)) == 20
    budget.earn()
    assert not budget.spend()
    budget.earn()
    assert budget.spend()
    for _ in range(1_000):
        budget.earn()
    assert sum(budget.spend() for _ in range(500)) == 100


# ---------------------------------------------------------------- gate


def sent(gate: Gate, now: float) -> Turn:
    turn = gate.turn()
    assert gate.admit(turn, now) == 0
    return turn


def broken(now: float = START) -> Gate:
    gate = Gate.of(1_000, 1_000)
    for _ in range(Breaker.FAILURES):
        events = gate.report(sent(gate, now), now, Outcome.FAILED)
    assert events == ("breaker.opened",)
    return gate


def test_429_is_no_failure_and_costs_no_retry() -> None:
    gate = Gate.of(1_000, 1_000)
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
    assert sum(gate.admit(turn, START + 30) == 0 for turn in waiting) <= 20


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
    assert gate.admit(waiter, now + 0.01) == GiveUp("unreachable", pytest.approx(60.01, abs=0.001))
    # A later request, once the wait is over, is a probe: the host may be back.
    later = sent(gate, START + 100)
    assert isinstance(gate.admit(gate.turn(), START + 100), GiveUp)
    assert gate.report(later, START + 100, Outcome.ANSWERED) == ("breaker.closed",)


@relaxed
@given(st.data())
def test_while_it_is_not_closed_at_most_one_request_is_out(data: st.DataObject) -> None:
    gate, now = broken(), START
    turns: list[Turn] = []
    for _ in range(40):
        now += data.draw(st.floats(0, 3))
        turn = gate.turn()
        if gate.admit(turn, now) == 0:
            turns.append(turn)
        if gate.state(now).breaker != "closed":
            assert len(turns) <= 1
        if turns and data.draw(st.booleans()):
            outcome = data.draw(st.sampled_from([Outcome.FAILED, None]))
            if outcome:
                gate.report(turns[-1], now, outcome)
            gate.leave(turns.pop())


def test_the_state_for_a_progress_bar() -> None:
    state = Gate.of(10, 15).state(START)
    assert (state.breaker, state.tokens, state.barred, state.retries_left) == ("closed", 14, 0, 20)
    assert state.rate == state.full_rate == pytest.approx(9.85)
