"""Ids that no trade has, attested: by answers that tell both neighbours and nothing between."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.core.axis import TIME
from schemahub.core.harvest import attests_ids
from schemahub.core.layout import AbsentName, RawEntry, RawName
from schemahub.core.ledger import Ledger
from schemahub.core.page import Answer, told_ids
from schemahub.core.span import Coverage, Span
from schemahub.core.wire import Reader, RowRefused
from tests.core.dialect import NOW, NOW_US, READER, SPEC, row, text_of

SETTLE = timedelta(seconds=60)
numbers = st.sets(st.integers(0, 12))


@given(
    st.lists(st.tuples(st.integers(0, 4), numbers), max_size=6),
    st.integers(1, 8),
    st.integers(1, 3),
)
def test_two_answers_a_settle_time_apart_must_pass_over_them(
    told: list[tuple[int, set[int]]], start: int, length: int
) -> None:
    answers = [(NOW + minute * SETTLE / 2, Coverage.of_ids(ids)) for minute, ids in told]
    passing = [
        minute
        for minute, ids in told
        if {start - 1, start + length} <= ids and not ids & set(range(start, start + length))
    ]
    agreed = any(one - other >= 2 for one in passing for other in passing)
    assert attests_ids(answers, Span(start, start + length), SETTLE) == agreed


def answer(*rows: dict[str, object]) -> Answer:
    return Answer(NOW, "https://api.example.com/", 200, "", json.dumps(rows).encode())


def test_the_ids_of_an_answer_are_those_of_good_rows_and_bad() -> None:
    told = told_ids(answer(row(5), row(6, price="x"), row(9)), READER)
    assert told == Coverage.of_ids([5, 6, 9])


def test_an_answer_with_an_id_that_cannot_be_read_tells_none() -> None:
    assert told_ids(answer(row(5), row("x"), row(9)), READER) is None
    timed = Reader(SPEC.model_copy(update={"axis": "time"}))
    assert told_ids(answer(row(5), row("x"), row(9)), timed) is None
    with pytest.raises(ValueError, match="truncated"):
        told_ids(Answer(NOW, "", 200, "", b"["), READER)


def test_on_an_axis_of_time_a_rows_position_is_its_time() -> None:
    reader = Reader(SPEC.model_copy(update={"axis": "time"}))
    trade = reader.trade(json.dumps(row(5, time=text_of(NOW_US))).encode(), NOW_US)
    assert (trade.position, trade.trade_id) == (NOW_US, 5)


@pytest.mark.parametrize(
    ("changed", "position", "trade_id"),
    [
        ({"price": "x"}, NOW_US, 5),
        ({"trade_id": "x"}, NOW_US, None),
        ({"time": "yesterday"}, None, 5),
        ({"time": "1999-01-01T00:00:00Z"}, None, 5),
        ({"time": "2999-01-01T00:00:00Z"}, None, 5),
    ],
)
def test_a_refused_row_has_what_of_time_and_id_can_be_read(
    changed: dict[str, object], position: int | None, trade_id: int | None
) -> None:
    reader = Reader(SPEC.model_copy(update={"axis": "time"}))
    raw = json.dumps(row(5, time=text_of(NOW_US)) | changed).encode()
    with pytest.raises(RowRefused) as refused:
        reader.trade(raw, NOW_US)
    assert (refused.value.position, refused.value.trade_id) == (position, trade_id)


def test_evidence_about_ids_makes_no_time_absent() -> None:
    names: list[RawEntry] = [RawName(Span(0, 10)), AbsentName(Span(5, 20))]
    assert Ledger.of(names).absent == Coverage((Span(10, 20),))
    assert not Ledger.of(names, line=TIME).absent
    assert Ledger.of(names, line=TIME).attested == (AbsentName(Span(5, 20)),)
