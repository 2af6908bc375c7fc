"""Exchanges on which trades happen while they are asked, and ids that they never gave."""

from __future__ import annotations

import time

import pytest

from tests.e2e.foreign.binance import Binance
from tests.e2e.foreign.conftest import Make, ago
from tests.e2e.foreign.deals import SECOND, Deal, deals
from tests.e2e.foreign.kraken import Kraken
from tests.e2e.foreign.venue import Venue


def busy(venue: Venue) -> None:
    """Some trades happen whenever it is asked."""
    (book,) = venue.books.values()
    last, now = book.deals[-1].number, time.time_ns()
    book.deals += [
        Deal(last + n, now + n // 3, "3.25", f"0.{last + n:08}", n % 2 == 0) for n in range(1, 150)
    ]


@pytest.mark.parametrize("kind", [Binance, Kraken])
def test_trades_that_happen_meanwhile_are_had_by_the_next_runs(
    foreign: Make, kind: type[Venue]
) -> None:
    made = deals(9, 5_000, ends=ago(5), first=0 if kind is Binance else 1)
    w = foreign(kind, made, settle=1.0, before=busy)
    w.fetch("--full")
    held, until = w.rows(), time.monotonic() + 30
    while len(held) <= 5_000 and time.monotonic() < until:
        time.sleep(0.3)  # what is younger than `settle`, by a clock of whole seconds, is left
        w.fetch()
        held = w.rows()
    assert len(held) > 5_000
    assert held == w.expected(w.book.deals[: len(held)])
    assert w.certificate()["status"] == "proven"
    w.venue.before = None
    time.sleep(2.1)  # all have settled
    w.fetch()
    w.assert_whole()


def test_trades_younger_than_the_settle_time_are_left_to_the_next_run(foreign: Make) -> None:
    made = deals(10, 2_000, ends=ago(0))
    late = [Deal(one.number, one.ns, one.price, one.size, one.buys) for one in made[-50:]]
    now = time.time_ns()
    young = [Deal(d.number, now - (50 - n) * 10**8, d.price, d.size, d.buys)
             for n, d in enumerate(late)]  # fmt: skip
    old = [one for one in made[:-50] if one.ns < now - 70 * 10**9]
    made = [Deal(n + 1, d.ns, d.price, d.size, d.buys) for n, d in enumerate([*old, *young])]
    w = foreign(Kraken, made)
    w.fetch("--full")
    w.assert_whole(made[: len(old)])
    w.assert_quiet(requests=2)


def test_ids_that_binance_never_gave_are_absent_after_two_runs(foreign: Make) -> None:
    made = deals(11, 6_000, ends=ago(5), first=0)
    w = foreign(Binance, made, settle=1.0)
    w.book.hidden = frozenset({0, 999, 1000, 2_000, 3_333, 4_444, 4_445, 5_998})
    said = w.run("ingest", w.market, "--full")
    assert said.code == 3, said.err
    w.ok("transform")
    assert w.certificate(code=4)["status"] == "missing"
    time.sleep(2.1)
    w.fetch("--full")
    w.assert_table(w.book.visible())
    found = w.certificate()
    assert found["status"] == "absent_at_source"
    assert found["count"] == len(made) - 8
    w.assert_quiet("--full", requests=3)
    w.book.hidden = frozenset()
    w.ok("repair", w.market, "--audit")
    w.fetch("--full")  # history begins earlier now
    w.assert_whole()


def test_history_goes_on_after_a_second_of_more_trades_than_a_page(foreign: Make) -> None:
    second = ago(5) // SECOND * SECOND
    made = [Deal(n + 1, second + n * 300_000, "3.5", "1.5", n % 2 == 0) for n in range(3_000)]
    w = foreign(Kraken, made)
    w.fetch("--full")
    later = second + 7 * SECOND
    w.book.deals += [Deal(n + 3_001, later + n * 10**7, "3", "2", buys=True) for n in range(1_500)]
    w.fetch()
    w.assert_whole()
    w.assert_quiet("--full", requests=3)
