"""The mapper by columns and the reader by rows must agree on every answer there can be."""

from __future__ import annotations

import pickle
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemahub.adapters.parquet import ArrowMapper
from schemahub.core import page
from schemahub.core.errors import BadAnswer, ObjectCorrupt, RawUnread
from schemahub.core.layout import MAX_STOP
from schemahub.core.page import Answer
from schemahub.core.paging import Ask
from schemahub.core.span import Coverage, Span
from schemahub.ports import RawObject
from tests.adapters.readers import ALL, READER, SPEC, agree, answer, mapped, source, table_of
from tests.adapters.wire_rows import (
    GOOD,
    IDS,
    PRICES,
    SIDES,
    TIMES,
    answers_of,
    broken,
    raw_row,
    rows_of,
)
from tests.pipelines.raw_lake import AT, BTC


@given(rows_of(max_size=8))
@example([raw_row(1, nested=broken("deep")), raw_row(2, price='"1e-3"')])
@example([raw_row(1, nested=broken("huge exponent")), raw_row(2, price='"1e-3"')])
@example([raw_row(1, price='"1.' + "0" * 40 + '"')])
@example([raw_row(1, time='"2023-02-30T00:00:00Z"'), raw_row(2)])
def test_columns_and_rows_agree_on_one_answer(rows: list[bytes]) -> None:
    agree(source([answer(rows)]))


ONE_ODD_VALUE = [
    *(raw_row(5, price=value) for value in PRICES),
    *(raw_row(5, size=value) for value in PRICES),
    *(raw_row(5, time=value) for value in TIMES),
    *(raw_row(5, side=value) for value in SIDES),
    *(raw_row(value) for value in IDS),
]


def test_columns_and_rows_agree_on_every_value_that_we_could_think_of() -> None:
    for odd in ONE_ODD_VALUE:
        agree(source([answer([odd])]))
        agree(source([answer([odd, GOOD(4), GOOD(3)])]))


@given(answers_of(), st.integers(0, 14), st.integers(1, 14), st.integers(0, 14), st.integers(1, 14))
def test_and_on_many_in_objects_that_overlap_trimmed_to_name_and_keep(
    answers: list[list[bytes]], start: int, length: int, low: int, width: int
) -> None:
    got = [answer(rows, AT + timedelta(seconds=n)) for n, rows in enumerate(answers)]
    agree(
        source(got[::2], Span(start, start + length), "raw/1"),
        source(got, ALL, "raw/2"),
        keep=Span(low, low + width),
    )


@given(rows_of(max_size=8))
@example([raw_row(1, nested=broken("deep")), raw_row(2, price='"1e-3"')])
@example([raw_row(1, nested=broken("not UTF-8")), raw_row(2, price='"1e-3"')])
@example([raw_row(1, nested=broken("huge exponent")), raw_row(2, price='"1e-3"')])
@example([raw_row(1), raw_row(1, price='"-1"')])
def test_what_an_answer_proves_is_mapped_and_what_it_calls_bad_is_rejected(
    rows: list[bytes],
) -> None:
    # Else an object's name would say more than transform finds in it: marked corrupt, fetched
    # again and named the same, for ever.
    got = answer(rows)
    try:
        proved = page.read(got, Ask(limit=1000), READER)
    except BadAnswer:
        return
    for span in proved.ids | proved.bad_ids:
        found = mapped(source([got], span))
        refused = Coverage.of_ids(row.position for row in found.rejected)
        assert not (proved.ids - found.rows.positions()).within(span)
        assert not (proved.bad_ids - refused).within(span)


@given(rows_of(max_size=10), st.lists(st.integers(1, 14), max_size=4, unique=True))
def test_however_a_span_is_cut_each_reject_is_in_one_piece(
    rows: list[bytes], cuts: list[int]
) -> None:
    one = source([answer(rows)])
    try:
        whole = mapped(one)
    except RawUnread:
        return
    edges = [0, *sorted(cuts), MAX_STOP]
    pieces = [mapped(one, keep=Span(low, high)) for low, high in pairwise(edges)]
    assert Counter(r for piece in pieces for r in piece.rejected) == Counter(whole.rejected)
    assert sum(len(piece.rows) for piece in pieces) == len(whole.rows)


def test_of_contradicting_rows_the_first_told_is_kept_and_every_telling_quarantined() -> None:
    first, second = raw_row(7, price='"1.5"'), raw_row(7, price='"2.5"')
    odd = raw_row(5, price='"1e-3"')  # makes the mapper read row by row
    for rows in ([first, second], [first, second, GOOD(6)], [GOOD(8), first, second, odd]):
        found = mapped(source([answer(rows)]))
        kept = {row["trade_id"]: row for row in found.rows.table.to_pylist()}  # type: ignore[attr-defined]
        assert str(kept[7]["price"]) == "1.500000000000", rows
        assert [row.raw for row in found.rejected] == [first.decode(), second.decode()]
        assert {row.reason for row in found.rejected} == {
            "conflict: the same id was told with different content"
        }


