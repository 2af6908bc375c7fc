"""Whole histories of foreign exchanges, fetched, mapped, asked again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.e2e.foreign.binance import Binance
from tests.e2e.foreign.conftest import Make, ago
from tests.e2e.foreign.deals import deals, shares_of_equal_times
from tests.e2e.foreign.kraken import Kraken
from tests.e2e.foreign.venue import Venue

BOTH = pytest.mark.parametrize("kind", [Binance, Kraken])


def first(kind: type[Venue]) -> int:
    return 0 if kind is Binance else 1


@BOTH
def test_a_whole_history_is_fetched_exactly_and_then_quiet(
    foreign: Make, kind: type[Venue]
) -> None:
    made = deals(1, 20_000, ends=ago(5), first=first(kind))
    assert shares_of_equal_times(made) > 0.35
    w = foreign(kind, made)
    w.fetch("--full")
    assert len(w.venue.asked) < 40
    w.assert_whole()
    w.assert_quiet("--full", requests=3)
    w.assert_quiet(requests=2)


@BOTH
@pytest.mark.parametrize(
    "count", [0, 1, *(pytest.param(n, marks=pytest.mark.heavy) for n in (2, 999, 1000, 1001))]
)
def test_a_market_with_few_trades_or_none(foreign: Make, kind: type[Venue], count: int) -> None:
    w = foreign(kind, deals(2, count, ends=ago(5), first=first(kind)))
    w.fetch("--full")
    if count:
        w.assert_whole()
    w.assert_quiet("--full", requests=6)  # that there is nothing is believed when told twice


@BOTH
def test_in_two_halves_and_from_the_middle(foreign: Make, kind: type[Venue]) -> None:
    made = deals(3, 7_000, ends=ago(5), first=first(kind))
    w = foreign(kind, made)
    middle, later = w.moment(made[3_000]), w.moment(made[5_000])
    w.fetch("--since", middle.isoformat(), "--until", later.isoformat())
    part = [one for one in made if middle <= w.moment(one) < later]
    # Spans of time are cut at full seconds.
    found = [one for one in w.rows() if middle <= one[4] < later.replace(microsecond=0)]
    assert found == [one for one in w.expected(part) if one[4] < later.replace(microsecond=0)]
    assert w.certificate()["status"] == "proven"
    w.fetch()
    edge = middle.replace(microsecond=0) if kind is Kraken else middle
    w.assert_whole([one for one in made if w.moment(one) >= edge])
    w.fetch("--full", "--until", datetime.now(UTC).isoformat())
    w.assert_whole()
    w.assert_quiet("--full", requests=3)
