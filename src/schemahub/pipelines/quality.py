"""Quality: every check asked of an engine, and one report of what they found.

Needs nothing but the standard library, ports and core, so that it runs where nothing else is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from schemahub.core.errors import (
    EngineError,
    Interrupted,
    ObjectCorrupt,
    QualityFailed,
    SchemaHubError,
    UsageError,
)
from schemahub.core.layout import QUALITY, quality_key
from schemahub.core.quality import (
    SAMPLES,
    SCHEMA_VERSION,
    STATUSES,
    Check,
    Failure,
    Result,
    Status,
    judged,
    market_score,
    overall_score,
    statement,
    worst,
)
from schemahub.ports import Clock, Found, Sql, Store

# With those that a run once recorded: one that is lost whole is not to leave the score.
MARKETS = "SELECT market FROM watermarks WHERE held > 0 OR coalesce(told, 0) > 0 ORDER BY market"


@dataclass(frozen=True, slots=True)
class Report:
    """What the checks found at a time. `since` None: each looked as far back as its window.

    `scores` are the markets' (0 to 100), `score` is the lake's. `partial`: not all checks ran,
    or not over all markets, so scores of other reports do not compare.
    """

    run_id: str
    at: datetime
    since: datetime | None
    engine: str
    results: tuple[Result, ...]
    scores: Mapping[str, int]
    score: float
    seconds: float
    partial: bool = False

    @property
    def status(self) -> Status:
        return worst(result.status for result in self.results)

    def failing(self, level: Status) -> tuple[Result, ...]:
        """The results as bad as `level`, or worse."""
        least = STATUSES.index(level)
        return tuple(one for one in self.results if STATUSES.index(one.status) >= least)

    def count(self, *statuses: Status) -> int:
        """How many checks ended so."""
        return sum(one.status in statuses for one in self.results)

    @property
    def scanned(self) -> int | None:
        """The bytes that the engine charges for; None where nobody does."""
        known = [one.scanned for one in self.results if one.scanned is not None]
        return sum(known) if known else None

    def as_json(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run_id,
            "at": self.at.isoformat(timespec="seconds"),
            "since": None if self.since is None else self.since.isoformat(timespec="seconds"),
            "engine": self.engine,
            "partial": self.partial,
            "status": self.status,
            "score": self.score,
            "seconds": round(self.seconds, 3),
            "scanned": self.scanned,
            "markets": [
                {
                    "market": market,
                    "score": score,
                    "checks": {
                        one.check.name: one.status
                        for one in self.results
                        if one.status != "ok" and one.touches(market)
                    },
                }
                for market, score in self.scores.items()
            ],
            "checks": [result.as_json() for result in self.results],
        }


@dataclass(frozen=True, slots=True)
class Quality:
    """The checks with what they need of the world. Reads only."""

    checks: Sequence[Check]
    sql: Sql
    clock: Clock

    def run(
        self,
        run_id: str,
        *,
        markets: Sequence[str] = (),
        names: Sequence[str] = (),
        since: datetime | None = None,
        samples: int = SAMPLES,
    ) -> Report:
        """Asks every check, or those of `names`; over all markets, or these.

        A check that fails, whatever the reason, is a result of its own (`failed`), never one
        that found nothing. Raises UsageError for a check that there is not, EngineError and
        the like if not even the markets can be told, Interrupted.
        """
        chosen = self._chosen(names)
        began = self.clock.monotonic()
        now = self.clock.now().astimezone(UTC).replace(microsecond=0)
        scored = list(markets) or [str(market) for (market,) in self.sql.query(MARKETS).rows]
        results = tuple(
            self._result(check, now, since, markets=markets, samples=samples) for check in chosen
        )
        scores = {market: market_score(market, results) for market in scored}
        return Report(
            run_id,
            now,
            since,
            self.sql.name,
            results,
            scores,
            overall_score(scores.values(), results),
            self.clock.monotonic() - began,
            partial=bool(markets or names),
        )

    def _chosen(self, names: Sequence[str]) -> list[Check]:
        known = {check.name: check for check in self.checks}
        for name in names:
            if name not in known:
                raise UsageError(
                    f"there is no check {name!r}",
                    f"there are: {', '.join(sorted(known))}",
                    "see `schemahub quality --list`",
                )
        return [known[name] for name in dict.fromkeys(names)] or list(self.checks)

    def _result(
        self,
        check: Check,
        now: datetime,
        since: datetime | None,
        *,
        markets: Sequence[str],
        samples: int,
    ) -> Result:
        text = statement(check, now, since, markets=markets, samples=samples)
        began = self.clock.monotonic()
        try:
            found = self.sql.query(text)
            observed, columns, rows = _read(check, found)
        except Interrupted:
            raise
        except SchemaHubError as error:
            return Result(
                check,
                "failed",
                sql=text,
                seconds=self.clock.monotonic() - began,
                failure=Failure(error.code, error.what, error.why),
            )
        return Result(
            check,
            judged(check, observed),
            observed,
            columns,
            rows,
            text,
            self.clock.monotonic() - began,
            found.scanned,
        )


def _read(
    check: Check, found: Found
) -> tuple[dict[str, int], tuple[str, ...], tuple[tuple[object, ...], ...]]:
    """How many rows there are by market, and those that were told, without our own columns.

    Raises EngineError for an answer that is not what `statement` asks for.
    """
    try:
        by, at = found.columns.index(check.scope), found.columns.index("found")
        own = [n for n, name in enumerate(found.columns) if name not in {"found", "nth"}]
        observed = {str(row[by]): int(str(row[at])) for row in found.rows}
    except (ValueError, IndexError) as error:
        raise EngineError(
            f"the answer to the check {check.name} is not what was asked for",
            f"{error}; it has the columns {', '.join(found.columns)}",
            "correct the check",
        ) from None
    columns = tuple(found.columns[n] for n in own)
    return observed, columns, tuple(tuple(row[n] for n in own) for row in found.rows)


def failed(report: Report, level: Status) -> QualityFailed | None:
    """What to tell if the report is as bad as `level` (`warn` or `error`), or worse."""
    found = report.failing(level)
    if not found:
        return None
    one = max(found, key=lambda result: STATUSES.index(result.status))
    if one.failure is not None:
        why = f"{one.check.name} could not run: {one.failure.what}: {one.failure.why}"
        return QualityFailed(f"{len(found)} check(s) failed", why, "see `schemahub quality`")
    where = max(one.observed, key=lambda name: one.observed[name])
    return QualityFailed(
        f"{len(found)} check(s) found something; the score is {report.score:g}",
        f"{one.check.name}: {one.observed[where]} in {where}: {one.check.about}",
        f"`schemahub quality --check {one.check.name} --samples 20` shows what",
    )


# ---------------------------------------------------------------- reports that were stored


def write_report(store: Store, report: Report) -> str:
    """Stores the report, one line of JSON; returns its key. Raises StoreError."""
    key = quality_key(report.at.strftime("%Y-%m-%d"), report.run_id)
    data = json.dumps(report.as_json(), ensure_ascii=False, allow_nan=False)
    store.create(key, data.encode() + b"\n")
    return key


def last_report(store: Store) -> dict[str, Any] | None:
    """The latest report as it was stored; None if there is none.

    Raises StoreError, ObjectCorrupt for one that `write_report` cannot have written.
    """
    for date in sorted(store.folders(QUALITY), reverse=True):
        for key in sorted(store.keys(f"{QUALITY}{date}/"), reverse=True):
            if key.endswith(".json"):
                return _report(key, store.read(key))
    return None


def _report(key: str, data: bytes) -> dict[str, Any]:
    do = "delete it: only a report"
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ObjectCorrupt(key, f"not a report in JSON: {error}", do) from None
    if not isinstance(content, dict):
        raise ObjectCorrupt(key, "not an object of JSON", do)
    return content
