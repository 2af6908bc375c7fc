"""Processes behind one address share the exchange's limit, and use it."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Make
from tests.e2e.world import ended

RATE, BURST = 10.0, 15.0  # what the exchange's spec allows an address
SYMBOLS = ("BTC-USD", "ETH-USD", "SOL-USD", "DOGE-USD")
PAGES = 30


@pytest.mark.heavy
def test_four_processes_of_a_quarter_each_stay_within_the_limit_and_come_near_it(
    make: Make,
) -> None:
    """Of every stretch of time, long or short, from the first request to the last."""
    w = make(dict.fromkeys(SYMBOLS, PAGES * 1_000), latency=0.05)
    crew = [w.start("ingest", one, "--full", "--rate-share", "1/4") for one in SYMBOLS]
    assert [ended(process).code for process in crew] == [0] * 4
    stats = w.box.stats()
    assert stats.limited == 0
    assert min(stats.by_market[one] for one in SYMBOLS) >= PAGES

    times = sorted(stats.arrivals)
    for first, begin in enumerate(times):
        for last in range(first + 1, len(times)):
            # One more a process: a request may be on its way for longer than the next.
            allowed = BURST + RATE * (times[last] - begin) + len(SYMBOLS)
            assert last - first + 1 <= allowed, (begin, times[last])

    # In the middle half nobody begins and nobody is done yet.
    quarter = (times[-1] - times[0]) / 4
    middle = [one for one in times if times[0] + quarter <= one <= times[-1] - quarter]
    assert len(middle) >= 0.8 * RATE * 2 * quarter
    w.ok("transform")
    for symbol in SYMBOLS:
        w.assert_whole(symbol)
