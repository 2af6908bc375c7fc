"""What a scan says of a whole answer is checked like what the general path says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemahub.core import page as pages
from schemahub.core.answer import Answer
from schemahub.core.errors import BadAnswer
from schemahub.core.harvest import piece
from schemahub.core.page import MAX_SPREAD
from schemahub.core.paging import Ask
from schemahub.core.span import Coverage, Span
from schemahub.core.told import Pairs, Told
from schemahub.core.wire import Reader
from tests.core.dialect import SPEC

AT = datetime(2026, 1, 1, tzinfo=UTC)
# To the general path an empty page: what comes of it is the scan's word.
ANSWER = Answer(AT, "https://example.org/?limit=10", 200, "", b"[]")


def read(*ids: int, ask: Ask | None = None, runs: Coverage | None = None) -> pages.Page:
    """The page of an answer of which the scan says that it holds these ids."""
    told = Told(ids, range(len(ids)), runs or Coverage.of_ids(ids))
    return pages.read(ANSWER, ask or Ask(limit=10), Reader(SPEC, lambda body, latest: told))


def test_it_is_taken_at_its_word_of_rows_that_are_all_good() -> None:
    page = read(3, 4, 7)
    assert page.ids == Coverage((Span(3, 5), Span(7, 8)))
    assert page.silence == Coverage((Span(5, 7),))
    assert (page.bad, page.unreadable, page.rows, page.flat) == ({}, 0, 3, True)
    assert list(page.times) == [(3, 0), (4, 1), (7, 2)]


def test_a_hole_is_dated_by_the_row_above_it() -> None:
    assert piece(b"", read(3, 4, 7), AT).silence == ((Span(5, 7), 2),)


@pytest.mark.parametrize("ask", [Ask(stop=7, limit=10), Ask(start=4, limit=10)])
def test_ids_that_nobody_asked_for_are_refused(ask: Ask) -> None:
    with pytest.raises(BadAnswer, match="not asked for"):
        read(3, 4, 7, ask=ask)


@pytest.mark.parametrize("ids", [(1, 2, 3 + MAX_SPREAD), (1, 2 + MAX_SPREAD, 3 + MAX_SPREAD)])
def test_an_id_far_from_the_rest_leaves_it_to_the_general_path(ids: tuple[int, ...]) -> None:
    assert not read(*ids).flat


def test_two_ids_cannot_outvote_each_other() -> None:
    assert read(1, 3 + MAX_SPREAD).flat


def test_ids_that_do_not_rise_leave_it_to_the_general_path() -> None:
    told = Told((3, 2), (0, 0), None)
    assert not pages.read(ANSWER, Ask(limit=10), Reader(SPEC, lambda body, latest: told)).flat


def test_pairs_are_a_sequence_of_pairs() -> None:
    pairs = Pairs((1, 2, 3), (4, 5, 6))
    assert list(pairs) == [(1, 4), (2, 5), (3, 6)]
    assert (len(pairs), pairs[-1], list(pairs[1:])) == (3, (3, 6), [(2, 5), (3, 6)])
