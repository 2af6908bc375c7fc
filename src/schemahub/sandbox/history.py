"""Trade histories: endless generated ones, and recorded ones played back.

A *source* describes a history (`Generated`, `Recorded`); `bind(symbol, now)` turns it into the
*history* of one market. All sides in this module are the TAKER's; a dialect turns them round
where its exchange prints the maker's.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Protocol

from schemahub.sandbox.times import micros
from schemahub.sandbox.walk import BLOCK, Walk, scaled

__all__ = ["Generated", "History", "Recorded", "Source", "Trade"]


class Trade(NamedTuple):
    """One trade. Where a wire has texts for them, price, size and time are exactly these."""

    trade_id: int
    side: str  # the TAKER's side: buy or sell
    price: str
    size: str
    time: str  # ISO, ending in Z


class History(Protocol):
    """The trades of one market. Ids grow; a trade once served never changes."""

    base_increment: str
    quote_increment: str
    in_time_order: bool  # no trade is earlier than one with a lower id

    def head(self, now: float, /) -> int:
        """The highest id that exists at `now` (Unix seconds); 0 if there is none. Never shrinks."""

    def grow(self, count: int) -> None:
        """Lets `count` more trades happen; ValueError where the head follows the clock."""

    def newest(self, lo: int, hi: int, limit: int) -> list[Trade]:
        """The newest `limit` trades with lo <= id < hi, ids ascending; whatever the head is."""

    def oldest(self, lo: int, hi: int, limit: int) -> list[Trade]:
        """The oldest `limit` of the same."""

    def first_at(self, us: int, /) -> int:
        """An id that parts the trades before `us` (Unix µs) from those at or after it.

        The latter have that id or a higher one. Found by bisection. Needs `in_time_order`.
        """


class Source(Protocol):
    def bind(self, symbol: str, now: float, /) -> History:
        """The history of `symbol`, as it stands at `now`."""


class _Money(NamedTuple):
    price: str
    quote_increment: str
    base_increment: str


# Where a walk starts if nobody says: only plausible, so that a demo looks like a market.
_PLAUSIBLE = {
    "BTC": _Money("64000", "0.01", "0.00000001"),
    "ETH": _Money("3100", "0.01", "0.00000001"),
    "SOL": _Money("145", "0.01", "0.00000001"),
    "DOGE": _Money("0.12", "0.00001", "0.1"),
    "SHIB": _Money("0.0000175", "0.00000001", "1"),
}
_ORDINARY = _Money("14.75", "0.0001", "0.01")

_GENESIS = 1_420_070_400.0  # 2015-01-01: where an endless history starts by default
_TAIL_GAP_NS = 1_000_000


@dataclass(frozen=True)
class Generated:
    """An endless deterministic history that needs no memory.

    Trade n (ids from 1) is a pure function of seed, symbol, n and the time arguments: the same on
    every machine, in any process, in O(1), for n = 10**9 as for n = 1.

    trades      how many exist at first; None: as many as the clock allows since `start_ts`.
    start_ts    Unix seconds just before trade 1; then times are n's alone, whatever `trades` is.
    end_ts      Unix seconds just after trade `trades`; default: the clock when the sandbox is made.
    mean_gap    seconds between trades on average; default 0.25, or 1 / per_second.
    per_second  the head grows with the clock at this rate: a trade exists once its time has come
                (then `trades` is a least number, exceeded by at most 64).

    Without `start_ts`, trades grown by hand follow the last one 1 ms apart, so that growing many
    does not make trades of the future.
    """

    seed: int = 1
    trades: int | None = 10_000
    start_ts: float | None = None
    end_ts: float | None = None
    mean_gap: float | None = None
    per_second: float | None = None
    price: str | None = None
    quote_increment: str | None = None
    base_increment: str | None = None

    def __post_init__(self) -> None:
        if self.start_ts is not None and self.end_ts is not None:
            raise ValueError("give start_ts or end_ts, not both")
        if self.trades is None and self.end_ts is not None:
            raise ValueError("end_ts needs a number of trades")
        if self.mean_gap is not None and self.per_second is not None:
            raise ValueError("give mean_gap or per_second, not both: per_second is 1 / mean_gap")
        if self.trades is not None and self.trades < 0:
            raise ValueError(f"trades must not be negative: {self.trades}")
        if self._gap() <= 0:
            raise ValueError("mean_gap and per_second must be positive")

    def _gap(self) -> float:
        if self.per_second is not None:
            return 1.0 / self.per_second if self.per_second > 0 else 0.0
        return 0.25 if self.mean_gap is None else self.mean_gap

    def bind(self, symbol: str, now: float) -> History:
        usual = _PLAUSIBLE.get(symbol.partition("-")[0], _ORDINARY)
        walk = Walk(
            seed=self.seed,
            symbol=symbol,
            price=self.price or usual.price,
            quote_increment=self.quote_increment or usual.quote_increment,
            base_increment=self.base_increment or usual.base_increment,
            gap_ns=max(1, round(self._gap() * 1e9)),
        )
        by_clock = self.trades is None or self.per_second is not None
        if self.trades is None or self.start_ts is not None:
            walk.start_at(_GENESIS if self.start_ts is None else self.start_ts)
        else:
            end = now if self.end_ts is None else self.end_ts
            walk.end_at(end, self.trades, None if by_clock else _TAIL_GAP_NS)
        return _Walked(walk, None if by_clock else self.trades)


class _Walked:
    """The history of one market on a walk. `head` None means that the clock decides."""

    in_time_order = True

    def __init__(self, walk: Walk, head: int | None) -> None:
        self._walk = walk
        self._head = head
        self.base_increment = walk.base_increment
        self.quote_increment = walk.quote_increment

    def head(self, now: float) -> int:
        return self._walk.count_until(int(now * 1e6)) if self._head is None else self._head

    def grow(self, count: int) -> None:
        if self._head is None:
            raise ValueError("this market grows with the clock; it cannot be grown by hand")
        self._head += _positive(count)

    def newest(self, lo: int, hi: int, limit: int) -> list[Trade]:
        start = max(lo, hi - limit, 1)
        if hi <= start:
            return []
        found: list[Trade] = []
        # Ids count from 1, blocks from 0.
        for block in range((start - 1) // BLOCK, (hi - 2) // BLOCK + 1):
            # tuple.__new__ skips the keyword machinery of the class: a third of the cost of a row.
            found += [tuple.__new__(Trade, row) for row in self._walk.rows(block)]
        first = found[0].trade_id
        return found[start - first : hi - first]

    def oldest(self, lo: int, hi: int, limit: int) -> list[Trade]:
        lo = max(lo, 1)
        return self.newest(lo, min(hi, lo + limit), limit)  # no id is left out here

    def first_at(self, us: int) -> int:
        return self._walk.count_until(us - 1) + 1


_DECIMAL = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)
_OTHER_SIDE = {"buy": "sell", "sell": "buy"}


class Recorded:
    """Real rows played back.

    `rows` are as Coinbase prints them (a REST row, or a ws match cut to trade_id, side, size,
    price, time), so their `side` is the MAKER's; it is turned round here.

    Ids must be strictly increasing; texts are kept to the character. `shown` rows exist at first
    (default all), `grow` reveals more and stops at the last.
    """

    def __init__(
        self,
        rows: Iterable[Mapping[str, object]],
        shown: int | None = None,
        quote_increment: str | None = None,
        base_increment: str | None = None,
    ) -> None:
        self.trades = [_recorded(row) for row in rows]
        ids = [trade.trade_id for trade in self.trades]
        if any(a >= b for a, b in pairwise(ids)):
            raise ValueError("recorded rows must have strictly increasing trade ids")
        self.shown = len(ids) if shown is None else shown
        self.quote_increment = quote_increment or _finest(t.price for t in self.trades)
        self.base_increment = base_increment or _finest(t.size for t in self.trades)

    @classmethod
    def load(cls, path: str | Path, shown: int | None = None) -> Recorded:
        """Rows of a JSON-lines file, oldest first."""
        lines = Path(path).read_text("utf-8").splitlines()
        return cls((json.loads(line) for line in lines if line.strip()), shown=shown)

    def bind(self, _symbol: str, _now: float) -> History:
        return _Played(self)


class _Played:
    def __init__(self, source: Recorded) -> None:
        self._trades = source.trades
        self._ids = [trade.trade_id for trade in source.trades]
        self._times = [micros(trade.time) for trade in source.trades]
        self.in_time_order = all(a <= b for a, b in pairwise(self._times))
        self._shown = source.shown
        self.base_increment = source.base_increment
        self.quote_increment = source.quote_increment

    def head(self, _now: float) -> int:
        return self._ids[self._shown - 1] if self._shown and self._ids else 0

    def grow(self, count: int) -> None:
        if self._shown + _positive(count) > len(self._ids):
            left = len(self._ids) - self._shown
            raise ValueError(f"only {left} recorded trades are left to show, not {count}")
        self._shown += count

    def newest(self, lo: int, hi: int, limit: int) -> list[Trade]:
        stop = bisect_left(self._ids, hi)
        start = max(bisect_left(self._ids, lo), stop - limit)
        return self._trades[start:stop]

    def oldest(self, lo: int, hi: int, limit: int) -> list[Trade]:
        start = bisect_left(self._ids, lo)
        return self._trades[start : min(bisect_left(self._ids, hi), start + limit)]

    def first_at(self, us: int) -> int:
        at = bisect_left(self._times, us)
        return self._ids[at] if at < len(self._ids) else self._ids[-1] + 1 if self._ids else 1


def _recorded(row: Mapping[str, object]) -> Trade:
    trade_id, side = row["trade_id"], row["side"]
    if not isinstance(trade_id, int) or side not in _OTHER_SIDE:
        raise ValueError(f"not a recorded trade: {dict(row)!r}")
    price, size, time = str(row["price"]), str(row["size"]), str(row["time"])
    # Texts are printed without escaping, some as JSON numbers, and times are told in other units.
    if not (_DECIMAL.fullmatch(price) and _DECIMAL.fullmatch(size)):
        raise ValueError(f"not a recorded trade: {dict(row)!r}")
    micros(time)
    return Trade(trade_id, _OTHER_SIDE[str(side)], price, size, time)  # maker -> taker


def _finest(texts: Iterable[str]) -> str:
    decimals = max((scaled(text)[1] for text in texts), default=0)
    return format(Decimal(1).scaleb(-decimals), "f")


def _positive(count: int) -> int:
    if count < 0:
        raise ValueError(f"a history cannot shrink: {count}")
    return count
