"""Documents keep the rules of the embedded metric format, or there is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.core.emf import LONGEST, Metric, document
from schemahub.core.run_metrics import lines
from schemahub.core.spread import Spread

AT = datetime(2026, 11, 23, 5, 26, 18, 123000, UTC)
ONE = [Metric("RunsOk", 1)]


def test_a_document_names_its_metrics_and_holds_their_values() -> None:
    line = document(
        AT,
        [Metric("RunsOk", 1), Metric("RunSeconds", 2.5, "Seconds"), Metric("Some", [1.0, 2.0])],
        {"command": "run"},
        ((), ("command",)),
        {"event": "run.done"},
    )
    assert json.loads(line) == {
        "_aws": {
            "Timestamp": 1795411578123,
            "CloudWatchMetrics": [
                {
                    "Namespace": "SchemaHub",
                    "Dimensions": [[], ["command"]],
                    "Metrics": [
                        {"Name": "RunsOk", "Unit": "Count"},
                        {"Name": "RunSeconds", "Unit": "Seconds"},
                        {"Name": "Some", "Unit": "Count"},
                    ],
                }
            ],
        },
        "event": "run.done",
        "command": "run",
        "RunsOk": 1,
        "RunSeconds": 2.5,
        "Some": [1.0, 2.0],
    }
    assert "\n" not in line


@pytest.mark.parametrize(
    "wrong",
    [
        {"metrics": []},
        {"metrics": [Metric(f"M{n}", 1) for n in range(101)]},
        {"metrics": [Metric("M", [1.0] * 101)]},
        {"metrics": [Metric("M", [])]},
        {"metrics": [Metric("M", float("nan"))]},
        {"metrics": [Metric("M", [1.0, float("inf")])]},
        {"metrics": [Metric("M", 1), Metric("M", 2)]},
        {"metrics": [Metric("", 1)]},
        {"metrics": [Metric("M" * 1025, 1)]},
        {"dimensions": {"command": ""}},
        {"dimensions": {"command": "\u00e4"}},
        {"dimensions": {"command": "x" * 1025}},
        {"dimensions": {"RunsOk": "x"}},
        {"dimensions": {"_aws": "x"}},
        {"sets": ()},
        {"sets": (("exchange",),)},
        {"dimensions": {f"D{n}": "x" for n in range(31)}, "sets": ([f"D{n}" for n in range(31)],)},
        {"fields": {"RunsOk": 2}},
        {"fields": {"_aws": 2}},
        {"fields": {"text": "x" * LONGEST}},
    ],
    ids=str,
)
def test_what_cloudwatch_would_drop_is_refused(wrong: dict[str, Any]) -> None:
    given_ = {"metrics": ONE, "dimensions": {}, "sets": ((),), **wrong}
    with pytest.raises(ValueError, match="embedded metric format"):
        document(AT, **given_)


@given(st.lists(st.floats(1e-4, 1e3), min_size=1, max_size=400))
def test_a_spread_knows_quantiles_to_a_percent(values: list[float]) -> None:
    spread = Spread()
    for value in values:
        spread.add(value)
    ordered = sorted(values)
    for share in (0.01, 0.5, 0.99, 1.0):
        exact = ordered[max(0, -(-int(share * len(values) * 1000) // 1000) - 1)]
        near = spread.quantile(share)
        at = [one for one in ordered if 0.985 * near - 1e-6 <= one <= near * 1.015 + 1e-6]
        assert at or exact == 0
    sample = spread.sample(100)
    assert len(sample) == min(100, len(values))
    assert sample == sorted(sample)
    assert max(sample) <= max(values) * 1.01
    assert spread.mean == pytest.approx(sum(values) / len(values))


def test_nothing_at_all_has_no_sample() -> None:
    assert Spread().sample(100) == []
    assert (Spread().mean, Spread().quantile(0.99)) == (0, 0)


def record(code: int = 0, **more: Any) -> dict[str, Any]:
    ingested = {
        "market": "coinbase:BTC-USD",
        "state": "complete",
        "trades": 7,
        "bytes": 90,
        "seconds": 1.5,
        "watermark": 8,
        "missing": [[3, 5]],
        "error": None,
    }
    failed = {**ingested, "market": "coinbase:X-Y", "state": "failed", "error": {"code": "SH-X"}}
    made = {"market": "coinbase:BTC-USD", "state": "complete", "parts": 1, "rows": 7, "bytes": 10}
    asked = {
        "ok": 5,
        "throttled": 1,
        "server_error": 2,
        "timeout": 3,
        "connection": 4,
        "breaker_opened": 1,
        "breaker_open": True,
    }
    return {
        "run_id": "r1",
        "command": "run",
        "exit_code": code,
        "seconds": 3.25,
        "steps": {"ingest": [ingested, failed], "transform": [{**made, "quarantined": 2}]},
        "requests": {"exchanges": {"coinbase": asked}},
        **more,
    }


def test_a_runs_record_becomes_its_metrics() -> None:
    run, exchange, done, failed = map(json.loads, lines(record(), AT, {"coinbase": [0.1, 0.2]}))
    assert {name: run[name] for name in run if name[0].isupper()} == {
        "RunsOk": 1,
        "RunsFailed": 0,
        "RunSeconds": 3.25,
        "TradesIngested": 14,
        "MarketsProcessed": 1,
        "MarketsFailed": 1,
        "PartsWritten": 1,
        "RowsWritten": 7,
        "RowsQuarantined": 2,
        "BytesStored": 190,
    }
    assert run["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[], ["command"]]
    assert exchange["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["exchange"]]
    assert (exchange["RequestsServerError"], exchange["BreakerOpen"]) == (2, 1)
    assert exchange["ResponseSeconds"] == [0.1, 0.2]
    assert (done["event"], done["missing"], done["seconds"]) == ("market.done", 2, 1.5)
    assert (failed["event"], failed["error"]) == ("market.failed", "SH-X")
    assert "_aws" not in done


@pytest.mark.parametrize(
    ("code", "told"),
    [(0, (1, 0)), (1, (0, 1)), (3, (0, 1)), (4, (0, 1)), (5, (0, 0)), (143, (0, 0))],
)
def test_a_run_that_others_held_or_stopped_is_neither_done_nor_failed(
    code: int, told: tuple[int, int]
) -> None:
    run = json.loads(next(lines(record(code), AT, {})))
    assert (run["RunsOk"], run["RunsFailed"]) == told
