"""The latest run records, and what they tell: of runs, steps, requests and markets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from schemahub.core.errors import ObjectCorrupt, UsageError
from schemahub.core.facts import Value
from schemahub.core.layout import Market
from schemahub.pipelines.lake import Specs
from schemahub.pipelines.runs import RunName, read_run
from schemahub.ports import Clock, Store

# Run records that are read, the latest ones: six days of a run every six hours at least, and a
# day and a night of runs that each take one market, up to what a bucket answers in seconds.
RUNS, ALL_OF, MOST_RUNS = 24, timedelta(days=1), 240
OUTCOMES = (
    "ok", "throttled", "server_error", "timeout", "connection", "bad_answer", "refused"
)  # fmt: skip
Record = Mapping[str, Any]
Row = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Records:
    """The latest records, newest first, at least `least` if there are so many.

    `known` keeps what was read: a record never changes.
    """

    store: Store
    clock: Clock
    least: int = RUNS
    known: dict[RunName, dict[str, Any]] = field(default_factory=dict)

    def latest(self) -> list[dict[str, Any]]:
        """Of a damaged one what its name says."""
        names = self._latest((self.clock.now() - ALL_OF).strftime("%Y-%m-%d"))
        return [self._record(name) for name in names]

    def _latest(self, day: str) -> list[RunName]:
        """The newest first: `least`, and up to MOST_RUNS if they are of this day or later."""
        found: list[RunName] = []
        for date in sorted(self.store.folders("runs/"), reverse=True):
            for key in sorted(self.store.keys(f"runs/{date}/"), reverse=True):
                if len(found) >= (MOST_RUNS if date >= day else self.least):
                    return found
                found.append(RunName(date, key.rpartition("/")[2].removesuffix(".json")))
        return found

    def _record(self, name: RunName) -> dict[str, Any]:
        if name not in self.known:
            try:
                self.known[name] = read_run(self.store, name)
            except ObjectCorrupt:
                return {"run_id": name.run_id, "command": "damaged"}
        return self.known[name]


@dataclass
class Told:
    """What run records tell of a market: the highest watermark, and when it was complete."""

    watermark: int | None = None
    run_id: str | None = None
    asked_ts: datetime | None = None


def told(records: Sequence[Record]) -> dict[str, Told]:
    """By market what records say; what one that is not as we write them says is passed over."""
    found: dict[str, Told] = {}
    for record in records:
        for step, outcome in _outcomes(record):
            if step != "ingest":
                continue
            own = found.setdefault(str(outcome.get("market")), Told())
            mark = outcome.get("watermark")
            if type(mark) is int and (own.watermark is None or mark > own.watermark):
                own.watermark, own.run_id = mark, str(record.get("run_id"))
            at = instant(record.get("started_at"))
            if outcome.get("state") == "complete" and at is not None:
                own.asked_ts = at if own.asked_ts is None else max(own.asked_ts, at)
    return found


def recorded(found: Mapping[str, Told]) -> Iterator[Market]:
    """The markets of which runs recorded that something is held; they may be gone whole."""
    for name, own in found.items():
        exchange, _, symbol = name.partition(":")
        if own.watermark is not None:
            with suppress(UsageError):  # a record may say anything
                yield Market(exchange, symbol)


def run_row(record: Record) -> Row:
    """A row of `runs` (core/facts.py)."""
    error = _mapping(record.get("error"))
    return (
        str(record.get("run_id")),
        str(record.get("command")),
        instant(record.get("started_at")),
        instant(record.get("ended_at")),
        _thousandths(record.get("seconds")),
        _whole(record.get("exit_code")),
        _text(error.get("code")),
    )


def step_rows(record: Record) -> Iterator[Row]:
    """The rows of `steps` (core/history.py); an error that ended the run is one without step."""
    begin = (str(record.get("run_id")), instant(record.get("started_at")))
    for step, outcome in _outcomes(record):
        error = _mapping(outcome.get("error"))
        yield (
            *begin,
            step,
            _text(outcome.get("market")),
            str(outcome.get("state")),
            _whole(outcome.get("trades")),
            _whole(outcome.get("rows")),
            _whole(outcome.get("parts")),
            _whole(outcome.get("objects")),
            _whole(outcome.get("bytes")),
            _thousandths(outcome.get("seconds")),
            *_reason(error),
        )
    ended = _mapping(record.get("error"))
    if ended:
        yield (*begin, None, None, "failed", *(None,) * 6, *_reason(ended))


def request_rows(record: Record, specs: Specs) -> Iterator[Row]:
    """The rows of `requests` (core/history.py)."""
    exchanges = _mapping(_mapping(record.get("requests")).get("exchanges"))
    for name, asked in exchanges.items():
        own = _mapping(asked)
        counts = [_whole(own.get(outcome)) or 0 for outcome in OUTCOMES]
        times = _mapping(own.get("response_seconds"))
        yield (
            str(record.get("run_id")),
            instant(record.get("started_at")),
            name,
            *counts,
            _thousandths(times.get("p50")),
            _thousandths(times.get("p99")),
            _whole(own.get("breaker_opened")),
            int(own.get("breaker_open") is True),
            _share(name, sum(counts), record.get("seconds"), specs),
        )


def instant(text: object) -> datetime | None:
    """A time of a record; None if it is none."""
    if not isinstance(text, str):
        return None
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else None
    return None


def _outcomes(record: Record) -> Iterator[tuple[str, Record]]:
    for step, outcomes in _mapping(record.get("steps")).items():
        for outcome in outcomes if isinstance(outcomes, list) else ():
            if isinstance(outcome, dict):
                yield step, outcome


def _share(exchange: str, asked: int, seconds: object, specs: Specs) -> Decimal | None:
    if not specs.readable(exchange) or not isinstance(seconds, int | float) or seconds <= 0:
        return None
    limits = specs.of(exchange).limits
    allowed = limits.burst + limits.rate * seconds
    return round(Decimal(asked) / Decimal(allowed), 4)


def _reason(error: Record) -> tuple[str | None, str | None]:
    if not error:
        return None, None
    words = (_text(error.get(part)) for part in ("what", "why"))
    return _text(error.get("code")), ": ".join(word for word in words if word)


def _mapping(value: object) -> Record:
    return value if isinstance(value, dict) else {}


def _whole(value: object) -> int | None:
    return value if type(value) is int and abs(value) < 2**63 else None


def _thousandths(value: object) -> int | None:
    if type(value) not in {int, float} or not abs(value) < 10**12:  # type: ignore[arg-type]
        return None
    return int(value * 1000)  # type: ignore[operator]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
