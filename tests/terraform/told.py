"""What the program tells CloudWatch, taken from its own lines: names cannot drift from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlglot

from schemahub.aws.figures import figures, score
from schemahub.core.run_metrics import lines
from schemahub.pipelines.quality import Report
from schemahub.ports import Entry, Found

_AT = datetime(2026, 11, 23, tzinfo=UTC)
_ASKED = {
    "ok": 1, "throttled": 0, "server_error": 0, "timeout": 0, "connection": 0,
    "breaker_opened": 0, "breaker_open": False,
}  # fmt: skip
_MARKET = {
    "market": "coinbase:BTC-USD", "state": "complete", "trades": 1, "bytes": 1, "seconds": 1.0,
    "watermark": 2, "missing": [[1, 2]], "error": None,
}  # fmt: skip
_RECORD = {
    "run_id": "r", "exit_code": 0, "command": "run", "seconds": 1.0,
    "requests": {"exchanges": {"coinbase": _ASKED}}, "steps": {"ingest": [_MARKET]},
}  # fmt: skip
_REPORT = Report("r", _AT, None, "athena", (), {}, 100.0, 1.0)


class _Answering:
    """An engine that answers every statement with one row of ones."""

    name = "athena"

    def query(self, statement: str) -> Found:
        width = len(sqlglot.parse_one(statement, dialect="athena").selects)
        return Found(tuple(map(str, range(width))), ((1,) * width,))


class _Empty:
    """As much of a store as figures ask."""

    def list(self, prefix: str) -> Iterator[Entry]:
        del prefix
        return iter(())


def _lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(_RECORD, _AT, {"coinbase": [0.1]})]


def _metrics(dimension: str) -> frozenset[str]:
    return frozenset(
        metric["Name"]
        for line in _lines()
        for told in line.get("_aws", {}).get("CloudWatchMetrics", [])
        if [dimension] in told["Dimensions"]
        for metric in told["Metrics"]
    )


def _of_quality() -> frozenset[str]:
    found = figures(_Answering(), _Empty(), lambda: None)  # type: ignore[arg-type]  # the rest is not asked
    assert not found.unknown, found.unknown
    return frozenset(one.name for one in (*score(_REPORT, 1.0), *found.metrics))


# By the dimensions that they are told with.
PER_RUN = _metrics("command")
PER_EXCHANGE = _metrics("exchange")
OF_QUALITY = _of_quality()
# Fields of the lines that are no metrics, by event.
EVENTS: dict[str, frozenset[str]] = {
    line["event"]: frozenset(line) for line in _lines() if "_aws" not in line
}
