"""How values are spread, in bounded memory: of millions of response times the 99th percentile."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

STEP = 1.02  # a value is known to 1 %
_LEAST = 1e-6


class Spread:
    """Counts positive values in classes whose bounds grow by 2 %; 0 counts as a millionth."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self.count = 0
        self.total = 0.0
        self.largest = 0.0

    def add(self, value: float) -> None:
        self._counts[round(math.log(max(value, _LEAST), STEP))] += 1
        self.count += 1
        self.total += value
        self.largest = max(self.largest, value)

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """The value that `share` (0 to 1) of all do not exceed, to 1 %; 0 without any."""
        return self._at([math.ceil(share * self.count)])[0]

    def sample(self, most: int) -> list[float]:
        """At most so many values, spread as all are: the middle of each of `most` equal shares."""
        size = min(most, self.count)
        return self._at([math.ceil((n + 0.5) / size * self.count) for n in range(size)])

    def _at(self, ranks: Sequence[int]) -> list[float]:
        """The values at these places, counted from 1, in growing order."""
        found: list[float] = []
        passed = 0
        classes = iter(sorted(self._counts.items()))
        value = 0.0
        for rank in ranks:
            while passed < max(rank, 1):
                at, count = next(classes, (None, 0))
                if at is None:
                    break
                passed += count
                value = min(STEP**at, self.largest)
            found.append(round(value, 6))
        return found
