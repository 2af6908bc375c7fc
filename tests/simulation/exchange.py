"""One exchange for all processes: it grows, it is late, it has holes, and its answers go wrong.

What it may do is bounded by what can be detected at all: it hides a trade that it has, or
tells a good row badly, in the answers to at most one run each. Whatever is told twice is
believed, and that is the protocol's word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from schemahub.core.errors import BadAnswer, Refused, Throttled, Unreachable
from schemahub.core.page import Answer, Request
from schemahub.pipelines.source import Fetched
from tests.simulation.dice import Odds
from tests.simulation.market import FLAWS, PAGE, SETTLE, Sold, sold, told
from tests.simulation.schedule import FAIL, Process, Schedule

T = TypeVar("T")

TRIES = 3
KINDS = (
    "stale", "short", "empty", "duplicated", "unsorted", "wrong page", "hole", "bad row",
    "unreadable id", "not json", "unreachable", "throttled", "refused", "far behind",
)  # fmt: skip
PROFILES = (0.004, 0.012, 0.03, 0.05)  # how likely each kind is
FATES = Odds(0.05, 0.05, 0.04, 0.04)  # of a new trade: no such id, late, a little late, bad


@dataclass
class Exchange:
    """The trades of one market, lowest first, and what is told of them."""

    schedule: Schedule
    sold: dict[int, Sold] = field(default_factory=dict)
    holes: set[int] = field(default_factory=set)
    top: int = 0
    # A page is so small here that a good row must soon follow a bad one: it dates what is below.
    plain_until: int = 0
    odds: Odds = field(init=False)
    # Which run was told of a trade wrongly, and how.
    fooled: dict[int, Process] = field(default_factory=dict)
    lies: set[tuple[int, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        share = PROFILES[self.schedule.dice.pick(len(PROFILES))]
        self.odds = Odds(*[share] * len(KINDS))

    # ------------------------------------------------------------ trades

    def trade(self, count: int, *, plainly: bool = False) -> None:
        """`count` more ids; `plainly`: good ones, served at once."""
        now = self.schedule.now
        for left in range(count, 0, -1):
            self.top += 1
            at = now - timedelta(seconds=left * 0.25)
            fate = 0 if plainly else self.schedule.dice.draw(FATES)
            if self.top <= self.plain_until and fate in {1, 4}:
                fate = 0
            self._fate(self.top, at, fate)

    def _fate(self, position: int, at: datetime, fate: int) -> None:
        pick = self.schedule.dice.pick
        seen_at: datetime | None = at
        flaw = None
        if fate == 1:
            self.holes.add(position)
            return
        if fate == 2:
            seen_at = at + timedelta(hours=1 + pick(40))
        elif fate == 3:
            seen_at = at + timedelta(seconds=1 + pick(int(SETTLE) - 2))
        elif fate == 4:
            flaw = pick(len(FLAWS))
            self.plain_until = position + 2
        self.sold[position] = sold(position, at, seen_at, flaw)

    def serves(self, position: int) -> bool:
        one = self.sold.get(position)
        return one is not None and one.seen_at is not None and one.seen_at <= self.schedule.now

    def may_lack(self, position: int) -> bool:
        """Whether it is honest to say that the source lacks this id: it is late, or none."""
        one = self.sold.get(position)
        if one is None:
            return position in self.holes
        return one.seen_at is None or one.seen_at - one.at >= timedelta(seconds=SETTLE)

    def reveal(self) -> datetime:
        """When the last late trade is served."""
        return max(
            (one.seen_at for one in self.sold.values() if one.seen_at), default=self.schedule.now
        )

    # ------------------------------------------------------------ answers

    def _below(self, below: int) -> Iterator[Sold]:
        for position in range(min(below - 1, self.top), 0, -1):
            if self.serves(position):
                yield self.sold[position]

    def answer(self, process: Process, request: Request) -> Answer:
        """Raises what stands for a failure of the network."""
        params = dict(request.params)
        below = int(params.get("after", self.top + 1))
        limit = min(int(params["limit"]), PAGE)
        fault = "" if self.schedule.calm else self._fault()
        if fault:
            self.schedule.counts[f"answers: {fault}"] += 1
            self.schedule.note(process, "fault", fault)
        shift = self._shift(fault)
        if fault == "wrong page":
            below += shift - 4
        elif fault in {"stale", "far behind"}:
            below = min(below, self.top + 1 - shift)
        rows: list[Sold] = []
        for one in self._below(below):
            rows.append(one)
            if len(rows) == limit:
                break
        texts = self._texts(process, fault, rows)
        query = "&".join(f"{name}={value}" for name, value in request.params)
        now = self.schedule.now
        body = b"<html>busy</html>" if fault == "not json" else f"[{','.join(texts)}]".encode()
        date = now.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return Answer(now, f"https://api.example.com{request.path}?{query}", 200, date, body)

    def _fault(self) -> str:
        found = self.schedule.dice.draw(self.odds)
        name = KINDS[found - 1] if found else ""
        if name == "unreachable":
            raise Unreachable("no answer", "after all tries")
        if name == "throttled":
            raise Throttled("told to stay away", "for an hour")
        if name == "refused":
            raise Refused("refused", "403", "ask them", 403)
        return name

    def _shift(self, fault: str) -> int:
        pick = self.schedule.dice.pick
        if fault == "stale":
            return 1 + pick(8)
        if fault == "far behind":
            return 10 + pick(30)
        return pick(12) if fault == "wrong page" else 0

    def _texts(self, process: Process, fault: str, rows: list[Sold]) -> list[str]:
        pick = self.schedule.dice.pick
        texts = [one.text for one in rows]
        if not texts:
            return []
        hit = pick(len(texts)) if fault in {"hole", "bad row", "unreadable id"} else 0
        if fault in {"empty", "short"}:
            return texts[: pick(len(texts)) if fault == "short" else 0]
        if fault == "duplicated":
            return texts + texts[: 1 + pick(len(texts))]
        if fault == "unsorted":
            return [texts[n] for n in self.schedule.dice.order(range(len(texts)))]
        if fault in {"hole", "bad row"} and not self._may_fool(process, rows[hit]):
            return texts
        if fault == "hole":
            del texts[hit]
        elif fault == "bad row":
            name, value = FLAWS[pick(len(FLAWS))]
            texts[hit] = told(rows[hit].row | {name: value})
            self.lies.add((rows[hit].position, texts[hit]))
        elif fault == "unreadable id":
            texts[hit] = told(rows[hit].row | {"trade_id": "?"})
            self.lies.add((-1, texts[hit]))
        return texts

    def _may_fool(self, process: Process, one: Sold) -> bool:
        # What one run is told wrongly may not be told wrongly to another: nobody could know.
        return one.good and self.fooled.setdefault(one.position, process) is process


@dataclass(frozen=True)
class Line:
    """ports.Http, as one process has it."""

    exchange: Exchange
    process: Process

    def fetch(self, request: Request, read: Callable[[Answer], T]) -> T:
        schedule = self.exchange.schedule
        for left in reversed(range(TRIES)):
            if schedule.point(self.process, "ask", request.params) == FAIL:
                raise Unreachable("no answer", "the line is down")
            answer = self.exchange.answer(self.process, request)
            schedule.tick(0.2)
            schedule.point(self.process, "answer", len(answer.body))
            try:
                found = read(answer)
            except BadAnswer:
                if not left:
                    raise
            else:
                self._note_head(request, found)
                return found
        raise AssertionError

    def _note_head(self, request: Request, found: object) -> None:
        """How far the newest page went that this process was given: what it may call complete."""
        if len(request.params) == 1:
            assert isinstance(found, Fetched)
            if found.page.ids:
                self.process.head = found.page.ids.stop
