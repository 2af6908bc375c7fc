"""The seed list: what a scheduled run takes, and what a bad answer can never do to it."""

from __future__ import annotations

import time
from collections.abc import Iterable

from schemahub.sandbox import Fault, Generated, Market, Sandbox
from tests.e2e.conftest import Make
from tests.e2e.world import World, changed

NOW = time.time()  # the same trades whichever sandbox serves them
MARKETS = {
    "BTC-USD": Market(Generated(seed=5, trades=40, end_ts=NOW)),
    "ETH-USD": Market(Generated(seed=5, trades=30, end_ts=NOW)),
    "BTC-EUR": Market(Generated(seed=5, trades=20, end_ts=NOW)),
    "OLD-USD": Market(Generated(seed=5, trades=10, end_ts=NOW), status="delisted"),
}


def seed(w: World) -> bytes:
    (path,) = (w.lake / "seeds").iterdir()
    return path.read_bytes()


def symbols(w: World, *more: str) -> list[str]:
    return list(w.ok("update-seed", "--json", *more).json()["markets"])


def listing(w: World, only: Iterable[str]) -> Sandbox:
    """The same exchange on another day, listing these markets alone."""
    return Sandbox({name: MARKETS[name] for name in only})


def test_the_seed_is_what_is_online_and_matches(make: Make) -> None:
    w = make(MARKETS)
    assert symbols(w) == ["BTC-EUR", "BTC-USD", "ETH-USD"]
    assert symbols(w, "--filter-regex", ".*-USD") == ["BTC-USD", "ETH-USD"]
    assert symbols(w, "--filter-regex", "BTC-EUR", "--merge") == ["BTC-EUR", "BTC-USD", "ETH-USD"]
    assert w.run("update-seed", "--filter-regex", "BTC").code == 2  # matches nothing as a whole


def test_a_run_without_markets_takes_the_seed(make: Make) -> None:
    w = make(MARKETS)
    assert w.run("run").code == 2
    assert w.run("ingest").code == 2
    w.ok("update-seed", "--filter-regex", ".*-USD")
    w.ok("run")
    found = {row["market"]: row["held"] for row in w.ok("status", "--json").json()["markets"]}
    assert found == {"coinbase:BTC-USD": 40, "coinbase:ETH-USD": 30}
    w.ok("update-seed")
    w.ok("ingest")
    w.ok("transform")
    for market in ("BTC-USD", "ETH-USD", "BTC-EUR"):
        w.assert_whole(market)


def test_a_plan_of_the_seed_is_said_and_not_kept(make: Make) -> None:
    w = make(MARKETS)
    said = w.ok("update-seed", "--dry-run", "--json").json()
    assert said["dry_run"] is True
    assert not w.lake.exists()


def test_an_answer_that_is_empty_or_cut_short_never_shrinks_the_seed(
    make: Make, hurried: None
) -> None:
    w = make(MARKETS)
    w.ok("update-seed")
    before = seed(w)
    with listing(w, ()) as box:
        said = World(w.lake, box).run("update-seed")
        assert said.code == 1
        assert "lists no market" in said.err
    with listing(w, ("BTC-USD",)) as box:
        for more in ((), ("--merge",), ("--filter-regex", "BTC.*")):
            said = World(w.lake, box).run("update-seed", *more)
            assert said.code == 1
            assert "shrank" in said.err or "only 1 of" in said.err
    w.box.set_faults([Fault("html_200", endpoint="products")])
    assert w.run("update-seed").code == 1
    assert seed(w) == before


def test_a_market_that_is_no_longer_listed_stays_marked_and_is_not_asked_for(make: Make) -> None:
    w = make(MARKETS)
    w.ok("update-seed")
    with listing(w, ("BTC-USD", "BTC-EUR")) as box:
        later = World(w.lake, box)
        told = later.ok("update-seed", "--json").json()
        assert told["markets"] == ["BTC-EUR", "BTC-USD", "ETH-USD"]
        assert told["offline"] == ["ETH-USD"]
        later.ok("run")
        assert set(box.stats().by_market) == {"BTC-USD", "BTC-EUR"}
    # It comes back.
    assert w.ok("update-seed", "--json").json()["offline"] == []
    w.ok("ingest", "ETH-USD")
    w.ok("transform")
    w.assert_whole("ETH-USD")


def test_a_damaged_seed_stops_nobody_who_names_markets(make: Make) -> None:
    w = make(MARKETS)
    w.ok("update-seed")
    (path,) = (w.lake / "seeds").iterdir()
    path.write_bytes(b"{")
    before = w.files()
    assert w.run("run").code == 6
    assert w.run("update-seed").code == 6
    assert path.read_bytes() == b"{"
    assert [n for n in changed(before, w.files()) if not n.startswith("runs/")] == []
    w.ok("ingest", "BTC-USD")
    w.ok("transform")
    w.assert_whole("BTC-USD")
    path.unlink()
    assert len(symbols(w)) == 3
