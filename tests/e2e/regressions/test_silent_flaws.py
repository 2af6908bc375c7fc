"""What a predecessor kept silent about (PROTOCOL §10), flaw by flaw.

| flaw | test |
|---|---|
| everything failed and exit 0, "fresh" | test_when_everything_fails_nothing_says_fresh, \
test_an_exchange_that_shows_nothing_any_more_is_no_success |
| an empty product list wipes the seed file | test_an_empty_product_list_wipes_no_seed |
| a gap metric of min..max that shows 100 % | test_a_gap_is_no_hundred_per_cent |
| tests that never call the code | test_these_tests_see_what_they_claim_to_see |
| `../../x` as a symbol writes outside the root | test_no_symbol_leads_out_of_the_lake |
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from schemahub.sandbox import Fault, Sandbox
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, World, here

ETH = "ETH-USD"
DOWN: list[tuple[str, dict[str, Any]]] = [
    ("http_500", {}), ("http_status", {"status": 403}), ("html_200", {}), ("garbage", {}),
    ("reset", {}), ("error_200", {}), ("redirect", {}), ("deep_json", {"depth": 5_000}),
    ("non_utf8", {}), ("truncate", {}), ("http_429", {"retry_after": 1_000}),
]  # fmt: skip


def test_when_everything_fails_nothing_says_fresh(make: Make, hurried: None) -> None:
    w = make({BTC: 50, ETH: 50})
    w.fetch(BTC, ETH)
    for kind, args in DOWN:
        w.box.set_faults([Fault(kind, **args)])
        said = w.run("ingest", BTC)
        assert said.code == 1, (kind, said)
        assert len(said.errors) == 1
        assert "complete" not in said.err
        assert w.last_run()["exit_code"] == 1
        assert w.last_run()["steps"]["ingest"][0]["state"] == "failed"
    assert w.run("run", BTC, ETH).code == 1
    assert w.ok("status", "--json").json()["last_run"]["exit_code"] == 1


def test_an_exchange_that_shows_nothing_any_more_is_no_success(make: Make, hurried: None) -> None:
    w = make(50)
    w.fetch()
    for fault in (
        Fault("empty_list"),
        Fault("bad_row", ids=range(1, 51), kind="missing_price"),
        Fault("bad_row", ids=range(1, 51), kind="missing_id"),
        Fault("bad_row", ids=range(1, 51), kind="wrong_time"),
    ):
        w.box.set_faults([fault])
        assert w.run("ingest", BTC).code == 1
        w.lake = w.lake.with_name("cold")
        assert w.run("ingest", BTC).code == (0 if fault.name == "empty_list" else 1)
        w.lake = w.lake.with_name("lake")


def test_an_empty_product_list_wipes_no_seed(make: Make, hurried: None) -> None:
    w = make({BTC: 5, ETH: 5})
    w.ok("update-seed")
    (path,) = (w.lake / "seeds").iterdir()
    before = path.read_bytes()
    with Sandbox({}) as nothing:
        for more in ((), ("--merge",), ("--filter-regex", ".*")):
            assert World(w.lake, nothing).run("update-seed", *more).code == 1
    assert path.read_bytes() == before
    w.ok("run")
    w.assert_whole(ETH)


def test_a_gap_is_no_hundred_per_cent(make: Make) -> None:
    w = make(1_000)
    w.box.set_faults([Fault("hole", ids=range(2, 900))])  # min, max and little else
    assert w.run("ingest", BTC, "--full").code == 3
    w.ok("transform")
    found = w.certificate(code=4)
    assert (found["first_id"], found["last_id"]) == (1, 1_000)
    assert (found["status"], found["count"]) == ("missing", 102)
    assert [hole["span"] for hole in found["holes"]] == [[2, 900]]
    (row,) = w.ok("status", "--json").json()["markets"]
    assert (row["held"], row["missing"], row["watermark"]) == (102, 898, 2)


def test_these_tests_see_what_they_claim_to_see(make: Make) -> None:
    """Each sabotage of the stored table or of raw is an error of `assert_whole`."""
    w = make(300)
    w.fetch()
    w.assert_whole()
    (part,) = w.parts()
    (raw,) = w.raw()
    for path, data in ((part, part.read_bytes()), (raw, raw.read_bytes())):
        path.unlink()
        with pytest.raises(AssertionError):
            w.assert_whole()
        path.write_bytes(data)
    rows = pq.read_table(part)
    good = part.read_bytes()
    for name in ("side", "price", "quantity", "trade_ts", "trade_id"):
        turned = rows.set_column(rows.schema.get_field_index(name), name, rows[name][::-1])
        pq.write_table(turned, part)
        with pytest.raises(AssertionError):
            w.assert_table(w.box.truth(BTC))
    pq.write_table(rows.slice(1), part)
    with pytest.raises(AssertionError, match="lost"):
        w.assert_table(w.box.truth(BTC))
    part.write_bytes(good)
    w.assert_whole()
    w.box.grow(BTC, 1)
    with pytest.raises(AssertionError, match="lost"):
        w.assert_whole()


def test_no_symbol_leads_out_of_the_lake(make: Make, tmp_path: Path) -> None:
    w = make(5)
    w.lake = tmp_path / "a" / "b" / "lake"
    for symbol in (
        "../../x",
        "../../x-USD",
        "..",
        "/etc-USD",
        "coinbase:../../x-USD",
        "x/../y-USD",
    ):
        for command in ("ingest", "verify", "repair", "files", "status"):
            assert here(w.arguments(command, symbol)).code in {1, 2}
    made = [path for path in tmp_path.rglob("*") if w.lake not in (path, *path.parents)]
    assert {path.name for path in made} <= {"a", "b"}
