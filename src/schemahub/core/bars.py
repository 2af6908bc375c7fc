"""Bars of other sizes than a minute: of so much time, or cut by what was traded.

A bar that is cut closes with the trade with which it reaches its size, and the next begins with
the trade after it, at nothing: what went beyond the size is not carried over. The last bar, if
it has not reached its size, is not closed and is none: so no bar ever changes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import accumulate
from typing import Literal

from schemahub.core import times
from schemahub.core.errors import UsageError

Measure = Literal["ticks", "volume", "dollars"]
MINUTE = timedelta(minutes=1)
MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
# Quantities and prices count in units of 1e-12, products in units of 1e-8.
PLACES: dict[Measure, int] = {"ticks": 0, "volume": 12, "dollars": 8}
_DIGITS = 38
_MICROSECOND = timedelta(microseconds=1)


def step(every: str | timedelta) -> int:
    """The length of a bar in µs, of `5m`, `1h`, `1d`, `1w`; whole minutes. Raises UsageError."""
    length = times.duration(every) if isinstance(every, str) else every
    if length < MINUTE or length % MINUTE:
        raise UsageError(
            f"bars of {every} cannot be made",
            "bars of time are put together from those of a minute",
            "give whole minutes, hours, days or weeks, like 5m, 1h, 1d or 1w",
        )
    return length // _MICROSECOND


@dataclass(frozen=True, slots=True)
class Cut:
    """`size` counts trades, quantity in units of 1e-12, or price × quantity in units of 1e-8.

    Each trade's product is rounded half-even by itself, as in `quote_volume`: a bar closes as
    soon as that reaches the size.
    """

    measure: Measure
    size: int

    @staticmethod
    def of(measure: Measure, size: str | int | Decimal) -> Cut:
        """Raises UsageError if it is no positive number, or has more places than there are."""
        places = PLACES[measure]
        units = _units(size, places)
        if units is None:
            kind = "a whole number" if not places else f"a number of at most {places} places"
            raise UsageError(
                f"bars of {measure} {size!r} cannot be made",
                f"the size is {kind}, above 0, as text or an integer",
                {
                    "ticks": "write it like 1000",
                    "volume": "write it like 10 or 0.5: base units",
                    "dollars": "write it like 1000000: quote units",
                }[measure],
            )
        return Cut(measure, units)


def size_of(
    every: str | timedelta | None,
    ticks: int | str | None,
    volume: str | int | Decimal | None,
    dollars: str | int | Decimal | None,
) -> Cut | int:
    """What one of them says: a cut, or the `step` of bars of time; of none bars of a minute.

    Raises UsageError for two of them.
    """
    sizes: dict[Measure, str | int | Decimal | None]
    sizes = {"ticks": ticks, "volume": volume, "dollars": dollars}
    given = [Cut.of(measure, size) for measure, size in sizes.items() if size is not None]
    if len(given) + (every is not None) > 1:
        raise UsageError(
            "bars have one size",
            "of every, ticks, volume and dollars more than one was given",
            "give one of them",
        )
    return given[0] if given else step(MINUTE if every is None else every)


def next_open(moment: datetime, step: int) -> datetime:
    """When the first bar opens that does not before `moment`, of bars of `step` µs.

    They are counted from a Monday, 00:00 UTC.
    """
    since = (moment - MONDAY) // _MICROSECOND
    try:
        return MONDAY + -(-since // step) * step * _MICROSECOND
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _units(size: object, places: int) -> int | None:
    """`size` in units of so many places; None if it is not a positive number of them."""
    # A float is some other number than the one that was written.
    if not isinstance(size, str | int | Decimal) or isinstance(size, bool):
        return None
    try:
        number = Decimal(size)
    except InvalidOperation:
        return None
    if not number.is_finite() or number <= 0 or number.adjusted() + places >= _DIGITS:
        return None
    _, digits, exponent = number.as_tuple()
    shift = int(exponent) + places
    whole = int("".join(map(str, digits)))
    if shift >= 0:
        return int(whole * 10**shift)
    units, rest = divmod(whole, 10 ** min(-shift, len(digits)))
    return None if rest else units


@dataclass(frozen=True, slots=True)
class Columns:
    """Trades of one market in axis order. `bought` is 0 for a sale, None if nobody says."""

    positions: Sequence[int]
    times: Sequence[int]
    prices: Sequence[int]
    quantities: Sequence[int]
    quotes: Sequence[int]
    bought: Sequence[int | None]

    def measure(self, measure: Measure) -> Sequence[int]:
        if measure == "ticks":
            return [1] * len(self.prices)
        return self.quantities if measure == "volume" else self.quotes


@dataclass(slots=True)
class Bar:
    """What trades that follow each other add up to; times in µs since 1970."""

    bar_ts: int
    close_ts: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int
    buy_volume: int | None
    trades: int
    first_position: int
    last_position: int

    @staticmethod
    def of(trades: Columns, start: int, stop: int) -> Bar:
        prices = trades.prices[start:stop]
        bought = trades.bought[start:stop]
        known = [one for one in bought if one is not None]
        return Bar(
            trades.times[start],
            trades.times[stop - 1],
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            sum(trades.quantities[start:stop]),
            sum(trades.quotes[start:stop]),
            sum(known) if len(known) == len(bought) else None,
            stop - start,
            trades.positions[start],
            trades.positions[stop - 1],
        )

    def then(self, other: Bar) -> Bar:
        """One bar of this and the trades after it."""
        bought = (self.buy_volume, other.buy_volume)
        return Bar(
            self.bar_ts,
            other.close_ts,
            self.open,
            max(self.high, other.high),
            min(self.low, other.low),
            other.close,
            self.volume + other.volume,
            self.quote_volume + other.quote_volume,
            None if bought[0] is None or bought[1] is None else bought[0] + bought[1],
            self.trades + other.trades,
            self.first_position,
            other.last_position,
        )


@dataclass
class Cutter:
    """Cuts the trades of a market, which may come in batches."""

    cut: Cut
    _begun: Bar | None = None
    _reached: int = 0

    def add(self, trades: Columns) -> Iterator[Bar]:
        """The bars that these trades close."""
        sums = list(accumulate(trades.measure(self.cut.measure)))
        start, below = 0, -self._reached
        while start < len(sums):
            stop = bisect_left(sums, below + self.cut.size, start) + 1
            bar = Bar.of(trades, start, min(stop, len(sums)))
            if self._begun is not None:
                bar = self._begun.then(bar)
            if stop > len(sums):
                self._begun, self._reached = bar, sums[-1] - below
                return
            yield bar
            self._begun, self._reached = None, 0
            start, below = stop, sums[stop - 1]
