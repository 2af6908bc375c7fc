"""Every class of bad input over a real server: told, held back, kept, and the rest lives."""

from __future__ import annotations

import time
from typing import Any

import pytest

from schemahub.core import page
from schemahub.core.gate import MAX_TRIES
from schemahub.sandbox import Fault
from tests.e2e.conftest import Make, Respec
from tests.e2e.world import BTC, World
from tests.exchanges.coinbase.bad_input import ANSWERS, ID, LAST, ROWS, good, rows_with

UNLIMITED = ("rate: 10.0, burst: 15", "rate: 9000.0, burst: 9000")


@pytest.mark.heavy
def test_rows_over_a_real_server_are_held_once_two_runs_agree_and_then_quarantined(
    make: Make, respec: Respec
) -> None:
    """A market a class, all of them in the same runs."""
    respec(*UNLIMITED)
    classes = {f"C{n:03}-USD": case for n, case in enumerate(ROWS.values())}
    w = make(dict.fromkeys(classes, LAST))
    # Bad rows of an hour later: what is ahead by minutes is ahead however long this test takes.
    now = round(time.time() * 1_000_000)
    later = now + 3_600_000_000
    w.box.set_faults(
        [
            Fault("raw_row", ids=[ID], market=market, text=as_text(case.wire(ID, moment)))
            for market, case in classes.items()
            for moment in [now if case.reason is None else later]
        ]
    )
    first = ingested(w, list(classes))
    second = ingested(w, list(classes))
    w.ok("transform")
    certificates = {one["market"]: one for one in verified(w)}
    listed = {one["market"]: one for one in w.ok("quarantine", "list", "--json").json()["markets"]}
    for market, case in classes.items():
        name, hole = f"coinbase:{market}", [[ID, ID + 1]]
        status = {True: "quarantined", False: "missing"}[case.has_id]
        if case.reason is None:
            assert first[name] == second[name] == [], market
            assert certificates[name]["status"] == "proven", market
            assert listed[name]["rows"] == 0
            continue
        # One answer may be a slip; what two runs agree on is how the exchange has it.
        assert first[name] == hole, market
        assert second[name] == ([] if case.has_id else hole), market
        assert w.ids(market) == [n for n in range(1, LAST + 1) if n != ID], market
        assert [one["span"] for one in certificates[name]["holes"]] == hole
        assert certificates[name]["status"] == status, market
        (group,) = listed[name]["reasons"]
        assert case.reason.startswith(group["reason"]) or group["reason"].startswith(case.reason)
        assert (group["rows"], group["in_table"]) == (1, int(not case.has_id)), market
        assert group["first"] == (ID if case.has_id else ID + 1)


def as_text(data: bytes) -> str:
    """Any bytes, as the sandbox is told them."""
    return data.decode("utf-8", "surrogateescape")


def ingested(w: World, markets: list[str]) -> dict[str, Any]:
    """The ids that an ingest of everything left missing, by market."""
    said = w.run("ingest", *markets, "--full", "--json")
    assert said.code == 3
    return {one["market"]: one["missing"] for one in said.json()["markets"]}


def verified(w: World) -> list[dict[str, Any]]:
    said = w.run("verify", "--json")
    assert said.code == 4
    return list(said.json()["markets"])


@pytest.mark.heavy
@pytest.mark.parametrize("make_body", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_that_is_none_is_asked_again_then_kept_whole(
    make: Make, hurried: None, make_body: Any
) -> None:
    now = round(time.time() * 1_000_000)
    body = make_body(rows_with(good(ID, now), now))
    w = make(50)
    w.box.set_faults([Fault("raw_answer", text=as_text(body))])
    assert w.run("ingest", BTC).code == 1
    assert w.box.stats().by_fault["raw_answer"] == MAX_TRIES
    assert w.raw() == []
    kept = list((w.lake / "quarantine").rglob("answers/*.jsonl"))
    assert [page.decode(path.read_bytes()).body for path in kept] == ([body] if body else [])
    w.box.set_faults([Fault("raw_answer", text="x" + body.decode("utf-8", "replace"), times=2)])
    w.fetch()
    w.assert_whole()
