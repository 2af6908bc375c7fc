"""What a predecessor's transform did wrong (PROTOCOL §10), flaw by flaw.

| flaw | test |
|---|---|
| dedupe by trade id across markets (20,000 rows → 5,000) | test_equal_ids_of_markets_are_different_trades |
| bad rows dropped and the file marked done | test_a_bad_row_is_kept_told_and_never_done |
| missing price becomes 0.0 | test_a_value_that_is_none_never_becomes_one[missing_price] |
| epoch milliseconds dropped | test_a_value_that_is_none_never_becomes_one[epoch_time] |
| NaN accepted | test_a_value_that_is_none_never_becomes_one[nan_price] |
| two batches in one second overwrite each other | test_two_batches_in_a_second_are_both_there |
| mapping file ignored | test_the_mapping_in_the_spec_is_what_maps |
| a prefix without its slash reads its siblings | test_a_market_whose_name_begins_another_is_its_own |
| delete-then-move compaction loses 50–100 % if killed | test_a_larger_part_deletes_and_moves_nothing, test_a_transform_killed_while_it_writes_loses_nothing |
| rebuild appends | test_a_rebuild_appends_nothing |
| a manifest that grows for ever | test_there_is_no_manifest_to_grow_or_lose |
| a manifest overwritten after a read error | test_a_file_that_cannot_be_read_makes_no_other_one_lost |
| a manifest that loses updates | test_two_transforms_of_different_markets_lose_no_update |
"""
# ruff: noqa: E501  (a row of a table is one line)

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

import schemahub
from schemahub.sandbox import Fault, Generated
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, OTHER, RECORDS, changed, ended

ETH = "ETH-USD"


def test_equal_ids_of_markets_are_different_trades(make: Make) -> None:
    symbols = (BTC, ETH, "SOL-USD", "BTC-EUR")
    w = make(dict.fromkeys(symbols, 500))
    w.fetch(*symbols)
    for symbol in symbols:
        w.assert_whole(symbol)
    assert "2000" in w.ok("query", "select count(*) from trades", "--output", "csv").out


def test_a_bad_row_is_kept_told_and_never_done(make: Make) -> None:
    w = make(800)
    w.box.set_faults([Fault("bad_row", ids=[400], kind="bad_side")])
    assert w.run("ingest", BTC, "--full").code == 3
    w.ok("ingest", BTC)
    said = w.ok("transform", "--json").json()
    assert said["markets"][0]["quarantined"] == 1
    (kept,) = (w.lake / "quarantine").rglob("*.jsonl")
    assert "hold" in kept.read_text()
    assert w.certificate(code=4)["status"] == "quarantined"
    w.ok("transform")
    assert w.certificate(code=4)["holes"][0]["span"] == [400, 401]


@pytest.mark.parametrize(
    "kind", ["missing_price", "epoch_time", "nan_price", "null_price", "nan_size"]
)
def test_a_value_that_is_none_never_becomes_one(make: Make, kind: str) -> None:
    w = make(300)
    w.box.set_faults([Fault("bad_row", ids=[150], kind=kind)])
    assert w.run("ingest", BTC, "--full").code == 3
    w.ok("run", BTC)
    assert w.ids() == [one for one in range(1, 301) if one != 150]
    assert w.certificate(code=4)["holes"][0]["span"] == [150, 151]


def test_two_batches_in_a_second_are_both_there(make: Make) -> None:
    w = make({BTC: 100, ETH: 100})
    w.fetch(BTC, ETH)
    for _ in range(4):
        w.box.grow(BTC, 10)
        w.ok("ingest", BTC)
        w.ok("transform")
    w.assert_whole(BTC)
    w.assert_whole(ETH)


def test_the_mapping_in_the_spec_is_what_maps(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(schemahub.__file__).parent / "exchanges/coinbase.yaml").read_text()
    swap = text.replace("{from: price,", "{from: X,").replace("{from: size,", "{from: price,")
    path = tmp_path / "coinbase.yaml"
    path.write_text(swap.replace("{from: X,", "{from: size,").replace("maker", "taker"))
    monkeypatch.setattr("schemahub.adapters.specs.installed", lambda *_: {"coinbase": path})
    w = make(100)
    w.fetch()
    turned = [
        one._replace(price=one.size, size=one.price, side=OTHER[one.side])
        for one in w.box.truth(BTC)
    ]
    w.assert_table(turned)


def test_a_market_whose_name_begins_another_is_its_own(make: Make) -> None:
    names = {"BTC-USD": 60, "BTC-USDT": 70, "BTC-USDC": 80, "BTC-U": 90}
    w = make(names)
    w.fetch(*names)
    for name in names:
        w.assert_whole(name)


def test_a_larger_part_deletes_and_moves_nothing(make: Make) -> None:
    w = make(500)
    w.fetch()
    for _ in range(3):
        before = w.files()
        w.box.grow(BTC, 500)
        w.ok("run", BTC)
        after = w.files()
        kept = {name: data for name, data in before.items() if not name.startswith(RECORDS)}
        assert {name: after.get(name) for name in kept} == kept


def test_a_transform_killed_while_it_writes_loses_nothing(make: Make) -> None:
    w = make({BTC: Generated(seed=5, trades=9_000, mean_gap=0.01), ETH: 3_000})
    w.fetch(ETH)
    w.ok("ingest", BTC, "--full")
    process = w.start("transform")
    folder = w.lake / "unified_trades/v1/exchange=coinbase/symbol=BTC-USD"
    while not folder.exists() and process.poll() is None:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    ended(process)
    assert w.ids() in ([], list(range(1, 9_001)))
    assert w.ids(ETH) == list(range(1, 3_001))
    w.ok("transform")
    w.assert_whole(BTC)


def test_a_rebuild_appends_nothing(make: Make) -> None:
    w = make(400)
    w.fetch()
    w.ok("transform", "--rebuild")
    w.ok("transform", "--rebuild")
    w.assert_whole()
    said = w.ok("query", "select count(*), count(distinct trade_id) from trades", "--output", "csv")
    assert said.out.splitlines()[1] == "400,400"


def test_there_is_no_manifest_to_grow_or_lose(make: Make) -> None:
    w = make(100)
    w.fetch()
    for _ in range(3):
        w.box.grow(BTC, 10)
        w.ok("run", BTC)
    grown = [
        name for name in w.files()
        if not name.endswith(("/", ".parquet", ".jsonl.zst", ".origin", "PLAN"))
        and not name.startswith(("runs/", "quality/"))
    ]  # fmt: skip
    assert grown == ["checkpoints/coinbase/BTC-USD.json"]
    (w.lake / grown[0]).unlink()
    before = w.files()
    w.ok("run", BTC)
    assert changed(before, w.files(), RECORDS) == []


def test_a_file_that_cannot_be_read_makes_no_other_one_lost(make: Make) -> None:
    w = make(100)
    w.fetch()
    for _ in range(2):
        w.box.grow(BTC, 100)
        w.ok("run", BTC)
    w.parts()[1].write_bytes(b"")
    w.box.grow(BTC, 100)
    before = w.files()
    w.ok("run", BTC)
    assert not set(before) - set(w.files())
    w.assert_whole()


def test_two_transforms_of_different_markets_lose_no_update(make: Make) -> None:
    w = make({BTC: 900, ETH: 900})
    w.ok("ingest", BTC, "--full")
    one = w.start("transform")
    w.ok("ingest", ETH, "--full")
    w.ok("transform")
    assert ended(one).code == 0
    w.assert_whole(BTC)
    w.assert_whole(ETH)
