"""A real HTTP server on loopback that misbehaves as told, byte by byte."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Talk = Callable[[socket.socket], bool | None]
"""What the server does after it read a request. True: it keeps the connection."""


def reply(
    body: bytes = b"[]",
    status: str = "200 OK",
    *,
    length: int | None = None,
    headers: dict[str, str] | None = None,
) -> bytes:
    fields = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body) if length is None else length),
        "Date": "Mon, 02 Nov 2026 10:00:00 GMT",
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def say(
    body: bytes = b"[]",
    status: str = "200 OK",
    *,
    length: int | None = None,
    headers: dict[str, str] | None = None,
) -> Talk:
    """One whole answer; the connection is kept."""
    data = reply(body, status, length=length, headers=headers)

    def talk(peer: socket.socket) -> bool:
        peer.sendall(data)
        return True

    return talk


def send_and_close(data: bytes) -> Talk:
    def talk(peer: socket.socket) -> None:
        peer.sendall(data)

    return talk


def reset(data: bytes = b"") -> Talk:
    """Send `data`, then RST."""

    def talk(peer: socket.socket) -> None:
        peer.sendall(data)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    return talk


def drip(data: bytes, pause: float) -> Talk:
    """One byte now and then, until the other side has had enough."""

    def talk(peer: socket.socket) -> None:
        for byte in data:
            peer.sendall(bytes([byte]))
            time.sleep(pause)

    return talk


@dataclass
class Server:
    """Does what `script` says, request by request; then `then` for ever."""

    script: list[Talk] = field(default_factory=list)
    then: Talk = field(default_factory=say)
    requests: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    connections: int = 0
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    @property
    def targets(self) -> list[str]:
        return [request.split()[1].decode() for request in self.requests]

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return  # closed: the test is over
            self.connections += 1
            threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        with peer, suppress(OSError):
            peer.settimeout(20)
            while request := _request(peer):
                with self.lock:
                    self.requests.append(request)
                    self.times.append(time.monotonic())
                    talk = self.script.pop(0) if self.script else self.then
                    self.at_once += 1
                    self.most_at_once = max(self.most_at_once, self.at_once)
                try:
                    kept = talk(peer)
                finally:
                    with self.lock:
                        self.at_once -= 1
                if not kept:
                    return


def _request(peer: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = peer.recv(65_536)
        if not piece:
            return b""
        data += piece
    return data


@contextmanager
def serving(*script: Talk, then: Talk | None = None) -> Iterator[Server]:
    server = Server(list(script))
    if then is not None:
        server.then = then
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
        thread.start()
        yield server
        # Wakes accept(), which closing the socket alone does not.
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
