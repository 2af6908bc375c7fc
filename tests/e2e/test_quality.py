"""Quality from the exchange to the exit code: the real pipelines, the real facts, the command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import schemahub
from schemahub.sandbox import Fault
from tests.e2e.conftest import Make
from tests.e2e.test_conflicts import tell_again
from tests.e2e.world import BTC, World

ETH = "ETH-USD"
OWN = """-- about: Everything.
-- scope: market
-- severity: {severity}
-- threshold: 0 trades
-- window: 1 day
SELECT exchange || ':' || symbol AS market, trade_ts AS at_ts, quantity AS observed
FROM trades WHERE trade_ts >= :since AND {condition}
"""


def found(w: World, *more: str, code: int = 0) -> dict[str, dict[str, int]]:
    said = w.run("quality", "--json", *more)
    assert said.code == code, said.err
    return {
        one["check"]: one["observed"]
        for one in said.json()["checks"]
        if one["status"] not in {"ok", "note"}
    }


def reports(w: World) -> list[Path]:
    return sorted((w.lake / "quality").rglob("*.json"))


def own(tmp_path: Path, condition: str, severity: str = "error") -> list[str]:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "everything.sql").write_text(OWN.format(condition=condition, severity=severity))
    return ["--checks", str(folder)]


# ---------------------------------------------------------------- in run


def test_a_run_ends_with_a_report_of_what_it_left_behind(make: Make) -> None:
    w = make({BTC: 1_500, ETH: 700})
    said = w.ok("run", BTC, ETH, "--json").json()
    assert (said["quality"]["score"], said["quality"]["status"]) == (100, "ok")
    assert said["quality"]["checks"] == {}
    (stored,) = reports(w)
    report = json.loads(stored.read_text())
    assert report["schema_version"] == 1
    assert stored.name == f"{said['run_id']}.json"
    assert {one["market"]: one["score"] for one in report["markets"]} == {
        "coinbase:BTC-USD": 100, "coinbase:ETH-USD": 100,
    }  # fmt: skip
    record = json.loads(next((w.lake / "runs").rglob("*.json")).read_text())
    assert record["quality"] == said["quality"]
    assert w.ok("status", "--json").json()["quality"]["score"] == 100


def test_a_run_without_quality_writes_no_report(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = make(500)
    assert w.ok("run", BTC, "--no-quality", "--json").json()["quality"] is None
    monkeypatch.setenv("SCHEMAHUB_QUALITY", "false")
    w.ok("run", BTC)
    assert reports(w) == []
    w.ok("run", BTC, "--quality")
    assert len(reports(w)) == 1


def test_an_error_that_the_run_did_not_make_is_exit_4(make: Make) -> None:
    w = make({BTC: 1_500, ETH: 1_500})
    w.fetch(BTC, ETH)
    (record,) = (one for one in (w.lake / "runs").rglob("*.json") if '"ingest"' in one.read_text())
    told = json.loads(record.read_text())
    for outcome in told["steps"]["ingest"]:
        outcome["watermark"] += 5
    record.write_text(json.dumps(told))
    said = w.run("run", BTC, "--json")
    assert said.code == 4
    assert said.json()["quality"]["checks"]["watermark_regress"]["found"] == 2
    assert "SH-QUALITY" in said.err


def test_a_hole_that_one_run_saw_is_doubtful_and_no_error(make: Make) -> None:
    w = make(2_000)
    w.box.set_faults([Fault("hole", ids=[500])])
    assert w.run("ingest", BTC, "--full").code == 3
    assert w.run("run", BTC).code == 3
    assert found(w) == {"doubtful_gaps": {"coinbase:BTC-USD": 1}}
    w.clock.ahead += 90
    w.ok("run", BTC)
    assert found(w) == {}
    said = w.ok("quality", "--check", "gap_classes", "--json").json()
    (sample,) = said["checks"][0]["samples"]
    assert "absent_at_source" in sample


# ---------------------------------------------------------------- the facts


def test_an_object_that_is_gone_is_a_gap_and_a_watermark_that_fell(make: Make) -> None:
    w = make(2_500)
    w.fetch()
    w.raw()[-1].unlink()
    (w.lake / "checkpoints/coinbase/BTC-USD.json").unlink()
    assert "watermark_regress" in found(w, code=4)


def test_an_object_in_the_middle_that_is_gone_was_never_fetched(make: Make) -> None:
    w = make(120_000)
    w.fetch()
    assert len(w.raw()) > 2
    w.raw()[1].unlink()
    (w.lake / "checkpoints/coinbase/BTC-USD.json").unlink()
    assert set(found(w, code=4)) == {"id_gaps", "watermark_regress"}


def test_conflicts_and_refused_rows_are_counted_from_quarantine(make: Make) -> None:
    w = make(900)
    w.ok("ingest", BTC, "--full")
    tell_again(w, 700, 600, 800)
    w.ok("transform")
    assert found(w) == {"conflicting_revisions": {"coinbase:BTC-USD": 1}}
    (kept,) = (w.lake / "quarantine").rglob("*.jsonl")
    kept.write_text("{\n")
    assert set(found(w, code=4)) == {"quarantine_rate"}


# ---------------------------------------------------------------- the command


def test_a_check_of_ones_own_runs_beside_ours(make: Make, tmp_path: Path) -> None:
    w = make(800)
    w.fetch()
    more = own(tmp_path, "quantity > :threshold")
    assert found(w, *more, code=4) == {"everything": {"coinbase:BTC-USD": 800}}
    assert found(w, *more, "--check", "duplicates") == {}
    assert found(w, *more, "--fail-on", "never") == {"everything": {"coinbase:BTC-USD": 800}}
    assert "everything" in w.ok("quality", *more, "--list").out


def test_a_warning_fails_only_if_that_is_asked_for(make: Make, tmp_path: Path) -> None:
    w = make(800)
    w.fetch()
    more = own(tmp_path, "quantity > :threshold", "warn")
    assert w.run("quality", *more).code == 0
    said = w.run("quality", *more, "--fail-on", "warn", "--samples", "7")
    assert said.code == 4
    assert said.out.count("market coinbase:BTC-USD, at_ts ") == 7
    assert re.search(r"coinbase:BTC-USD +95 +everything", said.out)


def test_a_check_that_cannot_run_is_failed_with_the_engines_words(
    make: Make, tmp_path: Path
) -> None:
    w = make(800)
    w.fetch()
    more = own(tmp_path, "no_such_column = 1", "note")
    said = w.run("quality", *more, "--json")
    assert said.code == 4
    (one,) = (each for each in said.json()["checks"] if each["check"] == "everything")
    assert (one["status"], one["found"]) == ("failed", None)
    assert "no_such_column" in one["error"]["why"]
    assert said.json()["markets"][0]["score"] == 75
    assert "no_such_column" in w.run("quality", *more).out


def test_a_check_may_only_read(make: Make, tmp_path: Path) -> None:
    w = make(800)
    w.fetch()
    more = own(tmp_path, "trade_id IN (SELECT 1 FROM read_csv('/etc/passwd'))")
    (one,) = (
        each for each in w.run("quality", *more, "--json").json()["checks"]
        if each["check"] == "everything"
    )  # fmt: skip
    assert one["status"] == "failed"


def test_the_sql_is_what_an_engine_can_be_asked(make: Make) -> None:
    w = make(800)
    w.fetch()
    for name in ("freshness", "outage", "gap_classes", "id_gaps"):
        said = w.ok("quality", "--sql", name, "--since", "3d").out
        assert ":since" not in said
        assert "TIMESTAMP '" in said


def test_whole_reports_are_stored_and_partial_ones_are_not(make: Make) -> None:
    w = make({BTC: 800, ETH: 300})
    w.fetch(BTC, ETH)
    w.ok("quality", BTC)
    w.ok("quality", "--check", "freshness")
    assert reports(w) == []
    assert w.ok("status", "--json").json()["quality"] is None
    w.ok("quality")
    (stored,) = reports(w)
    assert "quality: 100.0 of 100, ok" in w.ok("status").err
    stored.write_text("[")
    assert "only a report" in w.ok("status").err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--check", "none"], 2), (["--sql", "none"], 2), (["--checks", "/nowhere"], 6),
        (["SOL-USD"], 2), (["--since", "yesterday-ish"], 2),
    ],
)  # fmt: skip
def test_what_is_not_there_is_three_lines(make: Make, arguments: list[str], code: int) -> None:
    w = make(100)
    w.fetch()
    said = w.run("quality", *arguments)
    assert said.code == code
    assert len(said.err.splitlines()) == 3


def test_the_python_api_gives_the_report(make: Make) -> None:
    w = make({BTC: 800, ETH: 300})
    w.fetch(BTC, ETH)
    lake = schemahub.open(w.lake)
    report = lake.quality()
    assert (report.score, report.status, report.engine) == (100, "ok", "duckdb")
    assert lake.quality(BTC, ["duplicates"], "30d").scores == {"coinbase:BTC-USD": 100}
    assert reports(w) == []


def test_the_example_of_the_documents_is_a_check(make: Make, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/quality.md").read_text()
    example = re.search(r"```sql\n(.*?)```", page, re.DOTALL)
    assert example
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "mine.sql").write_text(example[1])
    w = make(800)
    w.fetch()
    said = w.ok("quality", "--checks", str(folder), "--check", "mine", "--json").json()
    assert said["checks"][0]["status"] == "ok"


def test_facts_are_tables_of_queries_too(make: Make) -> None:
    w = make({BTC: 800, ETH: 300})
    w.fetch(BTC, ETH)
    ask = "select symbol, held, in_table, asked_ts is not null as asked from watermarks order by 1"
    said = w.ok("query", ask, "--json").json()["rows"]
    assert said == [
        {"symbol": BTC, "held": 800, "in_table": 800, "asked": True},
        {"symbol": ETH, "held": 300, "in_table": 300, "asked": True},
    ]
    assert w.ok("query", "select count(*) as n from gaps", "--json").json()["rows"] == [{"n": 0}]
    runs = schemahub.open(w.lake).sql("select command, exit_code from runs order by run_id")
    assert runs.arrow().to_pylist() == [
        {"command": "ingest", "exit_code": 0}, {"command": "transform", "exit_code": 0},
    ]  # fmt: skip
