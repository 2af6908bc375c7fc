"""The words that server, dialect and faults share. No socket, no exchange is known here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from schemahub.sandbox.history import History, Source, Trade

__all__ = ["Ask", "Dialect", "Listing", "Market", "Reply", "Row", "Verbatim"]

Row = dict[str, object]  # one trade under the exchange's own field names
JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Verbatim:
    """The bytes that stand where a row should be: no JSON has to be in them."""

    data: bytes


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


@dataclass(frozen=True)
class Listing:
    """A market as the product list shows it."""

    symbol: str
    market: Market
    history: History


@dataclass(frozen=True)
class Ask:
    """What a request wants, in no exchange's language.

    kind "trades": the newest `limit` trades of `symbol` with lo <= id < hi. `hi` None: up to the
    head. Other kinds are the dialect's own, and are answered by its `answer`.
    """

    kind: str
    symbol: str | None = None
    lo: int = 0
    hi: int | None = None
    limit: int = 0


@dataclass
class Reply:
    """One HTTP answer before it is compressed and sent. Faults may edit it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE


class Dialect(Protocol):
    """How one exchange spells questions and answers: pure, the time is given."""

    fields: Mapping[str, str]  # our id, side, size, price, time -> the wire's names

    def parse(self, path: str, query: str, symbols: Collection[str]) -> Ask | Reply:
        """What is asked; or the error that the exchange answers."""

    def answer(self, ask: Ask, listings: Sequence[Listing], now: float) -> Reply:
        """The answer to everything that is not trades."""

    def error(self, status: int) -> Reply:
        """The body that this exchange sends with `status`."""

    def row(self, trade: Trade) -> Row:
        """One trade as a wire row."""

    def page(self, trades: Sequence[Trade]) -> bytes:
        """Trades (in the order to be sent) as a body: equal to the JSON of their rows, faster."""

    def page_of_rows(self, rows: Sequence[object]) -> bytes:
        """The same for rows that a fault has touched; `Verbatim` ones as they are."""

    def page_headers(self, trades: Sequence[Trade]) -> dict[str, str]:
        """What the exchange adds to a page of these trades."""
