"""Faults befall every exchange that the sandbox plays, in its own shape."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from schemahub.sandbox import BAD_ROWS, DIALECTS, KINDS, Fault, Faults, Generated, Sandbox
from tests.sandbox.client import get
from tests.sandbox.tellers import TELLERS, parsed

MARKETS = {"BTC-USD": Generated(seed=1, trades=300), "ETH-USD": Generated(seed=1, trades=40)}
# Twenty rows that hold trade 95, and no other page is like it.
PAGES = {
    "coinbase": "?after=101&limit=20",
    "binance": "&fromId=90&limit=20",
    "kraken": "&since=0&count=100",
    "bitfinex": "?sort=1&limit=100",
}
UNFIT = {
    "coinbase": set[str](),
    "binance": {"epoch_time"},
    "kraken": set[str](),
    "bitfinex": {"epoch_time", "missing_side", "bad_side", "negative_size"},
}
each = pytest.mark.parametrize("name", list(DIALECTS))
others = pytest.mark.parametrize("name", [name for name in DIALECTS if name != "coinbase"])


def open_(name: str) -> Sandbox:
    return Sandbox(MARKETS, dialect=name)


def rows(name: str, box: Sandbox) -> list[Any]:
    answer = get(box.url, TELLERS[name].path + PAGES[name])
    assert answer.status == 200
    return TELLERS[name].rows(parsed(answer.body))


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in DIALECTS for kind in sorted(set(BAD_ROWS) - UNFIT[name])],
)
def test_each_bad_row_spoils_one_row_for_ever(name: str, kind: str) -> None:
    with open_(name) as box:
        clean = rows(name, box)
        box.set_faults([Fault("bad_row", ids=[95], kind=kind)])
        spoilt = rows(name, box)
        differ = [repr(a) != repr(b) for a, b in zip(clean, spoilt, strict=True)]
        assert sum(differ) == 1
        wire_id = box.truth("BTC-USD", 95, 96)[0].trade_id
        assert TELLERS[name].row(clean[differ.index(True)]).trade_id == wire_id
        assert rows(name, box) == spoilt
        assert box.stats().by_fault == {"bad_row": 2}


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n in UNFIT for k in sorted(UNFIT[n])])
def test_what_would_not_be_a_bad_row_there_is_refused(name: str, kind: str) -> None:
    fault = {"name": "bad_row", "ids": [95], "kind": kind}
    with open_(name) as box, pytest.raises(ValueError, match=f"cannot be {kind}"):
        box.set_faults([fault])
    with pytest.raises(ValueError, match=f"cannot be {kind}"):
        Sandbox(MARKETS, dialect=name, faults=Faults(fault))


@each
def test_any_is_one_that_fits(name: str) -> None:
    with open_(name) as box:
        clean = rows(name, box)
        box.set_faults([Fault("bad_row", ids=range(1, 301), kind="any")])
        spoilt = rows(name, box)
        assert all(repr(a) != repr(b) for a, b in zip(clean, spoilt, strict=True))


@others
def test_a_raw_row_knows_the_id_on_the_wire(name: str) -> None:
    with open_(name) as box:
        box.set_faults([Fault("raw_row", ids=[95], text='{"odd":{id}}')])
        wire_id = box.truth("BTC-USD", 95, 96)[0].trade_id
        assert {"odd": wire_id} in rows(name, box)


def ids(name: str, box: Sandbox) -> list[int]:
    """The sandbox's numbers of the trades in the page."""
    number = {one.trade_id: n for n, one in enumerate(box.truth("BTC-USD"), 1)}
    return [number[TELLERS[name].row(row).trade_id] for row in rows(name, box)]


