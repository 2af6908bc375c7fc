"""Every kind of value is exact, or refused: numbers from their text, times by whole units."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemahub.core.values import (
    NUMBERS,
    READERS,
    No,
    Number,
    Unreadable,
    decimal_number,
    decimal_text,
    exact,
    integer_text,
    iso_time,
    iso_utc,
    plain,
    sign,
    signed_number,
    signed_text,
    unix,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
digits = st.text("0123456789", min_size=1, max_size=20)


@given(st.sampled_from(["s", "ms", "us", "ns"]), st.integers(0, 10**19), st.text("0123456789"))
@example("s", 1_762_820_035, "9822779")
@example("ms", 1_619_093_543_708, "2642")
def test_a_time_is_the_microsecond_that_holds_it(unit: str, whole: int, fraction: str) -> None:
    fraction = fraction[:20]
    text = f"{whole}.{fraction}" if fraction else str(whole)
    held = Fraction(text) / SECONDS[unit] * 10**6
    assert unix(text, unit) == held.numerator // held.denominator


def test_times_as_exchanges_write_them() -> None:
    assert READERS["unix_s"](Number("1688669597.8277369")) == 1_688_669_597_827_736
    assert READERS["unix_ms"](Number("1679280337591")) == 1_679_280_337_591_000
    assert READERS["unix_ms_text"]("1619093543708.2642") == 1_619_093_543_708_264
    assert READERS["unix_s_text"]("1560481868") == 1_560_481_868_000_000
    assert READERS["unix_us"](Number("1641343699596000")) == 1_641_343_699_596_000
    assert READERS["unix_ns_text"]("1762820035982277754") == 1_762_820_035_982_277


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1)),  # noqa: DTZ001
    st.integers(-23 * 60, 23 * 60),
)
def test_a_zone_is_told_with_its_colon_or_without_or_is_utc(moment: datetime, zone: int) -> None:
    text = moment.isoformat()
    hours, minutes = divmod(abs(zone), 60)
    offset = f"{'-' if zone < 0 else '+'}{hours:02}{minutes:02}"
    at = iso_time(f"{text}{offset}")
    assert at == iso_time(f"{text}{offset[:3]}:{offset[3:]}")
    utc = moment.replace(tzinfo=UTC)
    assert at == (utc - EPOCH) // timedelta(microseconds=1) - zone * 60_000_000
    assert iso_utc(text) == iso_time(f"{text}Z")
    with pytest.raises(No, match="with a zone"):
        iso_time(text)
    with pytest.raises(No, match="without a zone"):
        iso_utc(f"{text}{offset}")


@pytest.mark.parametrize(
    "text", ["2015-07-08T02:43", "2015-07-08 02:43:34", "2015-07-08T02:43:34.", "2015-07-08", "Z"]
)
def test_what_is_no_time_is_none_for_want_of_a_zone(text: str) -> None:
    with pytest.raises(No, match="without a zone"):
        iso_utc(text)


def test_a_time_without_a_zone_is_cut_and_its_day_exists() -> None:
    assert iso_utc("2015-07-08T02:43:34.8231439") == 1_436_323_414_823_143
    with pytest.raises(No, match="no such time"):
        iso_utc("2015-02-29T02:43:34")


@given(st.decimals("1e-12", 10**26, places=12, allow_nan=False), st.booleans())
def test_a_number_is_what_its_text_says_whichever_way_it_comes(number: Decimal, low: bool) -> None:
    text = format(number, "f")
    if not number or number >= 10**26:
        return
    assert decimal_text(text) == decimal_number(Number(text)) == number
    told = f"-{text}" if low else text
    assert signed_text(told) == signed_number(Number(told)) == number
    assert sign(told) == sign(Number(told)) == ("-" if low else "+")


@given(st.text("0123456789.eE+-", max_size=12))
def test_signs_are_taken_off_once_and_nothing_else(text: str) -> None:
    def read(kind: str, value: object) -> object:
        try:
            return READERS[kind](value)
        except No:
            return None

    assert read("signed_text", text) == read("decimal_text", text.removeprefix("-"))
    assert read("signed_number", Number(text)) == read(
        "decimal_number", Number(text.removeprefix("-"))
    )
    assert read("decimal_text", f"-{text}") is None


@given(digits)
def test_an_id_in_a_string_is_itself_or_refused(text: str) -> None:
    number = int(text)
    if str(number) == text and number <= 2**63 - 2:
        assert integer_text(text) == number
    else:
        with pytest.raises(No):
            integer_text(text)


@pytest.mark.parametrize("kind", sorted(READERS))
@pytest.mark.parametrize(
    "value", [None, True, False, [], {}, 1.5, Unreadable("1e999"), Number("x"), "", b"1"], ids=repr
)
def test_what_is_of_another_type_is_refused(kind: str, value: object) -> None:
    with pytest.raises(No):
        READERS[kind](value)


@pytest.mark.parametrize("kind", sorted(READERS))
def test_a_text_is_no_number_and_a_number_no_text(kind: str) -> None:
    moments = {"iso_time": "2009-01-01T00:00:00Z", "iso_utc": "2009-01-01T00:00:00"}
    text = moments.get(kind, "1718000000")
    good: object = Number(text) if kind in NUMBERS else text
    other: object = text if kind in NUMBERS else Number(text)
    if kind == "integer":
        good = 1718000000
    READERS[kind](good)
    with pytest.raises(No):
        READERS[kind](other)


def test_an_exact_value_keeps_every_digit() -> None:
    for text in ("0.1", "19203.444049780002", "1e-7", "-0.00023057", "9" * 400, "1e999"):
        assert exact(text.encode()) == Number(text)
    assert exact(b'"1"') == "1"
    assert exact(b"true") is True
    assert plain(b"1.5") == 1.5
    assert isinstance(plain(b"1e999"), Unreadable)
