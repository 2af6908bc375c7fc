"""The composition root: reads the environment, wires ports to adapters, and nothing else."""

from __future__ import annotations

import os
import threading
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import schemahub
from schemahub.adapters import specs as spec_files
from schemahub.adapters.clock import Stop, SystemClock
from schemahub.adapters.dice import jitter, token
from schemahub.adapters.metrics import Recorder
from schemahub.adapters.store_local import LocalStore
from schemahub.adapters.tasks import GRACE, Processes, Threads
from schemahub.adapters.zstd import Zstd
from schemahub.core.errors import ConfigError, UsageError
from schemahub.core.gate import Gate
from schemahub.core.layout import Market, part_key
from schemahub.core.ledger import Ledger
from schemahub.core.settings import Origin, Settings, layer
from schemahub.core.span import Coverage
from schemahub.pipelines.ingest import Ingest
from schemahub.pipelines.job import Job
from schemahub.pipelines.lake import Lake, Specs
from schemahub.pipelines.probe import probe
from schemahub.pipelines.repair import Repair
from schemahub.pipelines.seed import Seed, read_seed
from schemahub.pipelines.source import Source
from schemahub.pipelines.transform import Transform
from schemahub.pipelines.verify import Verify
from schemahub.ports import NoMetrics

if TYPE_CHECKING:
    from schemahub.adapters.duck import FileSlice, MarketRow
    from schemahub.pipelines.build import Builder
    from schemahub.pipelines.compare import Comparer

CONFIG_FILE = "schemahub.toml"


@dataclass(frozen=True)
class Configured:
    """Settings with where each came from."""

    settings: Settings
    origins: list[Origin]
    environ: Mapping[str, str]


def configure(flags: Mapping[str, Any]) -> Configured:
    """Flags over environment over schemahub.toml over defaults. Raises ConfigError."""
    environ = dict(os.environ)
    path = Path(environ.get("SCHEMAHUB_CONFIG") or CONFIG_FILE)
    file: dict[str, Any] = {}
    try:
        with path.open("rb") as stream:
            file = tomllib.load(stream)
    except FileNotFoundError:
        if environ.get("SCHEMAHUB_CONFIG"):
            raise ConfigError(
                f"there is no {path}", "SCHEMAHUB_CONFIG names it", "correct or unset it"
            ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read", str(error), "check its rights") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML", str(error), "correct that line") from None
    settings, origins = layer(flags, environ, file, str(path))
    return Configured(settings, origins, environ)


