"""Too fast, down, or asked to stop: what the gate makes of it on a real connection."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemahub.adapters.clock import Stop, SystemClock
from schemahub.adapters.http import Bounds
from schemahub.core.errors import Interrupted, Throttled, Unreachable
from schemahub.core.gate import MAX_TRIES, Bucket, Gate, Outcome
from tests.adapters.http_bench import ROWS, Faster, bench
from tests.adapters.http_server import say, serving

__all__ = ["bench"]  # the fixture

# ---------------------------------------------------------------- too fast


@pytest.mark.parametrize("form", ["seconds", "date", "date, by the server's wrong clock"])
def test_retry_after_is_honoured(bench: Any, form: str) -> None:
    wrong = datetime(2001, 1, 1, tzinfo=UTC)
    then = (wrong if "wrong" in form else datetime.now(UTC)) + timedelta(seconds=40)
    headers = {"Retry-After": f"{then:%a, %d %b %Y %H:%M:%S GMT}", "Date": ""}
    if form == "seconds":
        headers["Retry-After"] = "40"
    if "wrong" in form:
        headers["Date"] = f"{wrong:%a, %d %b %Y %H:%M:%S GMT}"
    with serving(say(b"", "429 Slow", headers=headers), say(ROWS)) as server:
        client = bench(server)
        client.gate.budget.left = 20.0
        assert client.fetch() == ROWS
        assert 38 < sum(client.clock.slept) < 45
        assert client.gate.budget.left == 21  # being throttled costs no retry


@pytest.mark.parametrize("value", ["soon", "-5", "", "1e9", "Mon, 99 Foo 2026 10:00:00 +9999999"])
def test_a_retry_after_that_says_nothing_is_plain_backing_off(bench: Any, value: str) -> None:
    with serving(say(b"", "429 Slow", headers={"Retry-After": value}), say(ROWS)) as server:
        client = bench(server)
        assert client.fetch() == ROWS
        assert sum(client.clock.slept) < 1


def test_told_to_stay_away_for_long_it_does_and_says_so(bench: Any) -> None:
    with serving(then=say(b"", "429 Slow", headers={"Retry-After": "3600"})) as server:
        client = bench(server)
        for _ in range(3):
            with pytest.raises(Throttled, match=r"no more requests for 3\d\d\d s"):
                client.fetch()
        assert len(server.requests) == 1
        assert client.events.of("host.barred", "retry_after") == [3600]


def test_a_storm_of_429_ends_as_throttled_not_unreachable(bench: Any) -> None:
    with serving(then=say(b'{"message":"rate limit"}', "429 Slow")) as server:
        client = bench(server)
        with pytest.raises(Throttled, match="rate limit"):
            client.fetch()
        assert len(server.requests) == MAX_TRIES
        assert client.gate.state(client.clock.monotonic()).breaker == "closed"


def test_twenty_threads_are_paced_by_one_bucket(bench: Any) -> None:
    with serving(then=say(ROWS)) as server:
        stop = Stop()
        client = bench(server, clock=SystemClock(stop), gate=Gate(Bucket(100, 10)))
        with ThreadPoolExecutor(20) as crowd:
            answers = list(crowd.map(lambda _: client.fetch(), range(110)))
        assert answers == [ROWS] * 110
        # What arrives is what was sent; a machine under load can only be slower.
        assert server.times[-1] - server.times[0] >= 0.7
        assert server.connections <= 20


# ---------------------------------------------------------------- the host is down


def test_a_storm_of_503_opens_the_breaker_and_one_probe_at_a_time_goes_out(bench: Any) -> None:
    def down(peer: socket.socket) -> bool:
        if len(server.requests) > 4:
            return bool(say(ROWS)(peer))
        time.sleep(0.02)  # long enough for a second probe to show
        probes.append(server.at_once)
        return bool(say(b"", "503 Down")(peer))

    probes: list[int] = []
    with serving(then=down) as server:
        clock = Faster(Stop())
        client = bench(server, clock=clock, bounds=Bounds())
        for _ in range(10):
            turn, now = client.gate.turn(), clock.monotonic()
            assert client.gate.admit(turn, now) == 0
            client.gate.report(turn, now, Outcome.FAILED)
        with ThreadPoolExecutor(20) as crowd:
            outcomes = list(crowd.map(lambda _: client.fetch(), range(20)))
        assert outcomes == [ROWS] * 20
        assert probes == [1, 1, 1, 1]
        names = [name for name, _ in client.events.seen if name.startswith("breaker")]
        assert names == ["breaker.opened"] * 4 + ["breaker.closed"]


def test_an_outage_of_more_than_a_minute_is_given_up(bench: Any) -> None:
    with serving(then=say(b"", "503 Down")) as server:
        client = bench(server)
        said = []
        for _ in range(5):
            with pytest.raises(Unreachable, match="HTTP 503") as caught:
                client.fetch()
            said.append(caught.value.why)
        assert ": HTTP 503, no request succeeded for " in said[-1]
        assert sum(client.clock.slept) < 200
        assert len(server.requests) < 25


def test_the_retry_budget_bounds_what_an_outage_costs(bench: Any) -> None:
    with serving(then=say(b"", "503 Down")) as server:
        client = bench(server)
        client.gate.budget.left = 2
        with pytest.raises(Unreachable, match=r"3 tries|4 tries|5 tries"):
            client.fetch()


# ---------------------------------------------------------------- stopping


def test_stopping_wakes_a_waiting_request_at_once(bench: Any) -> None:
    with serving(then=say(b"", "429 Slow", headers={"Retry-After": "100"})) as server:
        stop = Stop()
        client = bench(server, clock=SystemClock(stop))
        with ThreadPoolExecutor(1) as crowd:
            waiting = crowd.submit(client.fetch)
            while not client.events.of("request.throttled", "reason"):
                time.sleep(0.005)
            stop.request(15)
            with pytest.raises(Interrupted) as caught:
                waiting.result(timeout=5)
        assert caught.value.exit_code == 143
        with pytest.raises(Interrupted):
            client.fetch()
        assert len(server.requests) == 1
