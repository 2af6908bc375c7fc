"""Side by side, bounded, and gone when asked to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from schemahub.adapters.clock import Stop, SystemClock
from schemahub.adapters.tasks import MAX_WIDTH, Processes, Threads
from schemahub.core.errors import (
    Interrupted,
    ObjectCorrupt,
    Refused,
    SchemaHubError,
    SpecError,
    StoreError,
)
from schemahub.ports import Tasks

Each = Callable[..., Iterator[tuple[Any, Any]]]

# ---------------------------------------------------------------- work (importable by workers)


def double(number: int) -> int:
    return number * 2


def fussy(number: int) -> int:
    if number % 3 == 1:
        raise Refused("refused", "why", "do", 404)
    if number % 3 == 2:
        raise ObjectCorrupt("key", f"why {number}")
    return number


def buggy(number: int) -> int:
    return 1 // number


def die(number: int) -> int:
    os._exit(number)


def hang(seconds: int) -> int:
    time.sleep(seconds)
    return seconds


def interrupts(number: int) -> int:
    if number == 3:
        raise Interrupted(15)
    return number


class Meter:
    """Work that knows how much of it goes on at once."""

    def __init__(self) -> None:
        self.now = self.most = self.drawn = self.done = 0
        self.lock = threading.Lock()

    def items(self, count: int) -> Iterator[int]:
        for number in range(count):
            self.drawn += 1
            yield number

    def work(self, number: int) -> int:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.002)
        with self.lock:
            self.now -= 1
            self.done += 1
        return number * 2


# ---------------------------------------------------------------- both


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture(params=["threads", "one process", "processes"])
def each(request: pytest.FixtureRequest, stop: Stop) -> Each:
    width = {"threads": 4, "one process": 1, "processes": 2}[request.param]
    kind = Threads if request.param == "threads" else Processes
    tasks: Tasks = kind(stop, grace=0.3)
    return lambda work, items: tasks.each(work, items, width)


def test_every_item_comes_back_once_with_its_result(each: Each) -> None:
    assert sorted(each(double, range(20))) == [(n, n * 2) for n in range(20)]
    assert list(each(double, [])) == []


def test_our_errors_are_results_with_all_they_hold(each: Each) -> None:
    found = dict(each(fussy, range(6)))
    assert (found[0], found[3]) == (0, 3)
    assert isinstance(found[1], Refused)
    assert (found[1].status, found[1].what, found[1].do) == (404, "refused", "do")
    assert isinstance(found[2], ObjectCorrupt)
    assert (found[2].key, found[2].why) == ("key", "why 2")
    assert str(found[2]) == "key is corrupt — why 2"


def test_other_exceptions_are_bugs_and_raised(each: Each) -> None:
    with pytest.raises(ZeroDivisionError):
        list(each(buggy, [1, 0, 1]))


def test_what_the_items_raise_is_raised(each: Each) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise StoreError("listing failed")

    with pytest.raises(StoreError, match="listing failed"):
        list(each(double, items()))


def test_a_stop_before_the_start_draws_nothing(each: Each, stop: Stop) -> None:
    stop.request(signal.SIGTERM)
    with pytest.raises(Interrupted) as caught:
        list(each(double, [1]))
    assert caught.value.exit_code == 143


def test_interrupted_work_is_not_a_result_and_ends_the_rest(each: Each) -> None:
    seen: list[int] = []
    with pytest.raises(Interrupted) as caught:
        seen.extend(item for item, _ in each(interrupts, range(1_000)))
    assert caught.value.exit_code == 143
    assert 3 not in seen
    assert len(seen) < 20


@pytest.mark.parametrize("width", [0, -1, MAX_WIDTH + 1])
def test_a_width_that_makes_no_sense(stop: Stop, width: int) -> None:
    for tasks in (Threads(stop), Processes(stop)):
        with pytest.raises(ValueError, match="width"):
            tasks.each(double, [1], width)


# ---------------------------------------------------------------- threads


@pytest.mark.parametrize("width", [1, 3, 50, 200])
def test_at_most_width_are_under_way_and_drawn(stop: Stop, width: int) -> None:
    meter = Meter()
    seen = 0
    for _ in Threads(stop).each(meter.work, meter.items(300), width):
        seen += 1
        assert meter.drawn <= seen + width
    assert seen == 300
    assert meter.most <= width
    # All of them side by side, or the barrier breaks.
    meeting = threading.Barrier(width, timeout=10)
    assert len(list(Threads(stop).each(lambda _: meeting.wait(), range(width), width))) == width


def test_nothing_begins_before_it_is_asked_for(stop: Stop) -> None:
    meter = Meter()
    waiting = Threads(stop).each(meter.work, meter.items(5), 2)
    assert meter.drawn == 0
    next(waiting)
    assert 2 <= meter.drawn <= 3


def test_nested_two_hundred_wide(stop: Stop) -> None:
    tasks = Threads(stop)

    def market(number: int) -> list[object]:
        return [result for _, result in tasks.each(double, range(20), 10)]

    for _, found in tasks.each(market, range(40), 20):
        assert isinstance(found, list)
        assert set(found) == {2 * number for number in range(20)}


def test_closing_early_returns_though_work_hangs(stop: Stop) -> None:
    free = threading.Event()

    def work(number: int) -> int:
        if number:
            free.wait(20)
        return number

    running = Threads(stop).each(work, range(100), 5)
    assert next(running) == (0, 0)
    running.close()  # type: ignore[attr-defined]
    free.set()


def test_stopping_draws_no_more_and_yields_what_finishes_in_time(stop: Stop) -> None:
    free = threading.Event()
    drawn = []

    def items() -> Iterator[int]:
        for number in range(100):
            drawn.append(number)
            yield number

    def work(number: int) -> int:
        if number == 0:
            free.wait(20)  # never in time
        elif number > 1:
            time.sleep(0.05)
        return number

    seen: list[int] = []
    running = Threads(stop, grace=0.4).each(work, items(), 4)
    seen.append(next(running)[0])
    stop.request()
    at_stop = len(drawn)
    with pytest.raises(Interrupted):
        seen.extend(item for item, _ in running)
    free.set()
    assert sorted(seen) == drawn[1:]
    assert len(drawn) == at_stop


def test_all_done_is_not_interrupted(stop: Stop) -> None:
    seen = []
    for item, _ in Threads(stop).each(double, [1, 2], 5):
        stop.request()
        seen.append(item)
    assert sorted(seen) == [1, 2]


SCRIPT = """
import signal, sys, threading, time
from schemahub.adapters.clock import Stop
from schemahub.adapters.tasks import Threads
from schemahub.core.errors import Interrupted
stop = Stop()
for name in (signal.SIGINT, signal.SIGTERM):
    signal.signal(name, lambda number, _: stop.request(number))
