"""Damage to what is stored: found by verify, told, and healed by repair from what is left."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from schemahub.sandbox import Fault
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, World, changed, zstd

ETH = "ETH-USD"
Damage = Callable[[Path], object]


def in_steps(make: Make) -> World:
    """Raw of three objects, and three parts of which each holds the one before."""
    w = make({BTC: 800, ETH: 800})
    w.fetch(BTC, ETH)
    for step in (700, 900):
        w.box.grow(BTC, step)
        w.ok("ingest", BTC)
        w.ok("transform")
    assert (len(w.raw()), len(w.parts())) == (3, 3)
    return w


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    place = random.Random(path.name).randrange(len(data) // 4, len(data))
    data[place] ^= 0x10
    path.write_bytes(data)


def flipped_within(path: Path) -> None:
    """A price changed with a good checksum: a hand that knows zstd."""
    with zstd.open(path, "rb") as file:
        text = file.read()
    with zstd.open(path, "wb") as file:
        file.write(text.replace(b'"price":"6', b'"price":"7', 1))


def swapped(path: Path) -> None:
    other = next(one for one in sorted(path.parent.glob("*.*")) if one != path and one.is_file())
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)


def of_another_market(path: Path) -> None:
    (folder,) = (p for p in path.parent.parent.iterdir() if p.name.endswith(ETH))
    path.write_bytes(next(p for p in folder.iterdir() if p.suffix == path.suffix).read_bytes())


EVERY: dict[str, Damage] = {
    "flipped": flipped,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "halved": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"tail"),
    "text": lambda path: path.write_text("<html>"),
    "gone": Path.unlink,
    "swapped": swapped,
    "of another market": of_another_market,
}


def assert_healed(w: World) -> None:
    w.ok("repair")
    w.assert_whole(BTC)
    w.assert_whole(ETH)
    before = w.files()
    w.ok("repair")
    w.ok("run", BTC, ETH)
    assert [n for n in changed(before, w.files()) if not n.startswith(("runs/", "check"))] == []


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("damage", EVERY.values(), ids=EVERY)
def test_a_damaged_raw_object_is_found_and_fetched_again(
    make: Make, damage: Damage, which: int
) -> None:
    if which == 1 and damage is not EVERY["flipped"] and damage is not EVERY["gone"]:
        pytest.skip("the first and the last object tell as much")
    w = in_steps(make)
    damage(w.raw()[which])
    found = w.certificate(code=4)
    assert found["status"] == "missing"
    assert w.certificate(ETH)["status"] == "proven"
    w.ok("transform")  # the table has it all
    assert w.ids() == list(range(1, 2_401))
    said = w.ok("repair", "--dry-run")
    assert "nothing was written" in said.out
    assert_healed(w)


@pytest.mark.parametrize("damage", EVERY.values(), ids=EVERY)
def test_transform_sets_damaged_raw_aside_saves_the_rest_and_says_partly(
    make: Make, damage: Damage
) -> None:
    w = make({BTC: 800, ETH: 800})
    w.fetch(ETH)
    w.ok("ingest", BTC, "--full")
    w.box.grow(BTC, 700)
    w.ok("ingest", BTC)
    damage(w.raw()[1])
    said = w.run("transform")
    if damage is EVERY["gone"]:
        assert said.code == 0  # nothing tells that it was there; verify does
    else:
        assert said.code == 3
        assert "repair" in said.err
    good = [] if damage is swapped else list(range(1, 801))
    assert w.ids() == good
    assert w.certificate(code=4)["status"] == "missing"
    w.assert_whole(ETH)
    # Marked, so that the next run fetches it. What is gone without a mark, repair finds.
    if damage is not EVERY["gone"]:
        w.ok("run", BTC)
        w.assert_whole(BTC)
    assert_healed(w)


def test_a_price_changed_with_a_good_checksum_is_a_conflict(make: Make) -> None:
    w = in_steps(make)
    flipped_within(w.raw()[1])
    found = w.certificate(code=4)
    assert found["status"] == "conflict"
    (hole,) = found["holes"]
    assert hole["span"][1] - hole["span"][0] == 1


PARTS = {name: damage for name, damage in EVERY.items() if name not in {"text", "zeros"}}


@pytest.mark.parametrize("damage", PARTS.values(), ids=PARTS)
def test_a_damaged_part_is_found_and_made_again(make: Make, damage: Damage) -> None:
    w = in_steps(make)
    damage(w.parts()[-1])
    found = w.certificate(code=0 if damage is EVERY["gone"] and w.ids() == list(range(1, 2_401)) else 4)
    assert found["status"] == "missing"
    said = w.run("query", "select sum(price) from trades where symbol = 'BTC-USD'")
    if said.code:
        assert said.code in {1, 3}
        assert "repair" in said.err
    assert_healed(w)


def test_all_parts_damaged_at_once_are_healed_by_one_repair(make: Make) -> None:
    w = in_steps(make)
    for path in w.parts():
        path.write_bytes(path.read_bytes()[:-9])
    assert_healed(w)


def test_a_damaged_part_does_not_stop_the_next_one(make: Make) -> None:
    w = in_steps(make)
    flipped(w.parts()[-1])
    w.box.grow(BTC, 100)
    w.run("run", BTC)
    assert w.run("verify").code in {0, 4}
    assert_healed(w)


def test_everything_but_raw_can_be_made_again(make: Make) -> None:
    w = in_steps(make)
    for name in w.files():
        if not name.startswith("raw_") and not name.endswith("/"):
            (w.lake / name).unlink()
    w.ok("transform")
    w.assert_whole(BTC)
    w.assert_whole(ETH)


def test_all_raw_gone_is_missing_though_the_table_has_it(make: Make) -> None:
    w = in_steps(make)
    for path in w.raw():
        path.unlink()
    assert w.certificate(code=4)["status"] == "missing"
    assert_healed(w)


def test_quarantine_that_is_damaged_or_gone_is_found_and_made_again(make: Make) -> None:
    for damage in (EVERY["gone"], EVERY["text"], EVERY["empty"]):
        w = make(900)
        w.lake = w.lake.with_name(f"lake-{id(damage)}")
        w.box.set_faults([Fault("bad_row", ids=[500], kind="missing_price")])
        assert w.run("ingest", BTC, "--full").code == 3
        w.ok("ingest", BTC)
        w.ok("transform")
        right = w.certificate(code=4)
        assert right["status"] == "quarantined"
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


@pytest.mark.parametrize("data", CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_a_checkpoint_is_a_cache_and_nothing_more(make: Make, data: bytes | None) -> None:
    w = make({BTC: 800, ETH: 30})
    w.fetch(BTC, ETH)
    path = w.lake / "checkpoints/coinbase/BTC-USD.json"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    w.box.grow(BTC, 300)
    asked = w.box.stats().requests
    said = w.ok("ingest", BTC, ETH)
    assert w.box.stats().requests == asked + 2  # no market began anew
    if data is not None:
        assert "checkpoint" in said.err, "a corrupt checkpoint is passed over in silence"
    w.ok("transform")
    w.assert_whole(BTC)
    w.assert_whole(ETH)


def test_a_checkpoint_of_another_lake_deceives_no_proof_and_repair_heals(make: Make) -> None:
    w = make(60_000)
    path = w.lake / "checkpoints/coinbase/BTC-USD.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(forged("coinbase:BTC-USD", 50_000))
    w.run("ingest", BTC, "--since", "30m")
    w.run("transform")
    first = w.box.head(BTC)
    if w.run("verify", BTC).code != 0:
        w.ok("repair")
    start = w.ids()[0]
    assert start < first
    w.assert_whole(BTC, start)
