"""What is said when Spark cannot be used: no cluster is needed to say it."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from schemahub.adapters.clock import Stop
from schemahub.adapters.spark import SparkTasks, WorkerFault, _check_version, _reason
from schemahub.adapters.tasks import Threads
from schemahub.core.errors import ConfigError, EngineError
from tests.adapters.test_tasks import double
from tests.e2e.world import here
from tests.s3_server import free_ports

# As Spark 3.5 and Spark 4 say it.
OLD = """Job aborted due to stage failure: Task 0 in stage 5.0 failed 4 times, most recent \
failure: Lost task 0.3 in stage 5.0 (TID 9) (10.0.0.7 executor 2): \
org.apache.spark.api.python.PythonException: Traceback (most recent call last):
  File "/w/pyspark/worker.py", line 1247, in main
    process()
%s

\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.read(PythonRunner.scala:572)
Driver stacktrace:"""
NEW = """[PYTHON_EXCEPTION] An exception was thrown from the Python worker: \
Traceback (most recent call last):
  File "/w/pyspark/worker.py", line 4327, in invoke_udf
    run_process()
%s
 SQLSTATE: 38000"""


@pytest.mark.parametrize("form", [OLD, NEW], ids=["3.5", "4"])
def test_a_bug_is_its_last_line(form: str) -> None:
    found = _reason(form % "ZeroDivisionError: division by zero")
    assert isinstance(found, WorkerFault)
    assert str(found) == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize("form", [OLD, NEW], ids=["3.5", "4"])
def test_what_a_worker_lacks_is_a_setting_to_correct(form: str) -> None:
    found = _reason(form % "ModuleNotFoundError: No module named 'schemahub'")
    assert isinstance(found, ConfigError)
    assert found.why.startswith("No module named 'schemahub'")
    assert found.why.endswith(" (on 10.0.0.7)") == (form is OLD)
    mismatch = "PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different"
    found = _reason(form % mismatch)
    assert isinstance(found, ConfigError)
    assert "another version" in found.why


def test_what_spark_gives_up_for_is_told_on_one_line() -> None:
    found = _reason("Job 3 cancelled because\nSparkContext was shut down" + " and more" * 100)
    assert isinstance(found, EngineError)
    assert found.why.startswith("Job 3 cancelled because SparkContext was shut down and more")
    assert len(found.why) <= 301


def test_workers_of_another_version_are_refused() -> None:
    with pytest.raises(ConfigError, match="different versions"):
        _check_version("0.0.1")


@pytest.mark.parametrize("url", ["spark://127.0.0.1:{0}", "spark://127.0.0.1:x,127.0.0.1:{0}"])
def test_a_master_that_is_not_there_is_said_at_once(url: str) -> None:
    (port,) = free_ports(1)
    tasks = SparkTasks(Threads(Stop()), url.format(port))
    with pytest.raises(EngineError, match="cannot be reached") as caught:
        list(tasks.each(double, [1], 1))
    assert f"127.0.0.1:{port}" in caught.value.why
    assert caught.value.code == "SH-ENGINE"


def test_of_several_masters_one_that_is_there_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the extra is not there, the next thing that is wrong is said."""
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with socket.create_server(("127.0.0.1", 0)) as there:
        (port,) = free_ports(1)
        url = f"spark://127.0.0.1:{port},127.0.0.1:{there.getsockname()[1]}"
        with pytest.raises(ConfigError, match="needs pyspark") as caught:
            list(SparkTasks(Threads(Stop()), url).each(double, [1], 1))
    assert "schemahub[spark]" in caught.value.do


def test_a_master_is_for_the_engine_that_has_one(tmp_path: Path) -> None:
    said = here(["transform", "--lake", str(tmp_path), "--spark-master", "spark://127.0.0.1:1"])
    assert said.code == 2
    assert "--engine spark" in said.err


def test_with_nothing_to_make_no_cluster_is_needed(tmp_path: Path) -> None:
    lake = ["--lake", str(tmp_path), "--engine", "spark", "--spark-master", "spark://127.0.0.1:1"]
    assert here(["transform", *lake]).code == 0
