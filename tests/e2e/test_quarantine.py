"""`schemahub quarantine`: what was refused is counted once, shown as it came, and tried again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from schemahub.core import values
from schemahub.sandbox import Fault, Trade
from schemahub.sandbox.body import Verbatim
from schemahub.sandbox.dialect_coinbase import Coinbase
from schemahub.sandbox.wire import Ask, Row
from tests.e2e.conftest import Make, Respec
from tests.e2e.test_conflicts import tell_again
from tests.e2e.world import BTC, RECORDS, World, changed

if TYPE_CHECKING:
    import pytest

ETH = "ETH-USD"
# A better spec: it takes the price where every row has one.
PX = ("price: {from: price,", "price: {from: px,")
MISSING = "price: not a decimal in a string"


class Twice(Coinbase):
    """An exchange that tells the price a second time, as `px`; but not of id `lacking`."""

    def __init__(self, lacking: int = 0) -> None:
        self.lacking = lacking

    def row(self, trade: Trade) -> dict[str, object]:
        row = super().row(trade)
        return row if trade.trade_id == self.lacking else {**row, "px": trade.price}

    def page(
        self, ask: Ask, trades: Sequence[Trade], rows: Sequence[Row | Verbatim] | None = None
    ) -> bytes:
        return super().page(ask, trades, rows or [self.row(trade) for trade in trades])


def spoiled(w: World, *faults: Fault, market: str = BTC) -> None:
    """All history, with rows that stay bad: held once two runs agree, then in quarantine."""
    w.box.set_faults(faults)
    assert w.run("ingest", market, "--full").code == 3
    w.ok("ingest", market)
    w.ok("transform")


def bad(kind: str, *ids: int, **more: Any) -> Fault:
    return Fault("bad_row", ids=ids, kind=kind, **more)


def listed(w: World, *more: str, code: int = 0) -> list[dict[str, Any]]:
    said = w.run("quarantine", "list", *more, "--json")
    assert said.code == code, said
    return list(said.json()["markets"])


def counted(w: World, market: str = BTC) -> dict[str, int]:
    """Rows by reason."""
    (found,) = listed(w, market)
    assert found["rows"] == sum(group["rows"] for group in found["reasons"])
    return {group["reason"]: group["rows"] for group in found["reasons"]}


def replay(w: World, *more: str, code: int = 0) -> dict[str, Any]:
    said = w.run("quarantine", "replay", *more, "--json")
    assert said.code == code, said
    return dict(said.json())


# ---------------------------------------------------------------- list and show


def test_nothing_in_quarantine_is_a_friendly_line_and_exit_0(make: Make) -> None:
    w = make(300)
    w.fetch()
    said = w.ok("quarantine", "list")
    assert (said.out, "nothing is in quarantine" in said.err) == ("", True)
    assert "nothing is in quarantine" in w.ok("quarantine", "show").err
    said = w.ok("quarantine", "replay")
    assert "nothing was written" in said.err


def test_refused_rows_are_listed_by_market_and_reason_each_once(make: Make) -> None:
    w = make({BTC: 900, ETH: 300})
    w.fetch(ETH)
    spoiled(w, bad("missing_price", 400, 420), bad("bad_side", 410))
    (btc, eth) = listed(w)
    assert btc == {
        "market": "coinbase:BTC-USD", "axis": "ids", "rows": 3, "answers": 0, "damaged": [],
        "reasons": [
            {"reason": MISSING, "rows": 2, "in_table": 0, "first": 400, "last": 420},
            {"reason": "side: not a side", "rows": 1, "in_table": 0, "first": 410, "last": 410},
        ],
    }  # fmt: skip
    assert (eth["market"], eth["rows"]) == ("coinbase:ETH-USD", 0)
    text = w.ok("quarantine", "list", BTC).out
    assert [line.split()[-3:] for line in text.splitlines()[1:]] == [
        ["2", "400", "420"], ["1", "410", "410"],
    ]  # fmt: skip
    # Larger parts carry it on, and a version made anew: their quarantine stands beside the
    # old one, and a row still counts once.
    before = counted(w)
    for _ in range(3):
        w.box.grow(BTC, 500)
        w.ok("run", BTC)
    assert len(list((w.lake / "quarantine").rglob("*.jsonl"))) > 1
    assert counted(w) == before
    w.ok("transform", "--rebuild")
    assert counted(w) == before


def test_a_refused_row_is_shown_as_it_came_with_where_it_is(make: Make) -> None:
    w = make(900)
    spoiled(w, bad("underscore_price", 400), bad("bad_side", 410))
    shown = w.ok("quarantine", "show", BTC, "--json").json()
    first = shown["rows"][0]
    assert (first["position"], first["reason"]) == (
        400, "price: not a positive decimal: '64_000.00'",
    )  # fmt: skip
    assert json.loads(first["raw"])["trade_id"] == 400
    assert (w.lake / first["source"]).exists()
    assert "/products/BTC-USD/trades" in first["url"]
    assert not first["in_table"]
    assert (len(shown["rows"]), shown["answers"], shown["more"]) == (2, [], 0)
    one = w.ok("quarantine", "show", "--reason", "NOT A SIDE", "--json").json()
    assert [row["position"] for row in one["rows"]] == [410]
    few = w.ok("quarantine", "show", "--limit", "1", "--json").json()
    assert ([row["position"] for row in few["rows"]], few["more"]) == ([400], 1)
    text = w.ok("quarantine", "show", "--limit", "1")
    assert first["raw"] in text.out
    assert "1 more" in text.err
    assert "nothing like that" in w.ok("quarantine", "show", "--reason", "xyz").err


def test_an_answer_that_could_not_be_read_is_listed_and_shown(make: Make, hurried: None) -> None:
    """Also where the lake holds nothing else of that market."""
    w = make(300)
    w.box.set_faults([Fault("html_200")])
    assert w.run("ingest", BTC).code == 1
    (found,) = listed(w)
    assert (found["market"], found["rows"], found["answers"]) == ("coinbase:BTC-USD", 0, 1)
    assert "answers that could not be read" in w.ok("quarantine", "list", BTC).out
    (shown,) = w.ok("quarantine", "show", BTC, "--json").json()["answers"]
    assert shown["text"].startswith("<!DOCTYPE html>")
    assert shown["bytes"] == len(shown["text"])
    assert (w.lake / shown["key"]).exists()
    assert "<!DOCTYPE html>" in w.ok("quarantine", "show").out
    assert w.ok("quarantine", "show", "--reason", "price").out == ""
    assert w.run("quarantine", "list", ETH).code == 2
    w.box.set_faults()
    w.fetch()  # what was missed is fetched; the answer stays as a witness
    (found,) = listed(w)
    assert found["answers"] == 1
    w.assert_whole()


def test_text_of_the_exchange_does_not_steer_the_terminal(make: Make, hurried: None) -> None:
    w = make(300)
    w.box.set_faults([Fault("garbage")])
    assert w.run("ingest", BTC).code == 1
    said = w.ok("quarantine", "show").out
    assert not set(said) & {chr(code) for code in (*range(10), *range(11, 32), *range(127, 160))}


def test_damaged_quarantine_is_told_and_counts_as_nothing(make: Make) -> None:
    w = make(900)
    spoiled(w, bad("missing_price", 400))
    (path,) = (w.lake / "quarantine").rglob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-9])
    (found,) = listed(w, code=3)
    assert (found["rows"], len(found["damaged"])) == (0, 1)
    said = w.run("quarantine", "list")
    assert (said.code, "is damaged" in said.err) == (3, True)
    assert w.run("repair", "--dry-run").code == 4
    w.run("repair")
    assert counted(w) == {MISSING: 1}


# ---------------------------------------------------------------- replay


def test_without_a_gain_nothing_is_written_and_the_exit_is_0(make: Make) -> None:
    w = make(900)
    spoiled(w, bad("missing_price", 400), bad("bad_side", 410))
    before = w.files()
    said = replay(w)
    (market,) = said["markets"]
    assert (market["rows"], market["would_be_rows"], said["rebuilt"]) == (2, 0, [])
    assert changed(before, w.files()) == []


def test_a_better_spec_is_tried_told_and_only_then_makes_the_table_anew(
    make: Make, respec: Respec
) -> None:
    w = make({BTC: 900, ETH: 300}, dialect=Twice())
    w.fetch(ETH)
    spoiled(w, bad("missing_price", 400, 420), bad("bad_side", 410))
    respec(*PX)
    assert w.run("transform").code == 6
    before = w.files()
    dry = replay(w, "--dry-run")
    assert changed(before, w.files()) == []
    said = replay(w, BTC)
    (btc,) = said["markets"]
    assert said["rebuilt"] == ["coinbase"]
    assert said["lost"] == 0
    for told in (btc, dry["markets"][0]):
        assert (told["rows"], told["would_be_rows"]) == (3, 2)
        assert {group["reason"]: group["would_be_rows"] for group in told["reasons"]} == {
            MISSING: 2, "side: not a side": 0,
        }  # fmt: skip
    assert (btc["left"], dry["markets"][0]["left"]) == (1, None)
    assert counted(w) == {"side: not a side": 1}
    w.assert_table([one for one in w.box.truth(BTC) if one.trade_id != 410])
    # Parts are immutable: a version of its own, of all the exchange's markets.
    assert [name for name in changed(before, w.files(), RECORDS) if name in before] == []
    assert len(w.parts(ETH, version=2)) == 1
    assert w.last_run()["command"] == "quarantine replay"
    assert w.certificate(code=4)["status"] == "quarantined"
    w.ok("transform")
    assert "no refused row would be a row" in w.ok("quarantine", "replay").err


def test_the_report_of_a_replay_is_for_people_too(make: Make, respec: Respec) -> None:
    w = make(900, dialect=Twice())
    spoiled(w, bad("missing_price", 400), bad("bad_side", 410))
    respec(*PX)
    said = w.ok("quarantine", "replay")
    head, *rows = said.out.splitlines()
    assert "would be rows" in head
    assert [row.split()[-5:] for row in rows] == [["1", "1", "0", "0", "0"], ["1", *"0000"]]
    assert "1 rows of coinbase are left in quarantine" in said.err


def test_a_source_that_told_an_id_in_two_ways_stays_in_quarantine(make: Make) -> None:
    w = make(900)
    w.ok("ingest", BTC, "--full")
    tell_again(w, 700, 600, 800)
    w.ok("transform")
    (found,) = listed(w)
    assert [(g["rows"], g["in_table"], g["first"]) for g in found["reasons"]] == [(2, 2, 700)]
    before = w.files()
    said = replay(w)
    (market,) = said["markets"]
    assert (market["would_be_rows"], market["conflicts"], said["rebuilt"]) == (0, 2, [])
    assert changed(before, w.files()) == []


def test_two_tellings_that_are_equal_by_todays_spec_are_one_row(make: Make, respec: Respec) -> None:
    w = make(900, dialect=Twice())
    w.ok("ingest", BTC, "--full")
    tell_again(w, 700, 600, 800)  # differs in `price` alone
    w.ok("transform")
    respec(*PX)
    said = replay(w)
    assert said["markets"][0]["would_be_rows"] == 2
    assert counted(w) == {}
    w.assert_whole()


def test_a_spec_that_reads_nothing_gains_nothing_and_harms_nothing(
    make: Make, respec: Respec
) -> None:
    w = make(900)
    spoiled(w, bad("missing_price", 400))
    respec(*PX)  # which no row has
    before = w.files()
    assert replay(w)["rebuilt"] == []
    assert changed(before, w.files()) == []


def test_rows_that_the_new_spec_refuses_are_told_with_exit_4(make: Make, respec: Respec) -> None:
    w = make(900, dialect=Twice(lacking=5))
    spoiled(w, bad("missing_price", 400))
    respec(*PX)
    said = w.run("quarantine", "replay", "--json")
    assert (said.code, said.json()["lost"]) == (4, 1)
    assert "id 5: price: not a decimal in a string: missing" in said.err
    assert w.ids() == [one for one in range(1, 901) if one != 5]


def test_a_row_whose_id_can_be_read_now_is_for_ingest_to_fetch(
    make: Make, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = make(900)
    w.box.set_faults([bad("id_as_string", 400)])
    for _ in range(2):
        assert w.run("ingest", BTC, "--full").code == 3
    w.ok("transform")
    (group,) = listed(w)[0]["reasons"]
    assert (group["reason"], group["in_table"]) == ("trade_id: not an integer", group["rows"])
    integer = values.integer
    monkeypatch.setitem(
        values.READERS, "integer", lambda value: integer(int(value) if value == "400" else value)
    )
    said = replay(w)
    (market,) = said["markets"]
    assert (market["would_be_rows"], market["unfetched"]) == (0, market["rows"])
    assert said["rebuilt"] == []
    w.ok("run", BTC)
    assert 400 in w.ids()


def test_an_answer_that_can_be_read_by_now_is_told_with_what_it_adds(
    make: Make, respec: Respec, hurried: None
) -> None:
    w = make(300)
    respec("trade_id: {from: trade_id,", "trade_id: {from: id,")
    assert w.run("ingest", BTC, "--full").code == 1
    respec()
    said = w.ok("quarantine", "replay", "--json").json()
    (answer,) = said["markets"][0]["answers"]
    assert (answer["rows"], answer["reason"]) == (300, "")
    assert "1 of 1 answers" in w.ok("quarantine", "replay").err
    w.fetch()
    (answer,) = w.ok("quarantine", "replay", "--json").json()["markets"][0]["answers"]
    assert answer["rows"] == 0


def test_a_row_whose_raw_is_damaged_is_told_as_unread(make: Make, respec: Respec) -> None:
    w = make(900, dialect=Twice())
    spoiled(w, bad("missing_price", 400))
    source = w.lake / w.ok("quarantine", "show", "--json").json()["rows"][0]["source"]
    source.write_bytes(source.read_bytes()[:-3])
    respec(*PX)
    (market,) = replay(w)["markets"]
    assert (market["would_be_rows"], market["unread"]) == (0, 1)
