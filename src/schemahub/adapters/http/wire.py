"""One GET over the wire: connection, deadline, size. Its errors are translated here, once."""

from __future__ import annotations

import ipaddress
import re
import ssl
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from schemahub.adapters.http.body import Decoder
from schemahub.adapters.http.failure import Failed, line
from schemahub.adapters.http.h1 import Deadline, Head, Talk
from schemahub.core.errors import ConfigError

OK = 200


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one attempt may take: seconds, and bytes of the body on the wire and decoded."""

    connect: float = 5.0
    read: float = 10.0  # without a byte
    total: float = 30.0  # from connecting to the last byte
    wire: int = 8 * 1024 * 1024
    decoded: int = 32 * 1024 * 1024
    complaint: int = 64 * 1024  # of an answer whose status is not 200


@dataclass(frozen=True, slots=True)
class Reply:
    """`wire` is the size of the body as it was sent; names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    wire: int


class Wire:
    """Connections to one host, kept alive. Safe to use from many threads."""

    def __init__(
        self,
        base: Base,
        *,
        user_agent: str,
        pool_size: int,
        bounds: Bounds,
        monotonic: Callable[[], float],
    ) -> None:
        self._base = base
        self._bounds = bounds
        self._monotonic = monotonic
        self._asked_as = (
            f" HTTP/1.1\r\nHost: {base.netloc}\r\nUser-Agent: {user_agent}\r\n"
            "Accept: application/json\r\nAccept-Encoding: gzip\r\n\r\n"
        )
        # The youngest end is taken first, so that what nobody needs grows old and is closed.
        self._idle: deque[_Line] = deque()
        self._pool_size = pool_size
        weakref.finalize(self, _close, self._idle)

    def close(self) -> None:
        """Close the idle connections."""
        _close(self._idle)

    def get(self, target: str) -> Reply:
        """The whole answer to one GET. Raises Failed if there is none within the bounds."""
        bounds = self._bounds
        deadline = Deadline(
            self._monotonic() + bounds.total, bounds.total, bounds.read, self._monotonic
        )
        one = self._line()
        with ExitStack() as undo:
            # What was not read to its end must not be met by the next request.
            undo.callback(one.close)
            head = one.talk.ask(f"GET {target}{self._asked_as}".encode("ascii"), deadline)
            reply = self._receive(head, one.talk.body(head, deadline))
            if one.talk.reusable and len(self._idle) < self._pool_size:
                undo.pop_all()
                self._idle.append(one)
        return reply

    def _receive(self, head: Head, body: Iterator[bytes]) -> Reply:
        if head.status != OK:
            said = _start(head, body, self._bounds.complaint)
            return Reply(head.status, head.headers, said, len(said))
        decode = Decoder(head.headers.get("content-encoding", ""), self._bounds.decoded)
        pieces = []
        wire = 0
        for piece in body:
            wire += len(piece)
            if wire > self._bounds.wire:
                raise Failed("too_large", f"a body of more than {self._bounds.wire} bytes")
            pieces.append(decode.feed(piece))
        decode.finish()
        return Reply(head.status, head.headers, b"".join(pieces), wire)

    # ------------------------------------------------------------ connections

    def _line(self) -> _Line:
        while (idle := _youngest(self._idle)) is not None:
            if not idle.talk.dropped:
                return idle
            idle.close()
        return self._connected()

    def _connected(self) -> _Line:
        base, timeout = self._base, self._bounds.connect
        # Made directly they take no proxy from the environment.
        connection = (
            HTTPConnection(base.host, base.port, timeout=timeout)
            if base.scheme == "http"
            else HTTPSConnection(base.host, base.port, timeout=timeout, cert_reqs="CERT_REQUIRED")
        )
        with ExitStack() as undo:
            undo.callback(connection.close)
            try:
                connection.connect()
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise Failed(*_translated(error)) from error
            sock = connection.sock
            if sock is None:
                raise Failed("connect", "no connection was made")
            undo.pop_all()
        return _Line(Talk(sock), connection.close)


@dataclass(frozen=True, slots=True)
class _Line:
    """A connection, and how it is closed."""

    talk: Talk
    close: Callable[[], None]


def _youngest(idle: deque[_Line]) -> _Line | None:
    try:
        return idle.pop()  # one operation: no other thread gets the same
    except IndexError:
        return None


def _close(idle: deque[_Line]) -> None:
    while (one := _youngest(idle)) is not None:
        one.close()


def _start(head: Head, body: Iterator[bytes], most: int) -> bytes:
    """As much of a complaint as can be read: its status matters, its words are a courtesy."""
    said = b""
    try:
        for piece in body:
            said += piece
            if len(said) > most:
                break  # too long to be read to its end
        return Decoder(head.headers.get("content-encoding", ""), most).feed(said[:most])
    except Failed:
        return b""


def _translated(error: Exception) -> tuple[str, str]:
    # To urllib3 a connection refused is a kind of timeout.
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return "connect", line(str(error).rpartition(": ")[2])
    if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError):
        return "timeout", "no connection in time"
    if isinstance(error, urllib3.exceptions.SSLError | ssl.SSLError):
        return "tls", line(str(error))
    return "connection", line(str(error))


# ---------------------------------------------------------------- where to


@dataclass(frozen=True, slots=True)
class Base:
    scheme: str
    host: str
    port: int | None
    netloc: str
    path: str


def checked(base_url: str) -> Base:
    """Raises ConfigError unless it is https, or http to this very machine."""
    if "@" in base_url:
        raise _unusable("the URL", "it holds a user name or password; none is ever sent")
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _unusable(base_url, str(error)) from error
    if parts.scheme not in {"https", "http"} or not host:
        raise _unusable(base_url, "it is not https://host/path")
    if parts.query or parts.fragment or re.search(r"[\s\\\x00-\x20\x7f]", base_url):
        raise _unusable(base_url, "a base URL has no query, fragment or spaces")
    if parts.scheme == "http" and not _loopback(host):
        raise _unusable(base_url, "plain http is for this machine only (localhost, 127.0.0.1)")
    return Base(parts.scheme, host, port, parts.netloc, parts.path)


def _unusable(base_url: str, why: str) -> ConfigError:
    return ConfigError(
        f"{base_url} cannot be an exchange's address", why, "correct --base-url or the spec"
    )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
