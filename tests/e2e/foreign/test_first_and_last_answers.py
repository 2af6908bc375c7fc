"""Faulty answers to the two questions on which all else rests: what is newest, what is first."""

from __future__ import annotations

import pytest

from tests.e2e.foreign.binance import Binance
from tests.e2e.foreign.conftest import Make, ago
from tests.e2e.foreign.deals import SECOND, Deal, deals
from tests.e2e.foreign.kraken import Kraken
from tests.e2e.foreign.venue import Venue


@pytest.mark.parametrize("kind", [Binance, Kraken])
@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("fault", ["empty", "lacks_front"])
def test_history_is_whole_whatever_one_of_them_lacks(
    foreign: Make, kind: type[Venue], fault: str, at: int
) -> None:
    w = foreign(kind, deals(4, 2_500, ends=ago(5), first=0 if kind is Binance else 1))
    w.venue.faults.at = {at: fault}
    w.fetch("--full")
    w.assert_whole()


@pytest.mark.parametrize("cut", [3_050, 4_040, 4_930])
def test_a_second_that_a_stale_head_cut_is_made_whole_by_the_next_run(
    foreign: Make, cut: int
) -> None:
    """A replica that lags behind longer than trades settle knows half of a busy second."""
    made = busy(5_000)
    w = foreign(Kraken, made)
    w.book.shown = cut
    w.fetch("--full")
    assert made[cut - 1].ns // SECOND == made[cut].ns // SECOND
    w.book.shown = None
    w.fetch()
    w.assert_whole()
    w.assert_quiet(requests=2)


def busy(count: int) -> list[Deal]:
    """200 trades a second, and some seconds later: the newest page begins within a second."""
    ends = ago(5) // SECOND * SECOND
    made = [
        Deal(n + 1, ends - (count - n) * SECOND // 200, "7.5", f"0.{n + 1:08}", n % 2 == 0)
        for n in range(count)
    ]
    later = ends + 9 * SECOND
    return [*made, *(Deal(count + n, later + n, "7.5", "1", buys=True) for n in range(1, 91))]
