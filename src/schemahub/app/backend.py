"""What queries and the Python API ask of a lake."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemahub.adapters.checks import checks
from schemahub.adapters.store_local import LocalStore
from schemahub.app.environment import configure
from schemahub.app.wiring import App
from schemahub.core.facts import FACTS, Fact
from schemahub.core.layout import BARS, Market, bars_key, part_key, part_prefix
from schemahub.core.parts import Slice
from schemahub.core.span import Coverage, Span
from schemahub.pipelines.bars import listed
from schemahub.pipelines.facts import Facts
from schemahub.pipelines.history import History
from schemahub.pipelines.quality import Quality, Report
from schemahub.pipelines.records import Records
from schemahub.ports import Objects

if TYPE_CHECKING:
    from schemahub.adapters.duck import FileSlice, MarketRow


@dataclass(frozen=True)
class LakeBackend:
    """What queries and the Python API ask of a lake; every call lists anew."""

    app: App
    records: Records | None = None  # None: read anew at each call

    @property
    def objects(self) -> Objects | None:
        """How the engine opens the files; None: by itself."""
        store = self.app.store
        return None if isinstance(store, LocalStore) else store

    def slices(self, market: Market | None, *, bars: bool = False) -> list[FileSlice]:
        from schemahub.adapters.duck import FileSlice

        lake, locate = self.app.lake, self.app.store.locate
        found = []
        # Of all markets one listing, not one a market.
        beside = listed(lake, BARS) if bars and market is None else None
        for one, slices in lake.all_slices([market] if market else lake.table_markets()):
            timed = self._timed(one, slices)
            held = self._with_bars(one, slices, beside) if bars else set()
            found += [
                FileSlice(
                    locate(part_key(piece.version, one, piece.part)),
                    one,
                    piece.part,
                    None if piece.whole else piece.keep,
                    timed,
                    locate(bars_key(part_key(piece.version, one, piece.part)))
                    if piece in held
                    else None,
                )
                for piece in slices
            ]
        return found

    def _with_bars(
        self, market: Market, slices: Sequence[Slice], beside: Mapping[str, set[Span]] | None
    ) -> set[Slice]:
        """Those that are read whole and have bars; `beside` are the bars of all markets."""
        lake = self.app.lake
        folders = {
            version: bars_key(part_prefix(version, market))
            for version in {piece.version for piece in slices}
        }
        if beside is None:
            beside = {one: listed(lake, one).get(one, set()) for one in folders.values()}
        return {
            piece
            for piece in slices
            if piece.whole and piece.part in beside.get(folders[piece.version], ())
        }

    def _timed(self, market: Market, slices: Sequence[Slice]) -> bool:
        """Whether the market's positions are times.

        Without a spec its parts know; they are asked only where it decides which rows count.
        """
        spec = self.app.specs.by_name.get(market.exchange)
        if spec is not None:
            return spec.line.timed
        trimmed = next((piece for piece in slices if not piece.whole), None)
        if trimmed is None:
            return False
        key = part_key(trimmed.version, market, trimmed.part)
        return self.app.table().facts(self.app.store.read(key), key).axis == "time"

    def market_rows(self) -> list[MarketRow]:
        """Every market of the seeds and of raw, with how far it is."""
        from schemahub.adapters.duck import MarketRow

        rows: Sequence[tuple[Any, ...]] = [row for _, row in self.facts().market_rows()]
        return [MarketRow(Market(row[1], row[2]), *row[3:]) for row in rows]

    def facts(self) -> Facts:
        return Facts(self.app.lake, self.app.specs, self.app.clock, self.records)

    def fact_tables(self, names: Collection[str]) -> list[Fact]:
        """Those of these names, and others that cost nothing more.

        Never `markets`, which is told by `market_rows`.
        """
        facts = self.facts().gather() if FACTS.keys() & names else []
        history = History(self.app.lake, self.app.specs, self.app.clock, self.records)
        return [one for one in facts if one.name != "markets"] + history.gather(names)

    @contextmanager
    def quality(
        self, own: Path | None = None, asked: Mapping[Market, datetime] | None = None
    ) -> Iterator[Quality]:
        """The checks, with those of the folder `own`, over the lake as it is when first asked.

        `asked`: as Facts.gather has it. Raises ConfigError for a check that is none.
        """
        from schemahub.adapters.duck import Duck, DuckSql, MarketRow

        def duck() -> Duck:
            markets, *others = self.facts().gather(asked=asked)
            rows: Sequence[tuple[Any, ...]] = markets.rows
            known = [MarketRow(Market(row[1], row[2]), *row[3:]) for row in rows]
            return Duck(self.slices(None, bars=True), known, facts=others, objects=self.objects)

        with DuckSql(duck) as engine:
            yield Quality(checks(own), engine, self.app.clock)

    def judge(
        self, markets: Sequence[Market], names: Sequence[str], since: datetime | None
    ) -> Report:
        with self.quality() as quality:
            chosen = [str(market) for market in markets]
            return quality.run(self.app.run_id, markets=chosen, names=names, since=since)

    def coverage(self, market: Market) -> Coverage:
        return self.app.lake.ledger(market, self.app.line(market)).held

    def verify(self, markets: Sequence[Market]) -> list[Mapping[str, object]]:
        pipeline = self.app.verify()
        chosen = markets or self.app.stored_markets([])
        return [pipeline.market(market).certificate.as_json() for market in chosen]

    def certified(
        self, markets: Sequence[Market], since: datetime | None, until: datetime | None
    ) -> list[FileSlice]:
        from schemahub.app.proof import certified

        chosen = markets or self.app.stored_markets([])
        workers = self.app.settings.transform_workers or os.cpu_count() or 1
        return certified(self, chosen, (since, until), deep=True, workers=workers)

    def now(self) -> datetime:
        return self.app.clock.now()


def open_backend(path: str | Path | None = None, s3_bucket: str | None = None) -> LakeBackend:
    """A lake for the Python API; the other settings, of schemahub.toml and so on, apply.

    Raises UsageError if there is none.
    """
    flags = {"lake": None if path is None else str(path), "s3_bucket": s3_bucket}
    app = App(configure(flags).settings)
    app.require_lake()
    return app.backend()
