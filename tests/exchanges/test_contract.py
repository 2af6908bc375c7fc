"""Every class of bad input of every exchange: refused with its reason, and the rest lives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.core.errors import RawUnread
from schemahub.core.wire import RowRefused
from tests.exchanges.captured import NAMES, Captured, agree, captured, in_bulk, mapped
from tests.exchanges.contract import NO_NUMBER, Bad, answers, changed, rows

CASES = [
    pytest.param(name, bad, id=f"{name}: {label}")
    for name in NAMES
    for label, bad in rows(captured(name)).items()
]


def test_there_are_at_least_45_classes_of_each_exchange() -> None:
    for name in NAMES:
        found = rows(captured(name))
        assert len([bad for bad in found.values() if bad.reason is not None]) >= 45, name
        assert len(answers(captured(name))) >= 25
        assert len({bad.raw for bad in found.values()}) >= len(found) - 2, name


def around(case: Captured, odd: bytes) -> bytes:
    """The captured answer with `odd` in place of its first row."""
    first = case.reader.split(case.body)[0]
    assert case.body.count(first) == 1
    return case.body.replace(first, odd)


@pytest.mark.parametrize(("name", "bad"), CASES)
def test_a_row_is_judged_alike_by_all_readers_and_the_rest_lives(name: str, bad: Bad) -> None:
    case = captured(name)
    told = agree(case, around(case, bad.raw))
    assert told is not None
    odd, *rest = told
    assert rest == list(case.rows[1:])
    if bad.reason is None:
        assert not isinstance(odd, RowRefused)
        return
    assert isinstance(odd, RowRefused)
    assert odd.reason.startswith(bad.reason)
    assert len(odd.reason) < 500
    assert in_bulk(case, around(case, bad.raw)) is None
    (rejected,) = mapped(case, around(case, bad.raw)).rejected
    assert rejected.raw == bad.raw.strip().decode()
    assert not rejected.voids
    place = "trade_ts" if case.spec.axis == "time" else "trade_id"
    if bad.column is not None:
        first = case.rows[0]
        where = first.trade_ts if case.spec.axis == "time" else first.trade_id
        assert odd.position == (None if bad.column == place else where)


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_that_is_none_is_none_to_all_readers(name: str) -> None:
    case = captured(name)
    for label, body in answers(case).items():
        assert body != case.body, label
        assert agree(case, body) is None, label
        assert in_bulk(case, body) is None, label
        with pytest.raises(RawUnread):
            mapped(case, body)


# ---------------------------------------------------------------- by dice

POOL = [
    *NO_NUMBER, b"0", b"1", b"-1", b"1.5", b"-0", b"1e3", b"1E-9", b"1e999", b"0.10", b'"0"',
    b'"1"', b'"-1"', b'"1.5"', b'"1e3"', b'"buy"', b'"sell"', b'"b"', b'"s"', b"true", b"false",
    b'"1718000000"', b"1718000000", b"1718000000123", b'"1718000000123"', b"1718000000.123456789",
    b'"1718000000123.9999999"', b"1718000000123456789", b'"2024-06-10T06:13:20.123456Z"',
    b"9223372036854775806", b"9223372036854775807", b'"9223372036854775806"', b"[[1]]",
    b'"\\u0031"', b"99999999999999999999999999.999999999999", b"-0.000000000001", b'"1\\n2"',
    b"[1,\n2]", b'"[{"',
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.lists(
        st.tuples(
            st.sampled_from(["trade_id", "side", "price", "quantity", "trade_ts"]),
            st.sampled_from(POOL),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_whatever_value_stands_anywhere_the_readers_agree(
    name: str, odd: list[tuple[str, bytes]]
) -> None:
    case = captured(name)
    told = [changed(case, column, value) for column, value in odd]
    assert agree(case, around(case, b",".join(told))) is not None


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_whatever_byte_is_wrong_the_readers_agree(name: str, data: st.DataObject) -> None:
    case = captured(name)
    damaged = bytearray(case.body)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from([b"", b'"', b"\\", b"[", b"]", b"{", b"}", b",", b":", b"0", b"-", b"e",
                             b".", b"\x00", b"\xff", b"\n", b" "])
        )  # fmt: skip
    agree(case, bytes(damaged))