def hang(n):
    print("under way", flush=True)
    threading.Event().wait(60)
try:
    list(Threads(stop, grace=0.3).each(hang, [1, 2, 3], 2))
except Interrupted as error:
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_process_though_threads_hang(number: int, code: int) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(number)
        assert child.wait(timeout=10) == code


# ---------------------------------------------------------------- processes


def test_a_worker_that_dies_is_a_clear_error(stop: Stop) -> None:
    with pytest.raises(SchemaHubError, match="a worker process died"):
        list(Processes(stop).each(die, [1, 2], 2))


def test_stopping_terminates_workers_that_do_not_finish(stop: Stop) -> None:
    threading.Timer(0.5, stop.request).start()
    with pytest.raises(Interrupted):
        list(Processes(stop, grace=0.2).each(hang, [60, 60], 2))


# ---------------------------------------------------------------- clock


def test_sleep_raises_at_once_when_asked_to_stop(stop: Stop) -> None:
    clock = SystemClock(stop)
    threading.Timer(0.05, stop.request, (15,)).start()
    with pytest.raises(Interrupted) as caught:
        clock.sleep(60)
    assert caught.value.exit_code == 143
    with pytest.raises(Interrupted):
        clock.sleep(0)
    stop.request(2)
    assert stop.signal == 15  # the first one counts


def test_sleep_sleeps_and_now_is_aware(stop: Stop) -> None:
    clock = SystemClock(stop)
    before = clock.monotonic()
    clock.sleep(0.0105)
    clock.sleep(-1)
    assert clock.monotonic() - before >= 0.0105
    assert clock.now().utcoffset() is not None
    assert not stop.wait(0.001)


def test_spec_errors_survive_the_way_out_of_a_worker(stop: Stop) -> None:
    (_, error), *_ = Processes(stop).each(bad_spec, ["line 1: x", "line 2: y"], 2)
    assert isinstance(error, SpecError)
    assert error.mistakes in {("line 1: x",), ("line 2: y",)}


def bad_spec(mistake: str) -> None:
    raise SpecError("bad", (mistake,), "do")
