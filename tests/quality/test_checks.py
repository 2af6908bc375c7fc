"""Each check finds the defect that it is for, no other check does, and a sound lake has none.

Every statement is asked twice: as DuckDB reads the text, and as Athena would.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
import sqlglot

from schemahub.core.layout import Market
from schemahub.core.quality import bound, statement
from tests.duck_lake import Row
from tests.quality_lake import BTC, ELSE, ETH, MARKETS, NAMES, NOW, QualityLake

Break = Callable[[QualityLake], None]
OTHER = {"buy": "sell", "sell": "buy"}
HOUR = NOW.replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)


@pytest.fixture
def lake(tmp_path: Path) -> QualityLake:
    return QualityLake(tmp_path)


def recent(row: Row) -> bool:
    return row.at >= NOW - timedelta(hours=20)


def during(start: datetime, hours: float) -> Callable[[Row], bool]:
    return lambda row: start <= row.at < start + timedelta(hours=hours)


def test_a_sound_lake_has_nothing_to_find(lake: QualityLake) -> None:
    report = lake.report()
    assert {one.check.name: one.status for one in report.results} == dict.fromkeys(NAMES, "ok")
    assert report.scores == dict.fromkeys(map(str, sorted(MARKETS)), 100)
    assert report.score == 100


# ---------------------------------------------------------------- one defect each


def silent_and_unasked(lake: QualityLake) -> None:
    lake.drop(ETH, lambda row: row.at > NOW - timedelta(hours=14))
    lake.watermark(ETH)["asked_ts"] = NOW - timedelta(hours=14)


def never_heard(lake: QualityLake) -> None:
    lake.change(ETH, lambda row: True, trade_ts=lambda row: row.at - timedelta(days=30))
    lake.watermark(ETH)["asked_ts"] = None


def not_fetched(lake: QualityLake) -> None:
    lake.add("gaps", ETH, **{"class": "not_fetched"}, axis="ids", start_position=7,
             stop_position=12, positions=5)  # fmt: skip


def lost_by_the_table(lake: QualityLake) -> None:
    lost = len(lake.trades[ETH]) - 50
    lake.drop(ETH, lambda row: row.trade_id == lost, renumber=False)


def told_by_one_run(lake: QualityLake) -> None:
    lake.add("gaps", ETH, **{"class": "unattested"}, axis="ids", start_position=7,
             stop_position=8, positions=1)  # fmt: skip


def told_twice(lake: QualityLake) -> None:
    lake.trades[ETH] = [*lake.trades[ETH], lake.trades[ETH][-100]]


def fell_back(lake: QualityLake) -> None:
    lake.watermark(ETH)["told"] += 1


def out_of_order(lake: QualityLake) -> None:
    late = len(lake.trades[ETH]) - 60
    lake.change(
        ETH, lambda row: row.trade_id == late, trade_ts=lambda r: r.at - timedelta(minutes=3)
    )


def milliseconds_as_microseconds(lake: QualityLake) -> None:
    last = len(lake.trades[ETH])
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    lake.change(
        ETH, lambda r: r.trade_id > last - 9, trade_ts=lambda r: epoch + (r.at - epoch) / 1000
    )


def beyond_today(lake: QualityLake) -> None:
    last = len(lake.trades[ETH])
    lake.change(ETH, lambda r: r.trade_id == last, trade_ts=NOW + timedelta(days=4000))


def fat_finger(lake: QualityLake) -> None:
    at = len(lake.trades[ETH]) - 90
    lake.change(ETH, lambda row: row.trade_id == at, price=lambda row: row.price * 2)


def wick_down(lake: QualityLake) -> None:
    at = len(lake.trades[ETH]) - 90
    lake.change(ETH, lambda row: row.trade_id == at, price=lambda row: row.price / 2)


def turned_round(lake: QualityLake) -> None:
    lake.change(ETH, recent, side=lambda row: OTHER[str(row.side)])


def stuck(lake: QualityLake) -> None:
    lake.change(ETH, lambda row: True, side="buy")


def half_missing(lake: QualityLake) -> None:
    lake.change(ETH, lambda row: row.trade_id % 2 == 0, side=None)


def enormous(lake: QualityLake) -> None:
    at = len(lake.trades[ETH]) - 90
    lake.change(ETH, lambda row: row.trade_id == at, quantity=Decimal(10**9))


def nothing_traded(lake: QualityLake) -> None:
    at = len(lake.trades[ETH]) - 90
    lake.change(ETH, lambda row: row.trade_id == at, quantity=Decimal(0))


def market_silent(lake: QualityLake) -> None:
    lake.drop(ETH, during(HOUR, 1))


def exchange_silent(lake: QualityLake) -> None:
    for market in (BTC, ETH):
        lake.drop(market, during(HOUR + timedelta(minutes=1), 1))


def market_later_silent(lake: QualityLake) -> None:
    lake.drop(ETH, during(HOUR - timedelta(hours=5), 1))


def unheard(lake: QualityLake) -> None:
    lake.add("watermarks", Market("kraken", "O'NEIL-USD"), axis="ids", held=1, missing=0,
             absent=0, in_table=1, parts=1, objects=1)  # fmt: skip


def two_revisions(lake: QualityLake) -> None:
    lake.add("quarantined", ETH, **{"class": "conflict"}, reason="conflict", refused=2,
             first_position=7, last_position=7, example="{}")  # fmt: skip


def much_refused(lake: QualityLake) -> None:
    lake.add("quarantined", ETH, **{"class": "refused"}, reason="price: not a number",
             refused=60, first_position=7, last_position=9000, example="{}")  # fmt: skip


def priced_apart(lake: QualityLake) -> None:
    lake.change(ELSE, recent, price=lambda row: row.price * Decimal("1.05"))


# 5 % more at once, from one hour to the next, is a step and no outlier.
DEFECTS: list[tuple[Break, str, set[str]]] = [
    (silent_and_unasked, "freshness", {str(ETH)}),
    (never_heard, "freshness", {str(ETH)}),
    (not_fetched, "id_gaps", {str(ETH)}),
    (lost_by_the_table, "id_gaps", {str(ETH)}),
    (told_by_one_run, "doubtful_gaps", {str(ETH)}),
    (told_twice, "duplicates", {str(ETH)}),
    (fell_back, "watermark_regress", {str(ETH)}),
    (out_of_order, "out_of_order", {str(ETH)}),
    (milliseconds_as_microseconds, "unit_switch", {str(ETH)}),
    (beyond_today, "unit_switch", {str(ETH)}),
    (fat_finger, "price_outlier", {str(ETH)}),
    (wick_down, "price_outlier", {str(ETH)}),
    (turned_round, "side_against_ticks", {str(ETH)}),
    (stuck, "side_against_ticks", {str(ETH)}),
    (half_missing, "side_against_ticks", {str(ETH)}),
    (enormous, "absurd_sizes", {str(ETH)}),
    (nothing_traded, "absurd_sizes", {str(ETH)}),
    (market_silent, "empty_hours", {str(ETH)}),
    (exchange_silent, "outage", {"coinbase"}),
    (two_revisions, "conflicting_revisions", {str(ETH)}),
    (much_refused, "quarantine_rate", {str(ETH)}),
    (priced_apart, "cross_exchange", {str(BTC), str(ELSE)}),
]


@pytest.mark.parametrize(
    ("broken", "name", "where"), DEFECTS, ids=[broken.__name__ for broken, _, _ in DEFECTS]
)
def test_a_defect_is_found_by_the_check_for_it_and_by_no_other(
    lake: QualityLake, broken: Break, name: str, where: set[str]
) -> None:
    broken(lake)
    found = lake.findings()
    assert {check: set(markets) for check, markets in found.items()} == {name: where}


def test_every_check_has_a_defect_that_it_is_for() -> None:
    # gap_classes, a note, has the tests below.
    assert {name for _, name, _ in DEFECTS} | {"gap_classes"} == set(NAMES)


# ---------------------------------------------------------------- what is no defect


def quiet_market_that_is_asked(lake: QualityLake) -> None:
    """Three trades a day, the last 14 hours ago, and a run asked five minutes ago."""
    lake.drop(ETH, lambda row: row.trade_id % 240 != 0 or row.at > NOW - timedelta(hours=14))


def slow_market_that_is_not_asked(lake: QualityLake) -> None:
    """Silent for 14 hours, but so it always is."""
    lake.drop(ETH, lambda row: row.trade_id % 400 != 0 or row.at > NOW - timedelta(hours=14))
    lake.watermark(ETH)["asked_ts"] = NOW - timedelta(hours=14)


def delisted(lake: QualityLake) -> None:
    silent_and_unasked(lake)
    lake.watermark(ETH)["online"] = 0


def nobody_says_the_side(lake: QualityLake) -> None:
    lake.change(ETH, lambda row: True, side=None)


def hole_that_is_known(lake: QualityLake) -> None:
    lost = len(lake.trades[ETH]) - 50
    lake.drop(ETH, lambda row: row.trade_id == lost, renumber=False)
    lake.add("gaps", ETH, **{"class": "absent_at_source"}, axis="ids", start_position=lost,
             stop_position=lost + 1, positions=1)  # fmt: skip


def price_that_jumps_and_stays(lake: QualityLake) -> None:
    half = len(lake.trades[ETH]) - 300
    lake.change(ETH, lambda row: row.trade_id >= half, price=lambda row: row.price * 2)


def few_refused(lake: QualityLake) -> None:
    lake.add("quarantined", ETH, **{"class": "refused"}, reason="price", refused=9, example="")
    lake.add("quarantined", BTC, **{"class": "void"}, reason="void", refused=900, example="")


def stamped_a_little_early(lake: QualityLake) -> None:
    lake.change(
        ETH, lambda r: r.trade_id % 7 == 0, trade_ts=lambda r: r.at - timedelta(seconds=125)
    )


def history_that_begins_today(lake: QualityLake) -> None:
    lake.drop(ETH, lambda row: row.at < NOW - timedelta(hours=3))


def silence_that_was_not_fetched_yet(lake: QualityLake) -> None:
    """Its gap is told as one that was not fetched; no outage is made of it."""
    for market in (BTC, ETH):
        lake.drop(market, during(HOUR - timedelta(days=2), 12), renumber=False)
        pairs = pairwise(one.trade_id for one in lake.trades[market])
        before, stop = next((one, two) for one, two in pairs if two > one + 1)
        lake.add("gaps", market, **{"class": "gone"}, axis="ids", start_position=before + 1,
                 stop_position=stop, positions=stop - before - 1)  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        quiet_market_that_is_asked, slow_market_that_is_not_asked, delisted, nobody_says_the_side,
        hole_that_is_known, price_that_jumps_and_stays, few_refused, stamped_a_little_early,
        history_that_begins_today,
    ],
    ids=lambda one: one.__name__,
)  # fmt: skip
def test_what_is_usual_is_no_defect(lake: QualityLake, change: Break) -> None:
    change(lake)
    assert lake.findings() == {}


def test_what_was_not_fetched_is_no_outage(lake: QualityLake) -> None:
    silence_that_was_not_fetched_yet(lake)
    assert set(lake.findings()) == {"doubtful_gaps"}


# ---------------------------------------------------------------- classes of gaps


def classes(lake: QualityLake) -> set[tuple[str, str]]:
    (result,) = lake.report("gap_classes").results
    market, kind = (result.columns.index(name) for name in ("market", "class"))
    return {(str(row[market]), str(row[kind])) for row in result.samples}


def test_an_outage_is_told_from_a_quiet_market(lake: QualityLake) -> None:
    for market in (BTC, ETH):
        lake.drop(market, during(HOUR - timedelta(days=1), 2))
    lake.drop(ETH, during(HOUR, 3))
    assert classes(lake) == {(str(BTC), "outage"), (str(ETH), "outage"), (str(ETH), "quiet")}


def test_positions_that_are_missing_have_the_class_of_their_facts(lake: QualityLake) -> None:
    not_fetched(lake)
    lake.add("gaps", BTC, **{"class": "absent_at_source"}, axis="ids", start_position=7,
             stop_position=8, positions=1)  # fmt: skip
    assert classes(lake) == {(str(BTC), "absent_at_source"), (str(ETH), "not_fetched")}
    assert lake.report("gap_classes").score == 100


def test_a_market_that_is_gone_whole_stays_in_the_score(lake: QualityLake) -> None:
    lost = Market("kraken", "O'NEIL-USD")
    lake.add("watermarks", lost, axis="ids", told=12, held=0, missing=0, absent=0, in_table=0,
             parts=0, objects=0)  # fmt: skip
    report = lake.report("watermark_regress", "freshness")
    assert report.scores[str(lost)] == 75
    assert lake.findings(markets=[str(lost)]) == {"watermark_regress": {str(lost): 1}}


# ---------------------------------------------------------------- windows, markets, samples


def test_since_looks_further_back_than_a_check_does_by_itself(lake: QualityLake) -> None:
    lake.change(ETH, lambda row: row.trade_id == 900, quantity=Decimal(10**9))
    assert lake.findings() == {}
    back = NOW - timedelta(days=8)
    assert lake.findings(since=back) == {"absurd_sizes": {str(ETH): 1}}


def test_only_the_markets_asked_for_are_told_and_scored(lake: QualityLake) -> None:
    for market in (BTC, ETH):
        lake.change(market, recent, side=lambda row: OTHER[str(row.side)])
    exchange_silent(lake)
    report = lake.report(markets=[str(ETH)])
    assert report.scores == {str(ETH): 70}
    assert report.partial
    assert {name: set(one) for name, one in lake.findings(markets=[str(ELSE)]).items()} == {}


def test_few_rows_come_back_however_many_offend(lake: QualityLake) -> None:
    lake.change(ETH, recent, quantity=Decimal(0))
    (result,) = lake.report("absurd_sizes", samples=3).results
    assert result.found > 500
    assert len(result.samples) == 3
    assert "found" not in result.columns


# ---------------------------------------------------------------- the text itself


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dialect", ["athena", "trino", "duckdb"])
def test_every_check_is_a_single_select_in_every_dialect(name: str, dialect: str) -> None:
    for said in (bound(NAMES[name], NOW), statement(NAMES[name], NOW, markets=["a:X-Y"])):
        (tree,) = sqlglot.parse(said, read=dialect, error_level=sqlglot.ErrorLevel.RAISE)
        assert isinstance(tree, sqlglot.exp.Query), type(tree)
        # What one dialect alone knows sqlglot keeps as a function without a name of its own.
        unknown = {one.name.lower() for one in tree.find_all(sqlglot.exp.Anonymous)}
        assert unknown == set()


def test_a_sound_lake_stays_so_whichever_minute_its_trades_fall_into(lake: QualityLake) -> None:
    lake.change(ETH, lambda row: True, trade_ts=lambda row: row.at - timedelta(minutes=37))
    assert lake.findings() == {}
