"""Where positions are times a part may lack rows: what finds them, and makes it anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from schemahub.adapters.clock import Stop
from schemahub.adapters.tasks import Threads
from schemahub.core.layout import BadName, Market, part_key, raw_key
from schemahub.core.span import Coverage
from schemahub.pipelines.ingest import Ingest, Outcome
from schemahub.pipelines.plan import Wish
from schemahub.pipelines.repair import Repair
from schemahub.pipelines.source import Source
from schemahub.pipelines.verify import Report
from schemahub.ports import Lease, NoMetrics
from tests.pipelines.axis_lake import (
    SOLD,
    AxisLake,
    numbered,
    seconds,
    small_axes,
)
from tests.pipelines.exchange import FakeExchange, HandClock

pytestmark = pytest.mark.usefixtures("small_axes")
__all__ = ["small_axes"]


@dataclass(frozen=True)
class Landing(Ingest):
    """Ingest that lands what a test has at hand, and notes what it was wished."""

    land: Callable[[Wish], None] = lambda _: None

    def under(self, lease: Lease, source: Source, market: Market, wish: Wish) -> Outcome:
        del lease, source
        self.land(wish)
        return Outcome(market)


def heal(lake: AxisLake, land: Callable[[Wish], None] = lambda _: None) -> Report:
    """What `repair` does, but for asking the exchange; returns what it saw first."""
    tasks = Threads(Stop())
    landing = Landing(lake.lake, tasks, tasks, HandClock(), NoMetrics(), "run", land=land)
    repair = Repair(lake.lake, lake.verifier(), landing)
    (damage,) = repair.look([lake.market])
    source = Source(lake.spec, FakeExchange(lake, 0))
    assert repair.heal(source, damage, audit=False).error is None
    lake.transformed()
    return damage.report


def test_repair_asks_a_hole_again_and_makes_the_parts_anew() -> None:
    lake = numbered(sold=[one for one in SOLD if one.trade_id not in {104, 105}])
    lake.transformed()
    lake.tell(seconds(20, 30))
    lake.compact()
    wishes: list[Wish] = []

    def land(wish: Wish) -> None:
        wishes.append(wish)
        lake.sold = SOLD
        (span,) = wish.again
        lake.tell(span, hours=1)

    heal(lake, land)
    assert wishes == [Wish(again=Coverage((seconds(1, 10),)))]
    assert lake.shown() == lake.truth()
    assert lake.verify().status == "proven"


def test_repair_of_a_part_that_lacks_rows_heals_what_it_superseded_too() -> None:
    known = [one for one in SOLD if one.trade_id != 102]
    lake = numbered(spans=((0, 4), (4, 12)), sold=known)
    lake.transformed()
    lake.tell(seconds(12, 20))
    lake.transformed()
    assert {seconds(0, 4), seconds(0, 16)} <= set(lake.parts())
    # One object is found corrupt; what comes in its place tells of a trade more.
    lake.sold = SOLD
    lake.store.create(raw_key(lake.market, BadName(seconds(0, 4), 0)), b"")
    lake.tell(seconds(0, 4), revision=1)
    assert lake.verify().status == "missing"
    heal(lake)
    assert lake.shown() == lake.truth()
    assert lake.verify().status == "proven"


def test_repair_believes_raw_where_a_part_tells_another_row_and_asks_again() -> None:
    lake = numbered()
    lake.transformed()
    other = AxisLake(sold=[*SOLD[:3], SOLD[3].but(price="7"), *SOLD[4:]])
    other.tell(seconds(0, 20))
    other.transformed()
    key = part_key(1, lake.market, min(lake.parts()))
    lake.store.put(key, other.store.read(key))
    report = heal(lake)
    assert report.suspect == Coverage((seconds(1, 2),))
    assert lake.shown() == lake.truth()
    assert lake.verify().status == "proven"


def test_late_trades_of_raw_that_overlaps_reach_the_table_once_the_part_is_removed() -> None:
    known = [one for one in SOLD if one.trade_id != 104]
    lake = numbered(sold=known)
    lake.transformed()
    lake.sold = SOLD
    lake.tell(seconds(1, 10), hours=1)
    assert lake.transformed().parts == 0
    report = lake.report()
    assert (report.certificate.status, report.bad_parts) == (
        "missing", (part_key(1, lake.market, seconds(0, 16)),),
    )  # fmt: skip
    lake.store.delete(report.bad_parts[0])
    lake.transformed()
    assert lake.shown() == lake.truth()
    assert lake.verify().status == "proven"


def test_a_part_that_lacks_rows_is_not_taken_over_by_a_larger_one() -> None:
    known = [one for one in SOLD if one.trade_id != 102]
    lake = numbered(spans=((0, 4), (4, 12)), sold=known)
    lake.transformed()
    lake.sold = SOLD
    lake.tell(seconds(1, 2), hours=1)
    lake.tell(seconds(12, 20))
    lake.transformed()
    assert seconds(0, 16) in lake.parts()
    assert lake.shown() == lake.truth()


def test_a_row_told_badly_and_well_is_one_that_the_table_must_have() -> None:
    lake = numbered(sold=[*SOLD[:3], SOLD[3].but(size="-1"), *SOLD[4:]])
    lake.transformed()
    assert lake.verify().status == "quarantined"
    lake.tell(seconds(1, 2), SOLD[1:4], hours=1)
    report = lake.report()
    assert (report.certificate.status, len(report.bad_parts)) == ("missing", 1)
    heal(lake)
    assert lake.shown() == lake.truth(SOLD)
    assert lake.verify().status == "proven"
