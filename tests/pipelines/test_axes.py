"""From raw to proof where positions are times, or ids that skip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from schemahub.adapters.parquet import ArrowMapper
from schemahub.adapters.store_memory import MemoryStore
from schemahub.core.axis import SECOND, Kind
from schemahub.core.layout import BadName, Market, part_key, raw_key
from schemahub.core.span import Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import VOID, Rejected
from schemahub.pipelines import build
from schemahub.ports import Mapped, RawObject
from tests.pipelines.axis_lake import (
    SOLD,
    UNNUMBERED,
    AxisLake,
    Sold,
    numbered,
    seconds,
    small_axes,
    spec_of,
    trades,
)

pytestmark = pytest.mark.usefixtures("small_axes")
__all__ = ["small_axes"]


def test_rows_stand_by_time_and_within_a_microsecond_by_id() -> None:
    lake = numbered(spans=((0, 4), (4, 20)))
    lake.transformed()
    assert lake.shown() == lake.truth()
    made = lake.verify()
    assert (made.status, made.count, made.first_id, made.last_id) == ("proven", 8, 100, 107)
    assert (made.axis, made.holes) == ("time", ())
    assert made.as_json()["provable"] == {
        "by": "ids", "basis": "documented", "why": "ids count the trades of a market",
    }  # fmt: skip


def test_parts_are_cells_of_time_and_may_be_empty() -> None:
    lake = numbered(spans=((0, 30),))
    lake.transformed()
    assert sorted(lake.parts()) == [seconds(0, 16), *(seconds(n, n + 4) for n in (16, 20, 24)),
                                    seconds(28, 30)]  # fmt: skip
    assert lake.verify().status == "proven"
    assert lake.transformed().parts == 0


def test_rows_told_in_no_order_are_sorted_within_a_microsecond() -> None:
    lake = AxisLake(sold=trades(1, 2, 2, 2, 3))
    one, two, three, four, five = lake.sold
    for told in ([one, three, four, two, five], [five, two, four, three, one]):
        lake.store = MemoryStore()
        lake.tell(seconds(0, 20), told)
        lake.transformed()
        assert lake.ids() == [100, 101, 102, 103, 104]
        assert lake.shown() == lake.truth()


def test_a_crowded_microsecond_is_proven_however_it_is_read() -> None:
    lake = numbered(sold=trades(*[1] * 9, *[2] * 2))
    lake.transformed()
    assert lake.verify().status == "proven"


def test_an_hour_with_no_trade_at_all_is_unproven() -> None:
    lake = numbered(sold=[])
    lake.transformed()
    made = lake.verify()
    assert (made.status, made.count, made.first_id) == ("unproven", 0, None)
    assert made.passes


def test_a_hole_in_the_ids_is_missing_and_asked_again() -> None:
    sold = [one for one in SOLD if one.trade_id not in {104, 105}]
    lake = numbered(sold=sold)
    lake.transformed()
    report = lake.report()
    (hole,) = report.certificate.holes
    assert (hole.status, hole.span) == ("missing", seconds(1, 10))
    assert hole.reason == "ids 104 to 105 are missing between two trades that are held"
    assert report.suspect == Coverage((seconds(1, 10),))
    assert not report.bad_parts


def test_a_hole_in_the_ids_where_something_is_not_held_is_that() -> None:
    lake = numbered(spans=((0, 3), (9, 20)))
    lake.transformed()
    (hole,) = lake.verify().holes
    assert (hole.status, hole.span, hole.reason) == ("missing", seconds(3, 9), "not held")


def test_ids_that_do_not_grow_with_time_are_proven_all_the_same() -> None:
    swapped = {102: 103, 103: 102, 105: 106, 106: 105}
    sold = [replace(one, trade_id=swapped.get(one.trade_id, one.trade_id)) for one in SOLD]
    lake = numbered(sold=sold)
    lake.transformed()
    assert lake.verify().status == "proven"


def test_an_id_told_at_two_times_is_a_conflict() -> None:
    lake = numbered(sold=[*SOLD, Sold(11 * SECOND, 103)])
    lake.transformed()
    made = lake.verify()
    assert (made.status, made.duplicates) == ("conflict", 1)
    assert [hole.reason for hole in made.holes] == ["id 103 is told twice"]


def test_rows_told_twice_are_one_and_rows_told_otherwise_are_in_quarantine() -> None:
    lake = numbered(spans=((0, 20),))
    lake.tell(seconds(1, 5), [*SOLD[1:4], SOLD[4].but(price="1.5")], hours=1)
    lake.transformed()
    assert lake.shown() == lake.truth()
    part = min(lake.parts())
    assert lake.quarantined(part.start, part.stop) == [SOLD[4].moment, SOLD[4].moment]
    made = lake.verify()
    assert made.status == "conflict"
    assert [hole.span for hole in made.holes] == [Span(SOLD[4].moment, SOLD[4].moment + 1)]


def test_a_row_that_fails_the_contract_is_quarantined_and_no_hole_in_the_ids() -> None:
    lake = numbered(sold=[*SOLD[:3], SOLD[3].but(size="-1"), *SOLD[4:]])
    lake.transformed()
    made = lake.verify()
    assert (made.status, made.count) == ("quarantined", 7)
    # Another row stands at its microsecond; its own does not.
    assert [hole.span.start for hole in made.holes] == [SOLD[3].moment]


def test_what_the_table_lacks_doubles_or_changes_is_found() -> None:
    lake = numbered()
    lake.transformed()
    part = min(lake.parts())
    wrong = {
        "dropped": [one for one in SOLD if one.trade_id != 103],
        "changed": [*SOLD[:3], SOLD[3].but(price="7"), *SOLD[4:]],
        "added": [*SOLD, Sold(1_250_000, 108)],
    }
    for name, sold in wrong.items():
        other = AxisLake(sold=sold)
        other.tell(seconds(0, 20))
        other.transformed()
        lake.store.put(part_key(1, lake.market, part), other.store.read(
            part_key(1, lake.market, part)))  # fmt: skip
        assert not lake.verify().passes, name


def test_evidence_of_two_runs_makes_missing_ids_absent() -> None:
    sold = [one for one in SOLD if one.trade_id not in {104, 105}]
    lake = numbered(sold=sold)
    lake.transformed()
    key = lake.attest(seconds(1, 10), [(0, sold), (5, sold)])
    report = lake.report()
    assert report.certificate.status == "absent_at_source"
    assert not report.suspect
    # Held stays held, whatever the name of the evidence spans.
    assert lake.lake.ledger(lake.market, lake.spec.line).held == Coverage((seconds(0, 20),))
    assert not lake.lake.ledger(lake.market, lake.spec.line).absent
    lake.store.delete(key)
    assert lake.verify().status == "missing"


@pytest.mark.parametrize(
    "pages",
    [
        [(0, SOLD[:4] + SOLD[6:])],
        [(0, SOLD[:4] + SOLD[6:]), (0, SOLD[:4] + SOLD[6:])],
        [(0, SOLD[:4] + SOLD[6:]), (5, SOLD)],
        [(0, SOLD[:4] + SOLD[6:]), (5, SOLD[:4])],
        [(0, SOLD[:4] + SOLD[6:]), (5, [*SOLD[:4], SOLD[6], SOLD[7].but(trade_id="x")])],
    ],
    ids=["one", "at once", "told by one", "not passed over", "unreadable"],
)
def test_evidence_that_attests_nothing_leaves_the_ids_missing(
    pages: list[tuple[int, list[Sold]]],
) -> None:
    lake = numbered(sold=[one for one in SOLD if one.trade_id not in {104, 105}])
    lake.transformed()
    key = lake.attest(seconds(1, 10), pages)
    report = lake.report()
    assert (report.certificate.status, report.bad_evidence) == ("missing", (key,))


# ---------------------------------------------------------------- ids prove nothing


@pytest.mark.parametrize("axis", ["time", "sparse_ids"])
def test_ids_that_skip_are_unproven_and_counted(axis: Kind) -> None:
    sold = trades(0.5, 1, 1.25, 3, first=10, step=3)
    lake = AxisLake(spec=spec_of(axis, UNNUMBERED), sold=sold)
    span = seconds(0, 20) if axis == "time" else Span(8, 30)
    lake.origin(span.start)
    lake.tell(span)
    lake.transformed()
    assert lake.shown() == lake.truth()
    made = lake.verify()
    assert (made.status, made.count, made.first_id, made.last_id) == ("unproven", 4, 10, 19)
    assert [(hole.span, hole.reason) for hole in made.holes] == [(span, UNNUMBERED.why)]
    assert made.passes
    assert lake.verify(deep=False).count is None


def test_positions_that_are_wanted_and_not_held_are_missing_on_every_axis() -> None:
    lake = AxisLake(spec=spec_of("sparse_ids", UNNUMBERED), sold=trades(1, 2, first=10, step=50))
    lake.origin(0)
    lake.tell(Span(5, 30))
    lake.transformed()
    missing = [hole.span for hole in lake.verify().holes if hole.status == "missing"]
    assert missing == [Span(0, 5)]


def test_a_row_dropped_from_a_part_is_found_where_ids_prove_nothing() -> None:
    lake = AxisLake(spec=spec_of("sparse_ids", UNNUMBERED), sold=trades(1, 2, 3, first=10, step=2))
    lake.tell(Span(8, 16))
    lake.transformed()
    less = AxisLake(spec=lake.spec, sold=lake.sold[:2])
    less.tell(Span(8, 16))
    less.transformed()
    for part in lake.parts():
        key = part_key(1, lake.market, part)
        lake.store.put(key, less.store.read(key))
    report = lake.report()
    assert (report.certificate.status, len(report.bad_parts)) == ("missing", 1)


# ---------------------------------------------------------------- voids


def test_an_id_that_the_exchange_voided_is_absent_and_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake = numbered(sold=[*SOLD[:3], SOLD[3].but(size="-1"), *SOLD[4:]])
    real = ArrowMapper.map

    def voiding(
        self: ArrowMapper,
        sources: Sequence[RawObject],
        keep: Span,
        market: Market,
        spec: ExchangeSpec,
    ) -> Mapped:
        mapped = real(self, sources, keep, market, spec)
        return replace(mapped, rejected=tuple(map(_void, mapped.rejected)))

    monkeypatch.setattr(ArrowMapper, "map", voiding)
    monkeypatch.setattr(build, "MAX_REJECTS", -1)  # they must not be counted
    lake.transformed()
    for deep in (True, False):
        made = lake.verify(deep=deep)
        assert made.passes
        assert [h.reason for h in made.holes if h.status == "absent_at_source"] == [
            "the exchange voided this id"
        ]
    assert lake.verify().status == "absent_at_source"


def _void(row: Rejected) -> Rejected:
    return replace(row, reason=f"{VOID}: the exchange says so")


def test_corrupt_raw_is_read_again_and_evidence_does_not_hide_it() -> None:
    lake = numbered(spans=((0, 4), (4, 20)))
    lake.transformed()
    lake.attest(seconds(0, 8), [(0, SOLD), (5, SOLD)])
    key = raw_key(lake.market, BadName(seconds(4, 20), 0))
    lake.store.create(key, b"")
    made = lake.verify()
    assert [hole.status for hole in made.holes] == ["missing"]
    assert made.holes[0].span == seconds(4, 20)


def test_crossing_parts_are_trimmed_by_time_and_united_by_the_next_transform() -> None:
    lake = numbered(sold=trades(0.5, 1, 7, 7.5, 9.999999, 10, 12))
    crossing = [seconds(0, 10), seconds(7, 20)]
    pipeline = replace(lake.pipeline(), choose=lambda *_: crossing)
    list(pipeline.run([lake.market], rebuild=False, workers=1))
    assert lake.parts() == crossing
    assert lake.shown() == lake.truth()
    assert lake.verify().status == "proven"
    lake.transformed()
    assert seconds(0, 16) in lake.parts()
    assert lake.shown() == lake.truth()
