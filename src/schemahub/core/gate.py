"""What decides whether, and when, a request may be sent: pure, given the time.

Time is the monotonic clock's, in seconds, never the wall clock's: a step of NTP changes
nothing. Nothing here locks or sleeps; the adapter calls it under one lock and sleeps outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import ceil, sqrt
from typing import Literal

MAX_TRIES = 8
MAX_RETRY_AFTER = 120.0  # told to wait for longer: the host is left alone
GIVE_UP_AFTER = 60.0  # a breaker open for so long without one success

_NEARLY = 1e-6  # tokens; below what rounding of times does
_SHORTEST_WAIT = 1e-4  # s; shorter ones would only spin


class Bucket:
    """A token bucket with a line: never more than `burst + rate * t` claims in any time t.

    Who wants to send takes a ticket and claims with it until the claim is granted; tickets
    fall due in the order in which they were taken, at exactly the bucket's pace. A ticket
    that is never claimed costs its own turn and blocks nobody.
    """

    HALVED_AT_MOST_EVERY = 1.0  # one window's burst of 429s counts once
    RECOVERS_IN = 30.0  # s from nothing to the full rate, linearly
    LOWEST = 1 / 32  # of the full rate

    def __init__(self, rate: float, burst: float) -> None:
        if not (rate > 0 and burst >= 1):
            msg = f"no bucket has rate {rate} and burst {burst}"
            raise ValueError(msg)
        self.full_rate = rate
        self.burst = burst
        self._slope = rate / self.RECOVERS_IN
        self._rate = rate
        self._at = 0.0  # filled up to this moment; in the future while paused
        self._level = burst  # tokens that may be claimed: at most `burst`
        self._drawn = 0.0  # tickets taken
        self._poured = burst  # tickets due: those numbered up to here
        self._halved_at = -self.HALVED_AT_MOST_EVERY

    @classmethod
    def inside(cls, rate: float, burst: float, share: float = 1.0) -> Bucket:
        """A bucket strictly inside the exchange's published one, using over 95 % of it.

        The token kept back absorbs requests that the network delivers closer together than
        they were sent (by 1/rate seconds), the 1.5 % clocks that differ. A published burst
        of one leaves no token to keep back. `share` divides the whole among processes.
        """
        if not 0 < share <= 1:
            msg = f"no process has a share of {share}"
            raise ValueError(msg)
        return cls(rate * share * 0.985, max(1.0, burst * share - 1))

    def ticket(self, now: float) -> float:
        """A place at the end of the line."""
        self._fill(now)
        self._drawn += 1
        return self._drawn

    def claim(self, ticket: float, now: float) -> float:
        """0.0: send now, the token is taken. Else claim again after so many seconds."""
        self._fill(now)
        paused = max(0.0, self._at - now)
        # Tickets that fell due while their threads slept on would burst without the level.
        short = max(ticket - self._poured, 1 - self._level)
        if not paused and short <= _NEARLY:
            self._level -= 1
            return 0.0
        return paused + max(self._time_for(short), _SHORTEST_WAIT)

    def surrender(self) -> None:
        """A ticket that will not be claimed: the line behind it moves up."""
        self._poured = min(self._drawn + self.burst, self._poured + 1)

    def throttled(self, now: float, seconds: float = 0.0) -> None:
        """The exchange said too fast: empty, at half the rate, closed for `seconds`."""
        self._fill(now)
        if now - self._halved_at >= self.HALVED_AT_MOST_EVERY:
            self._halved_at = now
            self._rate = max(self.full_rate * self.LOWEST, self._rate / 2)
        # Its bucket is empty, so whatever we thought was in ours is not there.
        spare = max(0.0, self._level)
        self._level -= spare
        self._poured -= spare
        self.pause(now, seconds)

    def pause(self, now: float, seconds: float) -> None:
        """No claim is granted for `seconds`, and nothing is filled in."""
        self._fill(now)
        self._at = max(self._at, now + seconds)

    def rate(self, now: float) -> float:
        return min(self.full_rate, self._rate + self._slope * max(0.0, now - self._at))

    def level(self, now: float) -> float:
        return min(self.burst, self._level + self._gain(max(0.0, now - self._at)))

    def _fill(self, now: float) -> None:
        if now <= self._at:
            return
        gained = self._gain(now - self._at)
        self._rate, self._level = self.rate(now), self.level(now)
        self._poured = min(self._drawn + self.burst, self._poured + gained)
        self._at = now

    def _gain(self, seconds: float) -> float:
        # The rate rises linearly until it is full.
        rising = min(seconds, (self.full_rate - self._rate) / self._slope)
        gained = self._rate * rising + self._slope * rising * rising / 2
        return gained + self.full_rate * (seconds - rising)

    def _time_for(self, tokens: float) -> float:
        """The inverse of `_gain`."""
        if tokens <= 0:
            return 0.0
        rising = (self.full_rate - self._rate) / self._slope
        risen = self._rate * rising + self._slope * rising * rising / 2
        if tokens >= risen:
            return rising + (tokens - risen) / self.full_rate
        return 2 * tokens / (self._rate + sqrt(self._rate**2 + 2 * self._slope * tokens))


class Breaker:
    """Opens after 10 failures in a row; while it is not closed at most one probe is out.

    Only the probe's outcome moves it then: what was sent earlier is old news. A probe that
    is never heard of again is replaced after `PROBE_PATIENCE`.
    """

    FAILURES = 10
    FIRST_WAIT = 1.0
    LONGEST_WAIT = 30.0
    PROBE_PATIENCE = 45.0  # longer than any attempt's total deadline
    LOOK_AGAIN = 0.25  # s between looks at another's probe

    def __init__(self) -> None:
        self._failures = 0
        self._opened_at: float | None = None
        self._wait = self.FIRST_WAIT
        self._probe_after = 0.0
        self._probe: int | None = None
        self._probe_until = 0.0
        self._probes = 0  # never starts again, so that a late report is known as late

    def state(self, now: float) -> Literal["closed", "open", "half-open"]:
        if self._opened_at is None:
            return "closed"
        return "open" if now < self._probe_after else "half-open"

    def wait(self, now: float) -> float:
        """0.0: one may send (as the probe, if it is not closed). Else ask again then."""
        if self._opened_at is None:
            return 0.0
        if now < self._probe_after:
            return self._probe_after - now
        if self._probe is not None and now < self._probe_until:
            return self.LOOK_AGAIN
        return 0.0

    def open_for(self, now: float) -> float:
        """Seconds since it opened, without one success."""
        return 0.0 if self._opened_at is None else now - self._opened_at

    def sent(self, now: float) -> int | None:
        """The number of the probe that this request now is; None if it is not one."""
        if self._opened_at is None:
            return None
        self._probes += 1
        self._probe = self._probes
        self._probe_until = now + self.PROBE_PATIENCE
        return self._probe

    def succeeded(self, probe: int | None) -> bool:
        """Whether it closed by this."""
        if self._opened_at is None:
            self._failures = 0
            return False
        if probe is None or probe != self._probe:
            return False
        self._failures = 0
        self._opened_at = None
        self._wait = self.FIRST_WAIT
        self._probe = None
        return True

    def failed(self, probe: int | None, now: float) -> bool:
        """Whether it opened by this; again, if it was the probe that failed."""
        if self._opened_at is None:
            self._failures += 1
            if self._failures < self.FAILURES:
                return False
            self._opened_at = now
        elif probe is None or probe != self._probe:
            return False
        else:
            self._wait = min(self.LONGEST_WAIT, self._wait * 2)
        self._probe = None
        self._probe_after = now + self._wait
        return True

    def abandoned(self, probe: int | None) -> None:
        """The probe ended without an outcome: another may be sent at once."""
        if probe is not None and probe == self._probe:
            self._probe = None


class Budget:
    """Retries that may still be made: half a one is earned by each request."""

    START = 200.0  # as many as threads may be: one blip that resets all their connections
    EARNED = 0.5
    CAP = 200.0

    def __init__(self) -> None:
        self.left = self.START

    def earn(self) -> None:
        self.left = min(self.CAP, self.left + self.EARNED)

    def spend(self) -> bool:
        """Whether there was one to spend."""
        if self.left < 1:
            return False
        self.left -= 1
        return True


def retry_delay(attempt: int, uniform: float) -> float:
    """Seconds before the try after the one numbered `attempt` (from 0), by full jitter.

    `uniform` is drawn evenly from [0, 1).
    """
    return uniform * min(5.0, 0.25 * 2.0 ** min(attempt, 32))


class Outcome(Enum):
    """What became of one request, as far as the gate is concerned."""

    ANSWERED = "answered"  # also by a refusal: the host lives
    FAILED = "failed"  # connection, timeout, 5xx, a body that is not what it should be
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not wait: the host did not answer for `seconds`, or is left alone for `seconds`."""

    reason: Literal["unreachable", "throttled"]
    seconds: float


