"""The words that server, dialects and faults share. No socket, no exchange is known here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from schemahub.sandbox.body import Verbatim
from schemahub.sandbox.history import History, Source, Trade

__all__ = [
    "Ask",
    "Dialect",
    "Listing",
    "Market",
    "Reply",
    "Row",
    "currencies",
    "decimals",
    "integer",
]

Row = dict[Any, Any] | list[Any]  # one trade as the exchange tells it
End = Literal["newest", "oldest"]
JSON_TYPE = "application/json; charset=utf-8"

_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)


def integer(text: str) -> int | None:
    """The integer that a parameter says in plain digits; None if it says none."""
    return int(text) if _INTEGER.fullmatch(text) else None


def decimals(increment: str) -> int:
    """How many decimals a step such as "0.01" has."""
    return len(increment.partition(".")[2])


def currencies(symbol: str) -> tuple[str, str]:
    """Base and quote of BASE-QUOTE."""
    base, _, quote = symbol.partition("-")
    return base, quote


@dataclass(frozen=True)
class Market:
    """A market of the sandbox: where its trades come from, and what the exchange says of it."""

    source: Source
    status: str = "online"
    trading_disabled: bool = False
    cancel_only: bool = False
    post_only: bool = False
    limit_only: bool = False
    auction_mode: bool = False

    @property
    def trading(self) -> bool:
        return self.status == "online" and not (self.trading_disabled or self.cancel_only)


@dataclass(frozen=True)
class Listing:
    """A market as the product list shows it."""

    symbol: str  # canonical BASE-QUOTE
    market: Market
    history: History


@dataclass(frozen=True)
class Ask:
    """What a request wants, in no exchange's language.

    kind "trades": trades of `symbol` with lo <= id < hi and start_us <= time < stop_us (Unix µs);
    None: that end is open. Of more than `limit` those at the end `takes`; sent from the end
    `first` on. Other kinds ("products", "product", "time", …) are answered by the dialect's
    `answer`. `echo` is what its answer says again.
    """

    kind: str
    symbol: str | None = None
    lo: int = 0
    hi: int | None = None
    start_us: int | None = None
    stop_us: int | None = None
    limit: int = 0
    takes: End = "newest"
    first: End = "newest"
    echo: str = ""


@dataclass
class Reply:
    """One HTTP answer before it is compressed and sent. Faults may edit it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE


class Dialect(Protocol):
    """How one exchange spells questions and answers: pure, the time is given.

    `told` says of a trade what a client can know of it: the id and the time as they are told.
    """

    by_time: bool  # whether trades are asked for by time, so that they must be in its order
    fields: Mapping[str, Any]  # our id, side, size, price, time -> the key or index in a row

    def spellings(self, symbol: str) -> tuple[str, ...]:
        """What a request may call a market."""

    def parse(self, path: str, query: str, symbols: Mapping[str, str]) -> Ask | Reply:
        """What is asked, or the error that the exchange answers. `symbols`: spelling -> ours."""

    def answer(self, ask: Ask, listings: Sequence[Listing], now: float) -> Reply:
        """The answer to everything that is not trades."""

    def error(self, status: int, wait: int = 1) -> Reply:
        """What this exchange answers where `status` is due.

        `wait`: seconds until it would serve a client that asked too much.
        """

    def told(self, trade: Trade) -> Trade:
        """The trade with its id and time as this exchange tells them."""

    def row(self, trade: Trade) -> Row:
        """One trade as a wire row."""

    def page(
        self, ask: Ask, trades: Sequence[Trade], rows: Sequence[Row | Verbatim] | None = None
    ) -> bytes:
        """Trades (in the order to be sent) as a body: the JSON of their rows, made faster.

        `rows` stand for the trades' own where a fault has touched them.
        """

    def page_headers(self, trades: Sequence[Trade]) -> dict[str, str]:
        """What the exchange adds to a page of these trades."""

    def budget(self, used: Mapping[str, int]) -> dict[str, str]:
        """The headers that tell a client what it used: requests of this minute by kind."""
