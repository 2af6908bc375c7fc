"""HTTP/1.1 as far as a GET needs it: one question and its answer over a connection.

Read strictly: what is not plainly an answer is none, and its connection is not used again. No
byte is waited for beyond the request's deadline: a timeout of the socket alone counts from the
last byte, so that one now and then, in the headers or the body, would keep it waiting for days.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from schemahub.adapters.http.failure import Failed, line

_PIECE = 65_536
_LARGEST_HEAD = 65_536
_LARGEST_SIZE_LINE = 4_096
_END = b"\r\n"
_FIRST = b"HTTP/1."
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: .*)?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;[^\r\n]*)?")
_BODILESS = frozenset({204, 304})
_LAST_INTERIM = 199


@dataclass(frozen=True, slots=True)
class Deadline:
    """When an answer must be whole, and how long to wait for its next byte, in seconds."""

    due: float
    total: float
    read: float
    monotonic: Callable[[], float]

    @property
    def left(self) -> float:
        """Seconds until then. Raises Failed if there are none."""
        left = self.due - self.monotonic()
        if left <= 0:
            raise Failed("deadline", f"no complete answer within {self.total:g} s")
        return left


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of an answer, the names in lower case; of several the values joined."""

    status: int
    headers: Mapping[str, str]
    lasting: bool

    def has(self, name: str, word: str) -> bool:
        """Whether `word` is in the list that this header holds."""
        return word in (each.strip().lower() for each in self.headers.get(name, "").split(","))


class Talk:
    """Questions and answers over one connected socket, one after the other."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._timeout: float | None = None
        self._came = b""
        self._at = 0  # up to here it was read
        self._clean = True  # the last answer was read to its end, and another may be asked for

    @property
    def reusable(self) -> bool:
        return self._clean and self._at == len(self._came)

    @property
    def dropped(self) -> bool:
        """Whether the other side closed it, or spoke without being asked."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))

    def ask(self, question: bytes, deadline: Deadline) -> Head:
        """Sends a whole request; the head of its answer, whose body is to be read now.

        Raises Failed.
        """
        self._clean = False
        self._set_timeout(deadline)
        try:
            self._sock.sendall(question)
        except OSError as error:
            raise _failed(error, deadline) from error
        head = self._head(deadline)
        while head.status <= _LAST_INTERIM:
            head = self._head(deadline)
        return head

    def body(self, head: Head, deadline: Deadline) -> Iterator[bytes]:
        """The body as it comes, to its end. Raises Failed if that is not its stated one."""
        if head.status in _BODILESS:
            self._clean = head.lasting
            return
        coding = head.headers.get("transfer-encoding")
        length = head.headers.get("content-length")
        if coding is not None:
            if coding.strip().lower() != "chunked":
                raise Failed("encoding", f"unknown Transfer-Encoding {line(coding)!r}")
            yield from self._chunks(deadline)
            # Of two lengths one lies: what follows is not to be trusted.
            self._clean = head.lasting and length is None
        elif length is not None:
            if not re.fullmatch(r"[0-9]{1,18}", length):
                raise Failed("connection", f"a Content-Length that is none: {line(length)!r}")
            yield from self._exactly(int(length), deadline)
            self._clean = head.lasting
        else:
            while piece := self._next(_PIECE, deadline):
                yield piece

    # ------------------------------------------------------------ parts of an answer

    def _head(self, deadline: Deadline) -> Head:
        text = self._until(b"\r\n\r\n", _LARGEST_HEAD, deadline, "its headers").decode("latin-1")
        first, *lines = text.split("\r\n")
        status = _STATUS.fullmatch(first)
        if status is None:
            raise Failed("connection", f"not an answer of HTTP/1.1: {line(first)!r}")
        headers: dict[str, str] = {}
        for one in lines:
            name, colon, value = one.partition(":")
            if not colon or not _NAME.fullmatch(name) or "\n" in one or "\r" in one:
                raise Failed("connection", f"a header that is none: {line(one)!r}")
            name, value = name.lower(), value.strip(" \t")
            if name == "content-length" and headers.get(name, value) == value:
                headers[name] = value  # some proxies say it twice
            else:
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
        head = Head(int(status[2]), headers, status[1] == "1")
        if head.lasting and head.has("connection", "close"):
            return Head(head.status, headers, lasting=False)
        return head

    def _chunks(self, deadline: Deadline) -> Iterator[bytes]:
        while True:
            told = self._until(_END, _LARGEST_SIZE_LINE, deadline, "a chunk's size")
            size = _CHUNK.fullmatch(told)
            if size is None:
                raise Failed("truncated", f"no size of a chunk: {line(told.decode('latin-1'))!r}")
            count = int(size[1], 16)
            if not count:
                break
            yield from self._exactly(count, deadline)
            if b"".join(self._exactly(len(_END), deadline)) != _END:
                raise Failed("truncated", "a chunk is longer than its size")
        # Trailers say nothing that is needed here.
        while self._until(_END, _LARGEST_SIZE_LINE, deadline, "its trailers"):
            pass

    def _exactly(self, count: int, deadline: Deadline) -> Iterator[bytes]:
        while count:
            piece = self._next(count, deadline)
            if not piece:
                raise Failed("truncated", "the answer ended before its stated length")
            yield piece
            count -= len(piece)

    def _next(self, most: int, deadline: Deadline) -> bytes:
        """Some bytes, `most` at most; none at the end of the connection."""
        if self._at == len(self._came):
            self._came, self._at = self._receive(deadline), 0
        piece = self._came[self._at : self._at + most]
        self._at += len(piece)
        return piece

    def _until(self, mark: bytes, most: int, deadline: Deadline, what: str) -> bytes:
        """What comes before `mark`, of which there are at most `most` bytes with it."""
        while (at := self._came.find(mark, self._at, self._at + most)) < 0:
            left = self._came[self._at :]
            if len(left) >= most:
                raise Failed("too_large", f"more than {most} bytes in {what}")
            piece = self._receive(deadline)
            if not piece and mark != _END and not left.startswith(_FIRST):
                said = f": {line(left.decode('latin-1'))!r}" if left else ""
                raise Failed("connection", f"closed without an answer of HTTP/1.1{said}")
            if not piece:
                raise Failed("truncated", f"the answer ended in {what}")
            self._came, self._at = left + piece, 0
        found = self._came[self._at : at]
        self._at = at + len(mark)
        return found

    # ------------------------------------------------------------ the socket

    def _receive(self, deadline: Deadline) -> bytes:
        self._set_timeout(deadline)
        try:
            return self._sock.recv(_PIECE)
        except OSError as error:
            raise _failed(error, deadline) from error

    def _set_timeout(self, deadline: Deadline) -> None:
        timeout = min(deadline.read, deadline.left)
        if timeout != self._timeout:  # each time costs a call of the system
            self._sock.settimeout(timeout)
            self._timeout = timeout


def _failed(error: OSError, deadline: Deadline) -> Failed:
    if isinstance(error, TimeoutError):
        if deadline.monotonic() >= deadline.due:
            return Failed("deadline", f"no complete answer within {deadline.total:g} s")
        return Failed("timeout", "the answer stopped coming")
    return Failed("tls" if isinstance(error, ssl.SSLError) else "connection", line(str(error)))
