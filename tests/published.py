"""A lake in a folder and the tables it is published as, read back by others: DuckDB, pyiceberg."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb

from schemahub.adapters.iceberg import IcebergCatalog, Place
from schemahub.adapters.parquet import ParquetTable
from schemahub.adapters.store_local import LocalStore
from schemahub.core.facts import Fact
from schemahub.core.layout import part_key
from schemahub.core.span import Span
from schemahub.pipelines.compact import Choose, Compact
from schemahub.pipelines.compact import Outcome as CompactOutcome
from schemahub.pipelines.garbage import Garbage
from schemahub.pipelines.publish import Outcome, Publish, kept
from schemahub.pipelines.transform import Transform
from schemahub.ports import NoMetrics
from schemahub.ports.catalog import BARS, TRADES
from tests.pipelines.raw_lake import RawLake, Row, part_rows


def _extension(name: str) -> Path:
    """Where a package brings an extension as a file."""
    found = find_spec(f"duckdb_extension_{name}")
    assert found is not None
    assert found.submodule_search_locations
    return next(Path(found.submodule_search_locations[0]).rglob("*.duckdb_extension"))


def duck() -> duckdb.DuckDBPyConnection:
    """One that reads Iceberg."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for name in ("avro", "iceberg"):
        connection.execute(f"LOAD '{_extension(name)}'")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


@dataclass
class HandClock:
    """ports.Clock; its time goes by hand."""

    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def sleep(self, seconds: float) -> None:
        """Nobody waits."""


@dataclass
class Shown:
    """A raw lake in `folder`, published to the SQLite file beside it."""

    folder: Path
    raw: RawLake = field(init=False)
    clock: HandClock = field(default_factory=HandClock)

    def __post_init__(self) -> None:
        self.raw = RawLake(store=LocalStore(self.folder))

    @property
    def catalog(self) -> IcebergCatalog:
        """Opened anew, as another process would."""
        return IcebergCatalog(Place("sqlite", str(self.folder), "schemahub"))

    def pipeline(self, **given: Any) -> Publish:
        return Publish(
            self.raw.lake, self.catalog, self.clock, lambda key: f"{self.folder}/{key}", **given
        )

    def publish(self, facts: Sequence[Fact] = (), **given: Any) -> dict[str, Outcome]:
        done = {one.table: one for one in self.pipeline(**given).run(lambda: facts)}
        for one in done.values():
            if one.error is not None:
                raise one.error
        return done

    def cross(self, *spans: Span) -> None:
        """Makes these parts, as torn listings can leave them."""
        pipeline = replace(self.raw.pipeline(), choose=lambda *_: list(spans))
        list(pipeline.run([self.raw.market], rebuild=False, workers=1))

    def compact(
        self, grace: timedelta = timedelta(0), asks: Callable[[], frozenset[str]] | None = None
    ) -> CompactOutcome:
        def transform(choose: Choose) -> Transform:
            return replace(self.raw.pipeline(), choose=choose)

        pipeline = Compact(
            self.raw.lake, ParquetTable(), transform, NoMetrics(), grace, kept=asks or self.kept
        )
        (outcome,) = pipeline.run([self.raw.market], workers=1)
        return outcome

    def kept(self) -> frozenset[str]:
        return kept(self.catalog)

    def garbage(self) -> Garbage:
        return Garbage(self.raw.lake, ParquetTable(), NoMetrics(), timedelta(0), kept=self.kept)

    # ------------------------------------------------------------ what it shows

    def table(self, name: str = TRADES) -> Any:
        """pyiceberg's own."""
        return self.catalog._catalog.load_table(("schemahub", name))

    def names(self, name: str = TRADES) -> set[str]:
        table = self.catalog.open(BARS if name == BARS else TRADES, create=False)
        assert table is not None
        return {str(Path(one).relative_to(self.folder)) for one in table.files}

    def scanned(self, name: str = TRADES) -> list[dict[str, Any]]:
        """Every row, by pyiceberg."""
        rows: list[dict[str, Any]] = self.table(name).scan().to_arrow().to_pylist()
        return rows

    def queried(self, sql: str, name: str = TRADES) -> list[tuple[Any, ...]]:
        """By DuckDB's own reading of Iceberg; the table is `it`."""
        with reading(self.table(name).metadata_location) as connection:
            found: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
        return found

    def rows(self) -> list[Row]:
        """Of the published table, without ingest_ts, by id."""
        columns = "exchange, symbol, trade_id, side, price, quantity, trade_ts"
        found = self.queried(f"SELECT {columns} FROM it ORDER BY trade_id")
        return [(*row[:6], row[6].astimezone(UTC)) for row in found]

    def snapshots(self, name: str = TRADES) -> list[set[str]]:
        """The data files of each snapshot, oldest first."""
        table = self.table(name)
        return [
            {row["file_path"] for row in table.inspect.files(one.snapshot_id).to_pylist()}
            for one in table.metadata.snapshots
        ]

    def live(self) -> list[Row]:
        """Of the parts that a reader reads whole."""
        rows: list[Row] = []
        for piece in self.raw.lake.slices(self.raw.market):
            if piece.whole:
                key = part_key(piece.version, self.raw.market, piece.part)
                rows += part_rows(self.raw.store.read(key))
        return sorted(rows, key=lambda row: row[2])


@contextmanager
def reading(metadata: str) -> Any:
    with duck() as connection:
        connection.execute(f"CREATE VIEW it AS SELECT * FROM iceberg_scan('{metadata}')")
        yield connection
