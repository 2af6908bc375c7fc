"""An Iceberg catalog: SQLite beside a folder, Glue, or REST. Implements ports.catalog.Catalog."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg import exceptions as iceberg
from pyiceberg.catalog import load_catalog
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.typedef import Record

from schemahub.adapters.iceberg import files, views
from schemahub.adapters.iceberg.faults import UNDECIDED, beneath, translated
from schemahub.adapters.iceberg.schemas import (
    FORMAT,
    SCHEMAS,
    adopted,
    partitions,
    properties,
    schema_of,
)
from schemahub.core.errors import CatalogError, ConfigError, TableLost
from schemahub.core.facts import Fact
from schemahub.ports.catalog import DataFile, DataTable, Kind, Named

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile as Manifested
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

CatalogKind = Literal["sqlite", "glue", "rest"]
FOLDER = "iceberg"
DATABASE_FILE = "catalog.db"
_FACT_DIGEST = "schemahub.digest"
_WAIT = 30  # s for another process that writes to the SQLite file
_ARROW = {
    "string": pa.string(),
    "int64": pa.int64(),
    "decimal": pa.decimal128(38, 12),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Which catalog. `root` is the lake: an absolute folder, or s3://BUCKET/PREFIX.

    `uri` is where a REST catalog answers; `region` and `endpoint` are those of S3.
    """

    kind: CatalogKind
    root: str
    database: str
    uri: str = ""
    region: str = ""
    endpoint: str = ""

    @property
    def own(self) -> str:
        """Where the tables keep their own files."""
        return f"{self.root}/{FOLDER}/{self.database}"

    @property
    def sqlite(self) -> Path:
        return Path(self.root, FOLDER, DATABASE_FILE)

    def settings(self) -> dict[str, Any]:
        given: dict[str, Any] = {
            "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
            # A retry by the SDK, of a commit whose answer was lost, would be refused for its own
            # first try, and the files of a commit that did happen be deleted as those of none.
            "glue.max-retries": 0,
        }
        if self.region:
            given |= {"s3.region": self.region, "glue.region": self.region}
        if self.endpoint:
            given["s3.endpoint"] = self.endpoint
        if self.kind == "sqlite":
            given |= {"uri": f"sqlite:///{self.sqlite}?timeout={_WAIT}", "warehouse": self.own}
        elif self.kind == "rest":
            given["uri"] = self.uri
        return given


@dataclass(frozen=True)
class FilesTable:
    """Implements ports.catalog.DataTable."""

    name: str
    table: Table
    _held: Mapping[str, Manifested] = field(init=False)

    def __post_init__(self) -> None:
        with translated(f"the table {self.name} cannot be read"):
            held = {one.file_path: one for one in files.current(self.table)}
        object.__setattr__(self, "_held", held)

    @property
    def files(self) -> Mapping[str, Named]:
        return {
            path: Named(one.record_count, one.file_size_in_bytes)
            for path, one in self._held.items()
        }

    def replace(self, removed: Collection[str], added: Sequence[DataFile]) -> int | None:
        with translated(f"the table {self.name} cannot be written"):
            new = files.described(self.table, added)
            done = _replaced(self.table, [self._held[one] for one in removed], new, {})
        return sum(one.record_count for one in new) if done else None


