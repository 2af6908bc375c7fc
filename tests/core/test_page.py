"""An answer proves the ids of the good rows in it, and nothing else."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.core.errors import BadAnswer
from schemahub.core.layout import Market
from schemahub.core.page import MAX_SPREAD, Page, asked, read, request
from schemahub.core.paging import Ask
from schemahub.core.span import Coverage
from tests.core.dialect import NOW_US, READER, SPEC, answer, body, page_of, row
from tests.core.strategies import points

HEAD = Ask(limit=1000)
id_sets = st.sets(st.integers(1, 60), max_size=15)


def read_body(content: bytes, ask: Ask = HEAD) -> Page:
    return read(answer(content, ask), ask, READER)


# ---------------------------------------------------------------- what is proven


@settings(max_examples=60)
@given(id_sets, id_sets, st.randoms(), st.integers(0, 3))
def test_only_the_good_rows_that_are_there_are_proven_in_whatever_order(
    good: set[int], bad: set[int], dice: random.Random, repeats: int
) -> None:
    rows = [row(one) for one in good] + [row(one, price="0") for one in bad]
    rows += dice.choices(rows, k=repeats) if rows else []
    dice.shuffle(rows)
    page = page_of(*rows)
    assert points(page.ids) == good
    assert points(page.bad_ids) == bad - good
    assert points(page.all_ids) == good | bad
    assert page.rows == len(rows)
    assert [position for position, _ in page.times] == sorted(good)
    assert not points(page.silence) & (good | bad)


def test_a_hole_between_its_ids_is_not_proven() -> None:
    page = page_of(row(9), row(8), row(5))
    assert points(page.ids) == {5, 8, 9}
    assert points(page.silence) == {6, 7}


def test_a_good_row_outweighs_a_bad_one_of_the_same_id() -> None:
    page = page_of(row(5, price="x"), row(5), row(5, size="-1"))
    assert points(page.ids) == {5}
    assert page.bad == {}


def test_a_bad_row_says_why() -> None:
    page = page_of(row(6), row(5, price="NaN"))
    assert page.bad == {5: "price: not a positive decimal: 'NaN'"}


def test_an_empty_answer_proves_nothing_and_says_nothing() -> None:
    page = page_of(ask=Ask(stop=50, limit=10))
    assert (page.ids, page.bad, page.rows, page.unreadable) == (Coverage(), {}, 0, 0)
    assert page.silence == Coverage()


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 10**9)), min_size=1, max_size=10))
def test_the_times_are_those_of_the_rows(told: list[tuple[int, int]]) -> None:
    latest = {one: NOW_US - 10**10 + moment for one, moment in told}
    page = page_of(*(row(one, moment) for one, moment in latest.items()))
    assert dict(page.times) == latest


# ---------------------------------------------------------------- ids that cannot be


@pytest.mark.parametrize("wrong", ["7", None, 7.0, True, -1, 2**63 - 1, 10**30, [7], ...])
def test_a_row_whose_id_cannot_be_read_proves_nothing_and_silences_the_answer(
    wrong: object,
) -> None:
    """It might be any id: such an answer is never evidence that one is not there."""
    page = page_of(row(9), row(wrong), row(5))
    assert points(page.ids) == {5, 9}
    assert page.unreadable == 1
    assert page.silence == Coverage()


def test_the_highest_id_there_can_be_is_read() -> None:
    """One past it is still a number of 63 bits, as the table's columns are."""
    assert points(page_of(row(2**63 - 2)).ids) == {2**63 - 2}
    assert points(page_of(row(0)).ids) == {0}


@pytest.mark.parametrize("wrong", [2**62, 2_000_000, 1])
def test_an_id_far_from_all_the_others_is_damage_and_not_the_head(wrong: int) -> None:
    rows = (
        [row(1_500_000_000 + one) for one in range(5)] if wrong == 1 else [row(n) for n in (7, 8)]
    )
    page = page_of(*rows, row(9) if wrong != 1 else row(1_500_000_009), row(wrong))
    assert wrong not in page.all_ids
    assert page.unreadable == 1
    assert page.silence == Coverage()


def test_ids_may_be_as_far_apart_as_a_gap_of_a_real_market() -> None:
    page = page_of(row(1), row(2), row(2 + MAX_SPREAD))
    assert points(page.ids) == {1, 2, 2 + MAX_SPREAD}


def test_an_absurd_id_of_a_bad_row_is_not_named_either() -> None:
    page = page_of(row(1), row(2), row(3), row(10**15, price="x"))
    assert page.bad == {}
    assert page.unreadable == 1


