"""One answer in the making: what the exchange fills in and what a fault may change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from schemahub.sandbox.body import Verbatim
from schemahub.sandbox.history import Trade
from schemahub.sandbox.wire import Ask, Dialect, Reply, Row

__all__ = ["Plan", "Sending"]


@dataclass
class Sending:
    """How an answer goes out. The defaults are a healthy server."""

    delay: float = 0.0  # seconds before the first byte
    declare: int = 0  # added to the true Content-Length
    keep: float | None = None  # this share of the body is sent, then the connection is closed
    reset_after: int | None = None  # this many bytes, headers included, then a TCP RST
    drip: tuple[int, float] | None = None  # so many bytes every so many seconds


@dataclass
class Plan:
    """The answer to one well-formed request.

    Stages, in order: "reply" may answer at once; "ask" changes what is looked up; "page" the
    trades found (in the order to be sent); "rows" their wire form; "send" the way out.
    """

    ask: Ask
    dialect: Dialect
    symbols: Sequence[str]
    head_of: Callable[[str], int]
    previous: Reply | None  # the last sound page of this market
    symbol: str = ""  # whose trades are served
    limit: int = 0
    lag: int = 0
    shift: int = 0  # served id = true id - shift
    hidden: list[Callable[[int], bool]] = field(default_factory=list)
    late_hits: set[str] = field(default_factory=set)  # faults that took effect in looking up
    trades: list[Trade] = field(default_factory=list)
    rows: list[Row | Verbatim] = field(default_factory=list)
    spoiled: set[int] = field(default_factory=set)
    reply: Reply | None = None
    sending: Sending = field(default_factory=Sending)

    def __post_init__(self) -> None:
        self.symbol = self.ask.symbol or ""
        self.limit = self.ask.limit
