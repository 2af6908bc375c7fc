"""The figures of a lake that its dashboard shows, each asked of what is cheapest to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from schemahub.core.emf import Metric
from schemahub.core.errors import EngineError, Interrupted, SchemaHubError
from schemahub.pipelines.quality import Report
from schemahub.ports import Entry, Sql, Store

Row = tuple[object, ...]

# What Iceberg itself says of the live files: nothing of them is opened.
_FILES = """
SELECT (SELECT coalesce(sum(record_count), 0) FROM "trades$files") AS trades,
    (SELECT coalesce(sum(file_size_in_bytes), 0) FROM "trades$files")
    + (SELECT coalesce(sum(file_size_in_bytes), 0) FROM "bars_1m_parts$files") AS bytes
"""
# Of minute bars, which are hundreds of times smaller than the trades that they were made of.
_SPAN = """
SELECT date_diff('minute', min(bar_ts), max(bar_ts)) AS minutes FROM bars_1m_parts
"""
_DAY = """
SELECT count(*) AS markets, coalesce(sum(d.trades), 0) AS trades FROM (
    SELECT exchange, symbol, count(*) AS trades FROM trades
    WHERE trade_ts >= current_timestamp - INTERVAL '1' DAY
    GROUP BY exchange, symbol
) AS d
"""
# Only where the exchange numbers its trades are positions trades.
_HELD = """
SELECT count(*) AS markets, coalesce(sum(held), 0) AS held, coalesce(sum(missing), 0) AS missing
FROM markets WHERE axis = 'ids' AND held > 0
"""
_OLDEST = """
SELECT max(date_diff('second', coalesce(asked_ts, TIMESTAMP '2009-01-01 00:00:00 UTC'),
    current_timestamp)) AS seconds
FROM watermarks WHERE held > 0 AND coalesce(online, 1) = 1
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """`unknown` says which could not be found, and why: they are left out, and are not 0."""

    metrics: tuple[Metric, ...]
    unknown: tuple[str, ...] = ()
    scanned: int = 0


def score(report: Report, seconds: float) -> list[Metric]:
    """What the checks add up to."""
    return [
        Metric("HealthScore", report.score, "None"),
        Metric("ChecksFailed", report.count("failed", "error")),
        Metric("ChecksWarned", report.count("warn")),
        Metric("QualitySeconds", round(seconds, 3), "Seconds"),
    ]


def figures(sql: Sql, store: Store, check: Callable[[], None]) -> Figures:
    """All that can be found. Raises Interrupted alone.

    `check` raises a SchemaHubError once there is no time left, and is asked as a listing goes on.
    """
    metrics: list[Metric] = []
    unknown: list[str] = []
    scanned = 0

    def ask(statement: str) -> Row:
        nonlocal scanned
        found = sql.query(statement)
        scanned += found.scanned or 0
        if len(found.rows) != 1:
            raise EngineError("the answer is not one row", f"it has {len(found.rows)}", "")
        return found.rows[0]

    def listed(prefix: str) -> Iterator[Entry]:
        for entry in store.list(prefix):
            check()
            yield entry

    for names, find in _FINDERS.items():
        try:
            metrics.extend(find(ask, listed))
        except Interrupted:
            raise
        except SchemaHubError as error:
            unknown.append(f"{names}: {error}")
    return Figures(tuple(metrics), tuple(unknown), scanned)


Ask = Callable[[str], Row]
List = Callable[[str], Iterator[Entry]]


def _files(ask: Ask, listed: List) -> Iterator[Metric]:
    del listed
    trades, size = _whole(ask(_FILES))
    yield Metric("TotalTrades", trades)
    yield Metric("ParquetBytes", size, "Bytes")


def _span(ask: Ask, listed: List) -> Iterator[Metric]:
    del listed
    (minutes,) = _whole(ask(_SPAN))
    yield Metric("SpanDays", round(minutes / (24 * 60), 2), "None")


def _day(ask: Ask, listed: List) -> Iterator[Metric]:
    del listed
    markets, trades = _whole(ask(_DAY))
    yield Metric("ActiveMarkets", markets)
    yield Metric("TradesPerDay", trades)


def _held(ask: Ask, listed: List) -> Iterator[Metric]:
    del listed
    markets, held, missing = _whole(ask(_HELD))
    if markets:
        yield Metric("MissingTrades", missing)
        # Rounded down: 100 means that nothing is missing.
        share = (Decimal(100) * held / (held + missing)).quantize(Decimal("0.0001"), ROUND_FLOOR)
        yield Metric("CompletenessPercent", float(share), "Percent")


def _oldest(ask: Ask, listed: List) -> Iterator[Metric]:
    del listed
    row = ask(_OLDEST)
    if row[0] is not None:
        yield Metric("OldestMarketSeconds", max(0, *_whole(row)), "Seconds")


def _raw(ask: Ask, listed: List) -> Iterator[Metric]:
    """Glue knows nothing of raw; a listing gives the sizes of 1,000 objects a request."""
    del ask
    total = sum(entry.size for entry in listed("raw_"))
    yield Metric("RawBytes", total, "Bytes")


_FINDERS: dict[str, Callable[[Ask, List], Iterator[Metric]]] = {
    "TotalTrades, ParquetBytes": _files,
    "SpanDays": _span,
    "ActiveMarkets, TradesPerDay": _day,
    "MissingTrades, CompletenessPercent": _held,
    "OldestMarketSeconds": _oldest,
    "RawBytes": _raw,
}


def _whole(row: Sequence[object]) -> list[int]:
    """Whole numbers: an engine may sum them up as decimals; nothing to sum up is 0."""
    return [0 if value is None else int(str(value)) for value in row]