@dataclass
class App:
    """One process's worth of the product. Nothing is opened before it is used."""

    settings: Settings
    stop: Stop = field(default_factory=Stop)
    metrics: Recorder = field(default_factory=Recorder)

    def __post_init__(self) -> None:
        self._sources: dict[str, Source] = {}
        self._gates: dict[str, Gate] = {}
        self._lock = threading.Lock()

    # ------------------------------------------------------------ what everything needs

    @cached_property
    def clock(self) -> SystemClock:
        return SystemClock(self.stop)

    @cached_property
    def store(self) -> LocalStore:
        return LocalStore(self.settings.lake, create_root=False)

    @cached_property
    def lake(self) -> Lake:
        return Lake(self.store, Zstd(), self.metrics)

    @cached_property
    def specs(self) -> Specs:
        return Specs({name: spec_files.load(path) for name, path in spec_files.installed().items()})

    @cached_property
    def run_id(self) -> str:
        """Sorts by time, to the microsecond; two runs of one moment differ in the rest."""
        return f"{self.clock.now():%Y%m%dT%H%M%S%fZ}{token(2)}"

    @cached_property
    def threads(self) -> Threads:
        return Threads(self.stop)

    def job(self, command: str, asked: dict[str, Any]) -> Job:
        """A run's record, to be filled and closed."""
        return Job(
            command, self.run_id, self.store, self.clock, self.metrics, asked, self.clock.now()
        )

    def probe(self) -> None:
        """Refuses a store that cannot hold a lake. Raises StoreError."""
        probe(self.store, self.threads, token(8))

    def open_lake(self) -> None:
        """Before the first trades go into a lake: probes its store. Raises StoreError."""
        if not self.lake.markets():
            self.probe()

    def require_lake(self) -> None:
        """Raises UsageError if there is no lake to read."""
        if not Path(self.settings.lake).is_dir():
            raise UsageError(
                f"there is no lake at {self.settings.lake}",
                "the folder does not exist",
                "`schemahub ingest` makes it; --lake DIR names another",
            )

    # ------------------------------------------------------------ exchanges

    def source(self, exchange: str) -> Source:
        """The exchange, with one gate for the whole process."""
        with self._lock:
            if exchange not in self._sources:
                self._sources[exchange] = self._open(exchange)
            return self._sources[exchange]

    def gates(self) -> dict[str, Gate]:
        """The gate of each exchange that was asked so far."""
        with self._lock:
            return dict(self._gates)

    def _open(self, exchange: str) -> Source:
        from schemahub.adapters.http import HttpClient

        spec = self.specs.of(exchange)
        urls = dict(self.settings.base_urls)
        for name in urls:
            self.specs.of(name)
        gate = Gate.of(spec.limits.rate, spec.limits.burst, self.settings.share)
        self._gates[exchange] = gate
        client = HttpClient(
            urls.get(exchange, spec.base_url),
            title=spec.title,
            gate=gate,
            clock=self.clock,
            metrics=self.metrics,
            rng=jitter(),
            user_agent=f"schemahub/{schemahub.__version__}",
            statuses=spec.statuses,
            pool_size=self.settings.workers * self.settings.requests_at_once + 1,
        )
        return Source(spec, client)

    def market(self, text: str, exchange: str | None = None) -> Market:
        """`EXCHANGE:BTC-USD`, or `BTC-USD` of the default exchange. Raises UsageError."""
        name, colon, symbol = text.partition(":")
        if not colon:
            name, symbol = exchange or self.settings.exchange, text
        self.specs.of(name)
        if "-" not in symbol.strip("-"):
            raise UsageError(
                f"{text!r} is not a market",
                "a market is BASE-QUOTE, as BTC-USD, or EXCHANGE:BASE-QUOTE",
                "see `schemahub update-seed --dry-run` for those that the exchange lists",
            )
        return Market(name, symbol.upper())

    # ------------------------------------------------------------ pipelines

    def ingest(self) -> Ingest:
        return Ingest(
            self.lake,
            Threads(self.stop, grace=GRACE + 1.5),
            self.threads,
            self.clock,
            self.metrics,
            self.run_id,
            self.settings.requests_at_once,
        )

    def transform(self) -> Transform:
        return Transform(self.lake, self._builder, self.specs, Processes(self.stop), self.metrics)

    def _builder(self) -> Builder:
        from schemahub.adapters.parquet import ArrowMapper, ParquetTable
        from schemahub.pipelines.build import Builder, RawRows

        # Worker processes are sent this: it holds nothing that belongs to this one.
        lake = Lake(self.store, Zstd(), NoMetrics())
        return Builder(lake, RawRows(lake, ArrowMapper()), ParquetTable())

    def verify(self) -> Verify:
        from schemahub.adapters.parquet import ParquetTable

        return Verify(
            self.lake,
            self._comparer,
            ParquetTable(),
            self.specs,
            Processes(self.stop),
            self.metrics,
        )

    def _comparer(self) -> Comparer:
        from schemahub.adapters.parquet import ArrowMapper, ParquetTable
        from schemahub.pipelines.build import RawRows
        from schemahub.pipelines.compare import Comparer

        # Worker processes are sent this, too.
        lake = Lake(self.store, Zstd(), NoMetrics())
        return Comparer(lake, RawRows(lake, ArrowMapper()), ParquetTable())

    def repair(self) -> Repair:
        return Repair(self.lake, self.verify(), self.ingest())

    # ------------------------------------------------------------ which markets

    def seeded(self) -> list[Market]:
        """The markets of the seeds that are online."""
        return [
            Market(name, seed.symbol)
            for name in sorted(self.specs.by_name)
            for seed in read_seed(self.store, name)
            if seed.online
        ]

    def foreign_markets(self) -> list[Market]:
        """Markets in the lake of exchanges that have no spec here."""
        held = self.lake.all_markets()
        return [market for market in held if market.exchange not in self.specs.by_name]

    def stored_markets(self, texts: Sequence[str], exchange: str | None = None) -> list[Market]:
        """The markets named, or all that the lake holds. Raises UsageError for others."""
        held = self.lake.all_markets()
        if not texts:
            known = [market for market in held if market.exchange in self.specs.by_name]
            return [market for market in known if exchange in (None, market.exchange)]
        wanted = [self.market(text, exchange) for text in texts]
        for market in wanted:
            if market not in held:
                raise UsageError(
                    f"the lake holds nothing of {market}",
                    f"it holds {', '.join(map(str, held[:5])) or 'no market'}"
                    + (f" and {len(held) - 5} more" if len(held) > 5 else ""),  # noqa: PLR2004
                    f"`schemahub ingest {market}` fetches it",
                )
        return list(dict.fromkeys(wanted))

    # ------------------------------------------------------------ for queries and the API

    def backend(self) -> LakeBackend:
        return LakeBackend(self)


