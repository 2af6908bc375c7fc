"""Where all that is odd in a schedule comes from: a seed, or decisions that were kept."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate


class Odds:
    """A table of outcomes: 0 (nothing happens) takes what the others leave of 1."""

    def __init__(self, *shares: float) -> None:
        self.limits = list(accumulate((1.0 - sum(shares), *shares)))[:-1]
        self.count = len(shares) + 1


class Dice:
    """Draws decisions and keeps them. A decision is a small number; 0 is the ordinary course.

    With `kept` (place to decision) nothing is drawn: places that are not in it are 0. So a
    schedule can be told exactly, and made smaller by striking decisions out.
    """

    def __init__(self, seed: int, kept: Mapping[int, int] | None = None) -> None:
        self._random = random.Random(seed)
        self._kept = kept
        self.count = 0
        self.made: dict[int, int] = {}

    def draw(self, odds: Odds) -> int:
        place = self.count
        self.count += 1
        if self._kept is None:
            found = bisect_right(odds.limits, self._random.random())
        else:
            found = min(self._kept.get(place, 0), odds.count - 1)
        if found:
            self.made[place] = found
        return found

    def pick(self, count: int) -> int:
        """0 to count - 1, all as likely."""
        place = self.count
        self.count += 1
        if self._kept is None:
            found = int(self._random.random() * count)
        else:
            found = min(self._kept.get(place, 0), count - 1)
        if found:
            self.made[place] = found
        return found

    def among(self, start: int, stop: int) -> int:
        """`start` to `stop` - 1."""
        return start + self.pick(stop - start)

    def order(self, items: Sequence[int]) -> list[int]:
        """`items` in some order."""
        left = list(items)
        return [left.pop(self.pick(len(left))) for _ in items]
