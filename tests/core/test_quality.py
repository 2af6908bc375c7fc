"""The header of a check is read strictly, and the score falls with what is found, never rises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.core.errors import ConfigError
from schemahub.core.quality import (
    LOSS,
    STATUSES,
    Check,
    Result,
    Status,
    bound,
    judged,
    market_score,
    overall_score,
    parse,
    plain,
    statement,
    worst,
)

NOW = datetime(2026, 3, 20, 12, 7, 31, 999_999, tzinfo=UTC)
HEAD = {
    "about": "Too much of something.",
    "scope": "market",
    "severity": "warn",
    "threshold": "0.35 of them",
    "window": "7 days",
}
BODY = "SELECT market, at_ts, observed FROM t WHERE at_ts >= :since AND x > :threshold"


def text(body: str = BODY, **changed: str | None) -> str:
    told = {**HEAD, **changed}
    head = [f"-- {key}: {value}" for key, value in told.items() if value is not None]
    return "\n".join([*head, "--", "-- Why: prose.", body, ""])


def check(severity: Any = "warn", scope: Any = "market", name: str = "c") -> Check:
    return Check(name, "about", scope, severity, "0", None, "SELECT 1")


# ---------------------------------------------------------------- the header


def test_a_check_says_what_it_is() -> None:
    found = parse("much", text())
    assert (found.name, found.about, found.scope, found.severity) == (
        "much", "Too much of something.", "market", "warn",
    )  # fmt: skip
    assert (found.threshold, found.window) == ("0.35 of them", timedelta(days=7))
    assert found.sql.endswith("x > :threshold")


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (text(about=None), "does not say: about"),
        (text(scope="lake"), "scope is 'lake'"),
        (text(severity="bad"), "severity is 'bad'"),
        (text(window="1 week"), "window is '1 week'"),
        (text(window="0 days"), "window is '0 days'"),
        (text(window="all"), "uses :since, or looks at all"),
        (text("SELECT 1"), "uses :since, or looks at all"),
        (text(threshold="some"), "begin with a number"),
        (text(BODY + " AND y = :other"), "no parameter :other"),
        ("-- color: red\n" + text(), "no key 'color'"),
        ("-- about: twice\n" + text(), "about is told twice"),
        ("", "does not say"),
    ],
)
def test_a_header_that_is_not_whole_is_refused(broken: str, why: str) -> None:
    with pytest.raises(ConfigError) as told:
        parse("much", broken)
    assert why in told.value.why


@pytest.mark.parametrize("name", ["", "Upper", "1st", "a-b", "a" * 65])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        parse(name, text())


@given(st.text(max_size=200))
def test_whatever_is_written_is_a_check_or_an_error_of_ours(written: str) -> None:
    try:
        found = parse("any", text(written))
    except ConfigError:
        return
    assert ":since" in found.sql


# ---------------------------------------------------------------- the statement


def test_parameters_are_literals_of_their_types() -> None:
    said = bound(parse("much", text()), NOW)
    assert "at_ts >= TIMESTAMP '2026-03-13 12:07:31 UTC' AND x > 0.35" in said
    further = bound(parse("much", text()), NOW, datetime(2020, 1, 1, tzinfo=UTC))
    assert "at_ts >= TIMESTAMP '2020-01-01 00:00:00 UTC'" in further


def test_what_is_quoted_or_commented_is_no_parameter() -> None:
    body = BODY + " AND y <> ':now it''s' AND \":now\" = x::int -- :now\n/* :now */"
    said = bound(parse("much", text(body)), NOW)
    assert said.count(":now") == 4
    assert "x::int" in said


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="UTC"):
        bound(parse("much", text()), NOW.replace(tzinfo=None))


def test_markets_are_quoted_and_must_be_markets() -> None:
    some = statement(parse("much", text()), NOW, markets=["b:X-Y", "a:X-Y"])
    assert "WHERE o.market IN ('a:X-Y', 'b:X-Y')" in some
    exchange = statement(parse("much", text(scope="exchange")), NOW, markets=["b:X-Y", "b:Z-Y"])
    assert "WHERE o.exchange IN ('b')" in exchange
    # A symbol may hold a quote; it ends no text.
    odd = statement(parse("much", text()), NOW, markets=["a:X') OR ('a'='a"])
    assert "WHERE o.market IN ('a:X'') OR (''a''=''a')" in odd
    with pytest.raises(ConfigError):
        statement(parse("much", text()), NOW, markets=["a:X\n"])


# ---------------------------------------------------------------- the score

statuses = st.sampled_from(STATUSES)
hits = st.lists(
    st.tuples(statuses, st.sets(st.sampled_from(["a:X", "a:Y", "b:X", "a"]))), max_size=8
)


def results(told: list[tuple[Status, set[str]]]) -> list[Result]:
    found = []
    for number, (status, where) in enumerate(told):
        seen = {} if status in {"ok", "failed"} else dict.fromkeys(sorted(where), 1)
        # Nothing found is ok, whatever the severity.
        own = status if seen or status == "failed" else "ok"
        scope = "exchange" if number % 3 == 2 else "market"
        found.append(Result(check(scope=scope, name=f"c{number}"), own, seen))
    return found


@given(hits)
def test_a_score_is_100_where_nothing_is_found_and_only_there(
    told: list[tuple[Status, set[str]]],
) -> None:
    found = results(told)
    for market in ("a:X", "a:Y", "b:X"):
        touched = any(one.touches(market) and LOSS[one.status] for one in found)
        assert (market_score(market, found) == 100) == (not touched)
        assert 0 <= market_score(market, found) <= 100


@given(hits, st.tuples(statuses, st.sets(st.sampled_from(["a:X", "a:Y", "b:X", "a"]))))
def test_finding_more_never_raises_a_score(
    told: list[tuple[Status, set[str]]], more: tuple[Status, set[str]]
) -> None:
    before, after = results(told), results([*told, more])
    markets = ("a:X", "a:Y", "b:X")
    scores = [[market_score(market, found) for market in markets] for found in (before, after)]
    assert all(two <= one for one, two in zip(*scores, strict=True))
    assert overall_score(scores[1], after) <= overall_score(scores[0], before)


@given(hits, st.integers(0, 7))
def test_a_check_that_could_not_run_is_as_bad_as_one_that_found_errors_everywhere(
    told: list[tuple[Status, set[str]]], which: int
) -> None:
    found = results(told)
    if which >= len(found):
        return
    broken = [*found]
    broken[which] = Result(found[which].check, "failed")
    for market in ("a:X", "b:X"):
        assert market_score(market, broken) <= market_score(market, found)
        assert market_score(market, broken) <= 75


@given(st.lists(st.integers(0, 100), min_size=1, max_size=600))
def test_the_lake_has_100_only_where_every_market_has(scores: list[int]) -> None:
    overall = overall_score(scores, [])
    assert (overall == 100) == (min(scores) == 100)
    assert min(scores) <= overall <= max(scores)


def test_one_bad_market_is_not_lost_among_hundreds() -> None:
    assert overall_score([100] * 499 + [50], []) == 74.9
    assert overall_score([], []) == 100
    assert overall_score([], [Result(check(), "failed")]) == 75


def test_a_note_takes_nothing_and_a_finding_is_as_bad_as_its_check() -> None:
    assert judged(check("note"), {"a:X": 3}) == "note"
    assert judged(check("error"), {"a:X": 1}) == "error"
    assert judged(check("error"), {}) == "ok"
    assert market_score("a:X", [Result(check("note"), "note", {"a:X": 3})]) == 100
    assert worst(["warn", "ok", "failed", "error"]) == "failed"
    assert worst([]) == "ok"


def test_values_are_told_without_rounding() -> None:
    assert plain(Decimal("1E-12")) == "0.000000000001"
    assert plain(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00+00:00"
    assert plain([1]) == "[1]"
    # JSON has no infinity, and a report that cannot be written is none.
    assert (plain(float("inf")), plain(float("nan")), plain(0.5)) == ("inf", "nan", 0.5)
