"""An exchange like Coinbase with small pages, and its answers: what the core is tried on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

from schemahub.core.layout import Market
from schemahub.core.page import Answer, Page, read
from schemahub.core.paging import Ask
from schemahub.core.spec import ExchangeSpec
from schemahub.core.spec_reading import build
from schemahub.core.wire import Reader

MARKET = Market("acme", "BTC-USD")
NOW = datetime(2026, 5, 17, 12, 0, 0, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ENOUGH = 1_000
HEAD = Ask(limit=1000)

DATA: dict[str, Any] = {
    "exchange": "acme",
    "title": "Acme Exchange",
    "docs": "https://docs.example.com",
    "base_url": "https://api.example.com",
    "axis": "ids",
    "first_id": 1,
    "provable": {
        "by": "ids",
        "basis": "measured",
        "why": "ids count the trades of a market without holes",
    },
    "limits": {"scope": "host", "rate": 10.0, "burst": 15},
    "symbols": {
        "native": "{base}-{quote}",
        "path": "/products",
        "id": "id",
        "base": "base_currency",
        "quote": "quote_currency",
        "status": "status",
        "online": ["online"],
    },
    "trades": {
        "path": "/products/{symbol}/trades",
        "paging": {"rule": "newest_below", "cursor": "after", "limit": "limit", "page": 1000},
        "fields": {
            "trade_id": {"from": "trade_id", "as": "integer"},
            "side": {"from": "side", "of": "maker", "buy": "buy", "sell": "sell"},
            "price": {"from": "price", "as": "decimal_text"},
            "quantity": {"from": "size", "as": "decimal_text"},
            "trade_ts": {"from": "time", "as": "iso_time"},
        },
    },
}


def data() -> dict[str, Any]:
    """The spec as YAML gives it, to be damaged."""
    return deepcopy(DATA)


# The rule by which specs made from now on are asked; see `speaking`.
_rule = "newest_below"
ID_RULES = ("newest_below", "oldest_from", "oldest_after")


@contextmanager
def speaking(rule: str) -> Iterator[None]:
    """Exchanges of this rule, while it lasts."""
    global _rule  # noqa: PLW0603  (what a spec is made of goes through many hands)
    _rule, before = rule, _rule
    try:
        yield
    finally:
        _rule = before


def spec(page: int = 1000, chunk_pages: int = 50, settle: float = 60.0) -> ExchangeSpec:
    return _spec(page, chunk_pages, settle, _rule)


@cache
def _spec(page: int, chunk_pages: int, settle: float, rule: str) -> ExchangeSpec:
    changed = data()
    changed["trades"]["paging"]["rule"] = rule
    changed["settle"] = settle
    changed["trades"]["chunk_pages"] = chunk_pages
    changed["trades"]["paging"]["page"] = page
    return build(changed, {}, "acme.yaml")


SPEC = spec()
READER = Reader(SPEC)


def text_of(moment: int) -> str:
    """Microseconds since 1970 as the wire writes them."""
    return (EPOCH + timedelta(microseconds=moment)).isoformat().replace("+00:00", "Z")


def row(trade_id: object, moment: int | None = None, **changed: object) -> dict[str, object]:
    """A good row of the wire; a value of `...` takes the field away."""
    moment = NOW_US - 3_600_000_000 if moment is None else moment
    full: dict[str, object] = {
        "trade_id": trade_id,
        "side": "buy",
        "price": "65000.01",
        "size": "0.00512",
        "time": text_of(moment),
        **changed,
    }
    return {name: value for name, value in full.items() if value is not ...}


def body(*rows: object) -> bytes:
    return json.dumps(rows, separators=(",", ":")).encode()


def answer(
    content: bytes, ask: Ask | None = None, at: datetime = NOW, date: str | None = None
) -> Answer:
    params = ask.params(spec().trades.paging) if ask else ()
    url = f"https://api.example.com/products/BTC-USD/trades?{urlencode(params)}"
    said = at.strftime("%a, %d %b %Y %H:%M:%S GMT") if date is None else date
    return Answer(at, url, 200, said, content)


def page_of(*rows: object, ask: Ask | None = None, at: datetime = NOW) -> Page:
    """What an answer of these rows proves; asked for as the head if `ask` does not say."""
    ask = ask or HEAD
    return read(answer(body(*rows), ask, at), ask, READER)


@dataclass
class Exchange:
    """Serves its trades (id to µs) by `newest_below`; behaves as real ones do when told to.

    `cap` is the most rows it gives whatever is asked for; `bad` are ids whose rows it
    serves without a price.
    """

    trades: dict[int, int]
    cap: int = 1000
    bad: frozenset[int] = frozenset()
    asked: list[Ask] = field(default_factory=list)

    def rows(self, ask: Ask) -> list[dict[str, object]]:
        self.asked.append(ask)
        assert len(self.asked) < ENOUGH, "it would ask for ever"
        size = min(ask.limit, self.cap)
        if ask.start is not None:
            above = sorted(one for one in self.trades if one >= ask.start)
            return [self._row(one) for one in above[:size]]
        below = sorted(one for one in self.trades if ask.stop is None or one < ask.stop)
        return [self._row(one) for one in reversed(below[-size:])]

    def answer(self, ask: Ask, at: datetime = NOW) -> Answer:
        return answer(body(*self.rows(ask)), ask, at)

    def page(self, ask: Ask, at: datetime = NOW) -> Page:
        return read(self.answer(ask, at), ask, READER)

    def _row(self, one: int) -> dict[str, object]:
        return row(one, self.trades[one], price=... if one in self.bad else "65000.01")
