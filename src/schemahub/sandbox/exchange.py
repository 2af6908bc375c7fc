"""The exchange without its sockets: a request's path and query in, a planned answer out."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from math import ceil

from schemahub.sandbox.bucket import Bucket
from schemahub.sandbox.fault_kinds import KINDS, Shot
from schemahub.sandbox.faults import Faults
from schemahub.sandbox.history import History, Trade
from schemahub.sandbox.plan import Plan, Sending
from schemahub.sandbox.wire import Ask, Dialect, Listing, Market, Reply

__all__ = ["Exchange", "Stats"]

_KEPT_ARRIVALS = 1_000_000  # bounded, so that a soak test measures the client's memory


@dataclass(frozen=True)
class Stats:
    """What the exchange was asked since it started. `/_sandbox` is not counted."""

    requests: int
    by_status: dict[int, int]
    by_market: dict[str, int]  # well-formed requests for trades, also those that a fault answered
    by_fault: dict[str, int]  # faults that took effect
    limited: int  # turned away by the rate limit
    rows: int  # trades in sound or faulty pages
    arrivals: list[float]  # when each request came, by the sandbox's clock; the last million


class Exchange:
    """Answers requests; safe to use from many threads."""

    def __init__(
        self,
        markets: Mapping[str, Market],
        dialect: Dialect,
        bucket: Bucket | None,
        faults: Faults,
        clock: Callable[[], float],
    ) -> None:
        now = clock()
        self._listings = {
            symbol: Listing(symbol, market, market.source.bind(symbol, now))
            for symbol, market in markets.items()
        }
        self._dialect, self._bucket, self._clock = dialect, bucket, clock
        self._symbols = _spelt(dialect, list(self._listings.values()))
        self.set_faults(faults)
        self._lock = threading.Lock()
        self._previous: dict[str, Reply] = {}
        self._statuses: Counter[int] = Counter()
        self._asked: Counter[str] = Counter()
        self._hits: Counter[str] = Counter()
        self._requests = self._limited = self._rows = 0
        self._minute, self._used = 0, Counter[str]()
        self._arrivals: deque[float] = deque(maxlen=_KEPT_ARRIVALS)

    def history(self, symbol: str) -> History:
        if symbol not in self._listings:
            raise ValueError(f"no market {symbol!r}; there are {', '.join(self._listings)}")
        return self._listings[symbol].history

    def head(self, symbol: str) -> int:
        return self.history(symbol).head(self._clock())

    def grow(self, symbol: str, count: int) -> None:
        with self._lock:
            self.history(symbol).grow(count)

    def set_faults(self, faults: Faults) -> None:
        """From the next request on; ValueError if one cannot befall this exchange's rows."""
        faults.check(self._dialect)
        self.faults = faults

    def truth(
        self, symbol: str, start: int = 1, stop: int | None = None, *, served: bool = False
    ) -> list[Trade]:
        """The trades with start <= id < stop up to the head, as a client should know them.

        `start` and `stop` count as the sandbox does, from 1; what comes back has the ids and
        the times that the dialect tells. `served`: without those that a hole in force hides.
        """
        end = self.head(symbol) + 1
        stop = end if stop is None else min(stop, end)
        trades = self.history(symbol).newest(start, stop, max(0, stop - start))
        hides = self.faults.hides
        return [
            self._dialect.told(one)
            for one in trades
            if not (served and hides(symbol, one.trade_id))
        ]

    def serve(self, path: str, query: str) -> tuple[Reply, Sending]:
        """The answer to a GET, and how to send it."""
        now = self._clock()
        with self._lock:
            self._requests += 1
            self._arrivals.append(now)
            let_in = self._bucket is None or self._bucket.take(now)
            self._limited += not let_in
        if let_in:
            asked = self._dialect.parse(path, query, self._symbols)
        else:
            wait = ceil(1 / self._bucket.rate) if self._bucket is not None else 1
            asked = self._dialect.error(429, wait)
        used = self._use(asked, now)
        if isinstance(asked, Ask):
            reply, sending = self._answer(asked, now)
        else:
            reply, sending = asked, Sending()
        reply.headers.setdefault("Date", formatdate(now, usegmt=True))
        reply.headers.update(self._dialect.budget(used))
        with self._lock:
            self._statuses[reply.status] += 1
        return reply, sending

    def _use(self, asked: Ask | Reply, now: float) -> dict[str, int]:
        """Well-formed requests of this minute by kind, this one among them."""
        with self._lock:
            if int(now // 60) != self._minute:
                self._minute, self._used = int(now // 60), Counter()
            if isinstance(asked, Ask):
                self._used[asked.kind] += 1
            return dict(self._used)

    def _answer(self, ask: Ask, now: float) -> tuple[Reply, Sending]:
        faults = self.faults
        shots = faults.shots(ask)
        plan = Plan(
            ask=ask,
            dialect=self._dialect,
            symbols=list(self._listings),
            head_of=lambda symbol: self._listings[symbol].history.head(now),
            previous=self._previous.get(ask.symbol or ""),
        )
        hits = faults.run("reply", shots, plan)
        if plan.reply is not None:
            reply = plan.reply
        elif ask.kind == "trades":
            reply = self._page(faults, shots, plan, hits)
        else:
            reply = self._dialect.answer(ask, list(self._listings.values()), now)
        if ask.kind == "trades" and not hits:
            reply.headers["Date"] = formatdate(now, usegmt=True)  # a stale copy keeps its own
            self._previous[ask.symbol or ""] = reply
        hits += faults.run("send", shots, plan)
        with self._lock:
            self._hits.update(hits)
            self._rows += len(plan.trades)
            if ask.kind == "trades":
                self._asked[ask.symbol or ""] += 1
        return reply, plan.sending

    def _page(self, faults: Faults, shots: list[Shot], plan: Plan, hits: list[str]) -> Reply:
        hits += faults.run("ask", shots, plan)
        plan.trades = self._find(plan)
        hits += sorted(plan.late_hits)
        hits += faults.run("page", shots, plan)
        if any(KINDS[shot.name].stage == "rows" for shot in shots):
            plan.rows = [self._dialect.row(trade) for trade in plan.trades]
            hits += faults.run("rows", shots, plan)
            body = self._dialect.page(plan.ask, plan.trades, plan.rows)
        else:
            body = self._dialect.page(plan.ask, plan.trades)
        return Reply(200, body, self._dialect.page_headers(plan.trades))

    def _find(self, plan: Plan) -> list[Trade]:
        """The trades asked for, in the order to be sent, as ids, head, holes and cap now stand."""
        ask, history = plan.ask, self._listings[plan.symbol].history
        end = max(0, plan.head_of(plan.symbol) - plan.lag) + 1
        lo = max(ask.lo, 1) + plan.shift
        hi = end if ask.hi is None else min(ask.hi + plan.shift, end)
        if ask.start_us is not None:
            lo = max(lo, history.first_at(ask.start_us))
        if ask.stop_us is not None:
            hi = min(hi, history.first_at(ask.stop_us))
        newest, found = ask.takes == "newest", list[Trade]()
        look = history.newest if newest else history.oldest
        while len(found) < plan.limit:
            # An id that the source does not have takes no room in a page: look further on.
            more = look(lo, hi, plan.limit - len(found))
            if not more:
                break
            lo, hi = (lo, more[0].trade_id) if newest else (more[-1].trade_id + 1, hi)
            found += [
                trade._replace(trade_id=trade.trade_id - plan.shift) if plan.shift else trade
                for trade in (reversed(more) if newest else more)
                if not any(hides(trade.trade_id - plan.shift) for hides in plan.hidden)
            ]
        return found if ask.first == ask.takes else found[::-1]

    def stats(self) -> Stats:
        with self._lock:
            return Stats(
                requests=self._requests,
                by_status=dict(self._statuses),
                by_market=dict(self._asked),
                by_fault=dict(self._hits),
                limited=self._limited,
                rows=self._rows,
                arrivals=list(self._arrivals),
            )


def _spelt(dialect: Dialect, listings: Sequence[Listing]) -> dict[str, str]:
    """What requests call the markets -> what we do. ValueError for markets that cannot be told."""
    found: dict[str, str] = {}
    for one in listings:
        if dialect.by_time and not one.history.in_time_order:
            raise ValueError(f"{one.symbol}: its times fall, and this exchange is asked by time")
        for spelling in dialect.spellings(one.symbol):
            if found.setdefault(spelling, one.symbol) != one.symbol:
                both = f"{found[spelling]} and {one.symbol}"
                raise ValueError(f"this exchange calls both {both} {spelling}")
    return found
