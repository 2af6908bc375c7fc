"""The exchange without its sockets: a request's path and query in, a planned answer out."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate

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
        self.faults = faults
        self._listings = {
            symbol: Listing(symbol, market, market.source.bind(symbol, now))
            for symbol, market in markets.items()
        }
        self._dialect, self._bucket, self._clock = dialect, bucket, clock
        self._lock = threading.Lock()
        self._previous: dict[str, Reply] = {}
        self._statuses: Counter[int] = Counter()
        self._asked: Counter[str] = Counter()
        self._hits: Counter[str] = Counter()
        self._requests = self._limited = self._rows = 0
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

    def truth(self, symbol: str, start: int, stop: int) -> list[Trade]:
        stop = min(stop, self.head(symbol) + 1)
        return self.history(symbol).newest(start, stop, max(0, stop - start))

    def serve(self, path: str, query: str) -> tuple[Reply, Sending]:
        """The answer to a GET, and how to send it."""
        now = self._clock()
        with self._lock:
            self._requests += 1
            self._arrivals.append(now)
            let_in = self._bucket is None or self._bucket.take(now)
            self._limited += not let_in
        if not let_in:
            reply, sending = self._dialect.error(429), Sending()
        else:
            asked = self._dialect.parse(path, query, self._listings.keys())
            if isinstance(asked, Ask):
                reply, sending = self._answer(asked, now)
            else:
                reply, sending = asked, Sending()
        reply.headers.setdefault("Date", formatdate(now, usegmt=True))
        with self._lock:
            self._statuses[reply.status] += 1
        return reply, sending

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
            body = self._dialect.page_of_rows(plan.rows)
        else:
            body = self._dialect.page(plan.trades)
        return Reply(200, body, self._dialect.page_headers(plan.trades))

    def _find(self, plan: Plan) -> list[Trade]:
        """The trades asked for, newest first, as ids, head, holes and cap now stand."""
        history = self._listings[plan.symbol].history
        end = max(0, plan.head_of(plan.symbol) - plan.lag) + 1
        lo = max(plan.ask.lo, 1) + plan.shift
        hi = end if plan.ask.hi is None else min(plan.ask.hi + plan.shift, end)
        found: list[Trade] = []
        while len(found) < plan.limit:
            # An id that the source does not have takes no room in a page: look further down.
            older = history.newest(lo, hi, plan.limit - len(found))
            if not older:
                break
            hi = older[0].trade_id
            found += [
                trade._replace(trade_id=trade.trade_id - plan.shift) if plan.shift else trade
                for trade in reversed(older)
                if not any(hides(trade.trade_id - plan.shift) for hides in plan.hidden)
            ]
        return found

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
