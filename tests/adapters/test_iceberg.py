"""The Iceberg catalogs: the columns of the tables, Glue and what else stands there, views."""

from __future__ import annotations

import base64
import json
import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlglot
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField

from schemahub.adapters.iceberg import IcebergCatalog, Place
from schemahub.adapters.iceberg.schemas import SCHEMAS
from schemahub.adapters.iceberg.views import VIEWS
from schemahub.adapters.parquet.bars import BARS_SCHEMA
from schemahub.adapters.parquet.schema import ARROW_SCHEMA
from schemahub.core.errors import CatalogError, ConfigError
from schemahub.core.layout import Market
from schemahub.core.span import Span
from schemahub.ports.catalog import BARS, TRADES, DataFile
from tests.duck_lake import write_part
from tests.glue_server import REGION, client, glue

if TYPE_CHECKING:
    import pyarrow as pa

BTC = Market("coinbase", "BTC-USD")


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with glue() as url:
        yield url


@pytest.fixture
def there(service: str, credentials: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty Glue."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", service)
    found = client(service)
    for database in found.get_databases()["DatabaseList"]:
        found.delete_database(Name=database["Name"])
    return found


@pytest.fixture
def catalog(there: Any, tmp_path: Path) -> IcebergCatalog:
    return IcebergCatalog(Place("glue", str(tmp_path), "trading", region=REGION))


def files(folder: Path, *spans: Span) -> list[DataFile]:
    made = [Path(write_part(folder, BTC, span).location) for span in spans]
    return [DataFile(str(path), BTC, path.stat().st_size) for path in made]


# ---------------------------------------------------------------- columns


@pytest.mark.parametrize(("kind", "ours"), [(TRADES, ARROW_SCHEMA), (BARS, BARS_SCHEMA)])
def test_a_table_has_the_columns_of_our_files(kind: Any, ours: pa.Schema) -> None:
    def told(schema: pa.Schema) -> list[tuple[str, str, bool]]:
        return [(f.name, str(f.type).removeprefix("large_"), f.nullable) for f in schema]

    assert told(schema_to_pyarrow(SCHEMAS[kind])) == told(ours)


# ---------------------------------------------------------------- Glue


def test_glue_holds_the_table(catalog: IcebergCatalog, there: Any, tmp_path: Path) -> None:
    table = catalog.open(TRADES, create=True)
    assert table is not None
    (one, two) = files(tmp_path, Span(0, 10), Span(10, 20))
    assert table.replace([], [one]) == 10
    again = catalog.open(TRADES, create=False)
    assert again is not None
    assert list(again.files) == [one.location]
    assert again.replace([one.location], [two]) == 10
    shown = there.get_table(DatabaseName="trading", Name=TRADES)["Table"]
    assert shown["Parameters"]["table_type"] == "ICEBERG"
    assert shown["StorageDescriptor"]["Location"] == f"{tmp_path}/iceberg/trading/trades"
    types = {c["Name"]: c["Type"] for c in shown["StorageDescriptor"]["Columns"]}
    assert types["price"] == "decimal(38,12)"
    assert types["symbol"] == "string"
    assert catalog.named() == {one.location, two.location}


def test_of_two_commits_from_one_state_the_second_is_none(
    catalog: IcebergCatalog, tmp_path: Path
) -> None:
    first, second = catalog.open(TRADES, create=True), catalog.open(TRADES, create=True)
    assert first is not None
    assert second is not None
    (file,) = files(tmp_path, Span(0, 10))
    assert first.replace([], [file]) == 10
    assert second.replace([], [file]) is None
    again = catalog.open(TRADES, create=False)
    assert again is not None
    assert list(again.files) == [file.location]


def test_an_empty_table_that_somebody_else_made_is_adopted(
    catalog: IcebergCatalog, tmp_path: Path
) -> None:
    # As infrastructure as code leaves it: no partitions, no properties, all columns optional.
    others = GlueCatalog("others", **{"glue.region": REGION})
    others.create_namespace("trading")
    fields = [
        NestedField(50 - number, field.name, field.field_type, required=False)
        for number, field in enumerate(SCHEMAS[TRADES].fields)
    ]
    others.create_table(
        ("trading", TRADES), Schema(*fields), location=str(tmp_path / "made" / "elsewhere"),
        properties={"format-version": "1"},
    )  # fmt: skip
    table = catalog.open(TRADES, create=True)
    assert table is not None
    assert table.replace([], files(tmp_path, Span(0, 10))) == 10
    found = others.load_table(("trading", TRADES))
    assert found.format_version == 2
    assert found.properties["commit.retry.num-retries"] == "0"
    assert [field.name for field in found.spec().fields] == ["exchange", "symbol"]
    rows = found.scan("symbol == 'BTC-USD'").to_arrow()
    assert sorted(rows["trade_id"].to_pylist()) == list(range(10))


