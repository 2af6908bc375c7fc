"""The sandbox: an exchange on a real socket of this machine."""

from __future__ import annotations

import errno
import gzip
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from schemahub.sandbox.bucket import Bucket
from schemahub.sandbox.control import control
from schemahub.sandbox.dialects import DIALECTS
from schemahub.sandbox.exchange import Exchange, Stats
from schemahub.sandbox.faults import Fault, Faults
from schemahub.sandbox.history import Source, Trade
from schemahub.sandbox.plan import Sending
from schemahub.sandbox.wire import Dialect, Market, Reply

__all__ = ["PortTaken", "Sandbox"]

_HOST = "127.0.0.1"  # never an address that another machine could reach
_WORTH_PACKING = 256
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_RESET = struct.pack("ii", 1, 0)


class PortTaken(OSError):
    """Another process listens on the port asked for."""


class Sandbox:
    """An exchange served on loopback by a background thread, until `close` or the `with` ends.

    markets   BASE-QUOTE -> history, or `Market` for its flags
    dialect   whose API is spoken: a name of `DIALECTS`, or a dialect of your own
    rate      requests a second before the exchange answers 429 (None: no limit); `burst` at once
              (default: half as much again as the rate, as Coinbase has it)
    latency   seconds added to every answer
    faults    see `Faults`; changed at any time by `set_faults`
    port      0: any free one; PortTaken if it is not free
    clock     Unix seconds: for the Date header, growing heads, the rate limit
    log       told one line a request; default: silence
    """

    def __init__(  # noqa: PLR0913 -- keywords, all with defaults
        self,
        markets: Mapping[str, Source | Market],
        *,
        rate: float | None = None,
        burst: float | None = None,
        latency: float = 0.0,
        faults: Faults | None = None,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        dialect: str | Dialect = "coinbase",
        log: Callable[[str], object] | None = None,
    ) -> None:
        self.exchange = Exchange(
            {
                symbol: market if isinstance(market, Market) else Market(market)
                for symbol, market in markets.items()
            },
            _dialect(dialect),
            _bucket(rate, burst),
            Faults() if faults is None else faults,
            clock,
        )
        self._server = _listen(port, self.exchange, latency, log)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://{_HOST}:{self.port}"

    def stats(self) -> Stats:
        return self.exchange.stats()

    def head(self, symbol: str) -> int:
        """The number of the newest trade now, faults aside."""
        return self.exchange.head(symbol)

    def truth(
        self, symbol: str, start: int = 1, stop: int | None = None, *, served: bool = False
    ) -> list[Trade]:
        """The trades with start <= n < stop up to the head, as they are, with the TAKER's side.

        n counts a market's trades as the sandbox does; the ids and times are those that the
        dialect tells. `served`: without those that a permanent hole in force hides. No other
        fault counts.
        """
        return self.exchange.truth(symbol, start, stop, served=served)

    def grow(self, symbol: str, count: int) -> int:
        """Lets `count` more trades happen; the new head."""
        self.exchange.grow(symbol, count)
        return self.head(symbol)

    def set_faults(
        self, faults: Faults | Iterable[Fault | str | Mapping[str, Any]] = (), seed: int = 0
    ) -> None:
        """Replaces the faults in force from the next request on; without arguments: none."""
        kept = faults if isinstance(faults, Faults) else Faults(*faults, seed=seed)
        self.exchange.set_faults(kept)

    def wait(self) -> None:
        """Returns when the sandbox is closed; for a process that does nothing else."""
        self._server.closing.wait()

    def close(self) -> None:
        """Stops listening and closes every connection. May be called twice."""
        if not self._server.closing.is_set():
            self._server.stop()
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _dialect(named: str | Dialect) -> Dialect:
    if not isinstance(named, str):
        return named
    if named not in DIALECTS:
        raise ValueError(f"no exchange {named!r}; there are {', '.join(DIALECTS)}")
    return DIALECTS[named]


