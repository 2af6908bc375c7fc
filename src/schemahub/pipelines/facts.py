"""The facts of a lake: small tables of what its names, run records and quarantine say.

Gathered from listings, some records and what stands in quarantine; no part is opened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from schemahub.core.axis import IDS, SECOND
from schemahub.core.errors import ObjectCorrupt, ObjectMissing
from schemahub.core.facts import FACTS, Fact, Value
from schemahub.core.layout import Market, PartName, answers_prefix, market_of, quarantine_prefix
from schemahub.core.ledger import Ledger
from schemahub.core.parts import Slice
from schemahub.core.quality import GapClass
from schemahub.core.span import NOTHING, Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import Rejected
from schemahub.pipelines.lake import Lake, Specs
from schemahub.pipelines.quarantine import kind
from schemahub.pipelines.records import Records, Told, instant, recorded, run_row, told
from schemahub.pipelines.seed import Seed, read_seed
from schemahub.ports import Clock

_MOST_DIGITS = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class _Market:
    """A market as its names show it."""

    market: Market
    spec: ExchangeSpec | None
    ledger: Ledger
    slices: Sequence[Slice] = ()

    @property
    def missing(self) -> Coverage:
        """Wanted, up to what is known, and neither held nor attested absent."""
        extent = self.ledger.extent
        wanted = self.ledger.wanted(extent.stop) if extent else None
        return self.ledger.work(wanted)

    @property
    def names(self) -> tuple[str, str, str]:
        return str(self.market), self.market.exchange, self.market.symbol


@dataclass
class _Refused:
    """Rows in quarantine of one market, class and kind of reason."""

    rows: int = 0
    positions: list[int] = field(default_factory=list)
    last_ts: datetime | None = None
    example: str = ""


@dataclass(frozen=True, slots=True)
class _Quarantined:
    """What stands in quarantine of a market: its facts, and positions that are no rows for it."""

    rows: tuple[Row, ...] = ()
    positions: Coverage = NOTHING


@dataclass(frozen=True, slots=True)
class Facts:
    """The pipeline with what it needs of the world. Reads only.

    `records` are those of runs; None reads them anew.
    """

    lake: Lake
    specs: Specs
    clock: Clock
    records: Records | None = None

    def gather(
        self,
        markets: Sequence[Market] | None = None,
        *,
        asked: Mapping[Market, datetime] | None = None,
    ) -> list[Fact]:
        """`markets`, `gaps`, `quarantined`, `watermarks`, `runs`, in this order; always all five.

        Of these markets, or of all that the seeds and the lake know. `asked` are markets that
        a run whose record is not stored yet has fetched to their end, and when. Raises
        StoreError, ConfigError for a damaged seed.
        """
        now = self.clock.now()
        chosen = None if markets is None else set(markets)
        seeds = {
            market: seed
            for market, seed in self._seeds().items()
            if chosen is None or market in chosen
        }
        records = (self.records or Records(self.lake.store, self.clock)).latest()
        by_market = told(records)
        known = {*self.lake.all_markets(), *recorded(by_market)}
        held = sorted(known if chosen is None else known & chosen)
        for market, at in (asked or {}).items():
            by_market.setdefault(str(market), Told()).asked_ts = at
        found = [
            _Market(market, spec, self.lake.quick_ledger(market, spec), slices)
            for market, slices in self.lake.all_slices(held)
            for spec in [self._spec(market)]
        ]
        filled = self._in_quarantine()
        refused = {
            one.market: self._quarantined(one) if one.market in filled else _Quarantined()
            for one in found
        }
        rows: dict[str, list[Row]] = {
            "markets": list(self._market_rows(seeds, found, now)),
            "gaps": [row for one in found for row in _gaps(one, refused[one.market], now)],
            "quarantined": [row for one in found for row in refused[one.market].rows],
            "watermarks": [
                _watermark(one, by_market.get(str(one.market), Told()), seeds.get(one.market))
                for one in found
            ],
            "runs": [run_row(record) for record in records],
        }
        return [Fact(name, columns, tuple(rows[name])) for name, columns in FACTS.items()]

    def market_rows(self) -> list[tuple[Market, Row]]:
        """The rows of `markets` alone, each with its market."""
        held = self.lake.all_markets()
        found = [
            _Market(one, self._spec(one), self.lake.quick_ledger(one, self._spec(one)))
            for one in held
        ]
        rows = self._market_rows(self._seeds(), found, self.clock.now())
        return [(Market(str(row[1]), str(row[2])), row) for row in rows]

    def _spec(self, market: Market) -> ExchangeSpec | None:
        return self.specs.by_name.get(market.exchange)

    def _seeds(self) -> dict[Market, Seed]:
        return {
            Market(name, seed.symbol): seed
            for name in self.specs.by_name
            for seed in read_seed(self.lake.store, name)
        }

    def _market_rows(
        self, seeds: Mapping[Market, Seed], found: Sequence[_Market], now: datetime
    ) -> Iterator[Row]:
        known = {one.market: one for one in found}
        for market in sorted({*seeds, *known}):
            one = known.get(market) or _Market(market, self._spec(market), Ledger())
            yield _market_row(one, seeds.get(market), now)

    # ------------------------------------------------------------ quarantine

    def _in_quarantine(self) -> set[Market]:
        folders = self.lake.store.folders
        named = (
            market_of(exchange, name)
            for exchange in folders("quarantine/")
            for name in folders(f"quarantine/{exchange}/")
        )
        return {market for market in named if market is not None}

    def _quarantined(self, one: _Market) -> _Quarantined:
        """What stands in quarantine of the live parts, counted by reason; each row once.

        A part that was made again from other answers has two objects there: both count.
        """
        prefix, answers = quarantine_prefix(one.market), answers_prefix(one.market)
        live = {PartName(piece.part).stem: Coverage(piece.keep) for piece in one.slices}
        rows: dict[tuple[object, ...], Rejected] = {}
        counted: dict[tuple[str, str], _Refused] = {}
        for key in self.lake.store.keys(prefix):
            if key.startswith(answers):
                _count(counted, "answer", "an answer that cannot be read", key)
                continue
            keep = live.get(key.removeprefix(prefix).partition(".")[0])
            if keep is None:
                continue
            try:
                lines = self.lake.store.read(key).decode().splitlines()
                told = [Rejected(**json.loads(line)) for line in lines]
            except ObjectMissing:
                continue  # superseded with its part since it was listed
            except (ObjectCorrupt, ValueError, TypeError):
                _count(counted, "damaged", "an object in quarantine that cannot be read", key)
                continue
            rows |= {(row.key, row.raw): row for row in told if row.position in keep}
        for row in rows.values():
            label = "void" if row.voids else "conflict" if row.conflicts else "refused"
            _count(counted, label, kind(row.reason), row.raw[:500], row)
        places = (row.position for row in rows.values() if not row.in_table)
        return _Quarantined(
            tuple(_refusals(one, counted)), Coverage.of(Span(at, at + 1) for at in places)
        )


def _refusals(one: _Market, counted: Mapping[tuple[str, str], _Refused]) -> Iterator[Row]:
    for (label, reason), group in sorted(counted.items()):
        first, last = min(group.positions, default=None), max(group.positions, default=None)
        yield (*one.names, label, reason, group.rows, first, last, group.last_ts, group.example)


def _market_row(one: _Market, seed: Seed | None, now: datetime) -> Row:
    ledger = one.ledger
    return (
        *one.names,
        seed.native if seed else None,
        seed.status if seed else None,
        _decimal(seed.price_increment if seed else None),
        _decimal(seed.quantity_increment if seed else None),
        ledger.held.start if ledger.held else None,
        ledger.watermark,
        len(ledger.held),
        len(one.missing),
        now,
        (one.spec.line if one.spec else IDS).kind,
    )


def _gaps(one: _Market, refused: _Quarantined, now: datetime) -> Iterator[Row]:
    """What is missing, attested absent or refused, a row a span and class."""
    line = one.spec.line if one.spec else IDS
    ledger = one.ledger
    gone = NOTHING
    if one.spec is not None and one.spec.reach is not None and line.timed:
        shown = int((now - one.spec.reach - _EPOCH).total_seconds()) * SECOND
        gone = Coverage((Span(0, shown),)) if shown > 0 else NOTHING
    seen = Coverage.of(name.span for name in ledger.seen) if line.dense else NOTHING
    missing = one.missing
    absent = ledger.absent if line.dense else Coverage.of(name.span for name in ledger.attested)
    classes: tuple[tuple[GapClass, Coverage], ...] = (
        ("not_fetched", missing - seen - gone),
        ("unattested", missing - (missing - seen) - gone),
        ("gone", missing - (missing - gone)),
        ("absent_at_source", absent),
        ("quarantined", refused.positions if line.dense else NOTHING),
    )
    for name, spans in classes:
        for span in spans:
            moments = (_moment(span.start), _moment(span.stop)) if line.timed else (None, None)
            yield (*one.names, line.kind, name, span.start, span.stop, len(span), *moments)


def _watermark(one: _Market, told: Told, seed: Seed | None) -> Row:
    ledger = one.ledger
    shown = Coverage.of(kept for piece in one.slices for kept in piece.keep)
    return (
        *one.names,
        (one.spec.line if one.spec else IDS).kind,
        ledger.lowest_origin,
        ledger.watermark,
        told.watermark,
        told.run_id,
        told.asked_ts,
        None if seed is None else int(seed.online),
        len(ledger.held),
        len(one.missing),
        len(ledger.absent),
        len(shown),
        len(one.slices),
        ledger.object_count,
    )


def _count(
    counted: dict[tuple[str, str], _Refused],
    label: str,
    reason: str,
    example: str,
    row: Rejected | None = None,
) -> None:
    group = counted.setdefault((label, reason), _Refused())
    group.rows += 1
    group.example = group.example or example
    if row is None:
        return
    group.positions.append(row.position)
    at = instant(row.at)
    if at is not None:
        group.last_ts = at if group.last_ts is None else max(group.last_ts, at)


def _moment(microseconds: int) -> datetime | None:
    """None beyond the year 9999, which a name can say."""
    with suppress(OverflowError, ValueError):
        return datetime.fromtimestamp(microseconds // SECOND, UTC)
    return None


def _decimal(text: str | None) -> Decimal | None:
    """An increment as the exchange tells it; None if it is no number, or none for the table."""
    try:
        number = None if text is None or len(text) > _MOST_DIGITS else Decimal(text)
    except InvalidOperation:
        return None
    if number is None or not number.is_finite():
        return None
    # 26 digits before the point and 12 after it, as decimal(38,12) has.
    _, digits, exponent = number.as_tuple()
    fits = int(exponent) >= -12 and len(digits) + int(exponent) <= 26  # noqa: PLR2004
    return number if fits else None
