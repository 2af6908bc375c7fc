"""The pipeline over an engine that fails, and what a run's exit code makes of a report."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemahub.adapters.store_memory import MemoryStore
from schemahub.core.errors import (
    EngineError,
    Interrupted,
    ObjectCorrupt,
    SchemaHubError,
    StoreError,
    UsageError,
)
from schemahub.core.layout import Market
from schemahub.core.quality import Check, Severity
from schemahub.pipelines import ingest
from schemahub.pipelines.facts import Facts
from schemahub.pipelines.job import Job
from schemahub.pipelines.lake import Specs
from schemahub.pipelines.quality import MARKETS, Quality, failed, last_report, write_report
from schemahub.ports import Found
from tests.pipelines.raw_lake import RawLake
from tests.quality_lake import NOW, Clock

ONE, TWO = Market("a", "X-Y"), Market("a", "Z-Y")


class Engine:
    """Answers the markets; to a check what it is told to."""

    name = "told"

    def __init__(self, answer: Callable[[], Found]) -> None:
        self._answer = answer

    def query(self, statement: str) -> Found:
        if statement == MARKETS:
            return Found(("market",), ((str(ONE),), (str(TWO),)))
        return self._answer()


def check(name: str = "c", severity: Severity = "error") -> Check:
    return Check(name, "about", "market", severity, "0", None, "SELECT 1")


def rows(*markets: Market) -> Found:
    columns = ("market", "at_ts", "observed", "found", "nth")
    return Found(columns, tuple((str(one), None, 1, 3, 1) for one in markets), scanned=10)


def judged(answer: Callable[[], Found], severity: Severity = "error") -> Quality:
    return Quality([check(severity=severity)], Engine(answer), Clock())


def raising(error: SchemaHubError) -> Callable[[], Found]:
    def answer() -> Found:
        raise error

    return answer


@pytest.mark.parametrize(
    "error",
    [EngineError("gone", "the engine's words"), UsageError("bad", "the engine's words"),
     StoreError("no", "the engine's words"), ObjectCorrupt("k", "the engine's words")],
)  # fmt: skip
def test_a_query_that_fails_is_a_failed_check_and_never_nothing_found(
    error: SchemaHubError,
) -> None:
    report = judged(raising(error), "note").run("r")
    (result,) = report.results
    assert result.status == "failed"
    assert result.failure is not None
    assert result.failure.why == "the engine's words"
    assert (report.scores, report.score) == ({str(ONE): 75, str(TWO): 75}, 75)
    verdict = failed(report, "error")
    assert verdict is not None
    assert "the engine's words" in verdict.why
    assert report.as_json()["checks"][0]["found"] is None


@pytest.mark.parametrize(
    "answer", [Found(("market",), ()), Found((), ()), Found(("market", "found"), (("a:X-Y", "x"),))]
)
def test_an_answer_without_what_was_asked_for_is_a_failed_check(answer: Found) -> None:
    assert judged(lambda: answer).run("r").status == "failed"


def test_who_is_asked_to_stop_stops() -> None:
    with pytest.raises(Interrupted):
        judged(raising(Interrupted())).run("r")


def test_markets_that_cannot_be_told_are_an_error_of_the_whole() -> None:
    class Deaf(Engine):
        def query(self, statement: str) -> Found:
            raise EngineError("deaf")

    with pytest.raises(EngineError):
        Quality([check()], Deaf(rows), Clock()).run("r")


def test_what_was_found_is_counted_and_charged() -> None:
    report = judged(lambda: rows(ONE)).run("r")
    assert report.results[0].observed == {str(ONE): 3}
    assert report.results[0].columns == ("market", "at_ts", "observed")
    assert report.scores == {str(ONE): 75, str(TWO): 100}
    assert (report.score, report.scanned, report.count("error")) == (81.2, 10, 1)


def test_reports_are_kept_and_the_latest_is_told() -> None:
    store = MemoryStore()
    assert last_report(store) is None
    first = judged(rows).run("20260320T1")
    later = replace(
        judged(lambda: rows(ONE)).run("20260321T1"), at=datetime(2026, 3, 21, tzinfo=UTC)
    )
    assert write_report(store, later) == "quality/2026-03-21/20260321T1.json"
    write_report(store, first)
    assert last_report(store) == later.as_json()
    store.create("quality/2026-03-22/x.json", b"[]")
    with pytest.raises(ObjectCorrupt):
        last_report(store)


def test_what_runs_recorded_of_a_market_outlives_all_its_objects() -> None:
    lake = RawLake()
    outcomes = [{"market": name, "watermark": 12, "state": "complete"}
                for name in ("coinbase:GONE-USD", "no market", "coinbase:lower-usd")]  # fmt: skip
    record = {"schema_version": 1, "run_id": "r1", "command": "run",
              "started_at": "2026-03-20T00:00:00+00:00", "steps": {"ingest": outcomes}}  # fmt: skip
    lake.store.create("runs/2026-03-20/r1.json", json.dumps(record).encode())
    found = {one.name: one for one in Facts(lake.lake, Specs({}), Clock()).gather()}
    names = [column.name for column in found["watermarks"].columns]
    (row,) = (dict(zip(names, row, strict=True)) for row in found["watermarks"].rows)
    assert (row["market"], row["told"], row["watermark"]) == ("coinbase:GONE-USD", 12, None)


def test_a_day_of_runs_that_take_one_market_each_is_read_whole() -> None:
    lake = RawLake()
    now = Clock().now()
    for n in range(600):  # a run every six minutes: two days and a half
        at = now - timedelta(minutes=6 * n)
        outcome = {"market": f"coinbase:M{n}-USD", "watermark": 12, "state": "complete"}
        record = {"schema_version": 1, "run_id": f"{at:%Y%m%dT%H%M%S}", "command": "ingest",
                  "started_at": at.isoformat(), "steps": {"ingest": [outcome]}}  # fmt: skip
        key = f"runs/{at:%Y-%m-%d}/{record['run_id']}.json"
        lake.store.create(key, json.dumps(record).encode())
    found = {one.name: one for one in Facts(lake.lake, Specs({}), Clock()).gather()}
    told = {str(row[0]) for row in found["watermarks"].rows}
    assert {f"coinbase:M{n}-USD" for n in range(240)} <= told
    assert len(told) < 600
    assert found["runs"].rows[0][0] == f"{now:%Y%m%dT%H%M%S}"  # the newest first


# ---------------------------------------------------------------- in a run


class Counts:
    def requests(self) -> dict[str, object]:
        return {}

    def damage(self) -> dict[str, int]:
        return {}


def job(**states: Any) -> Job:
    found = Job("run", "r", MemoryStore(), Clock(), Counts(), {}, NOW)
    for market, state in zip((ONE, TWO), states.values(), strict=False):
        found.add("ingest", ingest.Outcome(market, state))
    return found


@pytest.mark.parametrize(
    ("one", "two", "where", "code"),
    [
        ("complete", "complete", (), 0),
        ("complete", "complete", (ONE,), 4),
        ("partial", "complete", (ONE,), 3),
        ("partial", "complete", (ONE, TWO), 4),
        ("failed", "failed", (ONE,), 1),
        ("held", "complete", (ONE,), 3),
    ],
)
def test_an_error_counts_in_markets_that_the_run_did_not_leave_unfinished(
    one: str, two: str, where: tuple[Market, ...], code: int
) -> None:
    run = job(one=one, two=two)
    run.judge(judged(lambda: rows(*where)).run("r"))
    assert run.exit_code == code


def test_a_check_that_could_not_run_fails_a_run_and_so_do_checks_that_could_not_begin() -> None:
    run = job(one="partial", two="complete")
    run.judge(judged(raising(EngineError("gone"))).run("r"))
    assert run.exit_code == 4
    run = job(one="complete")
    run.unjudged(EngineError("gone"))
    assert run.exit_code == 4
    assert run.judged is not None
    assert run.judged["score"] is None


def test_warnings_and_notes_do_not_fail_a_run() -> None:
    for severity in ("warn", "note"):
        run = job(one="complete")
        run.judge(judged(lambda: rows(ONE), severity).run("r"))
        assert run.exit_code == 0


def test_it_needs_nothing_but_the_standard_library() -> None:
    """So a small place that has no more can run it."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "import schemahub.pipelines.quality, schemahub.adapters.checks as own\n"
        "assert len(own.checks()) == 16\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(new - sys.stdlib_module_names - {'schemahub'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
