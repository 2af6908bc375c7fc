"""Past one address: machines that share a lake divide its markets by leases, unasked.

Each process has a gate of its own, as each machine with an address of its own has.
"""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Make, Respec
from tests.e2e.world import World, ended

SYMBOLS = tuple(f"{base}-USD" for base in ("BTC", "ETH", "SOL", "DOGE", "ADA", "XRP", "LTC", "DOT"))
PAGES = 15
CREW = 4
RATE, BURST = 10.0, 15.0  # what the exchange's spec allows an address


@pytest.mark.heavy
@pytest.mark.alone
def test_four_processes_of_the_same_markets_fetch_each_once_and_all_of_them(
    make: Make, respec: Respec
) -> None:
    w = make(dict.fromkeys(SYMBOLS, PAGES * 1_000), latency=0.05)
    crew = [w.start("ingest", *SYMBOLS, "--full", "--json", "--workers", "2") for _ in range(CREW)]
    told = [ended(process) for process in crew]
    stats = w.box.stats()
    asked = dict(stats.by_market)

    # What was left to others is 3, or 5 if that was everything; what nobody had to leave is 0.
    for said in told:
        states = [one["state"] for one in said.json()["markets"]]
        assert set(states) <= {"complete", "held"}
        left = states.count("held")
        worked = any(one["bytes"] for one in said.json()["markets"])
        expected = 0 if not left else 3 if left < len(states) and worked else 5
        assert said.code == expected, (said.code, states)
    outcomes = [one for said in told for one in said.json()["markets"]]
    fetched = [one["market"] for one in outcomes if one["trades"]]
    assert sorted(fetched) == sorted(f"coinbase:{symbol}" for symbol in SYMBOLS)

    # Together they were faster than one address may be.
    times = sorted(stats.arrivals)
    assert len(times) > BURST + RATE * (times[-1] - times[0])

    w.ok("transform")
    for symbol in SYMBOLS:
        w.assert_whole(symbol)

    # One process alone, on a lake of its own, asks as often: but for the head, which each asks.
    respec("rate: 10.0, burst: 15", "rate: 1000.0, burst: 100")
    single = World(w.lake.parent / "single", w.box, w.clock)
    single.ok("ingest", *SYMBOLS, "--full")
    for symbol, before in asked.items():
        one = w.box.stats().by_market[symbol] - before
        assert PAGES <= one <= before < one + 2 * CREW, (symbol, one, before)