@others
@pytest.mark.parametrize(
    ("fault", "expect"),
    [
        (Fault("hole", ids=[95]), lambda clean: [i for i in clean if i != 95]),
        (Fault("hole_once", ids=[95]), lambda clean: [i for i in clean if i != 95]),
        (Fault("duplicate", rows=2), lambda clean: clean[:2] + clean),
        (Fault("short_page", keep=0.5), lambda clean: clean[: len(clean) // 2]),
        (Fault("cap", rows=7), lambda clean: clean[:7]),
        (Fault("empty_list"), lambda _clean: []),
        (Fault("lag", by=300), lambda _clean: []),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_another_history(name: str, fault: Fault, expect: Callable[[list[int]], list[int]]) -> None:
    with open_(name) as box:
        clean = ids(name, box)
        box.set_faults([fault])
        found = ids(name, box)
        assert found[: len(clean) - 1] == expect(clean)[: len(clean) - 1]
        assert box.stats().by_fault == {fault.name: 1}


@others
def test_a_hole_takes_no_room_in_a_page(name: str) -> None:
    with open_(name) as box:
        clean = ids(name, box)
        box.set_faults([Fault("hole", ids=[95])])
        assert ids(name, box) == [i for i in (*clean, clean[-1] + 1) if i != 95]
        assert len(box.truth("BTC-USD", served=True)) == 299


@others
def test_ids_that_start_again(name: str) -> None:
    teller = TELLERS[name]
    with open_(name) as box:
        box.set_faults([Fault("restart_ids", left=4)])
        told = teller.all(box.url, 100)
        last = box.truth("BTC-USD", 297)
        assert [one.price for one in told] == [Decimal(one.price) for one in last]
        assert len(told) == 4
        assert told[-1].trade_id < 15


@others
def test_rows_of_another_market(name: str) -> None:
    with open_(name) as box:
        box.set_faults([Fault("wrong_symbol")])
        told = TELLERS[name].all(box.url, 100)
        truth = [Decimal(one.price) for one in box.truth("ETH-USD")]
        assert [one.price for one in told] == truth


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("binance", 429, {"code": -1003}),
        ("kraken", 200, {"error": ["EAPI:Rate limit exceeded"]}),
        ("bitfinex", 429, {"error": "ERR_RATE_LIMIT"}),
    ],
)
def test_throttled_in_its_own_words(name: str, status: int, body: dict[str, object]) -> None:
    with open_(name) as box:
        box.set_faults([Fault("http_429", retry_after=9)])
        answer = get(box.url, TELLERS[name].path + PAGES[name])
        assert answer.status == status
        assert body.items() <= answer.json().items()
        assert answer.headers["Retry-After"] == "9"


@others
@pytest.mark.parametrize("status", [500, 503, 403])
def test_other_statuses_and_an_error_in_a_200(name: str, status: int) -> None:
    path = TELLERS[name].path + PAGES[name]
    with open_(name) as box:
        box.set_faults([Fault("http_status", status=status)])
        answer = get(box.url, path)
        assert answer.status == status
        assert answer.json()
        box.set_faults([Fault("error_200")])
        answer = get(box.url, path)
        assert answer.status == 200
        with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
            [TELLERS[name].row(row) for row in TELLERS[name].rows(answer.json())]


@each
def test_all_at_once_break_nothing_of_the_server(name: str) -> None:
    quick: dict[str, dict[str, Any]] = {
        "slow": {"seconds": 0.001},
        "slow_loris": {"size": 5000, "every": 0.001},
        "gzip_bomb": {"mb": 1},
        "wrong_length": {"by": -3},
        "cap": {"rows": 15},
    }
    wanted: dict[str, dict[str, Any]] = {
        k: {"ids": range(1, 300)} for k, kind in KINDS.items() if "ids" in kind.args
    }
    wanted["bad_row"]["kind"] = wanted["bad_row_once"]["kind"] = "any"
    faults = [Fault(k, p=0.15, **quick.get(k, {}), **wanted.get(k, {})) for k in KINDS]
    with Sandbox(MARKETS, dialect=name, faults=Faults(*faults, seed=4)) as box:
        for _ in range(400):
            try:
                get(box.url, TELLERS[name].path + PAGES[name])
            except (OSError, http.client.HTTPException):
                continue
        assert set(box.stats().by_fault) == set(KINDS)
        box.set_faults()
        assert 95 in ids(name, box)