@dataclass(slots=True, eq=False)
class Turn:
    """One request on its way through the gate; belongs to the gate that made it."""

    ticket: float | None = None
    probe: int | None = None
    sent: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True)
class GateState:
    """What a progress bar shows; `barred` are the seconds the host is still left alone."""

    breaker: Literal["closed", "open", "half-open"]
    tokens: float
    rate: float
    full_rate: float
    barred: float
    retries_left: int


class Gate:
    """Rate, breaker and retry budget of one host as one object.

    `turn = gate.turn()`; `gate.admit(turn, now)` until it says 0.0; send; `gate.report(...)`;
    and in any case `gate.leave(turn)`, or a probe's place is kept until its patience ends.
    """

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.breaker = Breaker()
        self.budget = Budget()
        self._barred_until = 0.0

    @classmethod
    def of(cls, rate: float, burst: float, share: float = 1.0) -> Gate:
        """The gate for an exchange's published limit (spec.limits)."""
        return cls(Bucket.inside(rate, burst, share))

    def turn(self) -> Turn:
        return Turn()

    def admit(self, turn: Turn, now: float) -> float | GiveUp:
        """0.0: send now. A number: ask again after so many seconds. GiveUp: do not."""
        if now < self._barred_until:
            self._lose_place(turn)
            return GiveUp("throttled", self._barred_until - now)
        closed_for = self.breaker.wait(now)
        if closed_for > 0:
            # Places kept while it is open would all be due when it closes: a scramble.
            self._lose_place(turn)
            open_for = self.breaker.open_for(now)
            if open_for > GIVE_UP_AFTER:
                return GiveUp("unreachable", open_for)
            return min(closed_for, GIVE_UP_AFTER - open_for + _SHORTEST_WAIT)
        if turn.ticket is None:
            turn.ticket = self.bucket.ticket(now)
        wait = self.bucket.claim(turn.ticket, now)
        if wait == 0:
            turn.sent = True
            turn.probe = self.breaker.sent(now)
            self.budget.earn()
        return wait

    def report(
        self, turn: Turn, now: float, outcome: Outcome, retry_after: float | None = None
    ) -> tuple[str, ...]:
        """Learn what became of a request that was sent; returns the events that this made.

        `retry_after` is in seconds from now, whatever the outcome: up to 120 s everybody
        waits for it, above that the host gets no request until then.
        """
        turn.over = True
        events = []
        if outcome is Outcome.FAILED:
            if self.breaker.failed(turn.probe, now):
                events.append("breaker.opened")
        elif outcome is Outcome.THROTTLED and turn.probe is None:
            pass  # neither a failure nor, while it is closed, a sign of health
        elif self.breaker.succeeded(turn.probe):
            events.append("breaker.closed")
        asked = max(0.0, retry_after or 0.0)
        if asked > MAX_RETRY_AFTER:
            self._barred_until = max(self._barred_until, now + asked)
            events.append("host.barred")
            asked = 0.0
        if outcome is Outcome.THROTTLED:
            self.bucket.throttled(now, asked)
        else:
            self.bucket.pause(now, asked)
        return tuple(events)

    def leave(self, turn: Turn) -> None:
        """The turn is over, with or without an outcome. May be called more than once."""
        if not turn.sent:
            self._lose_place(turn)
        elif not turn.over:
            self.breaker.abandoned(turn.probe)
        turn.over = True

    def may_retry(self, outcome: Outcome) -> bool:
        """Whether another try is in the budget, and takes it. Being throttled is free."""
        return outcome is Outcome.THROTTLED or self.budget.spend()

    def state(self, now: float) -> GateState:
        """Changes nothing, so who only looks on needs no lock."""
        return GateState(
            breaker=self.breaker.state(now),
            tokens=self.bucket.level(now),
            rate=self.bucket.rate(now),
            full_rate=self.bucket.full_rate,
            barred=ceil(max(0.0, self._barred_until - now)),
            retries_left=int(self.budget.left),
        )

    def _lose_place(self, turn: Turn) -> None:
        if turn.ticket is not None and not turn.sent:
            turn.ticket = None
            self.bucket.surrender()
