"""`schemahub compact` as a user meets it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.world import BTC, RECORDS, World, changed


@pytest.fixture
def grown(make: Make) -> World:
    w = make(3_000)
    w.fetch()
    w.box.grow(BTC, 2_000)
    w.ok("run", BTC)
    return w


def test_a_fresh_lake_has_parts_that_wait_and_a_plan_that_says_until_when(grown: World) -> None:
    before = grown.files()
    said = grown.ok("compact", "--dry-run")
    assert "not before" in said.out
    assert "nothing was written or removed" in said.out
    plan = grown.ok("compact", "--dry-run", "--json").json()
    (waiting,) = plan["superseded"]
    assert waiting["now"] is False
    assert changed(before, grown.files()) == []
    assert "1 more wait" in grown.ok("compact").err
    assert changed(before, grown.files(), RECORDS) == []


def test_what_is_replaced_goes_and_every_row_stays(grown: World) -> None:
    said = grown.ok("compact", "--grace", "0s", "--json").json()
    (market,) = said["markets"]
    assert (market["removed"], market["waiting"], market["state"]) == (1, 0, "complete")
    assert len(grown.parts()) == 1
    grown.assert_whole()
    assert grown.last_run()["steps"]["compact"][0]["freed"] > 0
    assert grown.ok("compact", "--grace", "0s", "--json").json()["markets"][0]["removed"] == 0


def test_a_day_later_it_needs_no_option(grown: World) -> None:
    for path in grown.parts():
        os.utime(path, (path.stat().st_mtime - 86_401,) * 2)
    grown.ok("compact")
    assert len(grown.parts()) == 1
    grown.assert_whole()


def test_old_versions_go_by_command_only(grown: World) -> None:
    grown.ok("transform", "--rebuild")
    grown.ok("compact", "--grace", "0s")
    assert grown.parts(version=1)
    plan = grown.ok("compact", "--old-versions", "--dry-run", "--json").json()
    assert plan["versions"][0]["stays"]
    said = grown.ok("compact", "--old-versions", "--grace", "0s")
    assert "removed v1" in said.err
    assert not (grown.lake / "unified_trades" / "v1" / "exchange=coinbase" / "PLAN").exists()
    assert grown.parts(version=1) == []
    grown.assert_whole()
    grown.box.grow(BTC, 10)
    grown.ok("run", BTC)
    grown.assert_whole()


def test_halves_of_writes_that_died_are_swept(grown: World) -> None:
    folder = grown.parts()[0].parent
    old, young = (folder / f".{digit * 24}.tmp" for digit in "ab")
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (old.stat().st_mtime - 90_000,) * 2)
    assert "1 trace(s)" in grown.ok("compact").err
    assert not old.exists()
    assert young.exists()


@pytest.mark.parametrize("grace", ["", "1", "day", "-1h", "1.5h"])
def test_a_grace_that_is_none_is_refused(grown: World, grace: str) -> None:
    assert grown.run("compact", f"--grace={grace}").code == 2


def test_without_a_lake_it_is_refused(make: Make, tmp_path: Path) -> None:
    w = make(1)
    assert w.run("compact").code == 2
    assert not w.lake.exists()


def test_a_damaged_heir_is_told_and_kept_apart(grown: World) -> None:
    heir = grown.parts()[-1]
    data = bytearray(heir.read_bytes())
    data[len(data) // 2] ^= 1
    heir.write_bytes(bytes(data))
    said = grown.run("compact", "--grace", "0s")
    assert said.code == 3
    assert heir.name in said.err
    assert len(grown.parts()) == 2
    grown.ok("repair")
    grown.ok("compact", "--grace", "0s")
    grown.assert_whole()


def test_a_version_whose_heir_is_damaged_stays_and_that_is_no_success(grown: World) -> None:
    grown.ok("transform", "--rebuild")
    heir = grown.parts(version=2)[-1]
    data = bytearray(heir.read_bytes())
    data[len(data) // 2] ^= 1
    heir.write_bytes(bytes(data))
    said = grown.run("compact", "--old-versions", "--grace", "0s")
    assert said.code == 3
    assert said.err.count(heir.name) == 1
    assert grown.parts(version=1)
    assert grown.last_run()["exit_code"] == 3
    grown.ok("repair")
    grown.ok("compact", "--old-versions", "--grace", "0s")
    grown.assert_whole()


def test_a_version_is_not_one_markets(grown: World) -> None:
    assert grown.run("compact", BTC, "--old-versions").code == 2


def test_not_even_without_a_grace_is_a_living_writers_file_swept(grown: World) -> None:
    half = grown.parts()[0].parent / f".{'c' * 24}.tmp"
    half.write_bytes(b"half")
    grown.ok("compact", "--grace", "0s")
    assert half.exists()
