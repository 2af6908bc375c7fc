"""The whole job on a bucket: the same rows, proofs and exit codes as in a folder."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import pytest

import schemahub
from schemahub.core.errors import UsageError
from schemahub.sandbox import Generated, Sandbox
from tests.e2e.s3_world import S3World
from tests.e2e.world import BTC, Clock, ended, here, start
from tests.s3_proxy import Asked, Forward, Proxy, Said, nothing, refusal
from tests.s3_server import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server


class MakeS3(Protocol):
    def __call__(self, markets: Any = 1500, **keywords: Any) -> S3World: ...


@pytest.fixture
def make_s3(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeS3]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
    with ExitStack() as stack:

        def made(markets: Any = 1500, **keywords: Any) -> S3World:
            markets = {BTC: markets} if isinstance(markets, int) else markets
            sources = {name: Generated(seed=5, trades=count) for name, count in markets.items()}
            clock = Clock()
            box = stack.enter_context(Sandbox(sources, clock=clock, **keywords))
            return S3World(s3, box, tmp_path, s3.prefix(), clock)

        yield made


def test_ingest_transform_verify_query_and_a_second_run(make_s3: MakeS3) -> None:
    w = make_s3({BTC: 3_200, "ETH-USD": 900})
    w.ok("ingest", BTC, "ETH-USD", "--full")
    w.ok("transform")
    w.ok("verify")
    rows = w.ok("query", "select symbol, count(*) c from trades group by 1 order by 1", "--json")
    assert rows.json()["rows"] == [
        {"symbol": BTC, "c": 3_200},
        {"symbol": "ETH-USD", "c": 900},
    ]
    assert w.ok("status", "--json").json()["markets"][0]["watermark"] == 3_201
    for path in w.ok("files").out.splitlines():
        assert path.startswith(f"s3://{w.bucket}/unified_trades/v1/exchange=coinbase/")
    copy = w.copied()
    copy.assert_whole(BTC)
    copy.assert_whole("ETH-USD")
    before = w.objects()
    w.ok("run", BTC, "ETH-USD")
    after = w.objects()
    assert {key: after[key] for key in before} == before
    assert {key.partition("/")[0] for key in after.keys() - before.keys()} == {"runs", "quality"}


def test_damage_is_found_and_repaired(make_s3: MakeS3) -> None:
    w = make_s3(2_500)
    w.ok("ingest", BTC, "--full")
    w.ok("transform")
    raw = [key for key in w.objects() if key.endswith(".jsonl.zst")]
    parts = [key for key in w.objects() if key.startswith("unified_trades/")]
    parts = [key for key in parts if key.endswith(".parquet")]
    bars = [key for key in w.objects() if key.startswith("bars_1m/")]
    w.spoil(raw[0], b"garbage")
    assert w.run("verify").code == 4
    w.ok("repair")
    w.ok("verify")
    w.spoil(bars[0], b"garbage")
    assert w.run("verify").code == 4
    w.ok("repair")
    w.ok("verify")
    w.remove(parts[0])
    assert w.run("verify").code == 4
    w.ok("repair")
    w.copied().assert_whole()


def test_bars_are_read_from_their_files_and_computed_where_there_are_none(
    make_s3: MakeS3,
) -> None:
    w = make_s3({BTC: 2_500, "ETH-USD": 900})
    w.ok("ingest", BTC, "ETH-USD", "--full")
    w.ok("transform")
    sql = "select * from bars_1m order by symbol, bar_ts"
    from_files = w.ok("query", sql, "--output", "csv").out
    days = w.ok("bars", BTC, "--every", "1d", "--output", "csv").out
    ticks = w.ok("bars", BTC, "--ticks", "100", "--json").json()["rows"]
    assert [row["trades"] for row in ticks] == [100] * 25
    bars = [key for key in w.objects() if key.startswith("bars_1m/")]
    assert len(bars) > 1
    w.remove(bars[0])
    assert w.ok("query", sql, "--output", "csv").out == from_files
    for key in bars[1:]:
        w.remove(key)
    assert w.ok("query", sql, "--output", "csv").out == from_files
    assert w.ok("bars", BTC, "--every", "1d", "--output", "csv").out == days
    w.ok("transform")
    assert [key for key in w.objects() if key.startswith("bars_1m/")] == bars
    assert w.ok("query", sql, "--output", "csv").out == from_files


def test_a_cache_that_the_service_damaged_is_made_anew(make_s3: MakeS3) -> None:
    w = make_s3(1_200)
    w.ok("ingest", BTC, "--full")
    (key,) = [key for key in w.objects() if key.startswith("checkpoints/")]
    good = w.objects()[key]
    w.spoil(key, b"not what it was", crc32="00000000")
    said = w.ok("ingest", BTC)
    assert f"{key} is damaged and is not used" in said.err
    assert w.objects()[key] == good


def test_a_rebuild_takes_the_place_of_the_table(make_s3: MakeS3) -> None:
    w = make_s3(1_200)
    w.ok("ingest", BTC, "--full")
    w.ok("transform")
    w.ok("transform", "--rebuild")
    assert all("/v2/" in path for path in w.ok("files").out.splitlines())
    w.copied().assert_whole()


def test_the_python_api_reads_a_bucket(make_s3: MakeS3) -> None:
    w = make_s3(2_000)
    with pytest.raises(UsageError, match="no lake at s3://"):
        w.open()
    w.ok("ingest", BTC, "--full")
    w.ok("transform")
    for lake in (w.open(), schemahub.open(s3_bucket=w.bucket)):
        assert lake.trades(BTC).count() == 2_000
        assert len(lake.coverage(BTC)) == 2_000
    lake = w.open()
    truth = list(w.box.truth(BTC, 1))
    table = lake.trades(BTC).arrow()
    assert table["trade_id"].to_pylist() == [one.trade_id for one in truth]
    assert table["price"].to_pylist() == [Decimal(one.price) for one in truth]
    assert sum(batch.num_rows for batch in lake.trades(BTC).batches(300)) == 2_000
    assert lake.trades(BTC).head(3).arrow().num_rows == 3
    assert lake.verify()[0]["status"] == "proven"
    since = truth[1_000].time
    later = lake.trades(BTC, since, columns=["trade_id", "price"]).arrow()
    assert later["trade_id"].to_pylist()[-1] == 2_000
    assert repr(lake) == f"<schemahub.Lake s3://{w.bucket}>"


def test_no_word_and_no_object_holds_a_secret(make_s3: MakeS3) -> None:
    w = make_s3(300)
    told = []
    for command in (
        ("doctor", "-v"),
        ("ingest", BTC, "--full", "-v", "--debug"),
        ("transform", "-v", "--debug"),
        ("verify", "--json"),
        ("query", "select * from trades", "--json"),
        ("config", "show", "--origin"),
        ("runs", "show", "LAST"),
    ):
        said = (
            w.ok(*command) if command[0] != "config" else here([*command, "--s3-bucket", "lakes"])
        )
        told.append(said.out + said.err)
    for query in ("from duckdb_secrets()", "select current_setting('s3_secret_access_key')"):
        said = w.run("query", query)
        assert said.code == 2
        told.append(said.out + said.err)
    failed = start(["ingest", BTC, "--s3-bucket", "no-such-bucket", "--debug"])
    told += failed.communicate(timeout=60)
    assert failed.returncode == 1
    assert "there is no such bucket" in told[-1]
    assert "Traceback" in told[-1]
    told += [data.decode("latin-1") for data in w.objects().values()]
    assert not [text for text in told if SECRET_KEY in text or ACCESS_KEY in text]


# ---------------------------------------------------------------- which lake


def test_a_bucket_or_a_folder_is_said_once(
    make_s3: MakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = make_s3(100)
    said = w.run("status", "--lake", str(tmp_path))
    assert said.code == 2
    assert "exclude each other" in said.err
    monkeypatch.setenv("S3_BUCKET", w.bucket)
    assert f"there is no lake at s3://{w.bucket}" in here(["status"]).err
    # A flag goes before the environment.
    assert "no market" in here(["verify", "--lake", str(tmp_path)]).err
    told = here(["config", "show", "--origin", "--json"]).json()["settings"]
    assert told["s3_bucket"] == {"value": w.bucket, "origin": "environment S3_BUCKET"}
    assert told["aws_endpoint_url"]["origin"] == "environment AWS_ENDPOINT_URL"


def test_without_the_extra_it_says_what_to_install(
    make_s3: MakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = make_s3(100)
    for name in [name for name in sys.modules if name.startswith("schemahub.adapters.store_s3")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "boto3", None)
    said = w.run("status")
    assert said.code == 6
    assert "boto3 is not installed" in said.err
    assert "pip install 'schemahub[aws]'" in said.err


def test_the_demo_stays_out_of_the_lake(make_s3: MakeS3, s3: S3Server) -> None:
    for _ in range(2):  # each has a place of its own
        said = here(["demo", "--s3-bucket", BUCKET])
        assert said.code == 0, said.err
        assert f"s3://{BUCKET}/schemahub-demo/" in said.err
    assert s3.objects("schemahub") == {}
    assert s3.objects("schemahub-demo")


# ---------------------------------------------------------------- crashes and bad networks


def bad_network(asked: Asked, forward: Forward) -> Said:
    """Every fifth request is lost, before or after it had its effect."""
    match asked.number % 20:
        case 3:
            return nothing()
        case 7:
            return refusal(503, "SlowDown")
        case 11:
            forward(asked)
            return nothing()
        case 15:
            forward(asked)
            return refusal(500, "InternalError")
        case _:
            return forward(asked)


@pytest.mark.heavy
def test_a_bad_network_to_the_bucket_costs_time_only(
    make_s3: MakeS3, between: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = make_s3(20_000)
    monkeypatch.setenv("AWS_ENDPOINT_URL", between.url)
    between.manner = bad_network
    w.ok("ingest", BTC, "--full")
    w.ok("transform")
    w.ok("verify")
    assert len([each for each in between.asked if each.number % 20 in {3, 7, 11, 15}]) > 5
    w.copied().assert_whole()


@pytest.mark.heavy
def test_killed_runs_and_worker_processes_lose_and_repeat_nothing(make_s3: MakeS3) -> None:
    w = make_s3(40_000, latency=0.1)
    for objects in (1, 3, 5):
        process = w.start("ingest", BTC, "--full", "--quiet")
        while process.poll() is None and len(w.objects()) < objects:
            pass
        process.kill()
        process.communicate()
    assert ended(w.start("ingest", BTC, "--full", "--quiet")).code == 0
    assert ended(w.start("transform", "--workers", "2")).code == 0
    w.copied().assert_whole()


@pytest.mark.parametrize("command", [("status",), ("verify",), ("ingest", BTC), ("transform",)])
def test_a_service_that_never_answers_is_not_waited_for_after_a_signal(
    monkeypatch: pytest.MonkeyPatch, credentials: None, command: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{mute.getsockname()[1]}")
        process = start([*command, "--s3-bucket", BUCKET])
        mute.settimeout(60)
        connection, _ = mute.accept()  # it has asked, and is waiting
        with connection:
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=12)  # it would try for two minutes
    assert process.returncode == 143, err
    assert "error SH-INTERRUPTED" in err