@dataclass(frozen=True)
class IcebergCatalog:
    """Opens the catalog when it is first needed."""

    place: Place

    # ------------------------------------------------------------ tables of files

    def open(self, kind: Kind, *, create: bool) -> DataTable | None:
        schema = SCHEMAS[kind]
        if create:
            return FilesTable(kind, self._made(kind, schema, partitions(schema)))
        table = self._load(kind)
        return None if table is None else FilesTable(kind, table)

    def rows(self, locations: Collection[str]) -> Mapping[str, int | None]:
        ordered = list(locations)
        with translated("files of the lake cannot be read"):
            io = self._io
            found = files.side_by_side(lambda one: files.row_count(io, one), ordered)
        return dict(zip(ordered, found, strict=True))

    def named(self) -> AbstractSet[str]:
        found: set[str] = set()
        for kind in SCHEMAS:
            with translated(f"what the table {kind} names cannot be read"):
                table = self._load(kind)
                told = files.ever(table) if table is not None else ()
                found.update(location for what, location in told if what == "data")
        return found

    # ------------------------------------------------------------ facts

    def put(self, fact: Fact) -> bool | None:
        table = self._made(fact.name, schema_of(fact.columns), UNPARTITIONED_PARTITION_SPEC)
        with translated(f"the table {fact.name} cannot be written"):
            arrow = _arrow(fact)
            digest = _digest(arrow)
            snapshot = table.current_snapshot()
            if snapshot is not None and snapshot.summary.get(_FACT_DIGEST) == digest:
                return False
            location = f"{table.location()}/data/{uuid.uuid4()}.parquet"
            output = table.io.new_output(location)
            with output.create() as stream:
                pq.write_table(arrow, stream, compression="zstd", store_schema=False)
            new = files.described_one(table, location, len(output), Record())
            done = _replaced(table, files.current(table), [new], {_FACT_DIGEST: digest})
        return True if done else None

    def define_views(self) -> Sequence[str]:
        if self.place.kind != "glue":
            return ()
        with translated(f"the views of {self.place.database} cannot be defined"):
            return views.define(self._catalog.glue, self.place.database)

    # ------------------------------------------------------------ what is not needed any more

    def expire(self, table: str, before: datetime, keep: int) -> int:
        with translated(f"snapshots of {table} cannot be expired"):
            there = self._load(table)
            if there is None:
                return 0
            newest = sorted(there.metadata.snapshots, key=lambda one: -one.timestamp_ms)
            current = there.current_snapshot()
            old = [
                one.snapshot_id
                for one in newest[max(keep, 1) :]
                if one.timestamp_ms < before.timestamp() * 1000
                and one.snapshot_id != current.snapshot_id
            ]
            if old:
                try:
                    there.maintenance.expire_snapshots().by_ids(old).commit()
                except UNDECIDED:  # the next publish expires them
                    return 0
            return len(old)

    def needed(self, table: str) -> tuple[str, AbstractSet[str]] | None:
        with translated(f"what {table} needs cannot be read"):
            there = self._load(table)
            return None if there is None else (there.location(), set(_needed(there)))

    # ------------------------------------------------------------ the catalog itself

    @cached_property
    def _catalog(self) -> Catalog:
        kind, given = self.place.kind, self.place.settings()
        try:
            opened = _opener(kind)
        except ImportError as error:
            raise ConfigError(
                f"the Iceberg catalog {kind} cannot be opened",
                f"{error.name} is not installed: it is an optional extra",
                "pip install 'schemahub[iceberg,aws]'",
            ) from None
        with translated(f"the catalog {self.place.uri or kind} cannot be opened"):
            try:
                return opened("schemahub", **given)
            except beneath():  # two made the tables of a new SQLite file at once
                return opened("schemahub", **given)

    @property
    def _io(self) -> FileIO:
        from pyiceberg.io.pyarrow import PyArrowFileIO  # noqa: PLC0415

        given = self.place.settings().items()
        return PyArrowFileIO({key: value for key, value in given if isinstance(value, str)})

    def _load(self, name: str) -> Table | None:
        """The table; None if there is none. Asking makes nothing."""
        if self.place.kind == "sqlite" and not self.place.sqlite.exists():
            return None
        with translated(f"the catalog cannot be asked for {name}"):
            try:
                return self._here(self._catalog.load_table((self.place.database, name)))
            except (iceberg.NoSuchTableError, iceberg.NoSuchNamespaceError):
                return None
            except FileNotFoundError as error:
                raise self._lost(name, str(error)) from error
            except (iceberg.NoSuchIcebergTableError, iceberg.NoSuchPropertyException) as error:
                raise ConfigError(
                    f"{self.place.database}.{name} is there, and is no Iceberg table",
                    str(error),
                    "drop it, or set `database` to another name",
                ) from error

    def _here(self, table: Table) -> Table:
        """A SQLite catalog travels with its lake, and then still names the place it came from."""
        place = table.location()
        if self.place.kind == "sqlite" and not place.startswith(f"{self.place.root}/"):
            raise self._lost(table.name()[-1], f"it is in {place}")
        return table

    def _lost(self, name: str, why: str) -> CatalogError:
        lost = f"the table {name} of the catalog is not in this lake"
        if self.place.kind != "sqlite":
            return CatalogError(lost, why, "restore its metadata, or drop the table")
        return TableLost(lost, f"the lake was moved or copied, or its iceberg/ removed: {why}")

    def _made(self, name: str, schema: Schema, spec: PartitionSpec) -> Table:
        """The table, fit to be written; created or adopted if need be."""
        with translated(f"the table {name} cannot be made"):
            if self.place.kind == "sqlite":
                self.place.sqlite.parent.mkdir(parents=True, exist_ok=True)
            try:
                table = self._load(name)
            except TableLost:
                with suppress(iceberg.NoSuchTableError):  # another did it at the same time
                    self._catalog.drop_table((self.place.database, name))
                table = None
            if table is None:
                table = self._create(name, schema, spec)
            while True:
                try:
                    return adopted(name, table, schema, partitioned=bool(spec.fields))
                except UNDECIDED:  # somebody else just made it fit
                    table = table.refresh()

    def _create(self, name: str, schema: Schema, spec: PartitionSpec) -> Table:
        identifier = (self.place.database, name)
        namespace = (self.place.database,)
        if not self._catalog.namespace_exists(namespace):
            try:
                self._catalog.create_namespace(namespace)
            except (iceberg.NamespaceAlreadyExistsError, *beneath()):
                if not self._catalog.namespace_exists(namespace):  # and not made by another
                    raise
        try:
            return self._catalog.create_table(
                identifier,
                schema,
                # A REST catalog has a warehouse of its own, and may refuse any other place.
                location=None if self.place.kind == "rest" else f"{self.place.own}/{name}",
                partition_spec=spec,
                properties=properties(schema) | {"format-version": str(FORMAT)},
            )
        except iceberg.TableAlreadyExistsError:
            return self._catalog.load_table(identifier)


