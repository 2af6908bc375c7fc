"""Binance's GET /api/v3/historicalTrades as its documentation has it.

Oldest first; `fromId` inclusive, without it the newest; `limit` 500, at most 1000; times in ms.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from tests.e2e.foreign.deals import Deal
from tests.e2e.foreign.faults import Sent
from tests.e2e.foreign.venue import Book, Venue, packed


class Binance(Venue):
    def market(self, path: str, asked: Mapping[str, str]) -> str | Sent:
        if path != "/api/v3/historicalTrades":
            return Sent(404, b"")
        if asked.get("symbol") not in self.books:
            return Sent(400, packed({"code": -1121, "msg": "Invalid symbol."}))
        return asked["symbol"]

    def rows(self, book: Book, asked: Mapping[str, str], behind: int) -> list[Any]:
        limit = min(int(asked.get("limit", "500")), 1000)
        found = book.visible(behind)
        if "fromId" in asked:
            low = bisect_left(found, int(asked["fromId"]), key=lambda one: one.number)
            return [row(one) for one in found[low : low + limit]]
        return [row(one) for one in found[-limit:]]

    def body(self, symbol: str, rows: list[Any], asked: Mapping[str, str]) -> bytes:
        return packed(rows)

    def shifted(self, asked: Mapping[str, str], by: int) -> dict[str, str]:
        return {**asked, "fromId": str(max(0, int(asked.get("fromId", "5000")) + by))}


def row(deal: Deal) -> dict[str, Any]:
    return {
        "id": deal.number,
        "price": deal.price,
        "qty": deal.size,
        "quoteQty": "1.00000000",
        "time": deal.ns // 1_000_000,
        "isBuyerMaker": not deal.buys,
        "isBestMatch": True,
    }