def test_first_told_means_the_earlier_line_however_odd_the_line_is() -> None:
    odd = [raw_row(7, price='"1.5"'), raw_row(8, price='"1e-3"')]
    plain = [raw_row(7, price='"2.5"')]
    found = mapped(source([answer(odd), answer(plain, AT + timedelta(seconds=9))]))
    kept = {row["trade_id"]: row for row in found.rows.table.to_pylist()}  # type: ignore[attr-defined]
    assert str(kept[7]["price"]) == "1.500000000000"
    assert kept[7]["ingest_ts"] == AT


def test_the_same_row_told_again_is_one_row_and_no_reject() -> None:
    rows = [GOOD(n) for n in (9, 8, 7)]
    found = mapped(
        source([answer(rows), answer(rows, AT + timedelta(hours=1))], Span(7, 10), "raw/1"),
        source([answer(rows, AT + timedelta(hours=2))], Span(8, 9), "raw/2"),
    )
    assert found.rows.positions() == Coverage((Span(7, 10),))
    assert len(found.rows) == 3
    assert found.rejected == ()


def test_prices_that_differ_in_trailing_zeros_are_the_same_content() -> None:
    found = mapped(source([answer([raw_row(7, price='"1.50"'), raw_row(7, price='"1.5"')])]))
    assert (len(found.rows), found.rejected) == (1, ())


def test_ingest_ts_is_when_the_answer_was_received_to_the_microsecond() -> None:
    start, odd = datetime(2024, 6, 1, tzinfo=UTC), '"1e-3"'
    moments = [start + timedelta(microseconds=n * 1_654_321_987_123) for n in range(500)]
    answers = [
        answer([raw_row(n, price=odd if n % 50 == 1 else '"2"')], at)
        for n, at in enumerate(moments)
    ]
    rows = mapped(source(answers)).rows.table.to_pylist()  # type: ignore[attr-defined]
    assert [row["ingest_ts"] for row in rows] == moments


@pytest.mark.parametrize(
    "body", [b"{}", b"null", b'"<html>"', b"[1", b"", b"[" * 5000 + b"]" * 5000]
)
def test_a_line_that_is_no_list_of_rows_is_corruption_not_an_empty_answer(body: bytes) -> None:
    got = answer([])
    line = page.encode(Answer(got.at, got.url, got.status, got.date, body))
    with pytest.raises(RawUnread, match="raw/1"):
        mapped(RawObject("raw/1", ALL, line))


@pytest.mark.parametrize(
    "lines", [b"not a line\n", b"{}\n", b'{"at":"x","url":"","status":200,"date":""}\n', b"\n"]
)
def test_a_line_that_is_no_raw_line_is_corruption(lines: bytes) -> None:
    with pytest.raises(ObjectCorrupt, match="line 1"):
        mapped(RawObject("raw/1", ALL, lines))


@pytest.mark.parametrize("symbol", ["ETH-USD", "XBTC-USD", "BTC-USDT", "ETH%2DUSD"])
def test_an_answer_about_another_market_is_corruption(symbol: str) -> None:
    got = answer([GOOD(1)])
    foreign = Answer(
        got.at, got.url.replace("BTC-USD", symbol), got.status, got.date, got.body
    )  # fmt: skip
    with pytest.raises(RawUnread, match="about"):
        mapped(source([foreign]))


@pytest.mark.parametrize("path", ["/v2/markets/BTC-USD/fills", "/products/btc_usd/trades"])
def test_an_answer_of_another_form_of_path_is_read(path: str) -> None:
    got = answer([GOOD(1)])
    older = Answer(got.at, f"https://api.example{path}?after=2", got.status, got.date, got.body)
    assert len(mapped(source([older])).rows) == 1


def test_an_object_without_rows_in_keep_gives_no_rows() -> None:
    found = mapped(source([answer([])]), keep=Span(5, 6))
    assert (len(found.rows), found.rejected) == (0, ())
    assert mapped(keep=Span(5, 6)).rows.positions() == Coverage()


def test_the_kernels_are_loaded_by_who_maps_much_and_the_rows_stay_the_same() -> None:
    one = source([answer(raw_row(number) for number in range(1, 9))])
    mapper = ArrowMapper(kernels_after=len(one.lines) + 1)
    found = [mapper.map([one], ALL, BTC, SPEC) for _ in range(4)]
    assert [table_of(each) for each in found] == [table_of(found[0])] * 4
    loaded = mapper._last
    assert loaded is not None
    assert loaded.scanner is not None
    again = pickle.loads(pickle.dumps(mapper))  # noqa: S301  (as a worker process gets it)
    again.map([one], ALL, BTC, SPEC)
    assert again._last.scanner is None
