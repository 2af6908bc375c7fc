"""Answers of HTTP/1.1 byte by byte: what is one, where it ends, and what is none."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.adapters.http.failure import Failed
from schemahub.adapters.http.h1 import Deadline, Head, Talk
from tests.adapters.http_server import reply

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def deadline(seconds: float = 5.0) -> Deadline:
    return Deadline(time.monotonic() + seconds, seconds, seconds, time.monotonic)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def answered(*pieces: bytes, close: bool = True) -> tuple[Head, bytes, bool]:
    """(head, body, whether another question may follow) of an answer that comes in pieces."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        talk = Talk(ours)
        for piece in pieces:
            theirs.sendall(piece)
        if close:
            theirs.shutdown(socket.SHUT_WR)
        head = talk.ask(b"GET / HTTP/1.1\r\n\r\n", deadline())
        return head, b"".join(talk.body(head, deadline())), talk.reusable


WHOLE = {
    "length": (reply(b"[1,2]"), b"[1,2]", True),
    "length 0": (reply(b""), b"", True),
    "length said twice": (OK + b"Content-Length: 2\r\ncontent-length: 2\r\n\r\n[]", b"[]", True),
    "chunks": (CHUNKED + b"3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n", b"[1,2]", True),
    "chunks of hex": (CHUNKED + b"0A;x=y\r\n" + b"1" * 10 + b"\r\n0\r\n\r\n", b"1" * 10, True),
    "trailers": (CHUNKED + b"1\r\n1\r\n0\r\nA: b\r\nC: d\r\n\r\n", b"1", True),
    "to the end": (OK + b"\r\n[1]", b"[1]", False),
    "closing": (reply(b"[]", headers={"Connection": "Keep, CLOSE"}), b"[]", False),
    "more than asked": (reply(b"[]") + b"x", b"[]", False),
    "HTTP/1.0": (reply(b"[]").replace(b"1.1", b"1.0"), b"[]", False),
    "no body": (b"HTTP/1.1 204 No\r\n\r\n", b"", True),
    "not modified": (b"HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", b"", True),
    "interim": (b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 103 \r\nA: b\r\n\r\n" + reply(), b"[]", True),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n1", b"1", True),
    "both lengths": (
        OK + b"Content-Length: 9\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n",
        b"1",
        False,
    ),
}


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_an_answer_ends_where_it_says_however_it_comes(name: str, data: st.DataObject) -> None:
    wire, body, reusable = WHOLE[name]
    cuts = data.draw(st.sets(st.integers(1, len(wire) - 1), max_size=6).map(sorted))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    head, found, again = answered(*pieces)
    assert (found, again) == (body, reusable)
    assert head.status in {200, 204, 304}


def test_two_answers_follow_each_other(ends: tuple[socket.socket, socket.socket]) -> None:
    talk = Talk(ends[0])
    for body in (b"[1]", b"[2]"):
        assert not talk.dropped
        ends[1].sendall(reply(body))
        head = talk.ask(b"GET / HTTP/1.1\r\n\r\n", deadline())
        assert not talk.reusable
        assert b"".join(talk.body(head, deadline())) == body
        assert talk.reusable
    assert ends[1].recv(999) == b"GET / HTTP/1.1\r\n\r\n" * 2
    ends[1].sendall(b"x")
    assert talk.dropped


def test_headers_are_found_by_their_names_in_lower_case() -> None:
    head, *_ = answered(reply(b"", headers={"DATE": "now", "X-A": "  1 ", "x-a": "2:3"}))
    assert head.headers["x-a"] == "1, 2:3"
    assert head.headers["content-type"] == "application/json"


NONE = {
    "not HTTP": (b"SSH-2.0-OpenSSH_9\r\n\r\n", "connection"),
    "HTTP/2": (b"HTTP/2 200 OK\r\n\r\n", "connection"),
    "no status": (b"HTTP/1.1 OK\r\n\r\n", "connection"),
    "status of full-width digits": (
        "HTTP/1.1 \uff12\uff10\uff10 OK\r\n\r\n".encode(),
        "connection",
    ),
    "folded": (OK + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n", "connection"),
    "no colon": (OK + b"A b\r\n\r\n", "connection"),
    "space before the colon": (OK + b"Content-Length : 0\r\n\r\n", "connection"),
    "bare line ends": (OK + b"A: b\nContent-Length: 0\r\n\r\n", "connection"),
    "two lengths": (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n11", "connection"),
    "signed length": (OK + b"Content-Length: +2\r\n\r\n[]", "connection"),
    "negative length": (OK + b"Content-Length: -2\r\n\r\n[]", "connection"),
    "packed transfer": (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "encoding"),
    "long chunk": (CHUNKED + b"1\r\n11\r\n0\r\n\r\n", "truncated"),
    "signed chunk": (CHUNKED + b"+1\r\n1\r\n0\r\n\r\n", "truncated"),
    "chunk size of 0x": (CHUNKED + b"0x1\r\n1\r\n0\r\n\r\n", "truncated"),
    "no last chunk": (CHUNKED + b"1\r\n1\r\n", "truncated"),
    "no end of the trailers": (CHUNKED + b"0\r\nA: b\r\n", "truncated"),
    "endless head": (OK + b"A: b\r\n" * 20_000, "too_large"),
    "endless chunk size": (CHUNKED + b"0" * 9_000, "too_large"),
    "closed": (b"", "connection"),
    "closed in the status": (b"HTTP/1.1 20", "truncated"),
    "closed in the body": (reply(b"[1]")[:-1], "truncated"),
}


@pytest.mark.parametrize("name", NONE)
def test_what_is_not_plainly_an_answer_is_none(name: str) -> None:
    wire, reason = NONE[name]
    with pytest.raises(Failed) as caught:
        answered(wire)
    assert caught.value.reason == reason
    assert caught.value.cause


@pytest.mark.parametrize("sent", [b"", OK, reply(b"[1]")[:-1], CHUNKED + b"1"])
def test_nothing_is_waited_for_beyond_the_deadline(
    sent: bytes, ends: tuple[socket.socket, socket.socket]
) -> None:
    ends[1].sendall(sent)
    talk = Talk(ends[0])
    soon = deadline(0.05)
    started = time.monotonic()
    with pytest.raises(Failed) as caught:
        b"".join(talk.body(talk.ask(b"GET / HTTP/1.1\r\n\r\n", soon), soon))
    assert caught.value.reason in {"deadline", "timeout"}
    assert time.monotonic() - started < 2
    assert not talk.reusable


def test_many_small_chunks_take_no_more_time_than_few() -> None:
    body = gzip.compress(bytes(range(256)) * 200)
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    _, found, _ = answered(CHUNKED + chunks + b"0\r\n\r\n")
    assert found == body
