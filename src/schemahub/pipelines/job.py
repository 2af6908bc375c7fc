"""A run: pipelines over many markets, one record of what was done, one exit code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from schemahub.core.errors import LeaseHeld, QualityFailed, SchemaHubError
from schemahub.pipelines import compact, ingest, publish, transform
from schemahub.pipelines.quality import Report
from schemahub.pipelines.runs import write_run
from schemahub.ports import Clock, Store

Outcome = ingest.Outcome | transform.Outcome | compact.Outcome | publish.Outcome


class Counts(Protocol):
    """What was asked of exchanges, and what was found damaged."""

    def requests(self) -> dict[str, object]: ...

    def damage(self) -> dict[str, int]: ...


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """0 all complete, 1 all failed, 5 all left to other runs, 3 anything between.

    What is left to other runs does not make those fail that failed, nor save them.
    """
    states = [outcome.state for outcome in outcomes]
    mine = [state for state in states if state != "held"]
    if states and not mine:
        return LeaseHeld.exit_code
    if all(state == "complete" for state in mine):
        return 0 if len(mine) == len(states) else 3
    return 1 if all(state == "failed" for state in mine) else 3


@dataclass
class Job:
    """Collects what a command does; `close` stores it as the run's record."""

    command: str
    run_id: str
    store: Store
    clock: Clock
    counts: Counts
    asked: dict[str, Any]
    started_at: datetime
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    error: SchemaHubError | None = None
    unrecorded: bool = False
    skipped: dict[str, LeaseHeld] = field(default_factory=dict)
    owing: bool = False
    judged: dict[str, Any] | None = None
    unsound: bool = False

    def judge(self, report: Report) -> None:
        """What the checks found in the lake that this run leaves behind.

        Unsound is an error in a market that was not left unfinished: of those the run's own
        exit code tells already.
        """
        self.judged = {
            "score": report.score,
            "status": report.status,
            "seconds": round(report.seconds, 3),
            "checks": {
                one.check.name: {
                    "status": one.status,
                    "found": None if one.failure else one.found,
                    "error": None if one.failure is None else one.failure.why,
                }
                for one in report.results
                if one.status != "ok"
            },
        }
        unfinished = {
            str(outcome.market)
            for outcomes in self.outcomes.values()
            for outcome in outcomes
            if not isinstance(outcome, publish.Outcome) and outcome.state != "complete"
        }
        self.unsound = any(
            one.failure is not None or set(one.observed) - unfinished
            for one in report.failing("error")
        )

    def unjudged(self, error: SchemaHubError) -> None:
        """The checks could not even begin: nobody knows what they would find."""
        self.judged = {"score": None, "status": "failed", "error": _error(error)}
        self.unsound = True

    def skip(self, step: str, error: LeaseHeld, *, owing: bool) -> None:
        """Another run is at this step. `owing`: it would have had something of ours to do."""
        self.skipped[step] = error
        self.owing = self.owing or owing

    def add(self, step: str, outcome: Outcome) -> None:
        self.outcomes.setdefault(step, []).append(outcome)

    @property
    def exit_code(self) -> int:
        """The first of 1, 4, 3 that any step gave, else 0; an error's own if it ended the run.

        3 as well if all is saved but the record of it, or if some was done and some left to
        other runs; 5 if all was.
        """
        if self.error is not None:
            return self.error.exit_code
        codes = {exit_code(step) for step in self.outcomes.values()}
        if self.unsound:
            codes.add(QualityFailed.exit_code)
        found = next((code for code in (1, 4, 3) if code in codes), None)
        if found is not None:
            return found
        if self.owing or self.unrecorded:
            return 3
        if LeaseHeld.exit_code in codes:
            return 3 if self._did_something() else LeaseHeld.exit_code
        return 0

    def _did_something(self) -> bool:
        every = [outcome for step in self.outcomes.values() for outcome in step]
        return any(outcome.bytes for outcome in every)

    def close(self) -> str:
        """Stores the record and returns its key. Raises StoreError."""
        date = self.started_at.strftime("%Y-%m-%d")
        return write_run(self.store, date, self.run_id, self.record())

    def record(self) -> dict[str, Any]:
        """What was done up to now."""
        now = self.clock.now()
        return {
            "command": self.command,
            "asked": self.asked,
            "started_at": self.started_at.isoformat(timespec="milliseconds"),
            "ended_at": now.isoformat(timespec="milliseconds"),
            "seconds": round((now - self.started_at).total_seconds(), 3),
            "exit_code": self.exit_code,
            "error": None if self.error is None else _error(self.error),
            "requests": self.counts.requests(),
            "damage": self.counts.damage(),
            "steps": {
                step: [_told(outcome) for outcome in outcomes]
                for step, outcomes in self.outcomes.items()
            },
            "quality": self.judged,
            "skipped": {step: _error(error) for step, error in self.skipped.items()},
        }


def told(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Outcomes as JSON shows them."""
    return [_told(outcome) for outcome in outcomes]


def _told(outcome: Outcome) -> dict[str, Any]:
    common: dict[str, Any] = {"state": outcome.state}
    if isinstance(outcome, publish.Outcome):
        common |= {
            "table": outcome.table,
            "files": outcome.files,
            "added": outcome.added,
            "removed": outcome.removed,
            "rows": outcome.rows,
            "expired": outcome.expired,
        }
    elif isinstance(outcome, ingest.Outcome):
        common |= {
            "market": str(outcome.market),
            "trades": outcome.trades,
            "objects": outcome.objects,
            "bytes": outcome.bytes,
            "seconds": round(outcome.seconds, 3),
            "watermark": outcome.watermark,
            "missing": [[span.start, span.stop] for span in outcome.missing],
            "absent": outcome.absent,
        }
    else:
        common |= {
            "market": str(outcome.market),
            "parts": outcome.parts,
            "rows": outcome.rows,
            "bytes": outcome.bytes,
        }
    if isinstance(outcome, transform.Outcome):
        common |= {"quarantined": outcome.rejected}
    if isinstance(outcome, compact.Outcome):
        common |= {
            "removed": outcome.removed,
            "freed": outcome.freed,
            "waiting": outcome.waiting,
            "named": outcome.named,
        }
    common["notes"] = list(outcome.notes)
    common["error"] = None if outcome.error is None else _error(outcome.error)
    return common


def _error(error: SchemaHubError) -> dict[str, str]:
    return {"code": error.code, "what": error.what, "why": error.why, "do": error.do}
