"""Rows by path, rows as arrays, words of any type, void ids: what one spec says and others not."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from schemahub.core.columns import ids_and_times
from schemahub.core.envelope import complaint, inside, members
from schemahub.core.spec import Errors
from schemahub.core.spec_reading import build
from schemahub.core.trade import VOID, Rejected
from schemahub.core.wire import Reader, RowRefused
from tests.core.dialect import NOW_US, data, row

T = NOW_US - 3_600_000_000


def reader(fields: dict[str, Any] | None = None, **trades: Any) -> Reader:
    changed = data()
    changed["trades"]["fields"] |= fields or {}
    changed["trades"] |= trades
    return Reader(build(changed, {}, "acme.yaml"))


def timed() -> Reader:
    changed = data()
    changed["axis"] = "time"
    changed["trades"]["paging"]["unit"] = "ms"
    changed["trades"]["fields"]["trade_ts"] = {"from": "time", "as": "unix_ms"}
    return Reader(build(changed, {}, "acme.yaml"))


def bulk(one: Reader, body: bytes) -> list[tuple[int, int]] | None:
    typed = one.typed(body)
    found = None if typed is None else ids_and_times(typed, one, NOW_US)
    return None if found is None else list(zip(*found, strict=True))


# ---------------------------------------------------------------- where the rows are

ROWS = json.dumps([row(5, T), row(4, T)]).encode()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", b"%s"),
        ("data", b'{"data":%s,"code":"0"}'),
        ("a.b", b'{"x":[[]],"a":{"b":%s}}'),
        ("result.*", b'{"result":{"XXBTZUSD":%s,"last":"1"}}'),
        ("0", b"[%s,[]]"),
        ("data.1", b'{"data":[0,%s]}'),
        ("7", b'{"7":%s}'),
        ("data", b'{"data":[1],"data":%s}'),
    ],
)
def test_rows_are_found_by_their_path(path: str, body: bytes) -> None:
    one = reader(rows=path)
    whole = body % ROWS
    assert [one.trade(raw, NOW_US).position for raw in one.split(whole)] == [5, 4]
    assert bulk(one, whole) == [(5, T), (4, T)]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("data", b'{"dat":%s}'),
        ("data", b"%s"),
        ("data", b"[]"),
        ("data", b'{"data":{}}'),
        ("data", b'{"data":null}'),
        ("data", b'{"data":"[]"}'),
        ("data.x", b'{"data":%s}'),
        ("result.*", b'{"result":{"last":"1"}}'),
        ("result.*", b'{"result":{"a":%s,"b":[]}}'),
        ("result.*", b'{"result":%s}'),
        ("1", b"[%s]"),
        ("", b'{"data":%s}'),
        ("data", b'{"data":%s'),
        ("data", b'{"data":%s}x'),
        ("data", b'{"x":' + b"[" * 40 + b"]" * 40 + b',"data":%s}'),
        ("data", b'{"x":"\xff","data":%s}'),
    ],
)
def test_rows_that_are_not_there_are_no_answer(path: str, body: bytes) -> None:
    one = reader(rows=path)
    whole = body.replace(b"%s", ROWS)
    with pytest.raises(ValueError):  # noqa: PT011  (the reason is json's own)
        one.split(whole)
    assert bulk(one, whole) is None


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("data", b'{"code":0,"result":{}}', "no data in it; there are code, result"),
        ("result.list", b'{"result":{"a":1,"b":2}}', "it; in result there are a, b"),
        ("data", b'{"data":{"trades":[]}}', "data is no list: .*; in data there are trades"),
        ("", b'{"trades":[]}', "the answer is no list: .*; there are trades"),
        ("a", b"{%s}" % b",".join(b'"n%d":0' % n for n in range(20)), "n10, n11, …$"),
    ],
)
def test_where_no_rows_are_it_is_told_what_there_is(path: str, body: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        reader(rows=path).split(body)


@pytest.mark.parametrize(
    ("said", "fine", "kind"),
    [
        (b"true", ["true"], None),
        (b"false", ["true"], "refused"),
        (b"0", ["0"], None),
        (b"31", ["0"], "error"),
        (b'"ok"', ["ok"], None),
    ],
)
def test_a_truth_or_a_number_may_say_that_all_is_well(
    said: bytes, fine: list[str], kind: str | None
) -> None:
    errors = Errors(at="success", fine=tuple(fine), refused=("false",))
    found = complaint(b'{"success":%s,"rows":[]}' % said, errors)
    assert (None if found is None else found[0]) == kind


def test_times_without_a_zone_are_read_in_bulk_as_the_authority_reads_them() -> None:
    utc = reader(fields={"trade_ts": {"from": "time", "as": "iso_utc"}})
    good = row(5, time="2026-05-17T10:59:00.25")
    (trade,) = (utc.trade(json.dumps(good).encode(), NOW_US),)
    assert bulk(utc, json.dumps([good]).encode()) == [(5, trade.trade_ts)]
    assert bulk(utc, json.dumps([good, row(6, time="2026-05-17T10:59:00Z")]).encode()) is None
    with pytest.raises(RowRefused, match="without a zone"):
        utc.trade(json.dumps(row(6, time="2026-05-17T10:59:00Z")).encode(), NOW_US)


def test_the_members_of_a_list_or_object() -> None:
    assert [bytes(one) for one in members(b'{"r":{"a":1,"b":[2]}}', "r.*")] == [b"1", b"[2]"]
    assert [bytes(one) for one in members(b'[["x","y"]]', "0")] == [b'"x"', b'"y"']
    assert bytes(inside(b'{"a":[1,{"b":2}]}', "a.1.b")) == b"2"
    for body, path in ((b"7", ""), (b'{"a":1}', "b"), (b"[", "*"), (b'"x"', "*")):
        with pytest.raises(ValueError):  # noqa: PT011
            members(body, path)


# ---------------------------------------------------------------- whose side, and by what word


@pytest.mark.parametrize(
    ("buy", "sell", "wrong"),
    [
        (True, False, [1, 0, "true", None, 1.0]),
        (1, 2, [True, "1", 1.5, None, 0]),
        (0, 1, [False, True, "0", 2]),
        ("1", "2", [1, 2, True, "01"]),
    ],
)
@pytest.mark.parametrize("whose", ["maker", "taker"])
def test_a_word_is_matched_with_its_type(buy: Any, sell: Any, wrong: list[Any], whose: str) -> None:
    one = reader({"side": {"from": "side", "of": whose, "buy": buy, "sell": sell}})
    takers = ["buy", "sell"] if whose == "taker" else ["sell", "buy"]
    told = [row(5, T, side=buy), row(6, T, side=sell)]
    raws = [json.dumps(each).encode() for each in told]
    assert [one.trade(raw, NOW_US).side for raw in raws] == takers
    assert bulk(one, json.dumps(told).encode()) == [(5, T), (6, T)]
    for word in wrong:
        with pytest.raises(RowRefused, match="side: not a side"):
            one.trade(json.dumps(row(5, T, side=word)).encode(), NOW_US)
        assert bulk(one, json.dumps([*told, row(7, T, side=word)]).encode()) is None


@pytest.mark.parametrize("kind", ["signed_text", "signed_number"])
@pytest.mark.parametrize("whose", ["maker", "taker"])
def test_a_sign_tells_the_side_and_the_size_has_none(kind: str, whose: str) -> None:
    side = {"from": "size", "as": "sign", "of": whose}
    one = reader({"quantity": {"from": "size", "as": kind}, "side": side})
    sizes = ["-0.00023057", "2"] if kind == "signed_text" else [-0.00023057, 2]
    body = json.dumps([row(n, T, size=size, side=...) for n, size in enumerate(sizes, 5)]).encode()
    found = [one.trade(raw, NOW_US) for raw in one.split(body)]
    assert [trade.quantity for trade in found] == [Decimal("0.00023057"), Decimal(2)]
    takers = ["sell", "buy"] if whose == "taker" else ["buy", "sell"]
    assert [trade.side for trade in found] == takers
    assert bulk(one, body) == [(5, T), (6, T)]
    for zero in ("0", "-0", "0.0"):
        told: Any = zero if kind == "signed_text" else float(zero)
        with pytest.raises(RowRefused, match="quantity: zero"):
            one.trade(json.dumps(row(5, T, size=told, side=...)).encode(), NOW_US)


# ---------------------------------------------------------------- ids that the exchange voids

TOMBSTONE = {"price": "0", "first": -1}


def test_a_row_with_all_the_marks_of_a_tombstone_voids_its_id() -> None:
    one = reader(tombstone=TOMBSTONE)
    void = json.dumps(row(5, T, price="0", size="0", first=-1)).encode()
    with pytest.raises(RowRefused) as caught:
        one.trade(void, NOW_US)
    assert caught.value.position == 5
    assert caught.value.reason.startswith(VOID)
    assert Rejected(5, caught.value.reason, void.decode()).voids


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"price": "0", "first": 7}, "price: zero"),
        ({"price": "0"}, "price: zero"),
        ({"price": "0", "first": "-1"}, "price: zero"),
        ({"price": "0", "first": -1.0}, "price: zero"),
        ({"price": "0", "first": -1, "trade_id": "x"}, "trade_id: not an integer"),
    ],
)
def test_fewer_marks_void_nothing(fields: dict[str, Any], reason: str) -> None:
    one = reader(tombstone=TOMBSTONE)
    with pytest.raises(RowRefused) as caught:
        one.trade(json.dumps(row(5, T) | fields).encode(), NOW_US)
    assert caught.value.reason.startswith(reason)
    assert not Rejected(5, caught.value.reason, "").voids


def test_a_mark_beside_a_sound_price_voids_all_the_same_and_in_bulk() -> None:
    one = reader(tombstone={"broken": True, "side": "buy"})
    good = [row(4, T), row(5, T, broken=True, side="sell"), row(6, T, broken=1)]
    assert bulk(one, json.dumps(good).encode()) == [(4, T), (5, T), (6, T)]
    void = row(7, T, broken=True)
    assert bulk(one, json.dumps([*good, void]).encode()) is None
    with pytest.raises(RowRefused, match=VOID):
        one.trade(json.dumps(void).encode(), NOW_US)


def test_a_mark_may_stand_past_the_values_of_a_row_that_is_an_array() -> None:
    fields = {
        "trade_id": {"from": 0, "as": "integer"},
        "side": {"from": 1, "of": "taker", "buy": "b", "sell": "s"},
        "price": {"from": 2, "as": "decimal_number"},
        "quantity": {"from": 3, "as": "decimal_number"},
        "trade_ts": {"from": 4, "as": "unix_us"},
    }
    one = reader(fields, tombstone={6: "void"})
    good = f'[[5,"b",1.5,2,{T}],[6,"b",1.5,2,{T},null,"fine"]'
    assert bulk(one, f"{good}]".encode()) == [(5, T), (6, T)]
    void = f'[7,"b",1.5,2,{T},null,"void"]'
    assert bulk(one, f"{good},{void}]".encode()) is None
    with pytest.raises(RowRefused, match=VOID) as caught:
        one.trade(void.encode(), NOW_US)
    assert caught.value.position == 7


# ---------------------------------------------------------------- places on an axis of time


def test_on_an_axis_of_time_the_time_is_the_place() -> None:
    one = timed()
    good = row(5, price="1", time=T // 1_000)
    assert one.trade(json.dumps(good).encode(), NOW_US).position == T
    for wrong in ({"trade_id": "x"}, {"price": "x"}, {"side": 1}):
        with pytest.raises(RowRefused) as caught:
            one.trade(json.dumps(good | wrong).encode(), NOW_US)
        assert caught.value.position == T
    for moment in ("x", None, 5, NOW_US):
        with pytest.raises(RowRefused) as caught:
            one.trade(json.dumps(good | {"time": moment}).encode(), NOW_US)
        assert caught.value.position is None
