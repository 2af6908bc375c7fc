"""One process's worth of the product: which adapter stands behind which port."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import schemahub
from schemahub.adapters.clock import Stop, SystemClock
from schemahub.adapters.dice import jitter, token
from schemahub.adapters.lease_file import LeaseFiles
from schemahub.adapters.leases import Board, RenewedLeases
from schemahub.adapters.metrics import Labelled, Recorder
from schemahub.adapters.scans import scan
from schemahub.adapters.specs import SpecFiles
from schemahub.adapters.store_local import LocalStore
from schemahub.adapters.tasks import GRACE, Processes, Threads
from schemahub.adapters.zstd import Zstd
from schemahub.app.own_specs import spec_files
from schemahub.core.axis import IDS, Axis
from schemahub.core.errors import ConfigError, StoreError, UsageError
from schemahub.core.gate import Gate
from schemahub.core.layout import Market, spelt
from schemahub.core.settings import Settings
from schemahub.core.spec import ExchangeSpec
from schemahub.pipelines.compact import Choose, Compact
from schemahub.pipelines.garbage import Garbage
from schemahub.pipelines.ingest import Ingest
from schemahub.pipelines.job import Job
from schemahub.pipelines.lake import Lake, Specs
from schemahub.pipelines.probe import probe
from schemahub.pipelines.quarantine import Quarantine, Replay
from schemahub.pipelines.repair import Repair
from schemahub.pipelines.seed import read_seed
from schemahub.pipelines.source import Source
from schemahub.pipelines.transform import Transform
from schemahub.pipelines.verify import Verify
from schemahub.ports import Leases, NoLeases, NoMetrics, Table

if TYPE_CHECKING:
    from schemahub.adapters.store_s3 import S3Store
    from schemahub.app.backend import LakeBackend
    from schemahub.pipelines.build import Builder
    from schemahub.pipelines.compare import Comparer


@dataclass
class App:
    """One process's worth of the product. Nothing is opened before it is used."""

    settings: Settings
    stop: Stop = field(default_factory=Stop)
    metrics: Recorder = field(default_factory=Recorder)
    command: str = "python"  # as the owner of leases says it

    def __post_init__(self) -> None:
        self._sources: dict[str, Source] = {}
        self._gates: dict[str, Gate] = {}
        self._lock = threading.Lock()

    # ------------------------------------------------------------ what everything needs

    @cached_property
    def clock(self) -> SystemClock:
        return SystemClock(self.stop)

    @cached_property
    def store(self) -> LocalStore | S3Store:
        """Raises ConfigError for a bucket if the extra `aws` is not installed."""
        if not self.settings.s3_bucket:
            return LocalStore(self.settings.lake, create_root=False)
        try:
            from schemahub.adapters.store_s3 import Place, S3Store
        except ImportError as error:
            raise ConfigError(
                f"{self.settings.place} cannot be opened",
                f"{error.name} is not installed: it is an optional extra",
                "pip install 'schemahub[aws]'",
            ) from None
        own = self.settings
        place = Place(*own.bucket_and_prefix, own.aws_region, own.aws_endpoint_url)
        # Once the process is asked to stop nothing waits any more.
        return S3Store(place, pause=self.stop.wait)

    @cached_property
    def lake(self) -> Lake:
        return Lake(self.store, Zstd(), self.metrics)

    @cached_property
    def spec_files(self) -> SpecFiles:
        return spec_files(self.settings)

    @cached_property
    def specs(self) -> Specs:
        return Specs(self.spec_files)

    @cached_property
    def run_id(self) -> str:
        """Sorts by time, to the microsecond; two runs of one moment differ in the rest."""
        return f"{self.clock.now():%Y%m%dT%H%M%S%fZ}{token(2)}"

    @cached_property
    def threads(self) -> Threads:
        return Threads(self.stop)

    @cached_property
    def leases(self) -> Leases:
        """In the folder of the lake, or in DynamoDB; a bucket alone keeps none.

        Raises ConfigError if they are to be kept where they cannot be.
        """
        if not self.settings.locks_table:
            # No lease makes a write right: without one, runs at once only do some work twice.
            local = isinstance(self.store, LocalStore)
            return self._leases(LeaseFiles(self.store)) if local else NoLeases()
        try:
            from schemahub.adapters.lease_dynamodb import LeaseItems
        except ImportError as error:
            raise ConfigError(
                "leases in DynamoDB need boto3",
                f"locks_table names one, and {error}",
                "pip install 'schemahub[aws]', or unset locks_table",
            ) from error
        own = self.settings
        # A folder of the same name on another machine is another lake.
        here = f"{socket.gethostname()}:{Path(own.lake).absolute()}"
        lake = own.place if own.s3_bucket else here
        items = LeaseItems(
            own.locks_table,
            lake,
            own.aws_region or None,
            os.environ.get("AWS_ENDPOINT_URL_DYNAMODB") or os.environ.get("AWS_ENDPOINT_URL"),
        )
        leases = self._leases(items)
        try:
            items.check()
        except StoreError as error:
            leases.unavailable(error)
        return leases

    def _leases(self, board: Board) -> RenewedLeases:
        owner = f"{socket.gethostname()}:{os.getpid()}:{self.command}"
        ttl = float(self.settings.lease_ttl)
        return RenewedLeases(board, owner, self.clock, self.metrics, ttl)

    def release(self) -> None:
        """Lets go of every lease that is still held: before the process ends."""
        if isinstance(kept := vars(self).get("leases"), RenewedLeases):
            kept.close()

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
        """Raises UsageError if there is no lake to read; StoreError if a bucket cannot be."""
        if not self.lake_exists():
            raise UsageError(
                f"there is no lake at {self.settings.place}",
                "nothing is stored there"
                if self.settings.s3_bucket
                else "the folder does not exist, or may not be looked at",
                "`schemahub ingest` makes it; --lake DIR or --s3-bucket B names another",
            )

    def lake_exists(self) -> bool:
        """Whether there is a folder, or anything in the bucket under the prefix.

        A folder that cannot be looked at is none.
        """
        if self.settings.s3_bucket:
            return any(True for _ in self.store.folders(""))
        try:
            return Path(self.settings.lake).is_dir()
        except OSError:
            return False

    # ------------------------------------------------------------ exchanges

    def exchange(self, name: str) -> Source:
        """The exchange, with one gate for the whole process."""
        return self._source(name, name)

    def source(self, market: Market) -> Source:
        """The exchange of a market, with one gate for all that its limit counts together."""
        own = self.specs.of(market.exchange).limits.scope == "market"
        return self._source(market.exchange, str(market) if own else market.exchange)

    def _source(self, exchange: str, counted: str) -> Source:
        with self._lock:
            if counted not in self._sources:
                self._sources[counted] = self._open(exchange, counted)
            return self._sources[counted]

    def line(self, market: Market) -> Axis:
        """The axis of a market; without a spec that of ids."""
        spec = self.specs.by_name.get(market.exchange)
        return IDS if spec is None else spec.line

    def gates(self) -> dict[str, Gate]:
        """The gates that were needed so far, of exchanges or of markets."""
        with self._lock:
            return dict(self._gates)

    def _open(self, exchange: str, counted: str) -> Source:
        spec = self.specs.of(exchange)
        urls = dict(self.settings.base_urls)
        for name in urls.keys() - self.specs.by_name.keys():
            self.specs.of(name)
        return self.connect(spec, urls.get(exchange, spec.base_url), counted)

    def connect(self, spec: ExchangeSpec, base_url: str, counted: str = "") -> Source:
        """The exchange of a spec from anywhere, at this URL. Raises ConfigError for a bad one.

        `counted` names what its limit counts together, if that is not the exchange.
        """
        from schemahub.adapters.http import HttpClient

        gate = Gate.of(spec.limits.rate, spec.limits.burst, self.settings.share)
        self._gates[counted or spec.exchange] = gate
        client = HttpClient(
            base_url,
            title=spec.title,
            gate=gate,
            clock=self.clock,
            metrics=Labelled(self.metrics, spec.exchange),
            rng=jitter(),
            user_agent=f"schemahub/{schemahub.__version__}",
            statuses=spec.statuses,
            penalty=spec.limits.penalty,
            pool_size=self.settings.workers * self.settings.requests_at_once + 1,
        )
        return Source(spec, client, scan(spec))

    def market(self, text: str, exchange: str | None = None) -> Market:
        """See `layout.spelt`; without an exchange it is the default one. Raises UsageError."""
        name, symbol = spelt(text)
        name = name if name is not None else exchange or self.settings.exchange
        self.specs.of(name)
        if "-" not in symbol.strip("-"):
            raise UsageError(
                f"{text!r} is not a market",
                "a market is BASE-QUOTE, as BTC-USD, or EXCHANGE:BASE-QUOTE",
                "see `schemahub update-seed --dry-run` for those that the exchange lists",
            )
        return Market(name, symbol)

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
            self.leases,
        )

    def transform(self) -> Transform:
        return Transform(
            self.lake,
            self._builder,
            self.specs,
            Processes(self.stop),
            self.metrics,
            leases=self.leases,
        )

    def compact(self, grace: timedelta) -> Compact:
        def transform(choose: Choose) -> Transform:
            return replace(self.transform(), choose=choose)

        return Compact(
            self.lake,
            self.table(),
            transform,
            self.metrics,
            grace,
            self.leases,
            self.stop.check,
            self._published,
        )

    def garbage(self, grace: timedelta) -> Garbage:
        return Garbage(self.lake, self.table(), self.metrics, grace, self._published)

    def _published(self) -> frozenset[str]:
        from schemahub.app import publishing

        return publishing.needed(self)

    def _builder(self) -> Builder:
        from schemahub.adapters.parquet import ArrowMapper, ParquetTable
        from schemahub.pipelines.build import Builder, RawRows

        # Worker processes are sent this: it holds nothing that belongs to this one.
        lake = Lake(self.store, Zstd(), NoMetrics())
        return Builder(lake, RawRows(lake, ArrowMapper()), ParquetTable())

    def table(self) -> Table:
        from schemahub.adapters.parquet import ParquetTable

        return ParquetTable()

    def verify(self) -> Verify:
        tasks = Processes(self.stop)
        return Verify(self.lake, self._comparer, self.table(), self.specs, tasks, self.metrics)

    def quarantine(self) -> Quarantine:
        return Quarantine(self.lake, self.table())

    def replay(self) -> Replay:
        from schemahub.adapters.parquet import ArrowMapper
        from schemahub.pipelines.build import RawRows

        mapper = ArrowMapper()
        return Replay(self.lake, self.quarantine(), RawRows(self.lake, mapper), mapper, self.specs)

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
            for name in self.specs.by_name
            for seed in read_seed(self.store, name)
            if seed.online
        ]

    def foreign_markets(self) -> list[Market]:
        """Markets in the lake of exchanges that have no spec here, or no valid one."""
        held = self.lake.all_markets()
        return [market for market in held if not self.specs.readable(market.exchange)]

    def stored_markets(
        self,
        texts: Sequence[str],
        exchange: str | None = None,
        also: Sequence[Market] = (),
    ) -> list[Market]:
        """The markets named, or all that the lake holds. Raises UsageError for others.

        `also` are markets that count as held.
        """
        held = sorted({*self.lake.all_markets(), *also})
        if not texts:
            known = [market for market in held if self.specs.readable(market.exchange)]
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
        from schemahub.app import backend

        return backend.LakeBackend(self)
