"""What decides is pure, so a year of traffic is a loop here; no test sleeps."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.core.gate import Bucket

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
    now, paused = START, 0.0
    tickets: list[float] = []
    grants: list[float] = []
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
    steps = [after - before for before, after in pairwise(rising[:21])]
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
