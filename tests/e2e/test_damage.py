"""Damage to what is stored: found by verify, told, and healed by repair from what is left."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemahub.adapters.zstd import Zstd
from schemahub.sandbox import Fault, Generated, Sandbox
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, RECORDS, World, changed, unpacked

ETH = "ETH-USD"
Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Raw of three objects, and three parts of which each holds the one before; made once."""
    markets = {BTC: Generated(seed=5, trades=800), ETH: Generated(seed=5, trades=800)}
    with Sandbox(markets) as box:
        w = World(tmp_path_factory.mktemp("steps") / "lake", box)
        w.fetch(BTC, ETH)
        for step in (700, 900):
            w.box.grow(BTC, step)
            w.ok("ingest", BTC)
            w.ok("transform")
        assert (len(w.raw()), len(w.parts())) == (3, 3)
        yield w


@pytest.fixture
def w(steps: World, tmp_path: Path) -> World:
    """The same lake, to be damaged."""
    shutil.copytree(steps.lake, tmp_path / "lake")
    return World(tmp_path / "lake", steps.box)


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    place = random.Random(path.name).randrange(len(data) // 4, len(data))
    data[place] ^= 0x10
    path.write_bytes(data)


def changed_within(path: Path) -> None:
    """A price changed with a good checksum: a hand that knows zstd."""
    text = unpacked(path)
    forged = text.replace(b'"price":"', b'"price":"1', 1)
    path.write_bytes(Zstd().pack(forged))


def swapped(path: Path) -> None:
    other = next(one for one in sorted(path.parent.glob("*.*")) if one != path and one.is_file())
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)


def of_another_market(path: Path) -> None:
    (folder,) = (p for p in path.parent.parent.iterdir() if p.name.endswith(ETH))
    path.write_bytes(next(p for p in folder.iterdir() if p.suffix == path.suffix).read_bytes())


SOME: dict[str, Damage] = {
    "flipped": flipped,
    "empty": lambda path: path.write_bytes(b""),
    "gone": Path.unlink,
    "swapped": swapped,
}
EVERY: dict[str, Damage] = {
    **SOME,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "halved": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"tail"),
    "text": lambda path: path.write_text("<html>"),
    "of another market": of_another_market,
}


CASES = [
    pytest.param(damage, id=name, marks=() if name in SOME else pytest.mark.heavy)
    for name, damage in EVERY.items()
]


def assert_healed(w: World) -> None:
    w.ok("repair")
    w.assert_whole()


@pytest.mark.parametrize("damage", CASES)
def test_a_damaged_raw_object_is_found_and_fetched_again(w: World, damage: Damage) -> None:
    damage(w.raw()[1])
    found = w.certificate(code=4)
    assert found["status"] == "missing"
    w.ok("transform")  # the table has it all
    assert w.ids() == list(range(1, 2_401))
    assert_healed(w)


@pytest.mark.parametrize("damage", SOME.values(), ids=SOME)
def test_transform_sets_damaged_raw_aside_saves_the_rest_and_says_partly(
    w: World, damage: Damage
) -> None:
    shutil.rmtree(w.lake / "unified_trades")
    damage(w.raw()[1])
    said = w.run("transform")
    if damage is not EVERY["gone"]:  # nothing tells transform that it was there
        assert said.code == 3
        assert "schemahub repair" in said.err
        assert w.last_run()["exit_code"] == 3
    lost = range(1, 1_501) if damage is swapped else range(801, 1_501)
    assert w.ids() == [one for one in range(1, 2_401) if one not in lost]
    assert w.certificate(code=4)["status"] == "missing"
    if damage not in {EVERY["gone"], swapped}:  # what a spec does not read is not marked
        w.ok("run", BTC)  # marked, so that any run fetches it
        w.assert_whole()
    assert_healed(w)


def test_the_newest_object_set_aside_stays_wanted(w: World) -> None:
    shutil.rmtree(w.lake / "unified_trades")
    flipped(w.raw()[-1])
    assert w.run("transform").code == 3
    assert w.certificate(code=4)["status"] == "missing"
    assert_healed(w)


def test_the_first_object_gone_is_missing_from_the_origin_on(w: World) -> None:
    w.raw()[0].unlink()
    assert w.certificate(code=4)["status"] == "missing"
    assert_healed(w)


def test_a_price_changed_with_a_good_checksum_is_a_conflict(w: World) -> None:
    changed_within(w.raw()[1])
    found = w.certificate(code=4)
    assert found["status"] == "conflict"
    (hole,) = found["holes"]
    assert hole["span"][1] - hole["span"][0] == 1


