"""Facts: small tables about the lake itself, which checks and people join with its trades."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from schemahub.core.trade import Column

Value = str | int | Decimal | datetime | None


@dataclass(frozen=True, slots=True)
class Fact:
    """A table by name; `rows` are in the order of `columns`, times aware and in UTC."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]


def _text(name: str, meaning: str, *, nullable: bool = False) -> Column:
    return Column(name, "string", "", meaning, "", nullable)


def _count(name: str, meaning: str, *, nullable: bool = False) -> Column:
    return Column(name, "int64", "", meaning, "", nullable)


def _time(name: str, meaning: str) -> Column:
    return Column(name, "timestamp", "µs, UTC", meaning, "", nullable=True)


def _increment(name: str) -> Column:
    return Column(
        name, "decimal", "", "the least step, as the exchange lists it", "", nullable=True
    )


_MARKET = (
    _text("market", "EXCHANGE:SYMBOL"),
    _text("exchange", "its exchange"),
    _text("symbol", "its symbol"),
)
_AXIS = _text("axis", "what its positions are: ids, sparse_ids, or time in µs since 1970")

FACTS: dict[str, tuple[Column, ...]] = {
    "markets": (
        *_MARKET,
        _text("native", "the exchange's own spelling", nullable=True),
        _text("status", "as the exchange lists it", nullable=True),
        _increment("price_increment"),
        _increment("quantity_increment"),
        _count("first_id", "the first position held", nullable=True),
        _count("watermark", "up to where it is complete, exclusive", nullable=True),
        _count("held", "positions held"),
        _count("missing", "positions wanted and not held"),
        _time("as_of", "when this was so"),
        _AXIS,
    ),
    "gaps": (
        *_MARKET,
        _AXIS,
        _text("class", "not_fetched, unattested, gone, absent_at_source or quarantined"),
        _count("start_position", "the first position"),
        _count("stop_position", "one past the last"),
        _count("positions", "how many: ids, or µs"),
        _time("start_ts", "the same as a time, on an axis of time"),
        _time("stop_ts", "the same"),
    ),
    "quarantined": (
        *_MARKET,
        _text("class", "refused, conflict, void, answer or damaged"),
        _text("reason", "why, without the value"),
        _count("refused", "how many rows, answers or objects"),
        _count("first_position", "the lowest position", nullable=True),
        _count("last_position", "the highest", nullable=True),
        _time("last_ts", "when the last of them was received"),
        _text("example", "one of them, as the exchange told it"),
    ),
    "watermarks": (
        *_MARKET,
        _AXIS,
        _count("origin", "how far back it is wanted", nullable=True),
        _count("watermark", "up to where it is complete, exclusive", nullable=True),
        _count("told", "the highest watermark that a run recorded", nullable=True),
        _text("told_by", "that run", nullable=True),
        _time("asked_ts", "when a run last began that fetched all there was"),
        _count("online", "1 if its exchange lists it as tradable, 0 if not", nullable=True),
        _count("held", "positions held"),
        _count("missing", "positions wanted and not held"),
        _count("absent", "positions attested absent at the source"),
        _count("in_table", "positions that the table covers"),
        _count("parts", "live parts"),
        _count("objects", "raw objects"),
    ),
    "runs": (
        _text("run_id", "its id"),
        _text("command", "what was run"),
        _time("started_ts", "when it began"),
        _time("ended_ts", "when it ended"),
        _count("milliseconds", "how long it took", nullable=True),
        _count("exit_code", "how it ended", nullable=True),
        _text("error", "the code of the error that ended it", nullable=True),
    ),
}
"""The tables that pipelines/facts.py gathers, by name, and their columns."""
