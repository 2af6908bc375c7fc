"""The loop over the rows of an answer. See `scan`, which makes its arguments."""

from __future__ import annotations

import numpy as np

from schemahub.kernels.compiled import compiled

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
MAX_ID = 2**63 - 2

_U = np.uint64
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
    text, literals, ends, slots, earliest, latest,
    row, ids, sides, prices, quantities, times,
):  # fmt: skip
    """Rows of `text` into the arrays from index `row` on; how many, or -1 if any is odd.

    `literals[ends[n]:ends[n+1]]` is the n-th literal: before the first row, between rows, after
    the last; in a row before each value and after the last; the words for buy and sell.
    `slots` are the kinds of the values. Where ids fall throughout, the rows are turned round.
    """
    size = len(text)
    count = len(slots)
    buy = count + 4
    first = row
    falling = True
    at = _skip(text, 0, literals, ends, 0)
    while at >= 0:
        if row >= len(ids):
            return -1
        for slot in range(count):
            at = _skip(text, at, literals, ends, 3 + slot)
            if at < 0:
                return -1
            kind = slots[slot]
            if kind == TEXT:
                while at < size and text[at] != 34:
                    if text[at] < 32 or text[at] > 126 or text[at] == 92:
                        return -1
                    at += 1
            elif kind == SCALAR:
                at = _scalar(text, at)
            elif kind == ID:
                at, whole, digits = _digits(text, at)
                if digits > 1 and text[at - digits] == 48:
                    return -1
                if digits < 1 or digits > 19 or whole > _U(MAX_ID):
                    return -1
                ids[row] = np.int64(whole)
            elif kind == PRICE or kind == PRICE_NUMBER:
                at, low, high = _decimal(text, at, kind == PRICE_NUMBER)
                prices[row, 0] = low
                prices[row, 1] = high
            elif kind <= SIGNED_NUMBER:
                if kind >= SIGNED:
                    negative = at < size and text[at] == 45
                    # The words are those of the signs: + and -.
                    mark = 45 if negative else 43
                    sides[row] = BUY if literals[ends[buy]] == mark else SELL
                    at += 1 if negative else 0
                number = kind in (QUANTITY_NUMBER, SIGNED_NUMBER)
                at, low, high = _decimal(text, at, number)
                quantities[row, 0] = low
                quantities[row, 1] = high
            elif kind == SIDE:
                start = at
                at = _word(text, start, literals, ends, buy, 4 + slot)
                sides[row] = BUY
                if at < 0:
                    at = _word(text, start, literals, ends, buy + 1, 4 + slot)
                    sides[row] = SELL
            else:
                if kind >= UNIX:
                    at, moment = _unix(text, at, kind - UNIX)
                else:
                    at, moment = _iso(text, at, kind == ISO_ZONE)
                if moment < earliest or moment > latest:
                    return -1
                times[row] = moment
            if at < 0:
                return -1
        at = _skip(text, at, literals, ends, 3 + count)
        if at < 0:
            return -1
        if row > first and ids[row] >= ids[row - 1]:
            falling = False
        row += 1
        after = _skip(text, at, literals, ends, 1)
        if after < 0:
            break
        at = after
    if at < 0 or _skip(text, at, literals, ends, 2) != size:
        return -1
    if falling and row - first > 1:
        for column in (ids, times):
            column[first:row] = column[first:row][::-1].copy()
        sides[first:row] = sides[first:row][::-1].copy()
        for pairs in (prices, quantities):
            pairs[first:row] = pairs[first:row][::-1].copy()
    return row - first


@compiled
def _skip(text, at, literals, ends, number):
    """Where the literal that must stand at `at` ends; -1 if it does not stand there."""
    size = ends[number + 1] - ends[number]
    if at + size > len(text):
        return -1
    for index in range(size):
        if text[at + index] != literals[ends[number] + index]:
            return -1
    return at + size


@compiled
def _word(text, at, literals, ends, number, follows):
    """As `_skip`, where the word is whole: its end is where the next literal begins."""
    stop = _skip(text, at, literals, ends, number)
    if stop < 0 or stop >= len(text) or text[stop] != literals[ends[follows]]:
        return -1
    return stop


@compiled
def _digits(text, at):
    """After the digits at `at`: where that is, their number, and how many they were.

    Of more than 19 the number means nothing.
    """
    start = at
    number = _ZERO
    while at < len(text):
        digit = text[at] - 48
        if digit < 0 or digit > 9:
            break
        number = number * _TEN + _U(digit)
        at += 1
    return at, number, at - start


@compiled
def _decimal(text, at, number):
    """After the positive decimal at `at`: where that is, and its 128 bits in units of 1e-12.

    -1 if it is of another form, zero, or has other than zeros after its twelfth decimal.
    """
    start = at
    at, whole, digits = _digits(text, at)
    if digits < 1 or digits > MOST_DIGITS or (number and digits > 1 and text[start] == 48):
        return -1, _ZERO, _ZERO
    fraction = _ZERO
    if at < len(text) and text[at] == 46:
        at += 1
        start = at
        while at < len(text):
            digit = text[at] - 48
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
    if digits < 1 or digits > 18 or (digits > 1 and text[start] == 48):
        return -1, 0
    fraction = _ZERO
    kept = 0
    if at < len(text) and text[at] == 46:
        at += 1
        start = at
        while at < len(text):
            digit = text[at] - 48
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
def _iso(text, at, zone):
    """After the time at `at`, as 2026-11-23T05:26:18.123456: where that is, and its µs.

    With a `zone` a Z must follow. -1 if it is of another form, or no such day.
    """
    if at + 19 > len(text):
        return -1, 0
    year, month, day = _two(text, at) * 100 + _two(text, at + 2), _two(text, at + 5), 0
    day = _two(text, at + 8)
    hour, minute, second = _two(text, at + 11), _two(text, at + 14), _two(text, at + 17)
    if year < 1970 or month < 1 or month > 12 or day < 1 or hour < 0 or hour > 23:
        return -1, 0
    if minute < 0 or minute > 59 or second < 0 or second > 59:
        return -1, 0
    if text[at + 4] != 45 or text[at + 7] != 45 or text[at + 10] != 84:
        return -1, 0
    if text[at + 13] != 58 or text[at + 16] != 58:
        return -1, 0
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    if day > _DAYS[month - 1] + (1 if leap and month == 2 else 0):
        return -1, 0
    at += 19
    fraction = np.int64(0)
    if at < len(text) and text[at] == 46:
        at += 1
        kept = 0
        start = at
        while at < len(text):
            digit = np.int64(text[at]) - 48
            if digit < 0 or digit > 9:
                break
            if kept < 6:
                fraction = fraction * 10 + digit
                kept += 1
            at += 1
        if at == start or at - start > 9:
            return -1, 0
        for _ in range(6 - kept):
            fraction *= 10
    if zone:
        if at >= len(text) or text[at] != 90:
            return -1, 0
        at += 1
    seconds = hour * 3600 + minute * 60 + second
    return at, _days(year, month, day) * _DAY + seconds * 1_000_000 + fraction


@compiled
def _two(text, at):
    """The number of two digits at `at`; far below zero if they are none."""
    tens, ones = np.int64(text[at]) - 48, np.int64(text[at + 1]) - 48
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
    if digits < 1 or digits > 300 or (digits > 1 and text[start] == 48):
        return -1
    if at < size and text[at] == 46:
        at, _, digits = _digits(text, at + 1)
        if digits < 1 or digits > 300:
            return -1
    return at
