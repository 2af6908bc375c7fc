"""A time is what a person would take it for, or is refused as one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemahub.core.errors import UsageError
from schemahub.core.times import Instant, duration, instant
from tests.core.dialect import NOW

EAST = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2024-01-31", datetime(2024, 1, 31, tzinfo=UTC)),
        ("2024-01-31T12:00", datetime(2024, 1, 31, 12, tzinfo=UTC)),
        ("2024-01-31 12:00:30.25", datetime(2024, 1, 31, 12, 0, 30, 250_000, tzinfo=UTC)),
        ("2024-01-31T12:00Z", datetime(2024, 1, 31, 12, tzinfo=UTC)),
        ("2024-01-31T12:00+02:00", datetime(2024, 1, 31, 10, tzinfo=UTC)),
        (" 2024-01-31 ", datetime(2024, 1, 31, tzinfo=UTC)),
        ("30s", NOW - timedelta(seconds=30)),
        ("45m", NOW - timedelta(minutes=45)),
        ("12h", NOW - timedelta(hours=12)),
        ("7d", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(weeks=2)),
        (" 0s ", NOW),
        (date(2024, 1, 31), datetime(2024, 1, 31, tzinfo=UTC)),
        (datetime(2024, 1, 31, 12), datetime(2024, 1, 31, 12, tzinfo=UTC)),  # noqa: DTZ001
        (datetime(2024, 1, 31, 12, tzinfo=EAST), datetime(2024, 1, 31, 6, 30, tzinfo=UTC)),
    ],
)
def test_a_time_may_be_written_in_many_ways(written: Instant, meant: datetime) -> None:
    found = instant(written, NOW)
    assert found == meant
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "written",
    [
        "", " ", "now", "yesterday", "-1d", "+1d", "1.5d", "1y", "1M", "d", "7 d", "7D", "1d12h",
        "\uff17d", "9999999d", "999999w", "2024-02-30", "2024-13-01", "31-01-2024", "01/31/2024",
        "1700000000", "0001-01-01T00:00+23:59", "9999-12-31T23:59-23:59",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused_as_one(written: str) -> None:
    with pytest.raises(UsageError) as caught:
        instant(written, NOW)
    assert repr(written) in caught.value.what
    assert "7d" in caught.value.do


@pytest.mark.parametrize("value", [None, 5, 1.5, b"7d", timedelta(days=7), ["7d"]])
def test_what_is_not_even_a_text_or_a_date_is_refused_as_no_time(value: object) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        instant(value, NOW)


def test_a_datetime_beyond_the_calendar_in_utc_is_refused_too() -> None:
    with pytest.raises(UsageError):
        instant(datetime(1, 1, 1, tzinfo=EAST), NOW)


@given(st.one_of(st.text(max_size=20), st.datetimes(timezones=st.timezones()), st.dates()))
@example("2024-W05-3")
@example("\x00")
def test_whatever_is_given_is_a_utc_time_or_refused(value: Instant) -> None:
    try:
        found = instant(value, NOW)
    except UsageError:
        return
    assert found.utcoffset() == timedelta()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("90s", 90), ("45m", 2700), ("24h", 86_400), (" 7d ", 604_800), ("2w", 1_209_600)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "7", "d", "-1h", "1.5h", "1 h", "1y", "999999w2", "\uff11h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        duration(text)
