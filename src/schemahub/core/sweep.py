"""Walking a span in which most positions are no trade: of time, or of ids that skip.

Nothing in an answer says by itself that no other trade lies between two of its rows: it is
the exchange's word. So that one wrong answer is not believed, answers overlap. Each must tell
again the last trade of the one before it, and the first or the last of them the newest trade
that the head showed; what an answer says counts once the next one bore it out.

Pure: a walk is given pages and says what to ask for next, and what is known by now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from schemahub.core.page import Key, Page
from schemahub.core.paging import Ask, descends
from schemahub.core.span import Span
from schemahub.core.spec import ExchangeSpec

_LAST_ID = 2**63
MOST_PAGES = 1_000  # of one window


class NotThis(Exception):
    """The page is no answer to the question: why."""


class Stuck(Exception):
    """More trades share one instant than an answer holds: no cursor gets past it."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk through `span`, from the end at which the exchange's answers begin.

    `newest` is the newest trade that the head showed; the span ends at its step at the
    latest. `joins`: what lies right below the span is held. `left` is what is not known yet,
    `must` the trade that the next answer has to tell again, `lost` what the first answer no
    longer told of the span. `last` is how many rows the answer before held, `most` the longest
    that is known to have been cut.
    """

    spec: ExchangeSpec
    span: Span
    newest: Key
    joins: bool
    left: Span | None
    cursor: int
    must: Key | None = None
    lost: Span | None = None
    number: int = 1
    page_low: Key | None = None
    met: bool = False
    window: int = 0
    over: bool = False
    wide: bool = False
    most: int = 0
    last: int = 0

    @staticmethod
    def through(spec: ExchangeSpec, span: Span, newest: Key, *, joins: bool) -> Walk:
        if descends(spec.trades.paging):
            must = newest if newest[0] < span.stop else None
            return Walk(spec, span, newest, joins, span, span.stop, must)
        low = max(0, span.start - spec.line.step) if joins else span.start
        return Walk(spec, span, newest, joins, span, low)

    @property
    def ask(self) -> Ask | None:
        """What to ask for; None at the end, where `left` is what cannot be had."""
        paging = self.spec.trades.paging
        if self.left is None or self.over:
            return None
        if paging.rule == "latest_only":
            window = paging.windows[self.window] if paging.windows else None
            return Ask(limit=paging.page, window=window)
        if not descends(paging):
            return Ask(limit=paging.page, start=self.cursor)
        if paging.rule == "newest_below":
            return Ask(self.cursor, paging.page)
        low = 0 if self.wide else max(0, self.span.start - self.spec.line.step)
        return Ask(self.cursor, paging.page, low, self.number if paging.number else None)

    # ------------------------------------------------------------ one answer

    def check(self, page: Page, edge: int = 0) -> None:
        """Raises NotThis if the page cannot be the answer to `ask`, Stuck if none helps.

        `edge` is as `take` has it: what lies below it, nobody can tell again.
        """
        lacks = self.must is not None and edge <= self.must[0] and self.must not in page.keys
        if self.must is not None and lacks and not self._further(page) and not self._longer:
            raise NotThis(f"it lacks the trade with id {self.must[1]}, which was told before")
        if descends(self.spec.trades.paging):
            return
        if self._floor < self.newest and not any(key > self._floor for key in page.keys):
            if self.must is not None and page.rows >= self.spec.trades.paging.page:
                raise Stuck
            raise NotThis(f"it ends before the trade with id {self.newest[1]}, told before")

    def _further(self, page: Page) -> bool:
        """Whether the trade to be told again may be on another page of this window."""
        if self.must is None or self.spec.trades.paging.number is None:
            return False
        # It was told on a page above, or must be told before the window ends.
        return self.met or (bool(page.keys) and page.keys[0] > self.must)

    def doubts(self, pages: Sequence[Page]) -> bool:
        """Whether these answers to one question leave open what one more may settle."""
        keys = together(pages)
        if all(page.bad or page.unreadable for page in pages):
            return True
        if self.spec.provable.by == "ids" and skips(keys) and sole(pages) is None:
            return True
        if not self._agree(pages):
            return True
        if descends(self.spec.trades.paging):
            return self._doubts_bottom(pages, keys)
        expected = self.joins or not self._shows_all
        return self.must is None and expected and not self._joined(keys)

    def _doubts_bottom(self, pages: Sequence[Page], keys: Sequence[Key]) -> bool:
        """Whether it is only one answer's word that nothing is older."""
        paging = self.spec.trades.paging
        if paging.rule == "latest_only":
            return False
        low = self._older(keys)
        if low is None and (paging.number is None or not keys):
            return True
        # The next page of the same window tells none of these again.
        same = low is None or self._same(replace(self, cursor=low[0] + 1))
        return same and len(pages) == 1 and not self._full(pages[0].rows)

    def _same(self, other: Walk) -> bool:
        """Whether the exchange cannot tell this walk's question from the other's."""
        paging, mine, theirs = self.spec.trades.paging, self.ask, other.ask
        if mine is None or theirs is None:
            return False
        return mine.params(paging) == theirs.params(paging)

    def _agree(self, pages: Sequence[Page]) -> bool:
        """Whether two answers tell the same trade first, where none is known to begin with.

        One that lacks its first trades looks like one before which there were none.
        """
        if self.must is not None or self.spec.trades.paging.rule == "latest_only":
            return True
        if descends(self.spec.trades.paging):
            told = [max((key for key in page.keys), default=None) for page in pages]
        else:
            if self.joins and self._joined(together(pages)):
                return True
            told = [min((k for k in page.keys if k > self._floor), default=None) for page in pages]
        return max(told.count(one) for one in told) > 1

    def take(self, pages: Sequence[Page], edge: int = 0) -> tuple[Walk, Span | None]:
        """The walk after these answers to one question, and what they tell beyond before.

        Of the step at which that ends, the next answer need not tell again what these told.
        `edge` is the first position that the exchange still showed when it answered.
        """
        keys = together(pages)
        if self.spec.trades.paging.rule == "latest_only":
            return self._latest(keys)
        if not descends(self.spec.trades.paging):
            return self._up(keys)
        rows = max(page.rows for page in pages)
        # What is older than the answer before told shows that that one was cut.
        cut = self.last if self._older(keys) is not None else 0
        walk = replace(self, most=max(self.most, cut))
        after, told = Walk._down(walk, keys, rows, edge)
        return replace(after, last=rows), told

    def offer(self, head: Page, edge: int = 0) -> tuple[Walk, Span | None]:
        """The same for the newest page, which nobody asked for, as far as it helps."""
        helps = not (head.bad or head.unreadable) and self.newest in head.keys
        if helps and self.spec.provable.by == "ids":
            helps = not skips(list(head.keys))
        if not helps or self.newest[0] < self._whole.start:
            return self, None
        if not descends(self.spec.trades.paging):
            whole = head.keys[0][0] < self.cursor
            return (replace(self, left=None), self.left) if whole else (self, None)
        if self.must is None or self._older(list(head.keys)) is None:
            return self, None
        after, told = self.take([head], edge)
        return (after, told) if told is not None else (self, None)

    # ------------------------------------------------------------ upwards

    def _up(self, keys: Sequence[Key]) -> tuple[Walk, Span | None]:
        left, lost, line = self._whole, self.lost, self.spec.line
        above = [key for key in keys if key > self._floor]
        if self.must is None and not self._shows_all and not self._joined(keys):
            start = above[0][0] if above else left.stop
            if start >= left.stop:
                return replace(self, over=True), None
            if start > left.start:
                # Nobody saw it: it stays missing.
                lost, left = Span(left.start, start), Span(start, left.stop)
        last = above[-1] if above else self.newest
        if last >= self.newest or last[0] >= left.stop:
            return replace(self, left=None, lost=lost), left
        reach = line.down(last[0]) if line.timed else last[0] + 1
        told = Span(left.start, reach) if reach > left.start else None
        rest = Span(max(reach, left.start), left.stop)
        return replace(self, left=rest, lost=lost, cursor=last[0], must=last), told

    @property
    def _shows_all(self) -> bool:
        """Whether it goes back to the start of any span: there may just be no trade."""
        return self.spec.reach is None or self.spec.line.timed

    @property
    def _floor(self) -> Key:
        """Trades up to this one are known, or nobody asked for them.

        At first that is what lies below the cursor: the seam may hold more than an answer.
        """
        return self.must or (self.cursor - 1, _LAST_ID)

    def _joined(self, keys: Sequence[Key]) -> bool:
        """Whether an answer overlaps what is held below: a trade stands at the seam.

        If nothing is held there, history begins, with a trade.
        """
        start, step = self.span.start, self.spec.line.step
        if self.spec.line.timed:
            return any(start - step <= position < start + step for position, _ in keys)
        seam = start - 1 if self.joins else start
        return any(position == seam for position, _ in keys)

    # ------------------------------------------------------------ downwards

    def _down(self, keys: Sequence[Key], rows: int, edge: int) -> tuple[Walk, Span | None]:
        left, line = self._whole, self.spec.line
        low = self._older(keys)
        if low is None:
            return self._no_older(keys, rows, edge)
        if low[0] < self.span.start:
            return replace(self, left=None), left
        reach = line.down(low[0]) + line.step if line.timed else low[0]
        told = Span(reach, left.stop) if reach < left.stop else None
        rest = left if told is None else Span(left.start, reach) if reach > left.start else None
        after = replace(self, left=rest, cursor=low[0] + 1, must=low)
        if self._same(after):
            # The cursor cannot tell these trades apart: only the page's number can.
            if self.spec.trades.paging.number is not None:
                return replace(after, number=self.number + 1, page_low=keys[0], met=True), told
            if self._full(rows):
                raise Stuck
            return self._bottom(edge)
        return replace(after, number=1, page_low=None, met=False), told

    def _no_older(self, keys: Sequence[Key], rows: int, edge: int) -> tuple[Walk, Span | None]:
        if self._cut(keys, rows):
            met, page_low = self.met or self.must in keys, keys[0] if keys else self.page_low
            return replace(self, number=self.number + 1, page_low=page_low, met=met), None
        if not edge and self._may_look_below:
            # A trade that lies below shows that this is no outage, and no answer cut short.
            return replace(self, wide=True, number=1, page_low=None, met=False), None
        return self._bottom(edge)

    def _bottom(self, edge: int) -> tuple[Walk, Span | None]:
        """Nothing older was told: so there is nothing, down to what is still shown."""
        left = self._whole
        if edge <= left.start:
            return replace(self, left=None), left
        known = Span(edge, left.stop) if edge < left.stop else None
        return replace(self, left=Span(left.start, min(edge, left.stop)), over=True), known

    @property
    def _may_look_below(self) -> bool:
        """Whether the window can be opened downwards: all history is shown, and it was not yet."""
        rule = self.spec.trades.paging.rule
        return not self.wide and self.spec.reach is None and rule == "time_window"

    @property
    def _longer(self) -> bool:
        """Whether the latest can be asked for farther back."""
        return self.window + 1 < len(self.spec.trades.paging.windows)

    def _full(self, rows: int) -> bool:
        """Whether an answer of so many rows may be cut: one that was held no more."""
        return rows >= (self.most or self.spec.trades.paging.page)

    def _cut(self, keys: Sequence[Key], rows: int) -> bool:
        """Whether a page with nothing older may have another below it. Raises Stuck."""
        if self.spec.trades.paging.number is None:
            if self.spec.line.timed and self._full(rows):
                raise Stuck
            return False
        if keys and self.page_low is not None and keys[0] >= self.page_low:
            raise Stuck  # it gives the same page whatever its number
        if self.number > MOST_PAGES:
            raise Stuck
        # A page of bad rows alone is not the last one.
        return rows > 0

    def _older(self, keys: Sequence[Key]) -> Key | None:
        """The lowest trade told, if it lies below all that were known."""
        known = self.must or (self.cursor, 0)
        low = min((key for key in keys if key[0] < self.cursor), default=None)
        return low if low is not None and low < known else None

    # ------------------------------------------------------------ the latest, and no more

    def _latest(self, keys: Sequence[Key]) -> tuple[Walk, Span | None]:
        """What lies between the oldest and the newest trade told is known."""
        left = self._whole
        low = min(keys, default=None)
        if low is None or low[0] >= left.stop:
            # A longer window may reach back to where this one does not.
            after = replace(self, window=self.window + 1) if self._longer else self
            return replace(after, over=not self._longer), None
        start = max(low[0], left.start)
        known = Span(start, left.stop)
        if low[0] < left.start:
            return replace(self, left=None), known
        rest = Span(left.start, start) if start > left.start else None
        more = self.window + 1 < len(self.spec.trades.paging.windows)
        if rest is not None and more:
            # A longer window tells all of it anew.
            return replace(self, window=self.window + 1), None
        return replace(self, left=rest, over=True), known

    @property
    def _whole(self) -> Span:
        if self.left is None:
            msg = "a walk that is over takes no answer"
            raise ValueError(msg)
        return self.left


def together(pages: Sequence[Page]) -> list[Key]:
    """The trades that any of these pages tells, lowest first."""
    return sorted({key for page in pages for key in page.keys})


def sole(pages: Sequence[Page]) -> Page | None:
    """The answer that proves itself where ids should have no holes, if one of these does.

    It has none, every row of it is good, and it reaches as far as any other does. So none is
    needed in which an id is wrong. Of several it is the one that tells the most: others may
    lack trades of the instant with which they begin or end.
    """
    told = [page.all_ids for page in pages if page.all_ids]
    sound = [
        page
        for page in pages
        if page.keys and not (page.bad or page.unreadable or skips(page.keys))
        if all(page.ids.start <= one.start and one.stop <= page.ids.stop for one in told)
    ]
    return max(sound, key=lambda page: len(page.keys), default=None)


def skips(keys: Sequence[Key]) -> bool:
    """Whether trade ids that should have no holes have one here."""
    ids = {trade_id for _, trade_id in keys}
    return bool(ids) and max(ids) - min(ids) + 1 != len(ids)
