"""Answers that are wrong, short or late; crowded instants; numbers; and what a proof rests on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.windows.conftest import Open, Window
from tests.e2e.windows.venues import Params, Reply

ALL = ("okx", "gate", "gemini", "bitstamp", "bitfinex")
HOUR = 3_600
Fault = Callable[[str, Params, Reply], Reply]


def rows_of(reply: Reply) -> list[Any]:
    said: Any = json.loads(reply[1]) if isinstance(reply[1], bytes) else reply[1]
    return list(said["data"] if isinstance(said, dict) else said)


def with_rows(reply: Reply, rows: list[Any]) -> Reply:
    return 200, {**reply[1], "data": rows} if isinstance(reply[1], dict) else rows


def sometimes(wrong: Fault, every: int = 3) -> Fault:
    """Each third answer is wrong, the head's among them."""
    asked = iter(range(10**6))

    def fault(path: str, params: Params, reply: Reply) -> Reply:
        return wrong(path, params, reply) if next(asked) % every == 0 else reply

    return fault


def short(path: str, params: Params, reply: Reply) -> Reply:
    rows = rows_of(reply)
    # As a cap that was lowered: the rows at the end where the question begins.
    upwards = "since_tid" in params
    return with_rows(reply, rows[-4:] if upwards else rows[:4])


FAULTS: dict[str, Fault] = {
    "empty": lambda path, params, reply: with_rows(reply, []),
    "short": short,
    "not json": lambda path, params, reply: (200, b"<html>just a moment</html>"),
    "an error": lambda path, params, reply: (200, {"code": "50026", "msg": "System error"}),
    "busy": lambda path, params, reply: (503, {}),
}


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        pytest.param(name, fault, marks=pytest.mark.heavy if fault in {"not json", "busy"} else ())
        for name in ALL
        for fault in FAULTS
        # Whatever Bitstamp shows is all there is: see the test below.
        if (name, fault) not in {("bitstamp", "short"), ("bitstamp", "empty")}
    ],
)
def test_answers_that_are_wrong_now_and_then_lose_nothing(
    window: Open, name: str, fault: str
) -> None:
    w = window(name, page=20)
    w.venue.every(40, -HOUR, 2 * HOUR)
    w.venue.fault = sometimes(FAULTS[fault])
    w.poll()
    w.venue.wait(minutes=50)
    w.ingest()
    w.venue.fault = None
    w.poll()
    first = w.rows()[0][0]
    assert first <= next(t.id for t in w.venue.trades if t.at >= start(w))
    w.assert_is(t for t in w.venue.due if t.id >= first)
    assert "missing" not in w.statuses()


def start(w: Window) -> float:
    """Where the recent window of the first of two polls began, in µs."""
    return (w.venue.at.timestamp() - 95 * 60) * 1e6


@pytest.mark.usefixtures("hurried")
def test_a_short_window_is_healed_by_the_next_poll(window: Open) -> None:
    """What a poll of the latest does not reach back to what is held, the next one may."""
    w = window("bitstamp")
    w.venue.every(40, -HOUR, 2 * HOUR)
    w.poll()
    first = w.rows()[0][0]
    w.venue.wait(minutes=30)
    w.venue.fault = short
    assert "possible gap: " in w.poll(code=3)
    assert "missing" in w.statuses(code=4)
    w.venue.fault = None
    w.venue.wait(minutes=10)
    w.poll()
    w.assert_is(t for t in w.venue.due if t.id >= first)
    assert w.statuses() == ["unproven"]


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("name", ALL)
def test_an_unknown_market_is_refused_and_nothing_is_written(window: Open, name: str) -> None:
    w = window(name)
    w.venue.every(40, -HOUR, 0)
    said = w.run("ingest", f"{w.exchange}:XRP-USD")
    assert said.code == 1
    assert said.errors
    assert not list(w.lake.rglob("*.zst"))


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("name", ALL)
def test_a_replica_that_lags_is_told_and_nothing_is_lost(window: Open, name: str) -> None:
    w = window(name, page=20)
    w.venue.every(40, -HOUR, 2 * HOUR)
    w.poll()
    before = w.rows()
    lag = timedelta(minutes=30)
    w.venue.fault = lambda path, params, reply: behind(w, params, lag)
    told = w.poll()
    assert "lags" in told
    assert w.rows() == before
    w.venue.fault = None
    w.venue.wait(minutes=20)
    assert "gap" not in w.poll()
    w.assert_is(t for t in w.venue.due if t.id >= before[0][0])


def behind(w: Window, params: Params, lag: timedelta) -> Reply:
    """What the venue knew a while ago, under the Date of now."""
    edge = (w.venue.at - lag).timestamp() * 1e6
    known = [one for one in w.venue.shown if one.at <= edge]
    return 200, w.venue.kind.wire(w.venue, known, params)


