"""Kraken's GET /0/public/Trades as its documentation and measured answers have it.

Oldest first; `since` in ns (or s, if short), exclusive, without it the newest; `count` at most
1000; the time of a row is a float64, `last` the exact one of the last row. Errors come in a 200.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from tests.e2e.foreign.deals import SECOND, Deal
from tests.e2e.foreign.faults import Sent
from tests.e2e.foreign.venue import Book, Venue, packed

INTERNAL = {"XBTUSD": "XXBTZUSD", "ETHUSD": "XETHZUSD"}


class Kraken(Venue):
    def market(self, path: str, asked: Mapping[str, str]) -> str | Sent:
        if path != "/0/public/Trades":
            return Sent(404, b"")
        if asked.get("pair") not in self.books:
            return Sent(200, packed({"error": ["EQuery:Unknown asset pair"]}))
        return asked["pair"]

    def rows(self, book: Book, asked: Mapping[str, str], behind: int) -> list[Any]:
        count = max(1, min(int(asked.get("count", "1000")), 1000))
        found = book.visible(behind)
        if "since" in asked:
            low = bisect_right(found, since(asked), key=lambda one: one.ns)
            return [row(one) for one in found[low : low + count]]
        return [row(one) for one in found[-count:]]

    def body(self, symbol: str, rows: list[Any], asked: Mapping[str, str]) -> bytes:
        last = str(since(asked))
        if rows and isinstance(rows[-1], list) and len(rows[-1]) == 7:
            exact = {one.number: one.ns for one in self.books[symbol].deals[-1:]}
            last = str(exact.get(rows[-1][6], 0) or rows[-1][2]).replace(".", "")
        return packed({"error": [], "result": {INTERNAL.get(symbol, symbol): rows, "last": last}})

    def shifted(self, asked: Mapping[str, str], by: int) -> dict[str, str]:
        return {**asked, "since": str(max(0, since(asked) + by * SECOND))}


def since(asked: Mapping[str, str]) -> int:
    value = int(asked.get("since", "0"))
    return value * SECOND if value < 10**12 else value


def told(ns: int) -> int | float:
    """A time in seconds as the wire has it."""
    seconds = ns / SECOND
    return int(seconds) if seconds.is_integer() and ns % 2 else seconds


def row(deal: Deal) -> list[Any]:
    side = "b" if deal.buys else "s"
    return [deal.price, deal.size, told(deal.ns), side, "ml"[deal.number % 2], "", deal.number]
