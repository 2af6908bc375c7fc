"""What the exchange itself lacks or spoils: unknown until two runs agree, and never made up."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from schemahub.sandbox import BAD_ROWS, Fault, Generated
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, RECORDS, World, changed

SETTLE = 60.0
HOLES = (7, 500, 501, 502, 1_000, 1_001, 1_700)
# The id itself cannot be read: such a row may be any id at all.
NAMELESS = {"missing_id", "null_id", "id_as_string", "id_as_float", "negative_id"}


def names(w: World, kind: str) -> list[str]:
    return sorted(name for name in w.files() if f".{kind}" in name)


def spans(ids: Iterable[int]) -> list[list[int]]:
    found: list[list[int]] = []
    for one in sorted(ids):
        if found and found[-1][1] == one:
            found[-1][1] += 1
        else:
            found.append([one, one + 1])
    return found


def hide(w: World, ids: Iterable[int]) -> None:
    w.box.set_faults([Fault("hole", ids=list(ids))])


def spoil(w: World, ids: Iterable[int], kind: str = "missing_price") -> None:
    w.box.set_faults([Fault("bad_row", ids=list(ids), kind=kind)])


def test_a_hole_is_attested_by_a_second_run_a_settle_time_later(make: Make) -> None:
    w = make(2_000)
    hide(w, HOLES)
    said = w.run("ingest", BTC, "--full")
    assert said.code == 3
    assert f"{len(HOLES)} ids are missing" in said.err
    assert len(names(w, "seen.")) == len(spans(HOLES))
    w.ok("transform")
    assert w.certificate(code=4)["status"] == "missing"

    w.clock.ahead += SETTLE / 2
    assert w.run("ingest", BTC).code == 3
    assert names(w, "absent.") == []

    w.clock.ahead += SETTLE
    before = w.files()
    w.ok("ingest", BTC)
    assert len(names(w, "absent.")) == len(spans(HOLES))
    fresh = changed(before, w.files(), RECORDS)
    assert all(".absent." in name for name in fresh)
    w.assert_whole(absent=HOLES)
    found = w.certificate()
    assert found["status"] == "absent_at_source"
    assert [hole["span"] for hole in found["holes"]] == spans(HOLES)

    before = w.files()
    asked = w.box.stats().requests
    w.ok("ingest", BTC)
    assert w.box.stats().requests == asked + 1
    assert changed(before, w.files(), RECORDS) == []


def test_a_late_trade_is_held_once_somebody_looks(make: Make) -> None:
    w = make(1_200)
    hide(w, (300, 301, 900))
    w.run("ingest", BTC, "--full")
    w.clock.ahead += SETTLE + 1
    w.ok("run", BTC)
    w.ok("repair")  # nothing to repair
    hide(w, (301,))
    w.ok("run", BTC)  # attested: not asked for again
    assert 300 not in w.ids()
    w.clock.ahead += SETTLE + 1
    w.ok("repair", BTC, "--audit")
    w.assert_whole(absent=(301,))
    w.box.set_faults()
    w.ok("repair", "--audit")
    w.assert_whole()


def test_a_hole_that_heals_between_runs_is_held_and_forgotten(make: Make) -> None:
    w = make(1_500)
    hide(w, HOLES)
    assert w.run("ingest", BTC, "--full").code == 3
    hide(w, HOLES[:2])
    w.clock.ahead += SETTLE + 1
    w.ok("ingest", BTC)
    w.ok("transform")
    w.assert_whole(absent=HOLES[:2])


def test_where_every_second_id_is_a_hole_each_is_attested(make: Make) -> None:
    w = make({BTC: Generated(seed=5, trades=30, mean_gap=60)})
    holes = range(2, 28, 2)
    hide(w, holes)
    assert w.run("ingest", BTC, "--full").code == 3
    w.clock.ahead += SETTLE + 1
    w.ok("ingest", BTC)
    w.ok("transform")
    w.assert_whole(absent=holes)


def test_a_young_hole_is_not_even_sighted(make: Make) -> None:
    w = make({BTC: Generated(seed=5, trades=1_000, mean_gap=0.001)})
    hide(w, (400,))
    assert w.run("ingest", BTC, "--full").code == 3
    assert names(w, "seen.") == []
    w.clock.ahead += SETTLE + 1
    assert w.run("ingest", BTC).code == 3  # old enough now: this is the first sighting
    assert len(names(w, "seen.")) == 1
    assert names(w, "absent.") == []
    w.clock.ahead += SETTLE + 1
    w.ok("run", BTC)
    w.assert_whole(absent=(400,))


def test_holes_and_bad_rows_met_once_heal_in_the_same_run(make: Make) -> None:
    w = make(3_000)
    w.box.set_faults(
        [
            Fault("hole_once", ids=[1, 2, 700, 1_000, 2_999]),
            Fault("bad_row_once", ids=[5, 1_500, 2_000], kind="any"),
        ]
    )
    w.ok("ingest", BTC, "--full")
    w.ok("transform")
    w.assert_whole()
    assert names(w, "seen.") + names(w, "absent.") == []


def test_a_row_that_two_runs_find_bad_is_held_and_quarantined(make: Make) -> None:
    w = make(1_500)
    spoil(w, (10, 1_200))
    assert w.run("ingest", BTC, "--full").code == 3
    w.ok("transform")
    assert w.certificate(code=4)["status"] == "missing"
    w.ok("ingest", BTC)
    w.ok("transform")
    found = w.certificate(code=4)
    assert found["status"] == "quarantined"
    assert [hole["span"] for hole in found["holes"]] == [[10, 11], [1_200, 1_201]]
    w.assert_table([one for one in w.box.truth(BTC) if one.trade_id not in {10, 1_200}])
    (kept,) = (w.lake / "quarantine").rglob("*.jsonl")
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [line["position"] for line in lines] == [10, 1_200]
    assert all("price" in line["reason"] for line in lines)
    assert all(line["raw"].startswith("{") for line in lines)
    w.box.grow(BTC, 50)
    w.ok("run", BTC)  # later parts carry the quarantined rows on
    assert w.certificate(code=4)["status"] == "quarantined"
    assert len(w.ids()) == 1_548


def test_every_class_of_bad_row_is_kept_out_of_the_table(make: Make, hurried: None) -> None:
    w = make(4_200)
    ids = {kind: 100 + 135 * number for number, kind in enumerate(sorted(BAD_ROWS))}
    w.box.set_faults([Fault("bad_row", ids=[one], kind=kind) for kind, one in ids.items()])
    nameless = {ids[kind] for kind in NAMELESS}
    out = set(ids.values()) - {ids["extra_field"]}
    assert w.run("ingest", BTC, "--full").code == 3
    said = w.run("ingest", BTC)
    assert said.code == 3  # a row without a name is never evidence
    assert f"{len(nameless)} ids are missing" in said.err
    w.ok("transform")
    w.assert_table([one for one in w.box.truth(BTC) if one.trade_id not in out])
    found = w.certificate(code=4)
    statuses = {hole["span"][0]: hole["status"] for hole in found["holes"]}
    assert statuses == {one: "missing" if one in nameless else "quarantined" for one in out}
    w.clock.ahead += SETTLE + 1
    assert w.run("ingest", BTC).code == 3
    w.box.set_faults()
    w.ok("run", BTC)
    assert set(w.ids()) == set(range(1, 4_201)) - (out - nameless)


@pytest.mark.parametrize("first", ["hole", "bad_row"])
def test_a_hole_that_turns_bad_or_a_bad_row_that_goes_is_settled_all_the_same(
    make: Make, first: str
) -> None:
    w = make(900)
    kinds: list[Any] = [Fault("hole", ids=[300]), Fault("bad_row", ids=[300])]
    if first == "bad_row":
        kinds.reverse()
    w.box.set_faults([kinds[0]])
    assert w.run("ingest", BTC, "--full").code == 3
    w.box.set_faults([kinds[1]])
    w.clock.ahead += SETTLE + 1
    w.run("ingest", BTC)
    w.clock.ahead += SETTLE + 1
    w.ok("ingest", BTC)


def test_a_changed_format_stops_the_market_and_publishes_nothing(make: Make, hurried: None) -> None:
    w = make(500)
    w.fetch()
    w.box.grow(BTC, 500)
    spoil(w, range(1, 1_001))
    assert w.run("ingest", BTC).code == 1
    spoil(w, range(600, 640))
    assert w.run("ingest", BTC).code == 3
    w.run("ingest", BTC)
    said = w.run("transform")
    assert said.code == 1
    assert "SH-TOO-MANY-REJECTS" in said.err
    assert set(w.ids()) <= set(range(1, 600))
    assert w.certificate(code=4)["status"] == "missing"