def _opener(kind: CatalogKind) -> Callable[..., Catalog]:
    if kind == "rest":
        # With what pyiceberg's own variables say: PYICEBERG_CATALOG__SCHEMAHUB__CREDENTIAL.
        return partial(load_catalog, type="rest")
    name, member = {"sqlite": ("sql", "SqlCatalog"), "glue": ("glue", "GlueCatalog")}[kind]
    found: Callable[..., Catalog] = getattr(import_module(f"pyiceberg.catalog.{name}"), member)
    return found


def _replaced(
    table: Table,
    removed: Sequence[Manifested],
    added: Sequence[Manifested],
    said: Mapping[str, str],
) -> bool:
    """One snapshot without these data files, and with those; False if it is not known to be."""
    try:
        with (
            table.transaction() as change,
            change.update_snapshot(snapshot_properties=dict(said)).overwrite() as update,
        ):
            for file in removed:
                update.delete_data_file(file)
            for file in added:
                update.append_data_file(file)
    except UNDECIDED:
        return False
    return True


def _needed(table: Table) -> Iterator[str]:
    yield table.metadata_location
    yield from (one.metadata_file for one in table.metadata.metadata_log)
    yield from (one.statistics_path for one in table.metadata.statistics)
    yield from (location for _, location in files.ever(table))


def _arrow(fact: Fact) -> pa.Table:
    fields = [pa.field(one.name, _ARROW[one.kind], one.nullable) for one in fact.columns]
    columns = list(zip(*fact.rows, strict=True)) or [()] * len(fields)
    arrays = [pa.array(each, one.type) for each, one in zip(columns, fields, strict=True)]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _digest(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()
