"""One GET over the wire: connection, deadline, size. Its errors are translated here, once."""

from __future__ import annotations

import io
import ipaddress
import re
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPResponse, IncompleteRead
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from schemahub.adapters.http.body import Decoder
from schemahub.adapters.http.failure import Failed, line
from schemahub.core.errors import ConfigError

OK = 200
_PIECE = 65_536


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
    """`wire` is the size of the body as it was sent."""

    status: int
    headers: urllib3.HTTPHeaderDict
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
        self._bounds = bounds
        self._monotonic = monotonic
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        self._pool = _pool(base, pool_size)

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def get(self, target: str) -> Reply:
        """The whole answer to one GET. Raises Failed if there is none within the bounds."""
        bounds = self._bounds
        due = self._monotonic() + bounds.total
        _now.due, _now.read, _now.monotonic = due, bounds.read, self._monotonic
        try:
            response = self._pool.urlopen(
                "GET",
                target,
                headers=self._headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=urllib3.Timeout(bounds.total, connect=bounds.connect, read=bounds.read),
                preload_content=False,
                decode_content=False,
            )
            with ExitStack() as undo:
                # What was not read to its end must not be met by the next request.
                undo.callback(response.close)
                reply = self._receive(response)
                undo.pop_all()
            response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            if self._monotonic() >= due:
                cause = f"no complete answer within {bounds.total:g} s"
                raise Failed("deadline", cause) from error
            raise Failed(*_translated(error)) from error
        return reply

    def _receive(self, response: urllib3.BaseHTTPResponse) -> Reply:
        if response.status != OK:
            body = _start(response, self._bounds.complaint)
            return Reply(response.status, response.headers, body, len(body))
        decode = Decoder(response.headers.get("Content-Encoding", ""), self._bounds.decoded)
        pieces = []
        wire = 0
        while piece := response.read(_PIECE, decode_content=False):
            wire += len(piece)
            if wire > self._bounds.wire:
                raise Failed("too_large", f"a body of more than {self._bounds.wire} bytes")
            pieces.append(decode.feed(piece))
        decode.finish()
        return Reply(response.status, response.headers, b"".join(pieces), wire)


def _start(response: urllib3.BaseHTTPResponse, most: int) -> bytes:
    """As much of a complaint as can be read: its status matters, its words are a courtesy."""
    try:
        body = response.read(most, decode_content=False) or b""
        if response.read(1, decode_content=False):
            response.close()  # too long to be read to its end
        return Decoder(response.headers.get("Content-Encoding", ""), most).feed(body)
    except (urllib3.exceptions.HTTPError, Failed):
        response.close()
        return b""


def _translated(error: urllib3.exceptions.HTTPError) -> tuple[str, str]:
    # To urllib3 a connection refused is a kind of timeout.
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return "connect", line(str(error).rpartition(": ")[2])
    if isinstance(error, urllib3.exceptions.TimeoutError):
        connecting = isinstance(error, urllib3.exceptions.ConnectTimeoutError)
        return "timeout", "no connection in time" if connecting else "the answer stopped coming"
    if isinstance(error, urllib3.exceptions.SSLError):
        return "tls", line(str(error))
    if any(isinstance(part, IncompleteRead) for part in (error, *error.args)):
        return "truncated", "the answer ended before its stated length"
    return "connection", line(str(error))


# ---------------------------------------------------------------- deadline of a whole answer


class _Now(threading.local):
    """The request that this thread is making."""

    due: float
    read: float
    monotonic: Callable[[], float]


_now = _Now()


class _Punctual(io.RawIOBase):
    """A socket's bytes until the request's deadline, then TimeoutError.

    A timeout of the socket alone counts from the last byte: one byte now and then, in the
    headers or the body, would keep it waiting for days.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        super().__init__()
        self._raw = raw
        self._sock = sock
        self._due, self._read, self._monotonic = _now.due, _now.read, _now.monotonic

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401  (typeshed: WriteableBuffer)
        left = self._due - self._monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(min(self._read, left))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _PunctualResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:  # noqa: ANN401
        super().__init__(sock, *args, **more)
        # http.client reads the status, headers and body through `fp`, so all are on time.
        self.fp = io.BufferedReader(_Punctual(self.fp.detach(), sock), _PIECE)


class _Connection(HTTPConnection):
    response_class = _PunctualResponse  # type: ignore[mutable-override]


class _SecureConnection(HTTPSConnection):
    response_class = _PunctualResponse  # type: ignore[mutable-override]


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection  # type: ignore[mutable-override]


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection  # type: ignore[mutable-override]


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


def _pool(base: Base, size: int) -> urllib3.HTTPConnectionPool:
    # Pools made directly take no proxy from the environment.
    if base.scheme == "http":
        return _Pool(base.host, base.port, maxsize=size)
    return _SecurePool(base.host, base.port, maxsize=size, cert_reqs="CERT_REQUIRED")