# ---------------------------------------------------------------- is it an answer to this?


@given(st.integers(1, 40), st.sets(st.integers(1, 60), min_size=1, max_size=8), st.booleans())
def test_an_answer_at_or_above_its_cursor_is_rejected(
    below: int, ids: set[int], good: bool
) -> None:
    rows = [row(one) if good else row(one, price="x") for one in ids]
    if max(ids) < below:
        assert points(page_of(*rows, ask=Ask(stop=below, limit=100)).all_ids) == ids
    else:
        with pytest.raises(BadAnswer) as caught:
            page_of(*rows, ask=Ask(stop=below, limit=100))
        assert caught.value.body == body(*rows)


def test_neighbours_below_the_span_are_no_fault() -> None:
    """A hole makes the newest rows below the cursor reach farther down."""
    assert points(page_of(row(3), row(2), ask=Ask(stop=10, limit=2)).ids) == {2, 3}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"null",
        b"7",
        b'"[]"',
        b"{}",
        b'{"message":"NotFound"}',
        b'{"trades":[]}',
        b"<!DOCTYPE html><html></html>",
        b"[",
        b"[{]",
        b"[] []",
        b"[],",
        b"\xff\xfe[]",
        b"\xef\xbb\xbf[]",
        body(row(1))[:-1],
        body(row(1))[:-9],
        body(row(1)) + b"<html>",
        b"[1,2,3]",
        b"[null]",
        b"[[]]",
        b'["a"]',
        b"[{}]",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        body({"message": "slow down"}),
        body(row(...), row("5")),
    ],
)
def test_what_is_not_a_list_of_rows_is_a_bad_answer(content: bytes) -> None:
    with pytest.raises(BadAnswer) as caught:
        read_body(content)
    assert caught.value.body == content
    assert caught.value.url.startswith("https://api.example.com/")


@pytest.mark.parametrize("among", [body(row(6), row(5)), body(row(6), row(5, price="x"))])
@pytest.mark.parametrize(
    "odd",
    [b'"\xff"', b'"\xed\xa0\x80"', b"[" * 40 + b"]" * 40, b"[" * 33 + b"]" * 33],
    ids=["not UTF-8", "a surrogate", "40 deep", "33 deep"],
)
def test_an_answer_that_is_no_sane_json_is_bad_whatever_else_is_in_it(
    odd: bytes, among: bytes
) -> None:
    content = among.replace(b'"side"', b'"extra":' + odd + b',"side"', 1)
    with pytest.raises(BadAnswer):
        read_body(content)


@pytest.mark.parametrize(
    "odd",
    [b"1e999", b"-1e999", b"9" * 5_000, b"[" * 20 + b"]" * 20, b'{"a":{"b":[1]}}', b'"\\u2028"'],
)
@pytest.mark.parametrize("price", ["5", "x"])
def test_an_unknown_field_never_decides_whether_a_row_is_good(odd: bytes, price: str) -> None:
    """Nor does what stands in the rows beside it."""
    content = body(row(6), row(5, price=price)).replace(
        b'"side"', b'"extra":' + odd + b',"side"', 1
    )
    assert 6 in read_body(content).ids


# ---------------------------------------------------------------- where it came from


@pytest.mark.parametrize("ask", [Ask(limit=1000), Ask(stop=77, limit=5)])
def test_a_kept_answer_tells_its_question(ask: Ask) -> None:
    assert asked(answer(b"[]", ask), SPEC) == ask


@pytest.mark.parametrize(
    "query", ["", "?", "?after=5", "?limit=x", "?limit=5&after=x", "?limit=5&after=5.5", "?LIMIT=5"]
)
def test_an_url_that_is_not_ours_is_no_question(query: str) -> None:
    kept = answer(b"[]")
    odd = type(kept)(kept.at, f"https://api.example.com/p/trades{query}", 200, "", b"[]")
    with pytest.raises(ValueError):  # noqa: PT011
        asked(odd, SPEC)


@pytest.mark.parametrize(
    ("symbol", "native"),
    [
        ("BTC-USD", "BTC-USD"),
        ("../../X-USD", "..%2F..%2FX-USD"),
        ("A?B=1-USD#", "A%3FB%3D1-USD%23"),
        ("A B-USD", "A%20B-USD"),
        ("%2F-USD", "%252F-USD"),
        ("É-USD", "%C3%89-USD"),
    ],
)
def test_a_symbol_stays_one_segment_of_the_path(symbol: str, native: str) -> None:
    assert request(Market("acme", symbol), SPEC, HEAD).path == f"/products/{native}/trades"