@dataclass(frozen=True)
class LakeBackend:
    """What queries and the Python API ask of a lake; every call lists anew."""

    app: App

    def slices(self, market: Market | None) -> list[FileSlice]:
        from schemahub.adapters.duck import FileSlice

        lake = self.app.lake
        return [
            FileSlice(
                self.app.store.locate(part_key(piece.version, one, piece.part)),
                one,
                piece.part,
                None if piece.whole else piece.keep,
            )
            for one in ([market] if market else lake.table_markets())
            for piece in lake.slices(one)
        ]

    def market_rows(self) -> list[MarketRow]:
        """Every market of the seeds and of raw, with how far it is."""
        seeds = {
            Market(name, seed.symbol): seed
            for name in self.app.specs.by_name
            for seed in read_seed(self.app.store, name)
        }
        now = self.app.clock.now()
        held = self.app.lake.all_markets()
        return [
            self._row(market, seeds.get(market), now, held=market in held)
            for market in sorted({*seeds, *held})
        ]

    def _row(self, market: Market, seed: Seed | None, now: datetime, *, held: bool) -> MarketRow:
        from schemahub.adapters.duck import MarketRow

        ledger = self.app.lake.ledger(market) if held else Ledger()
        wanted = ledger.wanted(ledger.extent.stop) if ledger.extent else None
        return MarketRow(
            market,
            seed.native if seed else None,
            seed.status if seed else None,
            _decimal(seed.price_increment if seed else None),
            _decimal(seed.quantity_increment if seed else None),
            ledger.held.start if ledger.held else None,
            ledger.watermark,
            len(ledger.held),
            len(ledger.work(wanted)),
            now,
        )

    def coverage(self, market: Market) -> Coverage:
        return self.app.lake.ledger(market).held

    def verify(self, markets: Sequence[Market]) -> list[Mapping[str, object]]:
        pipeline = self.app.verify()
        chosen = markets or self.app.stored_markets([])
        return [pipeline.market(market).certificate.as_json() for market in chosen]

    def now(self) -> datetime:
        return self.app.clock.now()


def _decimal(text: str | None) -> Decimal | None:
    """An increment as the exchange tells it; None if it is not a number."""
    try:
        number = None if text is None else Decimal(text)
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def open_backend(path: str | Path) -> LakeBackend:
    """The lake at `path`, for the Python API; settings of schemahub.toml apply."""
    return App(configure({"lake": str(path)}).settings).backend()
