"""Spark keeps the promises of ports.Tasks; what it lacks is said in our words."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from schemahub.adapters.clock import Stop
from schemahub.adapters.spark import SparkTasks, WorkerFault
from schemahub.adapters.tasks import Threads
from schemahub.core.errors import ConfigError, EngineError, Interrupted
from tests.adapters.test_tasks import (  # noqa: F401  (the same promises, by another engine)
    Each,
    buggy,
    die,
    double,
    hang,
    test_a_stop_before_the_start_draws_nothing,
    test_every_item_comes_back_once_with_its_result,
    test_interrupted_work_is_not_a_result_and_ends_the_rest,
    test_our_errors_are_results_with_all_they_hold,
    test_what_the_items_raise_is_raised,
)
from tests.spark_cluster import Cluster

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # pyspark's own sockets
    pytest.mark.filterwarnings("ignore:PySpark does not yet:FutureWarning"),
]


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def tasks(stop: Stop, spark: Cluster) -> Iterator[SparkTasks]:
    """On the one context of all these tests."""
    made = SparkTasks(Threads(stop, grace=0.5), spark.url)
    yield made
    made.close()


@pytest.fixture
def each(tasks: SparkTasks) -> Each:
    return lambda work, items: tasks.each(work, items, 3)


def lacking(number: int) -> int:
    return int(import_module("no_such_module").of(number))


def until(true: Callable[[], object]) -> None:
    give_up = time.monotonic() + 60
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def active(tasks: SparkTasks) -> list[Any]:
    return list(tasks._context.statusTracker().getActiveJobsIds())


def test_at_most_width_are_drawn_and_none_once_asked_to_stop(tasks: SparkTasks, stop: Stop) -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            drawn.append(number)
            yield number

    seen = []
    running = tasks.each(double, items(), 2)
    for _ in range(5):
        seen.append(next(running))
        assert len(drawn) <= len(seen) + 2
    stop.request()
    at_stop = len(drawn)
    with pytest.raises(Interrupted):
        seen.extend(running)
    assert len(drawn) == at_stop
    assert sorted(seen) == [(number, 2 * number) for number in drawn]


def test_what_nobody_waits_for_any_more_is_cancelled(tasks: SparkTasks, stop: Stop) -> None:
    list(tasks.each(double, [1], 1))

    def ask() -> None:
        until(lambda: len(active(tasks)) == 2)
        stop.request()

    asking = threading.Thread(target=ask)
    asking.start()
    with pytest.raises(Interrupted):
        list(tasks.each(hang, [60, 60], 2))
    asking.join()
    until(lambda: not active(tasks))


def test_closed_early_it_cancels_what_is_under_way(tasks: SparkTasks) -> None:
    running = tasks.each(hang, [0, 60, 60], 2)
    assert next(running) == (0, 0)
    until(lambda: len(active(tasks)) == 2)
    running.close()  # type: ignore[attr-defined]
    until(lambda: not active(tasks))


def test_a_bug_on_a_worker_is_raised_with_its_own_words(tasks: SparkTasks) -> None:
    with pytest.raises(WorkerFault, match=r"^ZeroDivisionError: integer"):
        list(tasks.each(buggy, [1, 0], 2))


def test_work_that_kills_every_worker_is_a_clear_error(tasks: SparkTasks) -> None:
    ((_, error),) = tasks.each(die, [1], 1)
    assert isinstance(error, EngineError)
    assert error.what == "Spark gave up"
    assert "failed 2 times" in error.why
    assert list(tasks.each(double, [1], 1)) == [(1, 2)]


def test_a_module_that_the_workers_lack_is_named(tasks: SparkTasks) -> None:
    ((_, error),) = tasks.each(lacking, [1], 1)
    assert isinstance(error, ConfigError)
    assert error.why == "No module named 'no_such_module'"
    assert "PYSPARK_PYTHON" in error.do


def refused(tasks: SparkTasks, python: Path, monkeypatch: pytest.MonkeyPatch) -> ConfigError:
    """What is said of workers with this Python, before anything is drawn."""
    list(tasks.each(double, [1], 1))
    monkeypatch.setattr(tasks._context, "pythonExec", str(python))
    items = iter([1])
    with pytest.raises(ConfigError, match="a Spark worker cannot run schemahub") as caught:
        list(SparkTasks(tasks.threads).each(double, items, 1))
    assert next(items) == 1
    return caught.value


def test_a_python_that_the_workers_lack_is_named(
    tasks: SparkTasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = refused(tasks, tmp_path / "python", monkeypatch)
    assert f'Cannot run program "{tmp_path}/python"' in error.why


def test_an_environment_without_what_we_need_is_told_of(
    tasks: SparkTasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")]
    subprocess.run(venv, check=True, timeout=60)
    error = refused(tasks, tmp_path / "bare/bin/python", monkeypatch)
    assert error.why.startswith("No module named")
    assert "PYSPARK_PYTHON" in error.do


def test_the_driver_holds_no_more_after_many_items_than_after_few(tasks: SparkTasks) -> None:
    def resident() -> int:
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * 4096

    def much(number: int) -> bytes:
        return bytes(500_000)

    for _ in tasks.each(much, range(10), 4):
        pass
    before, threads = resident(), threading.active_count()
    for _ in tasks.each(much, range(80), 4):  # 40 MB, if they were kept
        pass
    assert resident() - before < 10_000_000
    patience = time.monotonic() + 10  # those that worked end when they find nothing more to do
    while threading.active_count() > threads + 1 and time.monotonic() < patience:
        time.sleep(0.05)
    assert threading.active_count() <= threads + 1
