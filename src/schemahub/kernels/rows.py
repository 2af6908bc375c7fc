"""The loop over the rows of an answer. See `scan`, which makes its arguments."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from schemahub.kernels.compiled import compiled
from schemahub.kernels.loads import byte, word

if TYPE_CHECKING:
    import numpy.typing as npt

BUY, SELL = 0, 1

# What may stand in a slot. A quoted value's quotes belong to the literals around it.
TEXT = 0  # any characters but quotes, backslashes and controls
SCALAR = 1  # a number, true, false or null
ID = 2
PRICE, PRICE_NUMBER = 3, 4  # digits; a JSON number begins with no idle zero
QUANTITY, QUANTITY_NUMBER, SIGNED, SIGNED_NUMBER = 5, 6, 7, 8
SIDE = 9
ISO_ZONE, ISO = 10, 11  # with Z, without
UNIX = 20  # plus the decimals of the unit that are whole µs
NANOSECONDS = 9

MOST_DIGITS = 18  # before the point, in a value read here: it fits 64 bits
MOST_ZEROS = 30  # decimals, of which those beyond the twelfth are zeros

# Columns of `packed`.
_SIZE, _LAST, _MASK, _WORDS = 0, 1, 2, 3

_U = np.uint64
_MAX_ID = _U(2**63 - 2)
_TEN = _U(10)
_ONE = _U(10**12)  # of a decimal, in its unit
_ONE_LOW, _ONE_HIGH = _U(10**12 & 0xFFFFFFFF), _U(10**12 >> 32)
_SMALL = _U(9_000_000)  # times 10^12 it fits 64 bits
_LOW, _HALF = _U(0xFFFFFFFF), _U(32)
_ZERO = _U(0)
_POWERS = np.array([10**n for n in range(20)], np.uint64)
_DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
_DAY = 86_400_000_000


@compiled
def scan(
    text, literals, slots, earliest, latest, row, ids, sides, prices, quantities, times,
):  # fmt: skip
    """Rows of `text` into the arrays from index `row` on; how many, or -1 if any is odd.

    `literals` as `packed` makes them are: before the first row, between rows, after the last;
    in a row before each value and after the last; the words for buy and sell. `slots` are the
    kinds of the values. Where ids fall throughout, the rows are turned round.
    """
    size = len(text)
    count = len(slots)
    buy = count + 4
    first = row
    falling = True
    seen = (_ZERO, _ZERO, np.int64(0))
    # Digits end before the text does: then nobody has to ask where it ends at each of them.
    if size == 0 or byte(text, size - 1) != literals[2, _LAST]:
        return -1
    at = _skip(text, 0, literals, 0)
    while at >= 0:
        if row >= len(ids):
            return -1
        for slot in range(count):
            at = _skip(text, at, literals, 3 + slot)
            if at < 0 or at >= size:
                return -1
            kind = slots[slot]
            if kind == TEXT:
                at = _text(text, at)
            elif kind == SCALAR:
                at = _scalar(text, at)
            elif kind == ID:
                at, whole, digits = _digits(text, at)
                if digits > 1 and byte(text, at - digits) == 48:
                    return -1
                if digits < 1 or digits > 19 or whole > _MAX_ID:
                    return -1
                ids[row] = np.int64(whole)
            elif kind == PRICE or kind == PRICE_NUMBER:
                at, low, high = _decimal(text, at, kind == PRICE_NUMBER)
                prices[row, 0] = low
                prices[row, 1] = high
            elif kind <= SIGNED_NUMBER:
                if kind >= SIGNED:
                    negative = byte(text, at) == 45
                    # The words are those of the signs: + and -.
                    mark = 45 if negative else 43
                    sides[row] = BUY if literals[buy, _LAST] == mark else SELL
                    at += 1 if negative else 0
                number = kind == QUANTITY_NUMBER or kind == SIGNED_NUMBER
                at, low, high = _decimal(text, at, number)
                quantities[row, 0] = low
                quantities[row, 1] = high
            elif kind == SIDE:
                start = at
                at = _skip(text, start, literals, buy)
                sides[row] = BUY
                # A word ends where what follows it begins: it may begin another.
                if at < 0 or _skip(text, at, literals, 4 + slot) < 0:
                    at = _skip(text, start, literals, buy + 1)
                    sides[row] = SELL
            else:
                if kind >= UNIX:
                    at, moment = _unix(text, at, kind - UNIX)
                else:
                    at, moment, seen = _iso(text, at, kind == ISO_ZONE, seen)
                if moment < earliest or moment > latest:
                    return -1
                times[row] = moment
            if at < 0:
                return -1
        at = _skip(text, at, literals, 3 + count)
        if at < 0:
            return -1
        if row > first and ids[row] >= ids[row - 1]:
            falling = False
        row += 1
        after = _skip(text, at, literals, 1)
        if after < 0:
            break
        at = after
    if at < 0 or _skip(text, at, literals, 2) != size:
        return -1
    if falling and row - first > 1:
        for column in (ids, times):
            column[first:row] = column[first:row][::-1].copy()
        sides[first:row] = sides[first:row][::-1].copy()
        for pairs in (prices, quantities):
            pairs[first:row] = pairs[first:row][::-1].copy()
    return row - first


def packed(texts: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """Literals as `scan` compares them: eight bytes at once.

    A row each: its length, its last byte, which bits of its last eight bytes count, and all
    its bytes, filled up with zeros.
    """
    longest = max(len(text) for text in texts) // 8 + 1
    rows = np.zeros((len(texts), _WORDS + longest), np.uint64)
    for row, text in zip(rows, texts, strict=True):
        row[_SIZE], row[_LAST] = len(text), text[-1] if text else 0
        row[_MASK] = int.from_bytes((b"\xff" * (len(text) % 8)).ljust(8, b"\0"), sys.byteorder)
        padded = text.ljust(8 * longest, b"\0")
        row[_WORDS:] = np.frombuffer(padded, np.uint64)
    return rows


@compiled
def _skip(text, at, literals, number):
    """Where the literal that must stand at `at` ends; -1 if it does not stand there."""
    size = np.int64(literals[number, _SIZE])
    stop = at + size
    if at < 0 or stop > len(text):
        return -1
    whole = size >> 3
    for index in range(whole):
        if word(text, at + 8 * index) != literals[number, _WORDS + index]:
            return -1
    at += 8 * whole
    if at + 8 <= len(text):
        rest = word(text, at) & literals[number, _MASK]
        return stop if rest == literals[number, _WORDS + whole] else -1
    # At the very end there are no eight bytes to look at.
    left = _ZERO
    for index in range(stop - at):
        left |= _U(byte(text, at + index)) << _U(8 * index)
    return stop if left == literals[number, _WORDS + whole] else -1


@compiled
def _text(text, at):
    """Where the characters at `at` end: before a quote. -1 if one of them is odd."""
    while at < len(text):
        character = byte(text, at)
        if character == 34:
            return at
        if character < 32 or character > 126 or character == 92:
            return -1
        at += 1
    return -1


@compiled
def _digits(text, at):
    """After the digits at `at`: where that is, their number, and how many they were.

    Of more than 19 the number means nothing.
    """
    start = at
    number = _ZERO
    while True:
        digit = byte(text, at) - 48
        if digit < 0 or digit > 9:
            return at, number, at - start
        number = number * _TEN + _U(digit)
        at += 1


@compiled
def _decimal(text, at, number):
    """After the positive decimal at `at`: where that is, and its 128 bits in units of 1e-12.

    -1 if it is of another form, zero, or has other than zeros after its twelfth decimal.
    """
    start = at
    at, whole, digits = _digits(text, at)
    if digits < 1 or digits > MOST_DIGITS or (number and digits > 1 and byte(text, start) == 48):
        return -1, _ZERO, _ZERO
    fraction = _ZERO
    if byte(text, at) == 46:
        at += 1
        start = at
        while True:
            digit = byte(text, at) - 48
            if digit < 0 or digit > 9:
                break
            if at - start < 12:
                fraction = fraction * _TEN + _U(digit)
            elif digit != 0:
                return -1, _ZERO, _ZERO
            at += 1
        places = at - start
        if places < 1 or places > MOST_ZEROS:
            return -1, _ZERO, _ZERO
        if places < 12:
            fraction *= _POWERS[12 - places]
    if whole == _ZERO and fraction == _ZERO:
        return -1, _ZERO, _ZERO
    if whole <= _SMALL:
        return at, whole * _ONE + fraction, _ZERO
    # 64 by 40 bits, in halves of 32.
    low, high = whole & _LOW, whole >> _HALF
    lowest, crossed, cross = low * _ONE_LOW, low * _ONE_HIGH, high * _ONE_LOW
    middle = (lowest >> _HALF) + (crossed & _LOW) + (cross & _LOW)
    bottom = (lowest & _LOW) | (middle << _HALF)
    top = high * _ONE_HIGH + (crossed >> _HALF) + (cross >> _HALF) + (middle >> _HALF)
    total = bottom + fraction
    if total < bottom:
        top += _U(1)
    return at, total, top


@compiled
def _unix(text, at, places):
    """After the time at `at`: where that is, and its µs; finer digits are cut. -1 if it is odd.

    `places`: the decimals of its unit that are whole µs, or NANOSECONDS.
    """
    start = at
    at, whole, digits = _digits(text, at)
    if digits < 1 or digits > 18 or (digits > 1 and byte(text, start) == 48):
        return -1, 0
    fraction = _ZERO
    kept = 0
    if byte(text, at) == 46:
        at += 1
        start = at
        while True:
            digit = byte(text, at) - 48
            if digit < 0 or digit > 9:
                break
            if places != NANOSECONDS and kept < places:
                fraction = fraction * _TEN + _U(digit)
                kept += 1
            at += 1
        if at == start or at - start > 20:
            return -1, 0
    if places == NANOSECONDS:
        return at, np.int64(whole // _U(1000))
    if digits + places > 18:
        return -1, 0
    return at, np.int64(whole * _POWERS[places] + fraction * _POWERS[places - kept])


@compiled
def _iso(text, at, zone, seen):
    """After the time at `at`, as 2026-11-23T05:26:18.123456: where that is, and its µs.

    With a `zone` a Z must follow. -1 if it is of another form, or no such day. `seen` is the
    minute of the row before, as its sixteen characters and in µs; returned is that of this one.
    """
    if at + 20 > len(text):
        return -1, 0, seen
    early, late = word(text, at), word(text, at + 8)
    if early != seen[0] or late != seen[1]:
        minute = _minute(text, at)
        if minute < 0:
            return -1, 0, seen
        seen = (early, late, minute)
    second = _two(text, at + 17)
    if byte(text, at + 16) != 58 or second < 0 or second > 59:
        return -1, 0, seen
    at += 19
    fraction = np.int64(0)
    if byte(text, at) == 46:
        at += 1
        start = at
        kept = 0
        while True:
            digit = byte(text, at) - 48
            if digit < 0 or digit > 9:
                break
            if kept < 6:
                fraction = fraction * 10 + digit
                kept += 1
            at += 1
        if at == start or at - start > 9:
            return -1, 0, seen
        for _ in range(6 - kept):
            fraction *= 10
    if zone:
        if byte(text, at) != 90:
            return -1, 0, seen
        at += 1
    return at, seen[2] + second * 1_000_000 + fraction, seen


@compiled
def _minute(text, at):
    """The µs of 2026-11-23T05:26; -1 if it is of another form, or there is no such day."""
    year, month = _two(text, at) * 100 + _two(text, at + 2), _two(text, at + 5)
    day, hour, minute = _two(text, at + 8), _two(text, at + 11), _two(text, at + 14)
    if year < 1970 or month < 1 or month > 12 or day < 1:
        return -1
    if hour < 0 or hour > 23 or minute < 0 or minute > 59:
        return -1
    if byte(text, at + 4) != 45 or byte(text, at + 7) != 45:
        return -1
    if byte(text, at + 10) != 84 or byte(text, at + 13) != 58:
        return -1
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    if day > _DAYS[month - 1] + (1 if leap and month == 2 else 0):
        return -1
    return _days(year, month, day) * _DAY + (hour * 60 + minute) * 60_000_000


@compiled
def _two(text, at):
    """The number of two digits at `at`; far below zero if they are none."""
    tens, ones = byte(text, at) - 48, byte(text, at + 1) - 48
    if tens < 0 or tens > 9 or ones < 0 or ones > 9:
        return -100_000
    return tens * 10 + ones


@compiled
def _days(year, month, day):
    """Days from 1970-01-01 in the Gregorian calendar, counted in years that begin in March."""
    if month <= 2:
        year -= 1
        month += 12
    before = year * 365 + year // 4 - year // 100 + year // 400
    return before + (153 * (month - 3) + 2) // 5 + day - 1 - 719_468


@compiled
def _scalar(text, at):
    """After the JSON number, true, false or null at `at`; -1 if there is none."""
    size = len(text)
    if at >= size:
        return -1
    if text[at] == 116 and at + 4 <= size:
        fits = text[at + 1] == 114 and text[at + 2] == 117 and text[at + 3] == 101
        return at + 4 if fits else -1
    if text[at] == 110 and at + 4 <= size:
        fits = text[at + 1] == 117 and text[at + 2] == 108 and text[at + 3] == 108
        return at + 4 if fits else -1
    if text[at] == 102 and at + 5 <= size:
        fits = text[at + 1] == 97 and text[at + 2] == 108
        return at + 5 if fits and text[at + 3] == 115 and text[at + 4] == 101 else -1
    if text[at] == 45:
        at += 1
    start = at
    at, _, digits = _digits(text, at)
    if digits < 1 or digits > 300 or (digits > 1 and byte(text, start) == 48):
        return -1
    if byte(text, at) == 46:
        at, _, digits = _digits(text, at + 1)
        if digits < 1 or digits > 300:
            return -1
    return at
