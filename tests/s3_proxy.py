"""What stands between a lake and its S3 service, and misbehaves as networks and services do."""

from __future__ import annotations

import base64
import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.s3_server import BUCKET, S3Server


@dataclass
class Asked:
    """A request; `number` counts those of its kind (method, and whether it lists) from 1."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    number: int = 0

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}/")

    @property
    def lists(self) -> bool:
        return "list-type" in parse_qs(urlsplit(self.path).query)

    @property
    def kind(self) -> str:
        return "LIST" if self.lists else self.method

    @property
    def creates(self) -> bool:
        return self.method == "PUT" and self.headers.get("if-none-match") == "*"


@dataclass
class Said:
    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    # How it is sent: whole, half of the body and then the end, not at all.
    sent: str = "whole"


Forward = Callable[[Asked], Said]
Manner = Callable[[Asked, Forward], Said]


def honest(asked: Asked, forward: Forward) -> Said:
    return forward(asked)


def refusal(status: int, code: str) -> Said:
    words = f"<Error><Code>{code}</Code><Message>on purpose</Message></Error>"
    return Said(status, [("Content-Type", "application/xml")], words.encode())


def nothing() -> Said:
    """The connection ends without an answer."""
    return Said(0, sent="reset")


@dataclass
class Proxy:
    """`manner` decides about each request; `asked` are all of them."""

    server: S3Server
    url: str = ""
    manner: Manner = honest
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reset(self) -> Proxy:
        """As new, at the same address."""
        self.manner, self.asked = honest, []
        return self

    def count(self, kind: str) -> int:
        return sum(1 for each in self.asked if each.kind == kind)

    def forward(self, asked: Asked) -> Said:
        """To the service, as it came: the signature covers the host's name too."""
        host, port = self.server.url.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        try:
            connection.putrequest(
                asked.method, asked.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in asked.headers.items():
                connection.putheader(name, value)
            if "transfer-encoding" in asked.headers:
                connection.endheaders([asked.body] if asked.body else [], encode_chunked=True)
            else:
                connection.endheaders(asked.body)
            answer = connection.getresponse()
            return Said(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def put(self, asked: Asked, body: bytes | None = None, **more: Any) -> Said:
        """What a service does that heeds no condition: stores, and says so."""
        told = self.server.client.put_object(
            Bucket=BUCKET, Key=asked.key, Body=asked.body if body is None else body, **more
        )
        return Said(200, [("ETag", told["ETag"])])

    def there(self, key: str) -> bool:
        found = self.server.client.list_objects_v2(Bucket=BUCKET, Prefix=key, MaxKeys=1)
        return any(each["Key"] == key for each in found.get("Contents", ()))

    def answer(self, asked: Asked) -> Said:
        with self.lock:
            asked.number = self.count(asked.kind) + 1
            self.asked.append(asked)
        return self.manner(asked, self.forward)


@contextmanager
def proxy(server: S3Server, manner: Manner = honest) -> Iterator[Proxy]:
    made = Proxy(server, manner=manner)
    listening = _Server(("127.0.0.1", 0), _Handler)
    listening.proxy = made
    made.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    proxy: Proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        assert isinstance(self.server, _Server)
        said = self.server.proxy.answer(Asked(self.command, self.path, headers, body))
        if said.sent == "reset":
            # A zero linger time makes closing a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self.send_response_only(said.status)
        for name, value in said.headers:
            if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                self.send_header(name, value)
        bodiless = self.command == "HEAD" or said.status in {204, 304}
        told = {name.lower(): value for name, value in said.headers}
        if self.command == "HEAD" and "content-length" in told:
            # Of the object that is not sent: S3's clients take its size from here.
            self.send_header("Content-Length", told["content-length"])
        elif not bodiless:
            self.send_header("Content-Length", str(len(said.body)))
        self.end_headers()
        if said.sent == "half":
            self.wfile.write(said.body[: len(said.body) // 2])
            self.close_connection = True
        elif not bodiless:
            self.wfile.write(said.body)

    def _body(self) -> bytes:
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = _handle  # noqa: N815  (http.server's names)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (its name there)
        pass


# ---------------------------------------------------------------- services that break a promise


def ignores_conditions(between: Proxy) -> Manner:
    """If-None-Match means nothing to it."""
    return lambda asked, forward: between.put(asked) if asked.creates else forward(asked)


def looks_first(between: Proxy) -> Manner:
    """It looks whether the name is free, and then writes: two at once both win."""
    both = threading.Barrier(2)

    def manner(asked: Asked, forward: Forward) -> Said:
        if not asked.creates or between.there(asked.key):
            return forward(asked)
        try:
            both.wait(2)
        except threading.BrokenBarrierError:
            return refusal(412, "PreconditionFailed")
        return between.put(asked)

    return manner


def lists_late(between: Proxy) -> Manner:
    """What was just written is not listed yet."""

    def manner(asked: Asked, forward: Forward) -> Said:
        if not asked.lists:
            return forward(asked)
        words = (
            '<?xml version="1.0"?><ListBucketResult '
            'xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount>"
            "</ListBucketResult>"
        )
        return Said(200, [("Content-Type", "application/xml")], words.encode())

    return manner


def keeps_deleted(between: Proxy) -> Manner:
    return lambda asked, forward: Said(204) if asked.method == "DELETE" else forward(asked)


def replaces_later(between: Proxy, status: int = 200) -> Manner:
    """A race has one winner, but who comes later replaces what it wrote, told so or not."""

    def manner(asked: Asked, forward: Forward) -> Said:
        if not (asked.creates and asked.body == b"a later writer"):
            return forward(asked)
        told = between.put(asked)
        return told if status == 200 else refusal(412, "PreconditionFailed")

    return manner


def stores_other_bytes(between: Proxy, *, marked: bool = False) -> Manner:
    """What is stored differs from what was sent; `marked`: its own checksum is kept beside it."""

    def manner(asked: Asked, forward: Forward) -> Said:
        if not asked.creates:
            return forward(asked)
        if between.there(asked.key):
            return refusal(412, "PreconditionFailed")
        marks = {"crc32": asked.headers["x-amz-meta-crc32"]} if marked else {}
        with between.lock:
            if between.there(asked.key):
                return refusal(412, "PreconditionFailed")
            return between.put(asked, asked.body[::-1], Metadata=marks)

    return manner


def checksum_of(asked: Asked) -> str:
    """The CRC-32 that a PUT says of its body, in hexadecimal."""
    return base64.b64decode(asked.headers["x-amz-checksum-crc32"]).hex()
