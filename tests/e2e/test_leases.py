"""Runs that meet: one works, the others keep out of its way; what the dead held is free."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from schemahub.adapters.clock import Stop, SystemClock
from schemahub.adapters.leases import RenewedLeases
from schemahub.adapters.metrics import Recorder
from schemahub.core.layout import Market, job_lease, market_lease
from schemahub.sandbox import Fault
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, Said, World, changed, ended
from tests.lease_places import REGION, TABLE, Hands, elsewhere, files, got, server, until

ETH = "ETH-USD"
MARKET = market_lease(Market("coinbase", BTC))
TRANSFORM = job_lease("transform")
FULL = ("ingest", BTC, "--full", "--chunk-concurrency", "1")


def working(w: World, *command: str, requests: int = 5, ttl: int = 90) -> subprocess.Popen[str]:
    """A process at work on BTC, which asked the exchange so often and is far from the end."""
    environ = {**os.environ, "SCHEMAHUB_LEASE_TTL": str(ttl)}
    process = w.start(*(command or FULL), env=environ)
    before = w.box.stats().requests

    def at_it() -> bool:
        assert process.poll() is None, process.communicate()
        return w.box.stats().requests >= before + requests

    until(at_it)
    return process


def records(w: World) -> list[str]:
    return sorted(path.stem for path in (w.lake / "leases").rglob("*.json"))


@contextmanager
def held(w: World, *names: str) -> Iterator[None]:
    """Somebody else, who lives, has these leases."""
    w.lake.mkdir(exist_ok=True)
    leases = files(w.lake).leases("somebody:7:else", SystemClock(Stop()), ttl=3_600)
    for name in names:
        got(leases.acquire(name))
    yield
    leases.close()


# ---------------------------------------------------------------- two of the same


def test_of_two_ingests_of_one_market_one_works_and_the_other_names_it(make: Make) -> None:
    w = make(20_000, latency=0.2)
    first = working(w)
    asked = w.box.stats().by_market[BTC]
    second = w.run("ingest", BTC)
    assert second.code == 5
    assert f":{first.pid}:ingest" in second.err
    assert "locks break coinbase/BTC-USD" in second.err
    assert w.last_run()["exit_code"] == 5
    assert asked <= w.box.stats().by_market[BTC] <= asked + 15  # the first one's
    first.kill()
    ended(first)


def test_what_a_killed_run_held_the_next_one_takes_at_once(make: Make) -> None:
    w = make(9_000, latency=0.2)
    first = working(w)
    first.send_signal(signal.SIGKILL)
    first.wait()
    ended(first)
    assert records(w) == ["BTC-USD"]
    w.ok("ingest", BTC, "--full")  # one that waited or kept out would not do it
    w.ok("transform")
    w.assert_whole()
    assert records(w) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_go_although_sockets_hang(make: Make, number: signal.Signals) -> None:
    w = make(12_000)
    w.box.set_faults([Fault("slow", start=4, seconds=60)])
    first = working(w)
    assert records(w) == ["BTC-USD"]
    first.send_signal(number)
    first.wait(5.0)
    assert ended(first).code == 128 + number
    assert records(w) == []


def test_a_run_that_fails_lets_go(make: Make, hurried: None) -> None:
    w = make(900)
    w.box.set_faults([Fault("http_500")])
    assert w.run("ingest", BTC).code == 1
    assert records(w) == []


# ---------------------------------------------------------------- stopped, and awake again


@pytest.mark.heavy
def test_a_zombie_begins_nothing_and_says_so_and_the_lake_is_right(make: Make) -> None:
    w = make(20_000, latency=0.2)
    zombie = working(w, requests=6, ttl=2)
    zombie.send_signal(signal.SIGSTOP)
    time.sleep(2.5)  # its record is old by its own words: worth to be watched
    heir = w.process("ingest", BTC, "--full")
    assert heir.code == 0, heir.err
    asked = w.box.stats().requests
    zombie.send_signal(signal.SIGCONT)
    woken = ended(zombie)
    assert woken.code == 3, woken.err
    assert "the lease was lost" in woken.err
    assert w.box.stats().requests <= asked + 6  # what was under way, at most walked to its end
    w.ok("transform")
    w.assert_whole()
    assert records(w) == []


def test_a_dead_holder_of_another_host_is_watched_for_one_life(make: Make) -> None:
    w = make(900)
    w.lake.mkdir()
    board = elsewhere(w.lake, "another host")
    got(RenewedLeases(board, "dead:1:run", Hands(), Recorder(), 1.0).acquire(MARKET))
    assert board._locks  # as if the disk shared it
    w.ok("ingest", BTC, "--full")
    w.ok("transform")
    w.assert_whole()


# ---------------------------------------------------------------- some are held


def test_markets_that_are_free_are_done_and_the_rest_is_said(make: Make) -> None:
    w = make({BTC: 900, ETH: 900})
    with held(w, MARKET):
        said = w.run("ingest", BTC, ETH, "--full", "--json")
    assert said.code == 3
    states = {one["market"]: one for one in said.json()["markets"]}
    assert states["coinbase:ETH-USD"]["state"] == "complete"
    assert states["coinbase:BTC-USD"]["state"] == "held"
    assert states["coinbase:BTC-USD"]["error"]["code"] == "SH-LEASE-HELD"
    assert "somebody:7:else" in said.err
    assert w.raw(BTC) == []
    w.ok("ingest", BTC, ETH, "--full")


def test_a_market_that_failed_is_not_saved_by_one_that_is_held(make: Make) -> None:
    w = make({BTC: 900})
    with held(w, MARKET):
        assert w.run("ingest", BTC, "NO-MARKET").code == 1


def test_a_transform_keeps_out_of_anothers_way(make: Make) -> None:
    w = make(900)
    w.ok("ingest", BTC, "--full")
    with held(w, TRANSFORM):
        for more in ([], ["--rebuild"]):
            said = w.run("transform", *more)
            assert said.code == 5
            assert "somebody:7:else" in said.err
    assert w.parts() == []
    assert w.last_run()["error"]["code"] == "SH-LEASE-HELD"
    w.ok("transform")
    w.assert_whole()


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMAHUB_LEASE_TTL", "3")


@pytest.mark.usefixtures("_short")
def test_a_run_whose_transform_is_anothers_owes_its_new_trades(make: Make) -> None:
    w = make(900)
    with held(w, TRANSFORM):
        assert w.run("run", BTC).code == 3
        record = w.last_run()
        assert record["skipped"]["transform"]["code"] == "SH-LEASE-HELD"
        # Nothing new: it owes nothing, and what the other makes is not its affair.
        assert w.run("run", BTC).code == 0
        with held(w, MARKET):
            assert w.run("run", BTC).code == 5
    w.ok("run", BTC)
    assert w.last_run()["skipped"] == {}


def test_a_run_waits_for_a_transform_that_ends(make: Make) -> None:
    w = make(3_000)
    w.ok("ingest", BTC, "--full")
    with held(w, TRANSFORM):
        process = w.start("run", BTC)
        until(lambda: "BTC-USD" in records(w))
        until(lambda: records(w) == ["transform"])
        time.sleep(0.5)
        assert process.poll() is None
    assert ended(process).code == 0
    w.assert_whole()


def test_a_repair_sets_nothing_aside_where_another_is_at_work(make: Make) -> None:
    w = make(3_000)
    w.fetch()
    damaged = w.raw()[0]
    damaged.write_bytes(damaged.read_bytes()[:-40])
    before = w.files()
    with held(w, MARKET):
        said = w.run("repair", BTC)
    assert said.code == 5
    assert changed(before, w.files(), but=("runs/", "leases/")) == []
    w.ok("repair", BTC)
    w.assert_whole()


def test_who_only_looks_needs_no_lease_and_leaves_none(make: Make) -> None:
    w = make(900)
    w.fetch()
    before = w.files()
    for command in (
        ("ingest", BTC, "--dry-run"), ("transform", "--dry-run"), ("repair", "--dry-run"),
        ("verify",), ("status",), ("files",), ("query", "select count(*) from trades"),
        ("locks", "list"),
    ):  # fmt: skip
        w.ok(*command)
        assert changed(before, w.files()) == [], command
    with held(w, MARKET, TRANSFORM):
        for command in (("ingest", BTC, "--dry-run"), ("transform", "--dry-run"), ("verify",)):
            w.ok(*command)


def test_without_a_place_for_leases_all_is_done_and_it_is_said_once(make: Make) -> None:
    w = make({BTC: 900, ETH: 900})
    w.lake.mkdir()
    (w.lake / "leases").write_text("in the way")
    said = w.ok("ingest", BTC, ETH, "--full")
    assert said.err.count("goes on without a lease") == 1
    w.ok("transform")
    w.assert_whole()


# ---------------------------------------------------------------- `schemahub locks`


def test_locks_are_listed_and_broken(make: Make) -> None:
    w = make(20_000, latency=0.2)
    first = working(w)
    assert f":{first.pid}:ingest" in w.ok("locks", "list").out
    (lock,) = w.ok("locks", "list", "--json").json()["locks"]
    assert (lock["name"], lock["generation"], lock["stale"]) == (MARKET, 1, False)
    at_work = w.ok("status", "--json").json()["markets"][0]["at_work"]
    assert at_work == lock["owner"]
    assert at_work in w.ok("status").err

    unknown = w.run("locks", "break", MARKET, "coinbase/NO-MARKET")
    assert unknown.code == 2
    assert records(w) == ["BTC-USD"]
    said = w.ok("locks", "break", MARKET)
    assert "seems to live" in said.err
    assert records(w) == []
    w.ok("ingest", BTC, "--full")  # beside the first one, which is right too
    first.send_signal(signal.SIGTERM)
    ended(first)
    w.ok("transform")
    w.assert_whole()


def test_all_locks_may_be_broken_and_none_is_no_mistake_then(make: Make) -> None:
    w = make(900)
    with held(w, MARKET, TRANSFORM):
        assert w.run("locks", "break").code == 2
        w.ok("locks", "break", "--all")
        assert w.ok("locks", "list", "--json").json()["locks"] == []
        w.ok("locks", "break", "--all")


def test_a_lock_that_was_silent_for_long_is_told_as_stale(make: Make) -> None:
    w = make(900)
    with held(w, MARKET):
        path = w.lake / "leases" / f"{MARKET}.json"
        said = json.loads(path.read_bytes())
        path.write_text(json.dumps(said | {"renewed_at": "2024-06-01T12:00:00Z"}))
        (lock,) = w.ok("locks", "list", "--json").json()["locks"]
        assert lock["stale"] is True
        assert "seems to live" not in w.ok("locks", "break", MARKET).err


# ---------------------------------------------------------------- DynamoDB


@pytest.fixture
def _dynamodb(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", REGION),
        ("DYNAMODB_LOCKS_TABLE", TABLE),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", server("moto"))


@pytest.mark.usefixtures("_dynamodb")
def test_leases_may_be_kept_in_dynamodb(make: Make, tmp_path: Path) -> None:
    w = make(20_000, latency=0.2)
    first = working(w)
    assert not (w.lake / "leases").exists()
    assert w.run("ingest", BTC).code == 5
    first.send_signal(signal.SIGTERM)
    assert ended(first).code == 143
    assert w.ok("locks", "list", "--json").json()["locks"] == []
    w.ok("run", BTC)
    checks = {one["check"]: one["status"] for one in w.ok("doctor", "--json").json()["checks"]}
    assert checks["leases"] == "ok"


@pytest.mark.usefixtures("_dynamodb")
def test_a_table_that_is_not_there_is_said_before_anything_is_fetched(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = make(900)
    monkeypatch.setenv("SCHEMAHUB_LOCKS_TABLE", "another-table")
    for command in (("ingest", BTC), ("transform",), ("run", BTC)):
        w.lake.mkdir(exist_ok=True)
        said = w.run(*command)
        assert said.code == 6
        assert "another-table" in said.err
    assert w.box.stats().requests == 0
    assert w.run("doctor").code == 1


@pytest.mark.usefixtures("_dynamodb")
def test_without_boto3_it_is_said_what_to_install(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "schemahub.adapters.lease_dynamodb", raising=False)
    monkeypatch.setitem(sys.modules, "boto3", None)  # importing it fails
    said = make(900).run("ingest", BTC)
    assert said.code == 6
    assert "schemahub[aws]" in said.err


@pytest.mark.usefixtures("_dynamodb")
def test_an_outage_of_dynamodb_stops_no_work(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
    w = make(900)
    said: Said = w.ok("ingest", BTC, "--full")
    assert said.err.count("goes on without a lease") == 1
    w.ok("transform")
    w.assert_whole()
