"""`schemahub publish` as a user meets it, in a folder and on a bucket."""

from __future__ import annotations

import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.catalog.glue import GlueCatalog

from schemahub.adapters.iceberg import IcebergCatalog, Place
from schemahub.core.facts import FACTS
from schemahub.sandbox import Generated, Sandbox
from tests.e2e.conftest import Make
from tests.e2e.s3_world import S3World
from tests.e2e.world import BTC, Clock, Said, World, changed, ended
from tests.glue_server import client, glue
from tests.published import reading
from tests.s3_server import ACCESS_KEY, REGION, SECRET_KEY, S3Server


@pytest.fixture
def fetched(make: Make) -> World:
    w = make({BTC: 3_000, "ETH-USD": 500})
    w.fetch(BTC, "ETH-USD")
    return w


def table(lake: Path, name: str = "trades") -> Any:
    catalog = IcebergCatalog(Place("sqlite", str(lake.resolve()), "schemahub"))
    return catalog._catalog.load_table(("schemahub", name))


def test_duckdb_reads_from_the_catalog_what_the_lake_shows(fetched: World) -> None:
    said = fetched.ok("publish", "--json").json()
    by_name = {one["table"]: one for one in said["tables"]}
    assert by_name["trades"]["rows"] == 3_500
    assert set(by_name) == {"trades", "bars_1m_parts"} | set(FACTS)
    with reading(table(fetched.lake).metadata_location) as connection:
        rows = connection.execute(
            "SELECT exchange, symbol, trade_id, trade_ref, side, price, quantity, trade_ts, "
            "ingest_ts FROM it ORDER BY symbol, trade_id"
        ).fetchall()
    live = [fetched.table(market).to_pylist() for market in (BTC, "ETH-USD")]
    assert len(rows) == 3_500
    assert rows == [
        (r["exchange"], r["symbol"], r["trade_id"], r["trade_ref"], r["side"],
         r["price"], r["quantity"], r["trade_ts"], r["ingest_ts"])
        for some in live for r in some
    ]  # fmt: skip


def test_verify_and_dry_run_write_nothing_and_tell(fetched: World) -> None:
    before = fetched.files()
    said = fetched.run("publish", "--verify", "--json")
    assert said.code == 4
    assert {one["status"] for one in said.json()["tables"]} == {"differs"}
    assert "nothing was written" in fetched.ok("publish", "--dry-run").out
    assert changed(before, fetched.files()) == []
    fetched.ok("publish")
    assert "trades: equal, 3,500 rows" in fetched.ok("publish", "--verify").out
    fetched.box.grow(BTC, 100)
    fetched.ok("run", BTC, "--no-quality")
    before = fetched.files()
    plan = fetched.ok("publish", "--dry-run", "--json").json()
    assert [len(one["added"]) for one in plan["tables"]] == [1, 1]
    said = fetched.run("publish", "--verify")
    assert said.code == 4
    assert "SH-PROOF" in said.err
    assert changed(before, fetched.files()) == []