@pytest.mark.parametrize("damage", CASES)
def test_a_damaged_part_is_found_and_made_again(w: World, damage: Damage) -> None:
    damage(w.parts()[-1])
    assert w.certificate(code=4)["status"] == "missing"
    said = w.run("query", "select sum(price) from trades where symbol = 'BTC-USD'")
    if said.code:
        assert said.code == 1
        assert "schemahub repair" in said.err
    assert_healed(w)


def test_all_parts_damaged_at_once_are_healed_by_one_repair(w: World) -> None:
    for path in w.parts():
        path.write_bytes(path.read_bytes()[:-9])
    said = w.run("repair", "--dry-run")
    assert (said.code, "nothing was written" in said.out) == (4, True)
    for path in w.parts():
        assert said.out.count(f"{path.name} would be set aside and made anew") == (
            path == w.parts()[-1]
        )
    assert_healed(w)
    before = w.files()
    w.ok("repair")
    w.ok("transform")
    assert changed(before, w.files(), RECORDS) == []


def test_raw_and_parts_damaged_at_once_are_healed_by_one_repair(w: World) -> None:
    for path in (*w.parts(), *w.raw()):
        flipped(path)
    assert_healed(w)


def test_everything_but_raw_can_be_made_again(w: World) -> None:
    for name in w.files():
        if not name.startswith("raw_") and not name.endswith("/"):
            (w.lake / name).unlink()
    w.ok("transform")
    w.assert_whole()
    w.assert_whole(ETH)


def test_all_raw_gone_is_missing_though_the_table_has_it(w: World) -> None:
    for path in w.raw():
        path.unlink()
    assert w.certificate(code=4)["status"] == "missing"
    assert_healed(w)


def test_quarantine_that_is_damaged_or_gone_is_found_and_made_again(make: Make) -> None:
    w = make(900)
    w.box.set_faults([Fault("bad_row", ids=[500], kind="missing_price")])
    assert w.run("ingest", BTC, "--full").code == 3
    w.ok("ingest", BTC)
    w.ok("transform")
    right = w.certificate(code=4)
    assert right["status"] == "quarantined"
    for damage in (EVERY["gone"], EVERY["text"], EVERY["empty"]):
        (kept,) = (w.lake / "quarantine").rglob("*.jsonl")
        damage(kept)
        assert w.certificate(code=4)["status"] == "missing"
        assert w.run("repair").code == 4
        assert w.certificate(code=4) == right


# ---------------------------------------------------------------- checkpoints


def forged(market: str, stop: int) -> bytes:
    content = {
        "schema_version": 1, "market": market, "covered": [[1, stop]], "held": [[1, stop]],
        "absent": [], "watermark": stop,
    }  # fmt: skip
    return json.dumps(content).encode()


CHECKPOINTS: dict[str, bytes | None] = {
    "gone": None,
    "empty": b"",
    "cut": b'{"schema_version":1,"mark',
    "bytes": b"\xff\xfe\x00",
    "list": b"[]",
    "number": b"7",
    "later version": b'{"schema_version":9,"market":"coinbase:BTC-USD","covered":[]}',
    "another market's": forged("coinbase:ETH-USD", 1_000_000),
    "another exchange's": forged("kraken:BTC-USD", 1_000_000),
    "without exchange": forged("BTC-USD", 1_000_000),
    "uneven": forged("coinbase:BTC-USD", 777),
    "backwards": b'{"schema_version":1,"market":"coinbase:BTC-USD","covered":[[50000,1]]}',
    "deep": b"[" * 100_000,
}


def test_a_checkpoint_is_a_cache_and_damage_to_it_is_said(w: World) -> None:
    path = w.lake / "checkpoints/coinbase/BTC-USD.json"
    for name, data in CHECKPOINTS.items():
        path.unlink()
        if data is not None:
            path.write_bytes(data)
        asked = w.box.stats().requests
        said = w.ok("ingest", BTC, ETH)
        assert w.box.stats().requests == asked + 2, name  # no market began anew
        assert ("checkpoint" in said.err) == (data is not None), name
    assert w.box.stats().rows
    w.assert_whole()


def test_a_checkpoint_of_another_lake_deceives_no_proof_and_repair_heals(make: Make) -> None:
    w = make(60_000)
    path = w.lake / "checkpoints/coinbase/BTC-USD.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(forged("coinbase:BTC-USD", 50_000))
    w.run("ingest", BTC, "--since", "30m")
    w.run("transform")
    if w.run("verify", BTC).code:
        w.ok("repair")
    assert len(w.ids()) > 1_000
    w.assert_whole(BTC, w.ids()[0])