def _bucket(rate: float | None, burst: float | None) -> Bucket | None:
    if rate is None:
        return None
    return Bucket(rate, max(1.0, rate * 1.5) if burst is None else burst)


_Request = socket.socket | tuple[bytes, socket.socket]  # as socketserver has it; ours are sockets
_Address = tuple[str, int]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024  # 200 clients that connect at once are not turned away

    def __init__(
        self, port: int, exchange: Exchange, latency: float, log: Callable[[str], object] | None
    ) -> None:
        self.exchange, self.latency, self.log = exchange, latency, log
        self.closing = threading.Event()
        self._open: set[_Request] = set()
        self._open_lock = threading.Lock()
        super().__init__((_HOST, port), _Connection)

    def server_bind(self) -> None:
        # HTTPServer's own would look up this machine's name, which can hang without a network.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = _HOST, int(self.server_address[1])

    def process_request(self, request: _Request, client_address: _Address) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: _Request) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: _Request, client_address: _Address) -> None:
        # A client that goes away is everyday life here; anything else is a bug of the sandbox.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
        with self._open_lock:
            left = list(self._open)
        for request in left:
            if isinstance(request, socket.socket):
                with suppress(OSError):  # gone already
                    request.shutdown(socket.SHUT_RDWR)


def _listen(
    port: int, exchange: Exchange, latency: float, log: Callable[[str], object] | None
) -> _Server:
    try:
        return _Server(port, exchange, latency, log)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortTaken(
            errno.EADDRINUSE,
            f"port {port} on {_HOST} is taken by another process; "
            "choose another port, or 0 for any free one",
        ) from error


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server  # type: ignore[mutable-override]  # it is ours that makes connections

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path.startswith("/_sandbox/"):
            self._send(control(self.server.exchange, "GET", path, query, b""), Sending())
            return
        reply, sending = self.server.exchange.serve(path, query)
        sending.delay += self.server.latency
        self._send(reply, sending)

    def do_POST(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._send(control(self.server.exchange, "POST", path, query, body), Sending())

    def _send(self, reply: Reply, sending: Sending) -> None:
        if sending.delay and self.server.closing.wait(sending.delay):
            self.close_connection = True
            return
        head, body = self._printed(reply, sending)
        if self.server.log is not None:
            self.server.log(f"{self.command} {self.path} {reply.status} {len(body)}")
        data = head + body
        if sending.keep is not None:
            data = head + body[: int(len(body) * sending.keep)]
            self.close_connection = True
        if sending.reset_after is not None:
            self._reset(data[: sending.reset_after])
        elif sending.drip is not None:
            self._drip(data, *sending.drip)
        else:
            self.wfile.write(data)

    def _printed(self, reply: Reply, sending: Sending) -> tuple[bytes, bytes]:
        """Head and body, packed if the client takes it and the answer is not packed already."""
        headers, body = dict(reply.headers), reply.body
        packs = "gzip" in self.headers.get("Accept-Encoding", "")
        if packs and len(body) >= _WORTH_PACKING and "Content-Encoding" not in headers:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, 1, mtime=0)
        if body:
            headers["Content-Type"] = reply.content_type
        headers["Content-Length"] = str(max(0, len(body) + sending.declare))
        if sending.keep is not None:
            headers["Connection"] = "close"
        phrase = _PHRASES.get(reply.status, "Unknown")
        lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{k}: {v}" for k, v in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), body

    def _reset(self, data: bytes) -> None:
        """Sends `data`, then RST and not FIN: no lingering, and no half-close before it."""
        self.wfile.write(data)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        # The descriptor closes only when the files made from it are closed too.
        self.wfile.close()
        self.rfile.close()
        self.connection.close()
        raise ConnectionAbortedError("reset on purpose")  # there is nothing left to flush

    def _drip(self, data: bytes, size: int, every: float) -> None:
        for at in range(0, len(data), size):
            self.wfile.write(data[at : at + size])
            if self.server.closing.wait(every):
                self.close_connection = True
                return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- http.server's name
        """Quiet: the server's own log lines are written by `_send`, if anybody asks."""