# ---------------------------------------------------------------- crowded instants


@pytest.mark.parametrize(("name", "page"), [("gate", 10), ("gate", 7), ("bitfinex", 45)])
def test_more_trades_in_one_second_than_a_page_holds(window: Open, name: str, page: int) -> None:
    w = window(name, page=page)
    w.venue.every(60, -HOUR, -1_500)
    w.venue.happen(*(-1_400 + n / 50 for n in range(40)))
    w.venue.every(60, -1_300, 0)
    w.poll("--since", "2025-06-10")
    w.assert_is(w.venue.due)
    if name == "gate":
        assert any(int(asked.get("page", 1)) > 1 for asked in w.venue.asked)
        assert w.certificate()["status"] == "proven"


def test_more_trades_in_one_millisecond_than_an_answer_holds_are_an_error(window: Open) -> None:
    w = window("bitfinex", page=20)
    w.venue.every(60, -HOUR, -1_500)
    w.venue.happen(*([-1_400] * 30))
    w.venue.every(60, -1_300, 0)
    said = w.ingest(code=1)
    assert "share one instant" in said.err


# ---------------------------------------------------------------- numbers


NUMBERS = [
    "19203.444049780002", "8784.90450974", "1e-7", "1.5E-9", "2.5e+3", "6.0e4", "100", "0.1",
    "1E2", "123456789.000000000001", "1e-13",
]  # fmt: skip


def test_json_numbers_are_exact_to_the_text(window: Open) -> None:
    w = window("bitfinex", page=10)
    made = w.venue.happen(*(-600 + n for n in range(len(NUMBERS) * 2)))
    w.venue.trades = [
        replace(
            one,
            price=NUMBERS[n % len(NUMBERS)],
            size=NUMBERS[(n * 3 + 1) % len(NUMBERS)],
            side="buy" if n % 2 else "sell",
        )
        for n, one in enumerate(made)
    ]
    w.poll()
    w.assert_is(t for t in w.venue.trades if fits(t.price) and fits(t.size))
    assert len(w.rows()) < len(made), "one of these has more decimals than the table"
    assert w.statuses(code=4) == ["quarantined", "unproven"]


def fits(text: str) -> bool:
    """Whether the table's decimals hold it."""
    exponent = Decimal(text).normalize().as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -12


# ---------------------------------------------------------------- what a proof rests on


@pytest.mark.parametrize(
    ("name", "status", "by", "shown"),
    [
        ("okx", "proven", ("ids", "measured"), "ids, measured"),
        ("gate", "proven", ("ids", "documented"), "ids, documented, not measured"),
        ("gemini", "unproven", ("nothing", "measured"), "tid is shared by all markets"),
        ("bitstamp", "unproven", ("nothing", "measured"), "tid is shared by all markets"),
        ("bitfinex", "unproven", ("nothing", "documented"), "ids are shared by all markets"),
    ],
)
def test_a_certificate_says_what_it_rests_on(
    window: Open, name: str, status: str, by: tuple[str, str], shown: str
) -> None:
    w = window(name)
    w.venue.every(40, -HOUR, 0)
    w.poll()
    found = w.certificate()
    assert found["status"] == status
    assert (found["provable"]["by"], found["provable"]["basis"]) == by
    assert found["count"] == len(w.rows())
    said = w.run("verify", w.market)
    assert said.code == 0
    assert shown in said.out


def test_ids_that_are_missing_on_an_axis_of_time_fail_the_proof(window: Open) -> None:
    """Gate leaves out a trade in every answer: its ids tell, on its own word that they do."""
    w = window("gate", page=20)
    w.venue.every(40, -HOUR, 0)
    hidden = w.venue.trades.pop(60)
    said = w.ingest(code=3)
    assert f"ids {hidden.id} to {hidden.id} are missing" in said.err
    assert w.run("transform", "--workers", "1").code == 0
    assert w.certificate(code=4)["status"] == "missing"
    w.venue.trades.insert(60, hidden)
    assert w.run("repair", w.market).code == 0
    assert w.certificate()["status"] == "proven"


# Where ids have no holes and are the axis, a late trade is a hole, which is asked again.
@pytest.mark.parametrize("name", [name for name in ALL if name != "okx"])
def test_trades_that_come_late_within_the_settle_time_are_held(window: Open, name: str) -> None:
    w = window(name, page=20)
    w.venue.every(40, -HOUR, -70)
    late, newest = w.venue.happen(-50, -45)
    w.venue.trades.remove(late)
    w.poll()
    w.venue.trades.insert(-1, late)
    w.venue.wait(minutes=5)
    w.poll()
    first = w.rows()[0][0]
    assert w.rows()[-1][0] == newest.id
    w.assert_is(t for t in w.venue.due if t.id >= first)
