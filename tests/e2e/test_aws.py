"""The whole of it as on AWS: exchange, run, publish, Athena, the quality function, metrics."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from schemahub.sandbox import Generated, Sandbox
from tests.aws_world import AwsWorld, aws_world
from tests.e2e.world import BTC, Clock, ended
from tests.s3_server import BUCKET, S3Server

pytestmark = pytest.mark.heavy
TRADES = 3000


@pytest.fixture(scope="module")
def world(seaweed_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsWorld]:
    sources = {BTC: Generated(seed=5, trades=TRADES), "ETH-USD": Generated(seed=6, trades=500)}
    folder = tmp_path_factory.mktemp("aws")
    with (
        Sandbox(sources, clock=Clock()) as box,
        aws_world(seaweed_server, box, folder) as made,
    ):
        said = made.run("ingest", BTC, "ETH-USD", "--full", role="ingest")
        assert said.code == 0, said.err
        yield made


def documents(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_two_runs_at_once_publish_each_trade_once_and_quality_finds_it_whole(
    world: AwsWorld,
) -> None:
    both = [world.start("run", BTC, "ETH-USD") for _ in range(2)]
    said = [ended(one) for one in both]
    assert {one.code for one in said} <= {0, 3, 4, 5}, [one.err for one in said]
    last = world.run("run", BTC, "ETH-USD")
    assert last.code in {0, 4}, last.err
    rows = world.ask(
        "SELECT symbol, count(*) AS n, count(DISTINCT trade_id) AS ids, min(trade_id) AS first_id, "
        "max(trade_id) AS last_id FROM trades GROUP BY symbol ORDER BY symbol"
    )
    assert [(row["symbol"], row["n"], row["ids"], row["first_id"]) for row in rows] == [
        (BTC, world_count(world, BTC), world_count(world, BTC), 1),
        ("ETH-USD", world_count(world, "ETH-USD"), world_count(world, "ETH-USD"), 1),
    ]
    told = [one for one in documents(last.out) if one["event"] == "run.done"]
    assert told[0]["RunSeconds"] > 0
    assert told[0]["RunsOk"] + told[0]["RunsFailed"] == 1
    assert world.run("verify", BTC, "ETH-USD").code == 0
    assert world.run("publish", "--verify").code == 0
    assert json.loads(world.run("locks", "list", "--json").out)["locks"] == []
    assert_one_history(world)


def assert_one_history(world: AwsWorld) -> None:
    """Each snapshot follows the one before it: no commit was lost and none made beside another."""
    found = [
        json.loads(data)
        for key, data in world.objects().items()
        if "/trades/metadata/" in key and key.endswith(".metadata.json")
    ]
    snapshots = max(found, key=lambda one: one["last-sequence-number"])["snapshots"]
    ordered = sorted(snapshots, key=lambda one: one["sequence-number"])
    assert ordered
    parents = [one.get("parent-snapshot-id") for one in ordered[1:]]
    assert parents == [one["snapshot-id"] for one in ordered[:-1]]


def test_two_functions_at_once_leave_a_report_each(world: AwsWorld) -> None:
    with (
        world.quality(SCHEMAHUB_FAIL_ON="never") as one,
        world.quality(SCHEMAHUB_FAIL_ON="never") as other,
        ThreadPoolExecutor(2) as pool,
    ):
        (first, said), (second, body) = pool.map(lambda each: each.invoke({}), (one, other))
    assert (first, second) == ("ok", "ok"), (said, body)
    assert said["report"] != body["report"]
    assert {said["report"], body["report"]} <= set(world.objects())
    assert said["score"] == body["score"]


def world_count(world: AwsWorld, market: str) -> int:
    return len(world.box.truth(market, 1))


def test_the_function_reports_tells_and_ends_as_the_data_are(world: AwsWorld) -> None:
    with world.quality(SCHEMAHUB_FAIL_ON="never") as made:
        state, body = made.invoke({})
        assert state == "ok", body
        again, _ = made.invoke({})
        assert (again, made.starts) == ("ok", 1)
        (first, _) = [one for one in made.printed() if one.get("event") == "quality.done"]
    report = json.loads(world.objects()[body["report"]])
    assert (report["schema_version"], report["engine"]) == (1, "athena")
    assert report["score"] == body["score"] == first["HealthScore"]
    assert not [one for one in report["checks"] if one["status"] == "failed"]
    assert first["TotalTrades"] == world_count(world, BTC) + world_count(world, "ETH-USD")
    assert (first["MissingTrades"], first["CompletenessPercent"]) == (0, 100.0)
    raw = {key: data for key, data in world.objects().items() if key.startswith("raw_")}
    assert first["RawBytes"] == sum(map(len, raw.values()))
    assert first["ParquetBytes"] > 0
    assert first["unknown"] == []


def test_a_check_that_cannot_run_is_an_error_of_the_function(world: AwsWorld) -> None:
    world.athena.manners.fails = ("GENERIC_INTERNAL_ERROR: worker died", 1)
    try:
        with world.quality(SCHEMAHUB_FAIL_ON="never") as made:
            state, body = made.invoke({})
            (told,) = [one for one in made.printed() if one.get("event") == "quality.done"]
    finally:
        world.athena.manners.fails = None
    assert state == "error"
    assert "worker died" in body["errorMessage"]
    assert told["ChecksFailed"] > 0
    assert "MissingTrades" not in told


def test_without_time_left_the_checks_fail_and_nothing_is_left_running(world: AwsWorld) -> None:
    world.athena.manners.slow = 60
    try:
        with world.quality(timeout=22, SCHEMAHUB_FAIL_ON="never") as made:
            state, body = made.invoke({})
    finally:
        world.athena.manners.slow = 0
    assert state == "error"
    assert "time is over" in body["errorMessage"]
    assert "RUNNING" not in world.athena.states


def test_ingest_deletes_no_data(world: AwsWorld) -> None:
    deleted = {
        arn for action, arn in world.recording.needs()["ingest"] if action == "s3:DeleteObject"
    }
    lake = f"arn:aws:s3:::{BUCKET}/{world.prefix}/"
    # What it tried the bucket with, and the caches of what a listing shows.
    assert all(arn.startswith((f"{lake}probe-", f"{lake}checkpoints/")) for arn in deleted), deleted


def test_query_gives_the_same_cells_by_both_engines(world: AwsWorld) -> None:
    for form in ("csv", "json"):
        for sql in _QUERIES:
            duck = world.run("query", sql, "--output", form, role="analyst")
            there = world.run("query", sql, "--output", form, "--engine", "athena", role="analyst")
            assert (duck.code, there.code) == (0, 0), duck.err + there.err
            assert there.out == duck.out, sql
            assert "Athena read" in there.err
            assert "$" in there.err


_QUERIES = (
    "SELECT * FROM trades WHERE symbol = 'BTC-USD' AND trade_id <= 5 ORDER BY trade_id",
    "SELECT * FROM bars_1m WHERE symbol = 'ETH-USD' ORDER BY bar_ts",
    "SELECT market, held, missing, axis FROM markets ORDER BY market",
)


def test_a_signal_stops_the_statement_at_athena(world: AwsWorld) -> None:
    world.athena.manners.slow = 60
    known = len(world.athena.queries)
    try:
        process = world.start("query", "SELECT 1", "--engine", "athena", role="analyst")
        give_up = time.monotonic() + 30
        while len(world.athena.queries) == known and time.monotonic() < give_up:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert ended(process).code == 143
    finally:
        world.athena.manners.slow = 0
    assert world.athena.states[-1] == "CANCELLED"


def test_whoever_does_not_take_the_metrics_changes_nothing(world: AwsWorld) -> None:
    process = world.start("transform", role="transform")
    process.stdout.close()
    with process.stderr:
        assert process.wait(60) == 0, process.stderr.read()
