"""The history of a lake: what runs did, what the last quality report says, what is stored.

Each table is gathered on its own, so that who asks for one does not wait for a listing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from schemahub.core.errors import ObjectCorrupt
from schemahub.core.facts import Fact, Value
from schemahub.core.history import HISTORY
from schemahub.core.layout import BARS, TABLE, Market, bars_key, market_of, part_key
from schemahub.pipelines.lake import Lake, Specs
from schemahub.pipelines.quality import last_report
from schemahub.pipelines.records import Records, instant, request_rows, step_rows
from schemahub.ports import Clock

Row = tuple[Value, ...]
_LAYERS = {
    TABLE.rstrip("/"): "table",
    BARS.rstrip("/"): "bars",
    "quarantine": "quarantine",
    "iceberg": "iceberg",
}


@dataclass
class _Stored:
    objects: int = 0
    bytes: int = 0
    superseded: int = 0
    superseded_bytes: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """The pipeline with what it needs of the world. Reads only."""

    lake: Lake
    specs: Specs
    clock: Clock
    records: Records | None = None

    def gather(self, names: Collection[str] = tuple(HISTORY)) -> list[Fact]:
        """The tables of these names. Raises StoreError."""
        makers: Mapping[str, Callable[[], Iterator[Row]]] = {
            "steps": self._steps,
            "requests": self._requests,
            "storage": self._storage,
            "scores": self._scores,
            "checks": self._checks,
        }
        return [
            Fact(name, columns, tuple(makers[name]()))
            for name, columns in HISTORY.items()
            if name in names
        ]

    def _latest(self) -> list[dict[str, Any]]:
        return (self.records or Records(self.lake.store, self.clock)).latest()

    def _steps(self) -> Iterator[Row]:
        for record in self._latest():
            yield from step_rows(record)

    def _requests(self) -> Iterator[Row]:
        for record in self._latest():
            yield from request_rows(record, self.specs)

    # ------------------------------------------------------------ storage

    def _storage(self) -> Iterator[Row]:
        """From one listing of everything, and which parts are live."""
        live: set[str] = set()
        for market, slices in self.lake.all_slices(self.lake.table_markets()):
            parts = [part_key(piece.version, market, piece.part) for piece in slices]
            live |= {*parts, *map(bars_key, parts)}
        found: dict[tuple[str, str | None, datetime], _Stored] = {}
        for entry in self.lake.store.list(""):
            day = datetime.combine(entry.created_at.astimezone(UTC).date(), time(), UTC)
            layer, market_named = _place(entry.key)
            own = found.setdefault((layer, market_named, day), _Stored())
            own.objects += 1
            own.bytes += entry.size
            if layer in {"table", "bars"} and entry.key.endswith(".parquet"):
                old = entry.key not in live
                own.superseded += old
                own.superseded_bytes += old * entry.size
        for (layer, name, day), own in sorted(found.items(), key=lambda one: str(one[0])):
            yield layer, name, day, own.objects, own.bytes, own.superseded, own.superseded_bytes

    # ------------------------------------------------------------ quality

    def _report(self) -> Mapping[str, Any]:
        """The latest; nothing if there is none that can be read: the next one replaces it."""
        try:
            return last_report(self.lake.store) or {}
        except ObjectCorrupt:
            return {}

    def _scores(self) -> Iterator[Row]:
        report = self._report()
        begin = (str(report.get("run_id")), instant(report.get("at")))
        overall = _number(report.get("score"))
        if overall is not None:
            yield (*begin, None, overall)
        for one in _objects(report.get("markets")):
            score = _number(one.get("score"))
            if score is not None:
                yield (*begin, str(one.get("market")), score)

    def _checks(self) -> Iterator[Row]:
        report = self._report()
        begin = (str(report.get("run_id")), instant(report.get("at")))
        for one in _objects(report.get("checks")):
            error, found = one.get("error"), one.get("found")
            yield (
                *begin,
                *(str(one.get(name)) for name in ("check", "about", "severity", "status")),
                found if type(found) is int else None,
                json.dumps(one.get("columns")),
                json.dumps(one.get("samples"), ensure_ascii=False),
                f"{error.get('what')}: {error.get('why')}" if isinstance(error, dict) else None,
            )


def _place(key: str) -> tuple[str, str | None]:
    """The layer and the market that a key is of."""
    top, *inner = key.split("/")
    if top.startswith("raw_") and top.endswith("_trades") and len(inner) > 1:
        return "raw", _named(top[len("raw_") : -len("_trades")], inner[0])
    layer = _LAYERS.get(top, "other")
    if layer in {"table", "bars"} and len(inner) > 3:  # noqa: PLR2004  (version, exchange, symbol, name)
        return layer, _named(inner[1].removeprefix("exchange="), inner[2].removeprefix("symbol="))
    if layer == "quarantine" and len(inner) > 2:  # noqa: PLR2004  (exchange, symbol, name)
        return layer, _named(inner[0], inner[1])
    return layer, None


def _named(exchange: str, folder: str) -> str | None:
    market: Market | None = market_of(exchange, folder)
    return None if market is None else str(market)


def _objects(value: object) -> Sequence[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else ()


def _number(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value)) if type(value) in {int, float} else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None
