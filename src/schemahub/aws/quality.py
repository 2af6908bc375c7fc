"""The Lambda function that checks the published tables through Athena.

Runs from a zip of this package as it is, with nothing but Python and boto3 beside it. What it
finds is a report in the bucket and metrics on stdout; it raises, so that the function counts as
failed, if a check could not run or found what it is told to fail on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from schemahub.adapters.athena import Athena, Timing
from schemahub.adapters.athena import Place as Workgroup
from schemahub.adapters.checks import checks
from schemahub.adapters.clock import Stop, SystemClock
from schemahub.adapters.dice import token
from schemahub.adapters.store_s3 import Place, S3Store
from schemahub.aws.figures import Figures, figures, score
from schemahub.core.emf import Metric, document
from schemahub.core.errors import (
    ConfigError,
    EngineError,
    Interrupted,
    QualityFailed,
    SchemaHubError,
)
from schemahub.core.quality import Status
from schemahub.core.settings import Settings, layer
from schemahub.pipelines.quality import Quality, Report, failed, write_report
from schemahub.ports import Found

# What is left for stopping a statement, the report and the metrics, in seconds.
RESERVE = 20.0
_LEVELS: Mapping[str, Status] = {"warn": "warn", "error": "error", "never": "failed"}


class Context(Protocol):
    """What Lambda says of an invocation."""

    def get_remaining_time_in_millis(self) -> int: ...


class InTime:
    """ports.Sql that begins no statement, and waits for none, once the time is nearly over.

    What then could not run is a failed check like any other, and is in the report.
    """

    name = Athena.name

    def __init__(self, settings: Settings, context: Context) -> None:
        self._context = context
        place = Workgroup(
            settings.database,
            settings.athena_workgroup,
            settings.athena_output or f"{settings.place}/athena/",
            settings.aws_region,
        )
        self._clock = SystemClock(Stop())
        limit = settings.athena_limit * 10**9
        self._athena = Athena(place, limit, Timing(pause=self._pause))

    def query(self, statement: str) -> Found:
        """As ports.Sql; EngineError as well when there is no time for it."""
        self.check()
        try:
            return self._athena.query(statement)
        except Interrupted:
            raise _late() from None

    def check(self) -> None:
        """Raises EngineError once the time is nearly over."""
        if self._left() <= 0:
            raise _late()

    def _left(self) -> float:
        return self._context.get_remaining_time_in_millis() / 1000 - RESERVE

    def _pause(self, seconds: float) -> bool:
        self._clock.sleep(max(0.0, min(seconds, self._left())))
        return self._left() <= 0


def _late() -> EngineError:
    return EngineError(
        "the function's time is over",
        f"less than {RESERVE:g} s of it are left",
        "raise the function's timeout, or look at what takes Athena so long",
    )


def handler(event: object, context: Context) -> dict[str, Any]:
    """Checks, reports, tells; `event` says nothing to it.

    Returns the run's id, status, score and the report's key. Raises QualityFailed as
    SCHEMAHUB_FAIL_ON has it (`error`, `warn`, or `never`, which still raises for checks that
    could not run), EngineError, StoreError, ConfigError.
    """
    del event
    environ = dict(os.environ)  # noqa: TID251  (an entry point, as app is)
    settings, _ = layer({}, environ, {}, "")
    level = _level(environ.get("SCHEMAHUB_FAIL_ON", "error"))
    if not settings.s3_bucket:
        raise ConfigError("no lake is named", "S3_BUCKET is not set", "set it for the function")
    clock = SystemClock(Stop())
    now, began = clock.now(), clock.monotonic()
    run_id = f"{now:%Y%m%dT%H%M%S%fZ}{token(2)}"
    sql = InTime(settings, context)
    own = checks()
    try:
        report = Quality(own, sql, clock).run(run_id)
    except SchemaHubError:
        # Not even the markets could be told: no check ran, and none found nothing.
        metrics = [Metric("ChecksFailed", len(own)), Metric("HealthScore", 0, "None")]
        _tell(now, metrics, run_id)
        raise
    place = Place(*settings.bucket_and_prefix, settings.aws_region, settings.aws_endpoint_url)
    store = S3Store(place)
    found = figures(sql, store, sql.check)
    seconds = clock.monotonic() - began
    _tell(now, [*score(report, seconds), *found.metrics], run_id, _fields(report, found))
    key = write_report(store, report)
    verdict = failed(report, level) or _unfigured(found)
    if verdict is not None:
        raise verdict
    return {"run_id": run_id, "status": report.status, "score": report.score, "report": key}


def _fields(report: Report, found: Figures) -> dict[str, object]:
    return {
        "status": report.status,
        "scanned": (report.scanned or 0) + found.scanned,
        "checks": {one.check.name: one.status for one in report.results if one.status != "ok"},
        "unknown": list(found.unknown),
    }


def _tell(
    at: datetime,
    metrics: list[Metric],
    run_id: str,
    fields: Mapping[str, object] | None = None,
) -> None:
    told = {"event": "quality.done", "run_id": run_id, **(fields or {})}
    print(document(at, metrics, {}, ((),), told), flush=True)  # noqa: T201  (CloudWatch reads it)


def _level(text: str) -> Status:
    if text not in _LEVELS:
        raise ConfigError(
            f"SCHEMAHUB_FAIL_ON cannot be {text!r}",
            f"it can be {', '.join(_LEVELS)}",
            "correct the function's environment",
        )
    return _LEVELS[text]


def _unfigured(found: Figures) -> QualityFailed | None:
    """A figure that could not be found is no figure of 0, and is nothing to be silent about."""
    if not found.unknown:
        return None
    return QualityFailed(
        f"{len(found.unknown)} figure(s) could not be found",
        "; ".join(found.unknown),
        "see the function's log; the checks ran, and their report is stored",
    )
