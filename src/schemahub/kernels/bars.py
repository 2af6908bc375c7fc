"""Minute bars of rows in axis order: integer arithmetic on the 64-bit halves of decimals.

Everything is exact. Whatever might not fit its place is refused, for the general path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from schemahub.kernels.compiled import compiled

if TYPE_CHECKING:
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Offsets = npt.NDArray[np.int32]
    Longs = npt.NDArray[np.int64]
    Halves = npt.NDArray[np.uint64]

# So many quantities below 2**102 add up to less than 2**126, which decimal(38) still holds.
MOST_ROWS = 1 << 24
_MOST_QUANTITY = np.uint64(1 << 38)
_MINUTE = 60_000_000
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_NONE = np.uint64(0)
_ONE = np.uint64(1)
_SIGN = np.uint64(63)
# A product in units of 1e-24 becomes one of 1e-8 by a division by 10**16, which is 2**16 · 5**16.
_TWOS = np.uint64(16)
_ABOVE = np.uint64(48)
_REST = np.uint64(0xFFFF)
_FIVES = 5**16
_UFIVES = np.uint64(_FIVES)
_MIDDLE = 5 * 10**15
_TOP = np.uint64(1 << 52)  # below 2**116 a product has a quotient below 2**63
_BUY = (0x62, 0x75, 0x79)
_SELL = (0x73, 0x65, 0x6C, 0x6C)


@dataclass(frozen=True, slots=True)
class Runs:
    """One entry a run of rows of the same minute, in their order.

    `minute` is µs since 1970; decimals are pairs of 64 bits, the lower first: prices and
    quantities in units of 1e-12, `quote` in units of 1e-8. `buys` means nothing where the
    sides were not told.
    """

    minute: Longs
    first: Longs
    last: Longs
    trades: Longs
    prices: Halves  # open, high, low, close
    sums: Halves  # quantity, quote, buys


def runs(
    price: memoryview, quantity: memoryview, ts: memoryview, position: memoryview,
    side: tuple[memoryview, memoryview] | None,
) -> Runs | None:  # fmt: skip
    """The runs of rows; None if anything does not fit.

    Buffers of equal length in rows: 128-bit decimals of 12 places, 64-bit µs and positions;
    `side` offsets of 32 bits and the bytes of the words, None if no side is told.
    """
    moments = _array(ts, np.int64)
    count = len(moments)
    if not 0 < count <= MOST_ROWS:
        return None
    if side is None:
        offsets, words = _array(memoryview(bytes(4)), np.int32), _array(memoryview(b"0"), np.uint8)
    else:
        offsets, words = _array(side[0], np.int32), _array(side[1], np.uint8)
    size = _count(moments)
    minute, first, last, trades = (np.empty(size, np.int64) for _ in range(4))
    prices, sums = np.empty((4, size, 2), np.uint64), np.zeros((3, size, 2), np.uint64)
    fits = _fold(
        _array(price, np.uint64), _array(quantity, np.uint64), moments,
        _array(position, np.int64), offsets, words, side is not None,
        minute, first, last, trades, prices, sums,
    )  # fmt: skip
    return Runs(minute, first, last, trades, prices, sums) if fits else None


def _array(values: memoryview, kind: type[np.generic]) -> npt.NDArray[Any]:
    """As something that is only read: for each kind of argument a kernel is compiled anew."""
    return np.frombuffer(values.toreadonly(), kind)


@compiled
def _count(ts: Longs) -> int:
    found, stop = 0, ts[0]
    start = stop
    for at in ts:
        if not start <= at < stop:
            start = at // _MINUTE * _MINUTE
            stop = start + _MINUTE
            found += 1
    return found


@compiled
def _upper(a: np.uint64, b: np.uint64) -> np.uint64:
    """The upper 64 bits of a product."""
    a0, a1 = a & _LOW, a >> _HALF
    b0, b1 = b & _LOW, b >> _HALF
    middle = a1 * b0 + ((a0 * b0) >> _HALF)
    other = a0 * b1 + (middle & _LOW)
    return a1 * b1 + (middle >> _HALF) + (other >> _HALF)


@compiled
def _quote(p0: np.uint64, p1: np.uint64, q0: np.uint64, q1: np.uint64) -> int:
    """A product in units of 1e-8, rounded half-even; -1 if it may not fit 63 bits.

    A double guesses the quotient to within some thousands; the remainder, in 64 bits, says
    by how much it is off.
    """
    low, high = p0 * q0, _upper(p0, q0)
    if p1 | q1 != _NONE:
        if p1 != _NONE and q1 != _NONE:
            return -1
        wide, narrow = (p1, q0) if p1 != _NONE else (q1, p0)
        more = wide * narrow
        if _upper(wide, narrow) != _NONE or high + more < high:
            return -1
        high += more
    if high >= _TOP:
        return -1
    quotient = np.int64((np.float64(high) * 18446744073709551616.0 + np.float64(low)) * 1e-16)
    fives = (low >> _TWOS) | (high << _ABOVE)
    rest = np.int64(fives - np.uint64(quotient) * _UFIVES)
    if not 0 <= rest < _FIVES:
        off = rest // _FIVES
        quotient += off
        rest -= off * _FIVES
    rest = (rest << 16) | np.int64(low & _REST)
    if rest > _MIDDLE or (rest == _MIDDLE and quotient & 1):
        quotient += 1
    return int(quotient)


@compiled
def _side(words: Bytes, start: int, stop: int) -> int:
    """1 for buy, 0 for sell, -1 for anything else."""
    if stop - start == len(_BUY):
        for place in range(len(_BUY)):
            if words[start + place] != _BUY[place]:
                return -1
        return 1
    if stop - start == len(_SELL):
        for place in range(len(_SELL)):
            if words[start + place] != _SELL[place]:
                return -1
        return 0
    return -1


@compiled
def _add(sums: Halves, which: int, run: int, low: np.uint64, high: np.uint64) -> None:
    total = sums[which, run, 0] + low
    sums[which, run, 1] += high + (_ONE if total < low else _NONE)
    sums[which, run, 0] = total


@compiled
def _fold(
    price: Halves, quantity: Halves, ts: Longs, position: Longs,
    offsets: Offsets, words: Bytes, sided: bool,  # noqa: FBT001
    minute: Longs, first: Longs, last: Longs, trades: Longs, prices: Halves, sums: Halves,
) -> bool:  # fmt: skip
    run, start, stop = -1, ts[0], ts[0]
    for row in range(len(ts)):
        p0, p1 = price[2 * row], price[2 * row + 1]
        q0, q1 = quantity[2 * row], quantity[2 * row + 1]
        if p1 >> _SIGN != _NONE or q1 >= _MOST_QUANTITY:
            return False
        quote = _quote(p0, p1, q0, q1)
        if quote < 0:
            return False
        if not start <= ts[row] < stop:
            run += 1
            start = ts[row] // _MINUTE * _MINUTE
            stop = start + _MINUTE
            minute[run], first[run], trades[run] = start, position[row], 0
            for which in range(4):
                prices[which, run, 0], prices[which, run, 1] = p0, p1
        trades[run] += 1
        last[run] = position[row]
        prices[3, run, 0], prices[3, run, 1] = p0, p1
        h0, h1 = prices[1, run, 0], prices[1, run, 1]
        if p1 > h1 or (p1 == h1 and p0 > h0):
            prices[1, run, 0], prices[1, run, 1] = p0, p1
        l0, l1 = prices[2, run, 0], prices[2, run, 1]
        if p1 < l1 or (p1 == l1 and p0 < l0):
            prices[2, run, 0], prices[2, run, 1] = p0, p1
        _add(sums, 0, run, q0, q1)
        _add(sums, 1, run, np.uint64(quote), _NONE)
        if sided:
            side = _side(words, offsets[row], offsets[row + 1])
            if side < 0:
                return False
            if side == 1:
                _add(sums, 2, run, q0, q1)
    return True
