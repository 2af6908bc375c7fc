"""Numbers and times are exact to the last digit; both ways of reading an answer agree."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemahub.core.errors import BadAnswer
from schemahub.core.page import Page, read
from schemahub.core.paging import Ask
from schemahub.core.values import decimal_text, integer, iso_time
from schemahub.core.wire import Reader, RowRefused
from tests.core.dialect import EPOCH, NOW_US, READER, SPEC, answer, body, row

DECIMALS = 20_000
ROW = json.dumps(row(5, price="@")).encode()


def plain(whole: str, fraction: str, exponent: int) -> str:
    """The number without exponent or idle zeros, by moving the point: no arithmetic."""
    digits, point = whole + fraction, len(whole) + exponent
    if point < 0:
        digits, point = "0" * -point + digits, 0
    digits = digits.ljust(point, "0")
    left, right = digits[:point].lstrip("0") or "0", digits[point:].rstrip("0")
    return f"{left}.{right}" if right else left


def decimals(count: int) -> list[tuple[str, str]]:
    """Texts as exchanges write them, and the same plainly."""
    dice = random.Random(20_000)
    found: list[tuple[str, str]] = []
    while len(found) < count:
        whole = "".join(dice.choices("0123456789", k=dice.randint(1, 28)))
        fraction = "".join(dice.choices("0123456789", k=dice.choice([0, 0, 2, 8, 12, 13, 20])))
        fraction += "0" * dice.choice([0, 0, 3])
        exponent = dice.choice([0, 0, 0, dice.randint(-30, 30)])
        text = f"{whole}.{fraction}" if fraction else whole
        if exponent or not dice.randint(0, 9):
            text += (
                f"{dice.choice('eE')}{dice.choice(['', '+']) if exponent >= 0 else ''}{exponent}"
            )
        found.append((text, plain(whole, fraction, exponent)))
    return found


def fits(text: str) -> bool:
    left, _, right = text.partition(".")
    return text != "0" and len(left) <= 26 and len(right) <= 12


def test_decimals_are_exact_as_text_or_refused() -> None:
    accepted = 0
    for text, expected in decimals(DECIMALS):
        raw = ROW.replace(b"@", text.encode())
        if not fits(expected):
            with pytest.raises(RowRefused):
                READER.trade(raw, NOW_US)
            continue
        accepted += 1
        price = READER.trade(raw, NOW_US).price
        assert format(price, "f") == expected
        assert price == Decimal(text)
    assert accepted > DECIMALS // 3


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value="1e-12"))
def test_a_decimal_is_what_decimal_makes_of_it(number: Decimal) -> None:
    """Decimal here is the judge: constructing one rounds nothing."""
    text = format(number, "f")
    if abs(number) < Decimal(10) ** 26:
        assert decimal_text(text) == number


@given(st.integers(-5, 2**63 + 5))
@example(2**63 - 2)
@example(2**63 - 1)
def test_an_integer_is_itself_or_refused(number: int) -> None:
    if 0 <= number < 2**63 - 1:
        assert integer(number) == number
    else:
        with pytest.raises(Exception, match="out of range"):
            integer(number)


# ---------------------------------------------------------------- times


zones = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1900, 1, 2), datetime(2200, 1, 1))  # noqa: DTZ001


@given(moments, zones, st.integers(0, 9))
def test_a_time_is_exact_in_every_zone_and_finer_digits_are_cut(
    moment: datetime, zone: timezone, places: int
) -> None:
    aware = moment.replace(tzinfo=zone)
    offset = aware.strftime("%z")
    fraction = f"{moment.microsecond:06}789"[:places]
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if places else "")
    kept = int(fraction[:6].ljust(6, "0")) if places else 0
    expected = (aware.replace(microsecond=kept) - EPOCH) // timedelta(microseconds=1)
    assert iso_time(f"{text}{offset[:3]}:{offset[3:]}") == expected
    if zone == UTC:
        assert iso_time(f"{text}Z") == expected


def test_times_as_the_exchange_writes_them() -> None:
    assert iso_time("2014-12-01T05:33:56.761199Z") == 1_417_412_036_761_199
    assert iso_time("2014-12-01T05:33:56.76Z") == 1_417_412_036_760_000
    assert iso_time("2014-12-01T05:33:56Z") == 1_417_412_036_000_000
    assert iso_time("2014-12-01T05:33:56.761199999Z") == 1_417_412_036_761_199
    assert iso_time("2014-12-01T06:33:56.000001+01:00") == 1_417_412_036_000_001


# ---------------------------------------------------------------- two readers, one verdict


class RowByRow(Reader):
    """Never reads in bulk: what the authority says of every row."""

    def typed(self, body: bytes) -> None:
        return None


SLOW = RowByRow(SPEC)
HEAD = Ask(limit=1000)


def verdict(content: bytes, reader: Reader) -> Page | str:
    try:
        return read(answer(content), HEAD, reader)
    except BadAnswer as error:
        return error.what


values = st.one_of(
    st.sampled_from(
        ["5", "5.0", "1e2", "0", "-1", "NaN", "", "buy", "sell", "BUY", "1" * 27, "1.5\n", "\uff11",
         "2026-05-17T11:00:00Z", "2026-05-17T11:00:00.123456789Z", "2026-02-30T11:00:00Z",
         "2026-05-17T12:05:00.000001Z", "2026-05-17T12:05:00Z", "2026-05-17T11:00:00.1234567Z",
         "2026-05-17T11:00:00.5+00:00", "2009-01-01T00:00:00Z", "2008-12-31T23:59:59.999999Z",
         "2026-05-17T11:00:00Z\n2026-05-17T11:00:00Z", "5\n6", "\n", "0.0", "000.000", "0010.50",
         "1" * 26, "0.000000000001", "0.0000000000001", "1.0000000000000", "0e5", "[", "{",
         "\u2028"]
    ),
    st.integers(-2, 2**64), st.floats(), st.none(), st.booleans(),
    st.lists(st.integers(0, 3), max_size=2), st.text(max_size=5),
)  # fmt: skip
names = st.sampled_from(["trade_id", "side", "price", "size", "time", "extra", ""])


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.dictionaries(names, values, max_size=2), st.booleans()),
        min_size=1,
        max_size=4,
    )
)
@example([(5, {"extra": float("inf")}, False)])
@example([(5, {"price": "1e2"}, False), (6, {"extra": [[1]]}, False)])
def test_bulk_and_row_by_row_agree_on_every_answer(
    told: list[tuple[int, dict[str, object], bool]],
) -> None:
    rows = [row(one) if good else {**row(one), **changed} for one, changed, good in told]
    content = body(*rows)
    assert verdict(content, READER) == verdict(content, SLOW)


def test_bulk_and_row_by_row_agree_on_damaged_bytes() -> None:
    """5,000 answers with some bytes wrong: one verdict, and never anything but a verdict."""
    dice = random.Random(5_000)
    clean = body(row(9), row(8, extra={"a": [1, 'x\\"']}), row(7, bid=None))
    swaps = b'\x00\x01\n"\\[]{}:,0195eE.+-Ntx\x80\xc3\xed\xff '
    changed = 0
    for _ in range(5_000):
        damaged = bytearray(clean)
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(damaged))
            match dice.randrange(3):
                case 0:
                    damaged[at] = dice.choice(swaps)
                case 1:
                    del damaged[at]
                case _:
                    damaged.insert(at, dice.choice(swaps))
        content = bytes(damaged)
        mine = verdict(content, READER)
        assert mine == verdict(content, SLOW), content
        changed += mine != verdict(clean, READER)
    assert changed > 3_000


def test_a_number_too_large_beside_a_bad_row_changes_no_verdict() -> None:
    for extra in (b"1e999", b"9" * 5_000):
        for other in (row(6), row(6, price="x"), row("6")):
            content = body(row(7, extra=0), other).replace(b'"extra":0', b'"extra":' + extra)
            assert verdict(content, READER) == verdict(content, SLOW)
            page = verdict(content, READER)
            assert isinstance(page, Page)
            assert 7 in page.ids


def test_the_last_of_two_fields_of_one_name_counts_for_both_readers() -> None:
    once = json.dumps(row(5))
    twice = f'[{once[:-1]}, "trade_id": 6, "price": "7"}}]'.encode()
    assert verdict(twice, READER) == verdict(twice, SLOW)
    assert READER.trade(twice[1:-1], NOW_US).position == 6
    wrong = f'[{once[:-1]}, "price": 7}}]'.encode()
    assert verdict(wrong, READER) == verdict(wrong, SLOW)
    with pytest.raises(RowRefused):
        READER.trade(wrong[1:-1], NOW_US)
