"""What a run's record says, as lines for CloudWatch: metrics, and an event a market."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from schemahub.core.emf import Metric, document

Record = Mapping[str, Any]
# Another run was at it, or somebody stopped it: neither done nor failed.
_NEITHER = frozenset({5, 130, 143})
_REQUESTS = {
    "RequestsOk": "ok",
    "RequestsThrottled": "throttled",
    "RequestsServerError": "server_error",
    "RequestsTimeout": "timeout",
    "RequestsConnection": "connection",
}


def lines(record: Record, at: datetime, samples: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Lines of JSON: one of the run, one an exchange that was asked, one a market.

    `samples` are response times in seconds by exchange, at most 100. No metric has a market
    for a dimension: of markets the events tell, to whoever searches the log.
    """
    told = {"event": "run.done", "run_id": record["run_id"], "exit_code": record["exit_code"]}
    command = {"command": str(record["command"])}
    yield document(at, list(_of_run(record)), command, ((), ("command",)), told)
    for exchange, asked in record["requests"].get("exchanges", {}).items():
        found = list(_of_exchange(asked, samples.get(exchange, ())))
        event = {"event": "exchange.asked", "run_id": record["run_id"]}
        yield document(at, found, {"exchange": exchange}, (("exchange",),), event)
    yield from _markets(record)


def _of_run(record: Record) -> Iterator[Metric]:
    code = int(record["exit_code"])
    yield Metric("RunsOk", int(code == 0))
    yield Metric("RunsFailed", int(code != 0 and code not in _NEITHER))
    yield Metric("RunSeconds", record["seconds"], "Seconds")
    steps: Mapping[str, list[Record]] = record["steps"]
    every = [one for outcomes in steps.values() for one in outcomes if "market" in one]
    failed = {one["market"] for one in every if one["state"] == "failed"}
    processed = {one["market"] for one in every if one["state"] != "held"} - failed
    yield Metric("TradesIngested", _sum(steps.get("ingest", ()), "trades"))
    yield Metric("MarketsProcessed", len(processed))
    yield Metric("MarketsFailed", len(failed))
    yield Metric("PartsWritten", _sum(every, "parts"))
    yield Metric("RowsWritten", _sum(every, "rows"))
    yield Metric("RowsQuarantined", _sum(every, "quarantined"))
    yield Metric("BytesStored", _sum(every, "bytes"), "Bytes")


def _of_exchange(asked: Record, samples: Sequence[float]) -> Iterator[Metric]:
    for name, outcome in _REQUESTS.items():
        yield Metric(name, asked[outcome])
    if samples:
        yield Metric("ResponseSeconds", samples, "Seconds")
    yield Metric("BreakerOpened", asked["breaker_opened"])
    yield Metric("BreakerOpen", int(asked["breaker_open"]))


def _markets(record: Record) -> Iterator[str]:
    for outcome in record["steps"].get("ingest", ()):
        failed = outcome["state"] == "failed"
        event = {
            "event": "market.failed" if failed else "market.done",
            "run_id": record["run_id"],
            "market": outcome["market"],
            "state": outcome["state"],
            "trades": outcome["trades"],
            "bytes": outcome["bytes"],
            "seconds": outcome["seconds"],
            "watermark": outcome["watermark"],
            "missing": sum(stop - start for start, stop in outcome["missing"]),
            "error": outcome["error"]["code"] if outcome["error"] else None,
        }
        yield json.dumps(event, separators=(",", ":"))


def _sum(outcomes: Iterable[Record], field: str) -> int:
    return sum(int(one.get(field) or 0) for one in outcomes)
