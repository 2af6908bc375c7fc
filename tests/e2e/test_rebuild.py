"""A changed spec, a table made anew, and readers that never see half of either."""

from __future__ import annotations

from tests.e2e.conftest import Make, Respec
from tests.e2e.world import BTC, OTHER, RECORDS, World, changed

TAKER = ("of: maker", "of: taker")


def sides(w: World) -> list[str]:
    return list(w.table()["side"].to_pylist())


def versions(w: World) -> list[str]:
    return sorted(path.name for path in (w.lake / "unified_trades").iterdir())


def test_a_changed_spec_stops_transform_and_harms_nothing(make: Make, respec: Respec) -> None:
    w = make(900)
    w.fetch()
    w.box.grow(BTC, 100)
    w.ok("ingest", BTC)
    respec(*TAKER)
    before = w.files()
    for command in (("transform",), ("run", BTC), ("repair",), ("transform", "--dry-run")):
        said = w.run(*command)
        assert said.code == 6, (command, said)
        assert "transform --rebuild" in said.err
    assert changed(before, w.files(), RECORDS) == []
    records = {run["command"]: run["exit_code"] for run in w.ok("runs", "--json").json()["runs"]}
    assert records["run"] == 6
    assert w.ids() == list(range(1, 901))
    w.ok("query", "select count(*) from trades")


def test_a_rebuild_makes_the_table_by_the_new_spec_from_raw_alone(
    make: Make, respec: Respec
) -> None:
    w = make(900)
    w.fetch()
    right = sides(w)
    asked = w.box.stats().requests
    before = w.files()
    respec(*TAKER)
    w.ok("transform", "--rebuild")
    assert w.box.stats().requests == asked
    assert sides(w) == [OTHER[side] for side in right]
    assert versions(w) == ["v1", "v2"]
    assert [name for name in changed(before, w.files(), RECORDS) if name in before] == []
    assert w.certificate()["status"] == "proven"
    respec()
    assert w.run("transform").code == 6
    w.ok("transform", "--rebuild")
    w.assert_whole()
    assert versions(w) == ["v1", "v2", "v3"]


def test_a_rebuild_without_a_change_gives_the_same_rows_and_life_goes_on(make: Make) -> None:
    w = make(900)
    w.fetch()
    rows = w.table()
    w.ok("transform", "--rebuild")
    assert w.table().drop_columns(["ingest_ts"]) == rows.drop_columns(["ingest_ts"])
    assert (len(w.parts(version=1)), len(w.parts(version=2))) == (1, 1)
    for _ in range(2):
        w.box.grow(BTC, 200)
        w.ok("run", BTC)
    assert (len(w.parts(version=1)), len(w.parts(version=2))) == (1, 3)
    w.assert_whole()


def test_a_rebuild_that_was_killed_is_not_read_and_goes_on(make: Make, respec: Respec) -> None:
    w = make({BTC: 900, "ETH-USD": 300})
    w.fetch(BTC, "ETH-USD")
    right = sides(w)
    respec(*TAKER)
    w.ok("transform", "--rebuild")
    # As a kill leaves it: one market's part and the mark are not there yet.
    mark = w.lake / "unified_trades/v2/exchange=coinbase/COMPLETE"
    mark.unlink()
    for path in w.parts("ETH-USD", version=2):
        path.unlink()
    assert sides(w) == right
    w.ok("transform", "--rebuild")
    assert versions(w) == ["v1", "v2"]
    assert sides(w) == [OTHER[side] for side in right]
    assert len(w.ids("ETH-USD")) == 300
    # Another spec does not go on with what this one left.
    mark.unlink()
    respec()
    w.ok("transform")
    assert sides(w) == right
    w.ok("transform", "--rebuild")
    assert versions(w) == ["v1", "v2", "v3"]
    w.assert_whole()


def test_new_trades_show_while_the_newest_version_lacks_them(make: Make, respec: Respec) -> None:
    w = make(900)
    w.fetch()
    respec(*TAKER)
    w.ok("transform", "--rebuild")
    for path in w.parts(version=2):
        path.unlink()
    # Older rows are better than none: the older version fills what the newer lacks.
    assert w.ids() == list(range(1, 901))


def test_rebuild_does_not_append(make: Make) -> None:
    w = make(600)
    w.fetch()
    for number in range(2, 5):
        w.ok("transform", "--rebuild")
        assert len(w.parts(version=number)) == 1
        said = w.ok("query", "select count(*), count(distinct trade_id) from trades", "--json")
        assert "600" in said.out
        assert "1200" not in said.out
    w.assert_whole()
