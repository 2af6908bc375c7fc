"""History: small tables of how the lake came about and what it takes, for people who look at it.

Unlike facts (core/facts.py) they are not published, and no quality check reads them.
"""

from __future__ import annotations

from schemahub.core.trade import Column


def _text(name: str, meaning: str, *, nullable: bool = False) -> Column:
    return Column(name, "string", "", meaning, "", nullable)


def _count(name: str, meaning: str, *, nullable: bool = False) -> Column:
    return Column(name, "int64", "", meaning, "", nullable)


def _time(name: str, meaning: str) -> Column:
    return Column(name, "timestamp", "µs, UTC", meaning, "", nullable=True)


_RUN = (_text("run_id", "the run"), _time("started_ts", "when the run began"))

HISTORY: dict[str, tuple[Column, ...]] = {
    "steps": (
        *_RUN,
        _text("step", "ingest, transform, publish, ...; null: the run as a whole", nullable=True),
        _text("market", "EXCHANGE:SYMBOL", nullable=True),
        _text("state", "complete, partial, failed or held"),
        _count("trades", "trades fetched", nullable=True),
        _count("rows", "rows written to the table", nullable=True),
        _count("parts", "parts written", nullable=True),
        _count("objects", "raw objects written", nullable=True),
        _count("bytes", "bytes written", nullable=True),
        _count("milliseconds", "how long it took", nullable=True),
        _text("error", "the code of the error that ended it", nullable=True),
        _text("reason", "what the error says", nullable=True),
    ),
    "requests": (
        *_RUN,
        _text("exchange", "who was asked"),
        _count("ok", "requests that were answered"),
        _count("throttled", "429, or what the exchange means by it"),
        _count("server_error", "5xx"),
        _count("timeout", "no answer in time"),
        _count("connection", "no connection, or one that broke"),
        _count("bad_answer", "an answer that cannot be one"),
        _count("refused", "the exchange refuses this address"),
        _count("p50_ms", "half of the answers took at most so many ms", nullable=True),
        _count("p99_ms", "99 of 100 answers took at most so many ms", nullable=True),
        _count("breaker_opened", "how often the circuit breaker opened", nullable=True),
        _count("breaker_open", "1 if it was open when the run ended"),
        Column(
            "limit_share", "decimal", "",
            "requests sent, of those that the rate limit allows in the time of the run", "",
            nullable=True,
        ),
    ),
    "storage": (
        _text("layer", "raw, table, bars, quarantine, iceberg or other"),
        _text("market", "EXCHANGE:SYMBOL", nullable=True),
        _time("day_ts", "the day on which the store says it was written"),
        _count("objects", "how many"),
        _count("bytes", "their size"),
        _count("superseded", "of these, parts and bars that no reader reads any more"),
        _count("superseded_bytes", "their size: what `schemahub compact` can free"),
    ),
    "scores": (
        _text("run_id", "the run of the latest quality report"),
        _time("at_ts", "when it was made"),
        _text("market", "EXCHANGE:SYMBOL; null: the lake", nullable=True),
        Column("score", "decimal", "0 to 100", "what the checks found, as one number", ""),
    ),
    "checks": (
        _text("run_id", "the run of the latest quality report"),
        _time("at_ts", "when it was made"),
        _text("name", "the check's name"),
        _text("about", "what it looks for"),
        _text("severity", "note, warn or error"),
        _text("status", "ok, or how bad what it found is; failed if it could not run"),
        _count("found", "rows that it found", nullable=True),
        _text("columns", "the columns of `samples`, as JSON"),
        _text("samples", "some of what it found, as JSON: an array a row"),
        _text("error", "why it could not run", nullable=True),
    ),
}  # fmt: skip
"""The tables that pipelines/history.py gathers, by name, and their columns."""
