"""Compiled reading of whole answers: what it says is what the general path says, or nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.core import page as pages
from schemahub.core.answer import Answer, decode, encode
from schemahub.core.errors import BadAnswer
from schemahub.core.page import Page
from schemahub.core.paging import Ask
from schemahub.core.span import Coverage, Span
from schemahub.core.wire import Reader
from schemahub.kernels.answers import Answers
from schemahub.sandbox import Generated
from schemahub.sandbox.dialects import DIALECTS
from schemahub.sandbox.wire import Ask as WireAsk
from tests.exchanges.captured import NAMES, Captured, captured

STARTED = datetime(2026, 1, 1, tzinfo=UTC)
EVERYTHING = Ask(limit=1000)
PIECES: tuple[bytes, ...] = (
    b"",
    b"0",
    b"1",
    b"9",
    b".",
    b"-",
    b'"',
    b",",
    b"{",
    b"}",
    b"[",
    b"]",
    b" ",
    b"\n",
    b"\\",
)
PIECES += (b"null", b"true", b"1e5", b"00", b"\xc3\xa9", b'"a":1,', b"Z", b"T", b"buy", b"sell")


@cache
def scan(name: str) -> Answers:
    return Answers(captured(name).spec)


def outcome(reader: Reader, answer: Answer) -> Page | str:
    try:
        return pages.read(answer, EVERYTHING, reader)
    except BadAnswer as error:
        return str(error)


def check_equal(case: Captured, answer: Answer) -> bool:
    """Whether the scan took the answer; fails if it then says anything else."""
    slow = outcome(case.reader, answer)
    fast = outcome(Reader(case.spec, scan(case.spec.exchange)), answer)
    if isinstance(slow, str) or isinstance(fast, str):
        assert slow == fast
        return False
    for name in ("ids", "bad", "unreadable", "rows", "silence", "keys"):
        assert getattr(slow, name) == getattr(fast, name), name
    assert list(slow.times) == list(fast.times)
    if fast.flat:
        # Else a line could be stored that nobody can read again.
        msgspec.json.decode(answer.body)
        assert decode(encode(answer, flat=True).rstrip(b"\n")) == answer
    assert encode(answer, flat=fast.flat) == encode(answer)
    return fast.flat


def generated(name: str, count: int = 300) -> Answer:
    """A page of the sandbox's trades, as that exchange tells them."""
    history = Generated(seed=7, trades=1_000).bind("BTC-USD", STARTED.timestamp())
    trades = history.newest(1, 1 + count, count)[::-1]
    body = DIALECTS[name].page(WireAsk("trades", "BTC-USD", echo="1"), trades)
    return Answer(STARTED + timedelta(hours=1), "https://example.org/?limit=1000", 200, "", body)


@pytest.mark.parametrize("name", NAMES)
def test_a_captured_answer_says_the_same(name: str) -> None:
    case = captured(name)
    answer = case.answer(case.body)
    check_equal(case, answer)
    # On one line, as exchanges send it.
    check_equal(case, case.answer(msgspec.json.format(case.body, indent=-1)))


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_a_whole_page_is_taken_and_says_the_same(name: str) -> None:
    assert check_equal(captured(name), generated(name))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_is_odd_says_the_same(name: str, data: st.DataObject) -> None:
    case = captured(name)
    whole = generated(name, 4).body if name in DIALECTS else case.body
    body = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 2))):
        start = data.draw(st.integers(0, len(body)))
        stop = data.draw(st.integers(start, min(len(body), start + 12)))
        body[start:stop] = data.draw(
            st.sampled_from(PIECES) | st.just(bytes(body[start:stop]) * 2) | st.binary(max_size=2)
        )
    check_equal(case, case.answer(bytes(body)))


def test_ids_are_told_as_runs_and_in_no_other_order_than_rising() -> None:
    rows = b'{"trade_id":%d,"side":"buy","size":"1","price":"2","time":"2026-01-01T00:00:00Z"}'
    latest = 2**60

    def told(*ids: int) -> Coverage | None:
        body = b"[" + b",".join(rows % one for one in ids) + b"]"
        found = scan("coinbase")(body, latest)
        assert found is not None
        return found.runs

    assert told(9, 8, 7, 3, 1) == Coverage((Span(1, 2), Span(3, 4), Span(7, 10)))
    assert told(5) == Coverage((Span(5, 6),))
    assert told(1, 2, 3) == Coverage((Span(1, 4),))
    assert told(3, 5, 4) is None
    assert told(3, 3) is None


def test_an_answer_keeps_its_rows_when_the_next_is_read() -> None:
    reads = Answers(captured("coinbase").spec)
    first = reads(generated("coinbase", 5).body, 2**60)
    assert first is not None
    before = list(first.ids), list(first.times)
    assert reads(generated("coinbase", 300).body, 2**60) is not None
    assert (list(first.ids), list(first.times)) == before
