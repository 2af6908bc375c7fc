"""The client against a real server on loopback: each fault is tried again, or said clearly."""

from __future__ import annotations

import gzip
import json
import socket
import time
import tracemalloc
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest

from schemahub.adapters.http import Bounds
from schemahub.core.errors import BadAnswer, ConfigError, ExchangeError, Refused, Unreachable
from schemahub.core.gate import MAX_TRIES
from schemahub.core.page import Answer, Request
from schemahub.core.spec import Statuses
from tests.adapters.http_bench import ASK, ROWS, bench
from tests.adapters.http_server import Talk, drip, reply, reset, say, send_and_close, serving

__all__ = ["bench"]  # the fixture

# ---------------------------------------------------------------- what is asked and answered


def test_an_answer_says_what_was_asked_and_when(bench: Any) -> None:
    with serving(say(ROWS)) as server:
        before = datetime.now(UTC)
        answer = bench(f"{server.url}/v1/").client.fetch(ASK, lambda answer: answer)
        assert before <= answer.at <= datetime.now(UTC)
        assert answer.at.tzinfo is UTC
        assert answer.url == f"{server.url}/v1/products/BTC-USD/trades?after=5&limit=2"
        assert (answer.status, answer.body) == (200, ROWS)
        assert answer.date == "Mon, 02 Nov 2026 10:00:00 GMT"
        asked = server.requests[0].decode().lower()
        assert asked.startswith("get /v1/products/btc-usd/trades?after=5&limit=2 http/1.1")
        assert "user-agent: schemahub/test" in asked
        assert "accept-encoding: gzip\r\n" in asked
        assert "authorization" not in asked
        assert "cookie" not in asked


def test_a_connection_is_used_again_and_cookies_are_not_kept(bench: Any) -> None:
    with serving(then=say(ROWS, headers={"Set-Cookie": "a=b"})) as server:
        client = bench(server)
        assert [client.fetch() for _ in range(5)] == [ROWS] * 5
        assert server.connections == 1
        assert b"cookie" not in b"".join(server.requests).lower()
        assert client.events.of("request.answered", "bytes") == [len(ROWS)] * 5


def test_no_proxy_is_taken_from_the_environment(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with serving(say(ROWS)) as server:
        assert bench(server).fetch() == ROWS


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "raw deflate", "members"])
def test_compressed_bodies(bench: Any, encoding: str) -> None:
    body = json.dumps(["x" * 1_000] * 200).encode()
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(body),
        "x-gzip": gzip.compress(body),
        "deflate": zlib.compress(body),
        "raw deflate": raw.compress(body) + raw.flush(),
        "members": gzip.compress(body[:500]) + gzip.compress(body[500:]),
    }[encoding]
    name = {"raw deflate": "deflate", "members": "gzip"}.get(encoding, encoding)
    with serving(say(packed, headers={"Content-Encoding": name})) as server:
        assert bench(server).fetch() == body