def test_a_table_with_other_columns_is_not_ours(catalog: IcebergCatalog, tmp_path: Path) -> None:
    others = GlueCatalog("others", **{"glue.region": REGION})
    others.create_namespace("trading")
    others.create_table(
        ("trading", TRADES), Schema(NestedField(1, "price", LongType())), location=str(tmp_path)
    )
    with pytest.raises(ConfigError, match="not one that publish made") as caught:
        catalog.open(TRADES, create=True)
    assert "not ours are price long" in caught.value.why


def test_a_table_that_is_no_iceberg_table_is_not_ours(catalog: IcebergCatalog, there: Any) -> None:
    there.create_database(DatabaseInput={"Name": "trading"})
    there.create_table(DatabaseName="trading", TableInput={"Name": TRADES, "Parameters": {}})
    with pytest.raises(ConfigError, match="is no Iceberg table"):
        catalog.open(TRADES, create=True)


def test_a_catalog_that_does_not_answer_is_told(
    credentials: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", "http://127.0.0.1:9")
    with pytest.raises(CatalogError, match="trades"):
        IcebergCatalog(Place("glue", str(tmp_path), "d", region=REGION)).named()
    with pytest.raises(CatalogError, match="cannot be opened"):
        IcebergCatalog(Place("rest", str(tmp_path), "d", uri="http://127.0.0.1:9/catalog")).named()


def _publish(place: Place, folder: str, number: int, rounds: int) -> None:
    """A process that adds its own file each round, whatever the others do."""
    catalog = IcebergCatalog(place)
    for turn in range(rounds):
        start = (number * rounds + turn) * 10
        (mine,) = files(Path(folder), Span(start, start + 10))
        while True:
            table = catalog.open(TRADES, create=True)
            assert table is not None
            if mine.location in table.files:
                break
            table.replace([], [mine])


@pytest.mark.parametrize("kind", ["glue", "sqlite"])
def test_of_processes_at_once_each_file_is_named_once(
    kind: Any, there: Any, tmp_path: Path
) -> None:
    place = Place(kind, str(tmp_path), "trading", region=REGION)
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_publish, args=(place, str(tmp_path), n, 3)) for n in range(3)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert [one.exitcode for one in workers] == [0, 0, 0]
    table = IcebergCatalog(place)._catalog.load_table(("trading", TRADES))
    assert sorted(table.scan().to_arrow()["trade_id"].to_pylist()) == list(range(90))


# ---------------------------------------------------------------- views


def test_views_are_made_once_and_renewed(catalog: IcebergCatalog, there: Any) -> None:
    catalog.open(TRADES, create=True)
    assert catalog.define_views() == ["trades_float", "bars_1m"]
    view = there.get_table(DatabaseName="trading", Name="bars_1m")["Table"]
    assert view["TableType"] == "VIRTUAL_VIEW"
    packed = view["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
    said = json.loads(base64.b64decode(packed))
    assert said["schema"] == "trading"
    assert said["columns"][2] == {"name": "bar_ts", "type": "timestamp(6) with time zone"}
    old = {key: view[key] for key in ("Name", "TableType", "Parameters", "StorageDescriptor")}
    there.update_table(DatabaseName="trading", TableInput={**old, "ViewOriginalText": "old"})
    catalog.define_views()
    renewed = there.get_table(DatabaseName="trading", Name="bars_1m")["Table"]
    assert renewed["ViewOriginalText"] == view["ViewOriginalText"]


def test_a_table_in_the_place_of_a_view_is_left_alone(catalog: IcebergCatalog, there: Any) -> None:
    catalog.open(TRADES, create=True)
    there.create_table(DatabaseName="trading", TableInput={"Name": "bars_1m"})
    with pytest.raises(ConfigError, match="should be a view"):
        catalog.define_views()


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: str(view.name))
def test_a_view_is_what_athena_reads(view: Any) -> None:
    parsed = sqlglot.parse_one(view.query, dialect="athena")
    assert isinstance(parsed, sqlglot.exp.Select)
    assert [one.alias_or_name for one in parsed.selects] == [name for name, _, _ in view.columns]