def test_run_publishes_where_it_is_set(fetched: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched.ok("run", BTC, "--no-quality")
    assert not (fetched.lake / "iceberg").exists()
    fetched.ok("run", BTC, "--publish", "--no-quality")
    steps = fetched.last_run()["steps"]
    assert steps["publish"][0]["added"] == 2
    monkeypatch.setenv("SCHEMAHUB_PUBLISH", "true")
    fetched.box.grow(BTC, 100)
    fetched.ok("run", BTC, "--no-quality")
    fetched.ok("publish", "--verify")
    assert (
        "publish"
        not in (fetched.ok("run", BTC, "--no-publish", "--no-quality", "--json").json()["steps"])
    )


def test_compact_asks_the_catalog(fetched: World) -> None:
    fetched.ok("publish")
    fetched.box.grow(BTC, 100)
    fetched.ok("run", BTC, "--no-quality")
    plan = fetched.ok("compact", "--grace", "0s", "--dry-run", "--json").json()
    assert [(one["named"], one["now"]) for one in plan["superseded"]] == [(True, False)]
    said = fetched.ok("compact", "--grace", "0s")
    assert "1 of them until the snapshots that name them expire" in said.err
    assert len(fetched.parts()) == 2
    fetched.ok("publish", "--keep", "0s")
    fetched.ok("compact", "--grace", "0s")
    assert len(fetched.parts()) == 1
    fetched.ok("publish", "--verify")


def test_without_the_extra_it_says_what_to_install(
    fetched: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched.ok("publish")
    fetched.box.grow(BTC, 100)
    fetched.ok("run", BTC, "--no-quality")
    for name in [one for one in sys.modules if one.startswith("schemahub.adapters.iceberg")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyiceberg", None)
    said = fetched.run("publish")
    assert said.code == 6
    assert "pip install 'schemahub[iceberg]'" in said.err
    said = fetched.run("compact", "--grace", "0s")
    assert (said.code, len(fetched.parts())) == (3, 2)
    assert "nothing was removed" in said.err


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"SCHEMAHUB_CATALOG": "rest"}, "catalog_uri is not set"),
        ({"SCHEMAHUB_CATALOG": "hive"}, "sqlite, glue or rest"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    fetched: World, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], why: str
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    said = fetched.run("publish")
    assert said.code == 6
    assert why in said.err


def test_processes_at_once_publish_each_row_once(fetched: World) -> None:
    started = [fetched.start("publish") for _ in range(3)]
    said: list[Said] = [ended(one) for one in started]
    assert [one.code for one in said] == [0, 0, 0], [one.err for one in said]
    fetched.ok("publish", "--verify")
    ids = table(fetched.lake).scan("symbol == 'BTC-USD'").to_arrow()["trade_id"].to_pylist()
    assert sorted(ids) == list(range(1, 3_001))
    assert len(table(fetched.lake).metadata.snapshots) == 1


def test_a_folder_that_is_reached_by_two_ways_is_one_lake(fetched: World) -> None:
    fetched.ok("publish")
    other = fetched.lake.parent / "link"
    other.symlink_to(fetched.lake)
    World(other, fetched.box, fetched.clock).ok("publish", "--verify")
    moved = fetched.lake.parent / "moved"
    shutil.move(fetched.lake, moved)
    there = World(moved, fetched.box, fetched.clock)
    said = there.run("publish", "--verify")
    assert (said.code, "moved or copied" in said.err) == (4, True)
    there.ok("publish")
    there.ok("publish", "--verify")


# ---------------------------------------------------------------- on a bucket


@pytest.fixture
def bucket(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3World]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.url)
    monkeypatch.setenv("AWS_REGION", REGION)
    with ExitStack() as stack:
        clock = Clock()
        sources = {BTC: Generated(seed=5, trades=1_500)}
        box = stack.enter_context(Sandbox(sources, clock=clock))
        yield S3World(s3, box, tmp_path, s3.prefix(), clock)


