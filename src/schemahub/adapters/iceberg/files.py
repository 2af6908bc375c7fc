"""Data files as a table names them: from the footer of a Parquet file, nothing else of it read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    MetricModeTypes,
    MetricsMode,
    StatisticsCollector,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestContent, ManifestFile
from pyiceberg.typedef import Record

from schemahub.core.errors import CatalogError, ObjectMissing
from schemahub.ports import catalog as port

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.table import Table

T = TypeVar("T")
R = TypeVar("R")
_AT_ONCE = 16


def side_by_side(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """What waits for a store waits together."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(work, items))


def footer(io: FileIO, location: str) -> pq.FileMetaData:
    """Raises FileNotFoundError."""
    with io.new_input(location).open() as stream:
        return pq.read_metadata(stream)


def row_count(io: FileIO, location: str) -> int | None:
    try:
        return int(footer(io, location).num_rows)
    except FileNotFoundError:
        return None


def described(table: Table, files: Sequence[port.DataFile]) -> list[DataFile]:
    """The lake's files for the manifest of a table. Raises ObjectMissing, CatalogError."""

    def of(file: port.DataFile) -> DataFile:
        partition = Record(file.market.exchange, file.market.symbol)
        try:
            return described_one(table, file.location, file.size, partition)
        except FileNotFoundError as error:
            raise ObjectMissing(f"{file.location} is gone", "it was just listed") from error

    return side_by_side(of, files)


def described_one(table: Table, location: str, size: int, partition: Record) -> DataFile:
    """Raises FileNotFoundError, CatalogError if its columns are not the table's."""
    schema = table.schema()
    found = footer(table.io, location)
    names = set(found.schema.names)
    wanted = {field.name for field in schema.fields}
    if names != wanted:
        raise CatalogError(
            f"{location} cannot be published",
            f"it has not the columns of the table: {', '.join(sorted(names ^ wanted))}",
            "run `schemahub verify`; `schemahub repair` removes parts that are not ours",
        )
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=found,
        stats_columns=_plan(table, found),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=location,
        file_format=FileFormat.PARQUET,
        partition=partition,
        file_size_in_bytes=size,
        sort_order_id=None,
        spec_id=table.spec().spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


def _plan(table: Table, found: pq.FileMetaData) -> dict[int, StatisticsCollector]:
    """Which statistics the footer can give: the library warns of every one that it lacks."""
    plan = compute_statistics_plan(table.schema(), table.properties)
    told = [found.row_group(0).column(at) for at in range(found.num_columns)
            if found.num_row_groups]  # fmt: skip
    lacks = {one.path_in_schema for one in told if not one.is_stats_set}
    none = MetricsMode(MetricModeTypes.NONE)
    return {
        number: replace(one, mode=none) if one.column_name in lacks else one
        for number, one in plan.items()
    }


def current(table: Table) -> list[DataFile]:
    """The data files of the current snapshot."""
    snapshot = table.current_snapshot()
    return [] if snapshot is None else list(_entries(table.io, snapshot.manifests(table.io)))


def ever(table: Table) -> Iterator[tuple[str, str]]:
    """(`list`, `manifest` or `data`, location) of all that any snapshot of a table names."""
    manifests: dict[str, ManifestFile] = {}
    for snapshot in table.metadata.snapshots:
        yield "list", snapshot.manifest_list
        manifests |= {one.manifest_path: one for one in snapshot.manifests(table.io)}
    for path in manifests:
        yield "manifest", path
    for file in _entries(table.io, manifests.values()):
        yield "data", file.file_path


def _entries(io: FileIO, manifests: Iterable[ManifestFile]) -> Iterator[DataFile]:
    def of(manifest: ManifestFile) -> list[DataFile]:
        # Those deleted are named by other manifests, of snapshots that still held them.
        return [entry.data_file for entry in manifest.fetch_manifest_entry(io)]

    ours = [one for one in manifests if one.content == ManifestContent.DATA]
    for found in side_by_side(of, ours):
        yield from found
