"""Two exchanges that there are not: what their API pages say, kept by servers on loopback.

Each has what a spec could get wrong: bursts of trades at one time over the ends of pages,
answers that begin with the oldest trades unless told otherwise, errors with status 200.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Traded:
    """`at` is in microseconds since 1970, `side` the taker's."""

    number: int
    at: int
    side: str
    price: Decimal
    quantity: Decimal


def history(count: int, *, skips: bool, step: int, seed: int = 1) -> list[Traded]:
    """Oldest first, ending a minute ago; times are multiples of `step` µs, ids begin at 1."""
    dice = random.Random(seed)
    at, number, price = 0, 0, 6_500_000
    found: list[tuple[int, int, str, Decimal, Decimal]] = []
    while len(found) < count:
        at += dice.randint(1, 4_000_000) // step * step + step
        for _ in range(dice.choice((1, 1, 2, 3, 60)) if dice.random() > 0.005 else 150):
            number += dice.choice((1, 1, 2, 9)) if skips else 1
            side = dice.choice(("buy", "sell"))
            price += dice.choice((0, 1, 7)) * (1 if side == "buy" else -1)
            quantity = Decimal(dice.randint(1, 10**10)).scaleb(-8)
            found.append((number, at, side, Decimal(price).scaleb(-2), quantity))
    end = (time.time_ns() // 1_000 - 60_000_000) // step * step
    return [Traded(one[0], one[1] - at + end, *one[2:]) for one in found[:count]]


def text(value: Any) -> str:
    """JSON with decimals as numbers, digit by digit."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        members = (f"{json.dumps(name)}:{text(inner)}" for name, inner in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text, value)) + "]"
    return json.dumps(value)


def iso(at: int, timespec: str) -> str:
    """Without a zone."""
    moment = EPOCH + timedelta(microseconds=at)
    return moment.replace(tzinfo=None).isoformat(timespec=timespec)


@dataclass
class Kiwi:
    """GET /api/3/public/trades/BTCUSDT (base, then quote)

    `by` `id` or `timestamp` (the default); `from`, inclusive; `sort` `ASC` or `DESC` (the
    default); `limit` at most 1000, 10 if it is not said. An array of objects: `id` a string,
    1 for the first trade of a symbol and one more for each that follows, `price` and `qty`
    strings, `side` that of the taker, `timestamp` ISO 8601 in milliseconds with its offset.
    Errors: status 400. Sixty requests in ten seconds.
    """

    trades: list[Traded] = field(default_factory=lambda: history(5_000, skips=False, step=1_000))

    def answer(self, target: str) -> tuple[int, str]:
        url = urlsplit(target)
        asked = dict(parse_qsl(url.query))
        if url.path != "/api/3/public/trades/BTCUSDT":
            return 400, text({"error": {"code": 2001, "message": "Symbol not found"}})
        if asked.get("by", "timestamp") != "id":
            return 400, text({"error": {"code": 10001, "message": "here only by id is kept"}})
        rows = [one for one in self.trades if one.number >= int(asked.get("from", 0))]
        rows = rows if asked.get("sort", "DESC") == "ASC" else rows[::-1]
        limit = min(int(asked.get("limit", 10)), 1000)
        return 200, text([
            {
                "id": str(one.number), "price": f"{one.price:f}", "qty": f"{one.quantity:f}",
                "side": one.side, "timestamp": iso(one.at, "milliseconds") + "+0000",
            }
            for one in rows[:limit]
        ])  # fmt: skip


@dataclass
class Indigo:
    """GET /public/trades

    `market` `KRW-BTC` (quote, then base); `startTime` ISO 8601 in UTC, as
    2019-01-01T00:00:00.000Z, inclusive; oldest first, unless `reverse` is `true`;
    `page_size` at most 200. `exec_date` is UTC. Ids are those of all markets and grow; price
    and size are numbers; `maker_side` is the side of the order that was in the book. Errors
    come with status 200: {"status": "error", "error": "NoSuchMarket"}. Too many requests: 403,
    as `angry` says of the answers by their number.
    """

    trades: list[Traded] = field(default_factory=lambda: history(4_000, skips=True, step=1_000))
    angry: frozenset[int] = frozenset({9, 17})
    answered: Iterator[int] = field(default_factory=lambda: iter(range(10**6)))

    def answer(self, target: str) -> tuple[int, str]:
        asked = dict(parse_qsl(urlsplit(unquote(target)).query))
        if next(self.answered) in self.angry:
            return 403, ""
        if asked.get("market") != "KRW-BTC":
            return 200, text({"status": "error", "error": "NoSuchMarket"})
        rows = self.trades
        if "startTime" in asked:
            start = datetime.strptime(asked["startTime"], "%Y-%m-%dT%H:%M:%S.%f%z")
            rows = [one for one in rows if EPOCH + timedelta(microseconds=one.at) >= start]
        rows = rows[::-1] if asked.get("reverse") == "true" else rows
        told = [
            {
                "id": one.number, "exec_date": iso(one.at, "microseconds"),
                "price": one.price, "size": one.quantity,
                "maker_side": "SELL" if one.side == "buy" else "BUY",
            }
            for one in rows[: min(int(asked.get("page_size", 50)), 200)]
        ]  # fmt: skip
        return 200, text({"status": "ok", "result": {"list": [{"m": "KRW-BTC", "rows": told}]}})