def test_chunked_bodies(bench: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving(send_and_close(head + b"3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n")) as server:
        assert bench(server).fetch() == b"[1,2]"


# ---------------------------------------------------------------- faults that pass


PACKED = gzip.compress(b"[" + b"1," * 20_000 + b"1]")
TOO_MUCH = gzip.compress(b"[" + bytes(500_000) + b"]")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GZIP = {"Content-Encoding": "gzip"}

FAULTS: dict[str, tuple[Talk, str]] = {
    "reset at once": (reset(), "connection"),
    "reset in the body": (reset(reply(ROWS)[:-5]), "connection"),
    "closed at once": (send_and_close(b""), "connection"),
    "closed in the headers": (send_and_close(reply(ROWS)[:30]), "bad_answer"),
    "truncated": (send_and_close(reply(ROWS)[:-5]), "truncated"),
    "length too large": (send_and_close(reply(ROWS, length=999)), "truncated"),
    "length too small": (say(b"{}[1]", length=2), "bad_answer"),
    "chunks cut off": (send_and_close(CHUNKED + b"5\r\n[1"), "truncated"),
    "chunk size is no number": (send_and_close(CHUNKED + b"zz\r\n[1]"), "truncated"),
    "not HTTP": (send_and_close(b"SSH-2.0-OpenSSH_9\r\n"), "connection"),
    "gzip cut off": (say(PACKED[:-9], headers=GZIP), "truncated"),
    "gzip damaged": (say(PACKED[:-8] + bytes(8), headers=GZIP), "encoding"),
    "gzip that is none": (say(ROWS, headers=GZIP), "encoding"),
    "unknown encoding": (say(ROWS, headers={"Content-Encoding": "br"}), "encoding"),
    "HTML in a 200": (say(b"<html>maintenance</html>"), "bad_answer"),
    "empty 200": (say(b""), "bad_answer"),
    "408": (say(b"", "408 Request Timeout"), "status_408"),
    "425": (say(b"", "425 Too Early"), "status_425"),
    "500": (say(b"oops", "500 Internal Server Error"), "status_500"),
    "503": (say(b"", "503 Service Unavailable"), "status_503"),
    "599": (say(b"", "599 Who Knows"), "status_599"),
    "silence": (lambda _: time.sleep(0.5), "timeout"),
    "drip in the body": (drip(reply(b"[" + b" " * 200), 0.02), "deadline"),
    "drip in the headers": (drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200, 0.02), "deadline"),
    "drip in a chunk size": (drip(CHUNKED + b"0" * 200, 0.005), "deadline"),
    "too long on the wire": (say(bytes(150_000)), "too_large"),
    "too long without end": (
        send_and_close(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(150_000)),
        "too_large",
    ),
    "too long decoded": (say(TOO_MUCH, headers=GZIP), "too_large"),
    "throttled": (say(b"", "429 Too Many Requests"), "throttled"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_tried_again_and_recovers(bench: Any, fault: str) -> None:
    talk, reason = FAULTS[fault]
    with serving(talk, then=say(ROWS)) as server:
        client = bench(server)
        assert client.fetch() == ROWS
        assert client.events.of("request.retried", "reason") == [reason]
        failed = "request.throttled" if reason == "throttled" else "request.failed"
        assert client.events.of(failed, "reason") == [reason]
        assert len(server.requests) == 2
        # What was left of the first answer is not taken for the second.
        assert client.fetch() == ROWS


def test_a_bomb_takes_no_memory(bench: Any) -> None:
    bomb = gzip.compress(bytes(256 * 1024 * 1024), 9)
    assert len(bomb) < 300_000
    with serving(say(bomb, headers=GZIP), say(ROWS)) as server:
        client = bench(server, bounds=Bounds(decoded=1_000_000))
        tracemalloc.start()
        try:
            assert client.fetch() == ROWS
            assert tracemalloc.get_traced_memory()[1] < 8_000_000
        finally:
            tracemalloc.stop()
        assert client.events.of("request.failed", "reason") == ["too_large"]


def test_a_dead_port_is_unreachable_after_eight_tries(bench: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = bench(f"http://127.0.0.1:{port}")
    with pytest.raises(Unreachable) as caught:
        client.fetch()
    assert caught.value.what == "Testex cannot be reached"
    assert f"127.0.0.1:{port}/products/BTC-USD/trades?after=5&limit=2" in caught.value.why
    assert "Connection refused" in caught.value.why
    assert f"after {MAX_TRIES} tries" in caught.value.why
    assert caught.value.do
    assert client.events.of("request.failed", "reason") == ["connect"] * MAX_TRIES


def test_the_last_bad_answer_is_raised_itself_with_its_body(bench: Any) -> None:
    page = b"<html>maintenance</html>"
    with serving(then=say(page)) as server:
        with pytest.raises(BadAnswer) as caught:
            bench(server).fetch()
        assert caught.value.body == page
        assert len(server.requests) == MAX_TRIES


def test_what_read_raises_otherwise_is_raised_at_once(bench: Any) -> None:
    def read(answer: Answer) -> None:
        raise KeyError(answer.status)

    with serving() as server:
        with pytest.raises(KeyError):
            bench(server).client.fetch(ASK, read)
        assert len(server.requests) == 1


# ---------------------------------------------------------------- statuses


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 451])
def test_refused_at_once_with_the_exchanges_own_words(bench: Any, status: int) -> None:
    said = b'{"message":"NotFound \\u001b[31m"}'
    with serving(then=say(said, f"{status} No")) as server:
        with pytest.raises(Refused, match=rf"HTTP {status}: NotFound \[31m$") as caught:
            bench(server).fetch()
        assert caught.value.status == status
        assert len(server.requests) == 1


def test_the_spec_says_what_a_status_means(bench: Any) -> None:
    statuses = Statuses(refused=(422,), throttled=(403,))
    with serving(say(b"", "403 Slow Down"), say(b"no", "422 No")) as server:
        client = bench(server, statuses=statuses)
        with pytest.raises(Refused, match="HTTP 422: no"):
            client.fetch()
        assert client.events.of("request.throttled", "reason") == ["throttled"]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 There", "304 Not Modified"])
def test_redirects_are_not_followed_but_named(bench: Any, status: str) -> None:
    with (
        serving() as elsewhere,
        serving(then=say(b"", status, headers={"Location": f"{elsewhere.url}/steal"})) as server,
    ):
        with pytest.raises(BadAnswer, match="/steal"):
            bench(server).fetch()
        assert len(server.requests) == 1
        assert not elsewhere.requests


@pytest.mark.parametrize("status", ["201 Created", "204 No Content", "409 Conflict", "422 No"])
def test_a_status_that_nobody_expects_is_not_retried(bench: Any, status: str) -> None:
    with serving(then=say(b"", status)) as server:
        with pytest.raises(ExchangeError, match=f"HTTP {status[:3]}"):
            bench(server).fetch()
        assert len(server.requests) == 1


def test_a_complaint_that_is_cut_off_or_endless_still_counts_by_its_status(bench: Any) -> None:
    with serving(
        send_and_close(reply(b"gone", "404 Not Found", length=99)),
        say(b"x" * 90_000, "404 Not Found"),
        say(ROWS),
    ) as server:
        client = bench(server)
        for _ in range(2):
            with pytest.raises(Refused):
                client.fetch()
        assert client.fetch() == ROWS


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://user:secret@127.0.0.1",
        "https://user:secret@api.example.com:bad/",
        "https://api.example.com?x=1",
        "https://api.example.com#x",
        "https://api.exam ple.com",
        "https://api.example.com\n",
        "https://api.example.com:99999",
        "ftp://api.example.com",
        "api.example.com",
        "https://",
        "",
    ],
)
def test_addresses_that_are_not_safe_are_refused(bench: Any, url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bench(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://api.example.com/v1", "http://localhost:1", "http://127.9.9.9", "http://[::1]:80"],
)
def test_addresses_that_are_safe_are_taken(bench: Any, url: str) -> None:
    bench(url)


@pytest.mark.parametrize(
    "path", ["", "x", "//evil.com/x", "/a b", "/a?b", "/a#b", "/a\r\nX: y", "/ä"]
)
def test_a_path_that_is_not_encoded_is_a_bug(bench: Any, path: str) -> None:
    with pytest.raises(ValueError, match="not an encoded path"):
        bench("https://api.example.com").fetch(Request(path))
