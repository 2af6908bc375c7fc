"""Polling an exchange that shows only a window: what was within reach is held, once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.e2e.windows.conftest import Open

ALL = ("okx", "gate", "gemini", "bitstamp", "bitfinex")
WINDOWS = ("okx", "gate", "gemini", "bitstamp")
HOUR, DAY = 3_600, 86_400
# Thirty days of a market that hardly trades are a thousand cells: all of it is as true of hours.
SHORT = {"gate": {"history": "20h"}}


@pytest.mark.parametrize("name", ALL)
def test_a_cold_start_takes_the_last_three_quarters_of_an_hour(window: Open, name: str) -> None:
    w = window(name, page=25)
    w.venue.every(40, -3 * HOUR, 0)
    told = w.poll()
    w.assert_is(t for t in w.venue.due if t.at >= (w.venue.at.timestamp() - 45 * 60) * 1e6)
    assert "history begins" in told
    assert "the recent window" in told
    assert "gap" not in told


@pytest.mark.parametrize("name", ALL)
def test_polls_that_overlap_lose_nothing_and_hold_nothing_twice(window: Open, name: str) -> None:
    w = window(name, page=25)
    w.venue.every(40, -1 * HOUR, 4 * HOUR)
    w.poll()
    first = w.rows()[0][0]
    for _ in range(3):
        w.venue.wait(minutes=48)
        told = w.poll()
        assert "gap" not in told
        w.assert_is(t for t in w.venue.due if t.id >= first)
    assert "missing" not in w.statuses()


@pytest.mark.parametrize("name", ALL)
def test_a_poll_that_finds_nothing_new_stores_nothing(window: Open, name: str) -> None:
    w = window(name, page=25, **SHORT.get(name, {}))
    w.venue.every(40, -2 * HOUR, 0)
    w.poll("--full")
    before, lines = w.raw(), w.lines()
    w.poll()
    w.poll("--full")
    assert (w.raw(), w.lines()) == (before, lines)


@pytest.mark.parametrize("name", WINDOWS)
def test_a_poll_too_late_is_a_gap_that_nobody_overlooks(window: Open, name: str) -> None:
    w = window(name, page=25, **SHORT.get(name, {}))
    reach = w.reach
    w.venue.every(reach / 60, -1.2 * reach, 4 * reach)
    w.poll("--full")
    held = w.rows()
    w.venue.wait(seconds=2 * reach)
    shown = w.venue.due
    told = w.poll(code=3)
    assert "possible gap: " in told
    assert "cannot be had any more" in told
    assert "a later run asks again" not in told
    w.assert_is(shown, after=held)
    assert "missing" in w.statuses(code=4)
    for _ in range(2):
        asked = len(w.venue.asked)
        w.venue.wait(seconds=reach / 4)
        shown += [t for t in w.venue.due if t.id > shown[-1].id]
        assert "possible gap: " in w.poll(code=3)
        w.assert_is(shown, after=held)
        assert len(w.venue.asked) - asked < 40, "it asks again for what is gone"
    assert "missing" in w.statuses(code=4)
    said = w.run("verify", w.market)
    assert "fetches what can be had" in said.err


@pytest.mark.parametrize("name", WINDOWS)
def test_repair_of_what_is_gone_says_so_and_changes_nothing(window: Open, name: str) -> None:
    w = window(name, page=25, **SHORT.get(name, {}))
    reach = w.reach
    w.venue.every(reach / 60, -1.2 * reach, 4 * reach)
    w.poll("--full")
    w.venue.wait(seconds=2 * reach)
    w.poll(code=3)
    before = w.rows()
    said = w.run("repair", w.market)
    assert said.code in {3, 4}, said.err
    assert "possible gap: " in said.err
    assert w.rows() == before
    assert "missing" in w.statuses(code=4)


@pytest.mark.parametrize("name", WINDOWS)
def test_since_before_the_window_says_what_cannot_be_had(window: Open, name: str) -> None:
    w = window(name, page=25, **SHORT.get(name, {}))
    reach = w.reach
    w.venue.every(reach / 60, 100 - 3 * reach, reach)
    told = w.poll("--since", "2024-01-01", code=3)
    assert "from 2024-01-01T00:00:00Z to 20" in told
    assert "cannot be had" in told
    # Of the first minute of a window some may have left it before it was asked for.
    truth = [t for t in w.venue.due if t.at >= (w.venue.at.timestamp() - reach + 61) * 1e6]
    assert len(truth) > 50
    w.assert_is(truth)
    assert "missing" not in w.statuses()
    # Asked the same again, the answer is the same; a plain poll asks for no more than it holds.
    assert "cannot be had" in w.poll("--since", "2024-01-01", code=3)
    w.venue.wait(hours=1)
    assert "cannot be had" not in w.poll()


@pytest.mark.parametrize("name", WINDOWS)
def test_full_is_all_that_is_shown_and_says_where_that_begins(window: Open, name: str) -> None:
    w = window(name, page=25, **SHORT.get(name, {}))
    reach = w.reach
    w.venue.every(reach / 60, 100 - 3 * reach, reach)
    told = w.poll("--full")
    assert "history begins at" in told or "history begins with" in told
    assert "shows only the last" in told
    w.assert_is(t for t in w.venue.due if t.at >= (w.venue.at.timestamp() - reach + 61) * 1e6)
    before = w.rows()
    w.venue.wait(seconds=reach / 3)
    w.poll("--full")
    assert w.rows()[: len(before)] == before
    w.poll("--since", "2024-01-01", code=3)


@pytest.mark.parametrize("name", ALL)
def test_a_quiet_hour_is_no_error(window: Open, name: str) -> None:
    w = window(name, page=25)
    w.venue.every(300, -2 * HOUR, 0)
    w.poll()
    first = w.rows()[0][0]
    w.venue.wait(hours=5)
    assert "gap" not in w.poll()
    w.venue.happen(5 * HOUR + 60, 5 * HOUR + 90)
    w.venue.wait(minutes=10)
    assert "gap" not in w.poll()
    w.assert_is(t for t in w.venue.due if t.id >= first)


@pytest.mark.parametrize("name", WINDOWS)
def test_a_market_whose_newest_trade_left_the_window_is_no_error(window: Open, name: str) -> None:
    w = window(name, page=25, **SHORT.get(name, {}))
    w.venue.every(60, -HOUR, 0)
    w.poll()
    held = w.rows()
    w.venue.wait(seconds=1.5 * w.reach)
    told = w.poll()
    assert "shows no trade of the last" in told
    w.assert_is([], after=held)
    new = w.venue.happen(1.5 * w.reach + 100, step=1 if name == "okx" else 37)
    w.venue.wait(hours=1)
    # Where ids have no holes they show that there is no gap; elsewhere nobody knows.
    told = w.poll(code=0 if name == "okx" else 3)
    assert ("possible gap" in told) == (name != "okx")
    w.assert_is(new, after=held)


@pytest.mark.parametrize("name", WINDOWS)
def test_no_trade_where_there_must_be_some_is_an_error(
    window: Open, name: str, hurried: None
) -> None:
    w = window(name, page=25, **SHORT.get(name, {}))
    w.venue.every(60, -HOUR, 0)
    w.poll()
    w.venue.fault = lambda path, params, reply: (
        (200, {**reply[1], "data": []}) if isinstance(reply[1], dict) else (200, [])
    )
    said = w.ingest(code=1)
    assert "shows no trade of" in said.err


@pytest.mark.parametrize("name", ALL)
def test_a_market_without_a_trade_then_with_one(window: Open, name: str) -> None:
    w = window(name, page=25)
    assert "no trade of this market yet" in w.poll()
    w.venue.happen(5)
    w.venue.wait(seconds=10)
    if name != "okx":
        w.poll()
        assert w.rows() == []
    w.venue.wait(seconds=90)
    w.poll()
    w.assert_is(w.venue.trades)
    assert "missing" not in w.statuses()


@pytest.mark.parametrize("name", ALL)
def test_a_market_that_trades_too_much_for_its_newest_page(window: Open, name: str) -> None:
    """The newest page holds only trades that are not settled yet; what lies below is due."""
    w = window(name, page=25)
    w.venue.every(1.5, -600.7, 600)
    w.poll()
    w.assert_is(w.venue.due)
    w.venue.wait(seconds=300)
    told = w.poll()
    assert "gap" not in told
    w.assert_is(w.venue.due)
    assert "missing" not in w.statuses()


@pytest.mark.parametrize("name", ["gate", "gemini"])
def test_a_window_that_moves_on_while_it_is_read(window: Open, name: str) -> None:
    """What left it before it could be asked for is never said to be held."""
    w = window(name, page=10, **SHORT.get(name, {}))
    w.venue.every(120, -1.1 * DAY, DAY)

    def later(path: str, params: dict[str, str], reply: tuple[int, object]) -> tuple[int, object]:
        w.venue.at += timedelta(minutes=4)
        return reply

    w.venue.fault = later
    said = w.run("ingest", w.market, "--full")
    w.venue.fault = None
    assert w.run("transform", "--workers", "1").code == 0
    held = w.rows()
    # All between the first and the last that is held; and before the first nothing is claimed.
    w.assert_is(t for t in w.venue.trades if held[0][0] <= t.id <= held[-1][0])
    gone = "possible gap" in said.err
    assert gone or name != "gate"
    assert said.code == (3 if gone else 0), said.err
    found = w.certificate(code=4 if gone else 0)
    if gone:
        (hole,) = (hole for hole in found["holes"] if hole["status"] == "missing")
        assert hole["span"][0] == found["span"][0]
