"""One id told twice with different content: both are kept, one is shown, and nobody is deceived."""

from __future__ import annotations

import json

from schemahub.adapters.zstd import Zstd
from schemahub.sandbox import Fault
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, World, unpacked


def tell_again(w: World, trade_id: int, start: int, stop: int) -> None:
    """A second object, whole in itself, that says something else of one id.

    As another run may have stored it beside the first: the exchange corrected a trade.
    """
    path = w.raw()[0]
    lines = []
    for line in unpacked(path).splitlines():
        said = json.loads(line)
        for row in said["body"]:
            if row["trade_id"] == trade_id:
                row["price"] = "1" + row["price"]
        lines.append(json.dumps(said, separators=(",", ":")).encode() + b"\n")
    path.with_name(f"{start:020}-{stop:020}.jsonl.zst").write_bytes(Zstd().pack(b"".join(lines)))


def test_a_published_row_stays_when_its_id_is_told_again_otherwise(make: Make) -> None:
    w = make(900)
    w.fetch()
    tell_again(w, 700, 600, 800)
    w.ok("transform")
    w.assert_table(w.box.truth(BTC))
    found = w.certificate(code=4)
    assert found["status"] == "conflict"
    assert [hole["span"] for hole in found["holes"]] == [[700, 701]]


def test_two_tellings_before_the_table_is_made_show_one_and_quarantine_both(make: Make) -> None:
    w = make(900)
    w.ok("ingest", BTC, "--full")
    tell_again(w, 700, 600, 800)
    w.ok("transform")
    assert w.ids() == list(range(1, 901))
    (kept,) = (w.lake / "quarantine").rglob("*.jsonl")
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [line["position"] for line in lines] == [700, 700]
    assert len({line["raw"] for line in lines}) == 2
    found = w.certificate(code=4)
    assert found["status"] == "conflict"
    assert [hole["span"] for hole in found["holes"]] == [[700, 701]]
    w.box.grow(BTC, 50)
    w.ok("run", BTC)  # a larger part carries it on
    assert w.certificate(code=4)["status"] == "conflict"


def test_overlaps_of_equal_content_are_everyday_life(make: Make) -> None:
    w = make(900)
    w.ok("ingest", BTC, "--full")
    tell_again(w, 0, 600, 800)
    tell_again(w, 0, 1, 650)
    w.ok("transform")
    w.assert_whole()
    assert not (w.lake / "quarantine").exists()


def test_the_rows_of_another_market_are_told_from_ours_by_what_is_held(make: Make) -> None:
    """Coinbase's rows do not name their market, but the newest page overlaps what is held."""
    w = make({BTC: 900, "ETH-USD": 1_500})
    w.fetch(BTC)
    w.box.set_faults([Fault("wrong_symbol", market=BTC)])
    assert w.run("ingest", BTC).code == 1
    w.box.set_faults()
    w.box.grow(BTC, 100)
    w.ok("run", BTC)
    w.assert_whole()
