"""A foreign exchange on loopback: what all of them have in common."""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.e2e.foreign.deals import Deal
from tests.e2e.foreign.faults import Faults, Sent


@dataclass
class Book:
    """What a market shows: the first `shown` of its trades (None: all), without `hidden` ids."""

    deals: list[Deal]
    shown: int | None = None
    hidden: frozenset[int] = frozenset()

    def visible(self, behind: int = 0) -> list[Deal]:
        stop = len(self.deals) if self.shown is None else self.shown
        found = self.deals[: max(0, stop - behind)]
        return [one for one in found if one.number not in self.hidden] if self.hidden else found


@dataclass
class Venue(ABC):
    """Answers questions about its books, as well as `faults` let it.

    `before` is called before each answer; trades may happen there.
    """

    books: dict[str, Book]
    faults: Faults = field(default_factory=Faults)
    latency: float = 0.0
    before: Callable[[Venue], None] | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    @abstractmethod
    def rows(self, book: Book, asked: Mapping[str, str], behind: int) -> list[Any]:
        """The rows of an answer by the exchange's own rules; `behind`: its newest are unknown."""

    @abstractmethod
    def body(self, symbol: str, rows: list[Any], asked: Mapping[str, str]) -> bytes: ...

    @abstractmethod
    def shifted(self, asked: Mapping[str, str], by: int) -> dict[str, str]:
        """Another cursor than the one that was asked for."""

    @abstractmethod
    def market(self, path: str, asked: Mapping[str, str]) -> str | Sent:
        """Which market is asked about; or what there is to say if it is none."""

    def answer(self, target: str) -> Sent:
        url = urlsplit(target)
        asked = dict(parse_qsl(url.query))
        with self.lock:
            self.asked.append(asked)
            if self.before is not None:
                self.before(self)
            symbol = self.market(url.path, asked)
            if isinstance(symbol, Sent):
                return symbol
            return self.faults.sent(self, symbol, asked)

    @contextmanager
    def serving(self) -> Iterator[Venue]:
        venue = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                time.sleep(venue.latency)
                sent = venue.answer(self.path)
                self.send_response_only(sent.status)
                self.send_header("Date", formatdate(time.time(), usegmt=True))
                self.send_header("Content-Type", sent.kind)
                self.send_header("Content-Length", str(len(sent.body) + sent.missing))
                for name, value in sent.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(sent.body)
                if sent.missing:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                pass  # a client that was killed

        with Server(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            self.url = f"http://127.0.0.1:{server.server_port}"
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


def packed(found: object) -> bytes:
    return json.dumps(found, separators=(",", ":")).encode()
