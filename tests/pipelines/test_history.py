"""History: what run records, the last report and the store's listing say of a lake, as tables."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemahub.core.facts import Fact
from schemahub.core.history import HISTORY
from schemahub.pipelines.history import History
from schemahub.pipelines.lake import Specs
from schemahub.pipelines.records import request_rows, step_rows
from tests.pipelines.exchange import FakeExchange, HandClock
from tests.pipelines.raw_lake import RawLake

ASKED: dict[str, Any] = {
    "ok": 18, "throttled": 2, "server_error": 1, "timeout": 0, "connection": 0, "bad_answer": 0,
    "refused": 0, "breaker_opened": 1, "breaker_open": True,
    "response_seconds": {"count": 18, "mean": 0.02, "p50": 0.018, "p99": 0.0446, "max": 0.05},
}  # fmt: skip
RECORD: dict[str, Any] = {
    "run_id": "20240602T1", "command": "run", "started_at": "2024-06-02T00:00:00+00:00",
    "seconds": 2.0, "exit_code": 3, "error": None,
    "requests": {"exchanges": {"coinbase": ASKED, "elsewhere": ASKED}},
    "steps": {
        "ingest": [
            {"state": "failed", "market": "coinbase:BTC-USD", "trades": 12, "objects": 1,
             "bytes": 99, "seconds": 1.5,
             "error": {"code": "SH-EXCHANGE", "what": "no answer", "why": "timeout", "do": ""}},
        ],
        "publish": [{"state": "complete", "table": "trades", "rows": 12, "error": None}],
    },
}  # fmt: skip


def rows(fact: Fact) -> list[dict[str, Any]]:
    names = [column.name for column in fact.columns]
    return [dict(zip(names, row, strict=True)) for row in fact.rows]


def history(lake: RawLake) -> History:
    return History(lake.lake, Specs({"coinbase": lake.spec}), HandClock())


def told(lake: RawLake, name: str) -> list[dict[str, Any]]:
    (fact,) = history(lake).gather([name])
    return rows(fact)


def test_a_run_s_steps_and_requests_are_rows() -> None:
    lake = RawLake()
    lake.store.create("runs/2024-06-02/20240602T1.json", json.dumps(RECORD).encode())
    first, second = told(lake, "steps")
    assert (first["step"], first["market"], first["trades"]) == ("ingest", "coinbase:BTC-USD", 12)
    assert (first["error"], first["reason"]) == ("SH-EXCHANGE", "no answer: timeout")
    assert first["milliseconds"] == 1500
    assert (second["step"], second["rows"], second["market"]) == ("publish", 12, None)
    own, foreign = told(lake, "requests")
    assert (own["ok"], own["throttled"], own["p50_ms"], own["p99_ms"]) == (18, 2, 18, 44)
    assert (own["breaker_opened"], own["breaker_open"]) == (1, 1)
    limits = lake.spec.limits
    allowed = Decimal(str(limits.burst + 2 * limits.rate))
    assert own["limit_share"] == round(21 / allowed, 4)
    assert foreign["limit_share"] is None  # nobody knows its limit


def test_the_error_that_ended_a_run_is_a_step_of_no_name() -> None:
    error = {"code": "SH-STORE", "what": "full", "why": "", "do": "make room"}
    (one,) = step_rows({"run_id": "r", "steps": {}, "error": error})
    assert (one[2], one[4], one[-2], one[-1]) == (None, "failed", "SH-STORE", "full")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["steps", "ingest", "error", "requests", "exchanges", "seconds", "coinbase",
                         "response_seconds", "p50", "ok", "started_at", "state"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(record=st.dictionaries(st.sampled_from(sorted(RECORD)), json_values))
def test_whatever_a_record_says_its_rows_have_the_columns_they_should(
    record: dict[str, Any],
) -> None:
    for row in step_rows(record):
        assert len(row) == len(HISTORY["steps"])
    for row in request_rows(record, Specs({})):
        assert len(row) == len(HISTORY["requests"])


def test_every_object_is_counted_once_and_superseded_parts_are_told() -> None:
    lake = RawLake()
    FakeExchange(lake, head=2500).ingest("r1")
    lake.transform()
    before = sum(row["superseded"] for row in told(lake, "storage"))
    FakeExchange(lake, head=6000).ingest("r2")
    lake.transform()
    found = told(lake, "storage")
    entries = list(lake.store.list(""))
    assert sum(row["objects"] for row in found) == len(entries)
    assert sum(row["bytes"] for row in found) == sum(entry.size for entry in entries)
    assert {row["layer"] for row in found} >= {"raw", "table"}
    assert {row["market"] for row in found if row["layer"] == "raw"} == {str(lake.market)}
    live = {slice_.part for slice_ in lake.lake.slices(lake.market)}
    every = lake.lake.parts(1, lake.market)
    superseded = sum(row["superseded"] for row in found if row["layer"] == "table")
    assert before == 0
    assert superseded == len(every) - len(live) > 0


def test_the_last_report_is_two_tables_and_a_damaged_one_is_none() -> None:
    lake = RawLake()
    assert (told(lake, "scores"), told(lake, "checks")) == ([], [])
    report = {
        "run_id": "q1", "at": "2024-06-02T00:00:00+00:00", "score": 97.5,
        "markets": [{"market": "coinbase:BTC-USD", "score": 95}],
        "checks": [
            {"check": "gaps", "about": "a hole", "severity": "error", "status": "error",
             "found": 2, "columns": ["market"], "samples": [["coinbase:BTC-USD"]], "error": None},
            {"check": "own", "about": "mine", "severity": "warn", "status": "failed",
             "found": None, "error": {"code": "SH-USAGE", "what": "no", "why": "such column"}},
        ],
    }  # fmt: skip
    lake.store.create("quality/2024-06-02/q1.json", json.dumps(report).encode())
    overall, one = told(lake, "scores")
    assert (overall["market"], overall["score"]) == (None, Decimal("97.5"))
    assert (one["market"], one["score"]) == ("coinbase:BTC-USD", 95)
    gaps, own = told(lake, "checks")
    assert (gaps["found"], json.loads(gaps["samples"])) == (2, [["coinbase:BTC-USD"]])
    assert (own["status"], own["error"]) == ("failed", "no: such column")
    lake.store.create("quality/2024-06-03/q2.json", b"{]")
    assert told(lake, "scores") == []