def test_a_bucket_is_published_to_glue_by_two_at_once(
    bucket: S3World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with glue() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", url)
        bucket.ok("ingest", BTC, "--full")
        bucket.ok("transform")
        said = [ended(one) for one in [bucket.start("publish") for _ in range(2)]]
        assert [one.code for one in said] == [0, 0], [one.err for one in said]
        assert "equal, 1,500 rows" in bucket.ok("publish", "--verify").out
        held = client(url).get_tables(DatabaseName="schemahub")["TableList"]
        names = {one["Name"] for one in held}
        assert names == {"trades", "bars_1m_parts", "trades_float", "bars_1m", *FACTS}
        given = {"s3.endpoint": bucket.server.url, "s3.region": REGION, "glue.region": REGION}
        found = GlueCatalog("theirs", **given).load_table(("schemahub", "trades"))
        assert found.location() == f"s3://{bucket.bucket}/iceberg/schemahub/trades"
        assert sorted(found.scan().to_arrow()["trade_id"].to_pylist()) == list(range(1, 1_501))
    # Nobody knows what its snapshots name now: nothing goes.
    bucket.box.grow(BTC, 100)
    bucket.ok("run", BTC, "--no-quality")
    said_now = bucket.run("compact", "--grace", "0s")
    assert said_now.code == 3
    assert "nothing was removed" in said_now.err


@pytest.mark.filterwarnings("ignore:Deprecated in 0.8.0:DeprecationWarning")  # of its OAuth
def test_a_bucket_is_published_to_a_rest_catalog(
    bucket: S3World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This service keeps a catalog a table bucket; the lake's files stay where they are.
    tables = f"tables-{uuid.uuid4().hex[:8]}"
    # Not by boto3's own session, which keeps the keys of whoever asked first.
    boto3.session.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION).client(
        "s3tables", endpoint_url=bucket.server.url
    ).create_table_bucket(name=tables)
    monkeypatch.setenv("SCHEMAHUB_CATALOG_URI", bucket.server.iceberg)
    own = "PYICEBERG_CATALOG__SCHEMAHUB__"
    monkeypatch.setenv(f"{own}CREDENTIAL", f"{ACCESS_KEY}:{SECRET_KEY}")
    monkeypatch.setenv(f"{own}WAREHOUSE", f"s3://{tables}")
    bucket.ok("ingest", BTC, "--full")
    bucket.ok("transform")
    said = [ended(one) for one in [bucket.start("publish") for _ in range(2)]]
    assert [one.code for one in said] == [0, 0], [one.err for one in said]
    assert SECRET_KEY not in "".join(one.err + one.out for one in said)
    # pyiceberg reads its own variables when it is imported: by a process of its own.
    assert "equal, 1,500 rows" in ended(bucket.start("publish", "--verify")).out
    catalog = load_catalog(
        "schemahub", type="rest", uri=bucket.server.iceberg, warehouse=f"s3://{tables}",
        credential=f"{ACCESS_KEY}:{SECRET_KEY}",
        **{"s3.endpoint": bucket.server.url, "s3.region": REGION},
    )  # fmt: skip
    rows = catalog.load_table(("schemahub", "trades")).scan().to_arrow()
    assert sorted(rows["trade_id"].to_pylist()) == list(range(1, 1_501))


def test_files_for_snowflake_name_the_live_parts(fetched: World) -> None:
    sql = fetched.ok("files", "--format", "snowflake").out
    for path in fetched.ok("files").out.splitlines():
        assert f"'file://{Path(path).resolve()}'" in sql
    assert "MERGE INTO trades" in sql
    assert fetched.run("files", "--format", "snowflake-iceberg").code == 2
    assert fetched.run("files", "--format", "snowflake", "--json").code == 2


@pytest.mark.parametrize(
    ("pattern", "keep"),
    [("trades/metadata/*.metadata.json", 0), ("trades/metadata/*.metadata.json", 100),
     ("trades/metadata/snap-*.avro", 0), ("trades/metadata/snap-*.avro", 700),
     ("trades/metadata/*-m0.avro", 0), ("trades/metadata/*-m0.avro", 2_000)],
)  # fmt: skip
def test_metadata_that_cannot_be_read_is_told_and_made_anew(
    fetched: World, pattern: str, keep: int
) -> None:
    fetched.ok("publish")
    warehouse = fetched.lake / "iceberg"
    for path in warehouse.rglob(pattern):
        path.write_bytes(path.read_bytes()[:keep])
    for options in ([], ["--verify"]):
        said = fetched.run("publish", *options)
        assert said.code in {1, 3}, said
        assert said.err.startswith("error SH-CATALOG"), said.err
        assert "move iceberg/ of the lake away" in said.err
    said = fetched.run("compact")
    assert said.code == 3, said
    assert said.err.count(": nothing was removed: ") == 2
    assert fetched.certificate()["status"] == "proven"
    warehouse.rename(fetched.lake.parent / "away")
    fetched.ok("publish")
    fetched.ok("publish", "--verify")
