"""Versions of the table: rebuilt beside the old, read once complete, whatever crashes."""

from __future__ import annotations

from contextlib import suppress

import pytest

from schemahub.core.errors import ConfigError, SchemaHubError
from schemahub.core.layout import complete_key, part_key, part_prefix, plan_key
from schemahub.core.span import Span
from schemahub.core.spec import ExchangeSpec
from schemahub.pipelines.lake import rebuild_version, target_version
from schemahub.ports import Store
from tests.pipelines.raw_lake import (
    BTC,
    ETH,
    RawLake,
    Row,
    coinbase,
    expected,
    small_cells,
    truth,
    wire,
)
from tests.pipelines.stores import Killed, Meddled, Mortal

pytestmark = pytest.mark.usefixtures("small_cells")
__all__ = ["small_cells"]


def other_spec(of: str = "taker") -> ExchangeSpec:
    """The same exchange, read otherwise: its sides are taken to be the taker's."""
    spec = coinbase()
    side = spec.trades.fields.side.model_copy(update={"of": of})
    fields = spec.trades.fields.model_copy(update={"side": side})
    return spec.model_copy(update={"trades": spec.trades.model_copy(update={"fields": fields})})


def turned(rows: list[Row]) -> list[Row]:
    """With the other side."""
    other = {"buy": "sell", "sell": "buy"}
    return [(*row[:3], other[row[3]], *row[4:]) for row in rows]


@pytest.fixture
def lake() -> RawLake:
    made = RawLake()
    made.origin(1)
    made.put(1, 60)
    made.transformed()
    return made


def test_the_first_version_is_1_and_its_plan_holds_the_digest(lake: RawLake) -> None:
    assert lake.store.read(plan_key(1, "coinbase")).decode().strip() == lake.spec.shape()
    assert lake.lake.versions("coinbase") == {1: lake.spec.shape()}


def test_a_changed_spec_stops_transform_and_names_the_way_on(lake: RawLake) -> None:
    changed = RawLake(store=lake.store, spec=other_spec())
    lake.put(60, 70)
    before = [entry.key for entry in lake.store.list("")]
    with pytest.raises(ConfigError) as caught:
        changed.transform()
    assert caught.value.exit_code == 6
    assert "--rebuild" in caught.value.do
    assert [entry.key for entry in lake.store.list("")] == before


def test_a_rebuild_fills_the_next_version_and_leaves_the_old(lake: RawLake) -> None:
    changed = RawLake(store=lake.store, spec=other_spec())
    outcome = changed.transform(rebuild=True)
    assert (outcome.state, outcome.rows) == ("complete", 59)
    assert lake.lake.readable("coinbase") == [1, 2]
    assert changed.shown() == turned(truth(1, 60))
    assert lake.parts(1) == lake.parts(2)
    assert changed.verify().status == "proven"
    # From now on transform goes on in the new version.
    changed.put(60, 90)
    assert changed.transform().state == "complete"
    assert changed.shown() == turned(truth(1, 90))
    assert max(part.stop for part in lake.parts(1)) == 60


def test_readers_do_not_see_a_version_before_it_is_complete(lake: RawLake) -> None:
    changed = RawLake(store=Mortal(lake.store, 5, after=True), spec=other_spec())
    with pytest.raises(Killed):
        changed.transform(rebuild=True)
    assert lake.lake.readable("coinbase") == [1]
    assert lake.shown() == truth(1, 60)
    assert lake.verify().status == "proven"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2, 5, 8, 9, 10])
def test_a_crashed_rebuild_is_resumed(lake: RawLake, at: int, after: bool) -> None:
    mortal = RawLake(store=Mortal(lake.store, at, after=after), spec=other_spec())
    with suppress(Killed):
        mortal.transform(rebuild=True)
    assert lake.shown() in (truth(1, 60), turned(truth(1, 60)))
    changed = RawLake(store=lake.store, spec=other_spec())
    if lake.lake.readable("coinbase") == [1]:
        assert changed.transform(rebuild=True).state == "complete"
    assert lake.lake.readable("coinbase") == [1, 2]
    assert changed.shown() == turned(truth(1, 60))
    assert changed.verify().status == "proven"


def test_what_rotted_in_a_crashed_rebuild_is_made_anew_before_readers_prefer_it(
    lake: RawLake,
) -> None:
    mortal = RawLake(store=Mortal(lake.store, at=4, after=True))
    with suppress(Killed):
        mortal.transform(rebuild=True)
    part = lake.parts(version=2)[0]
    key = part_key(2, BTC, part)
    data = bytearray(lake.store.read(key))
    data[len(data) // 2] ^= 1
    lake.store.put(key, bytes(data))
    assert lake.transform(rebuild=True).state == "complete"
    assert lake.lake.complete(2, "coinbase")
    assert lake.shown() == truth(1, 60)
    assert lake.verify().status == "proven"


def test_a_crashed_rebuild_of_another_spec_is_left_and_the_next_takes_one_more(
    lake: RawLake,
) -> None:
    changed = RawLake(store=Mortal(lake.store, 4, after=True), spec=other_spec())
    with pytest.raises(Killed):
        changed.transform(rebuild=True)
    left = [entry.key for entry in lake.store.list("unified_trades/v2/")]
    assert lake.transform(rebuild=True).state == "complete"
    assert [entry.key for entry in lake.store.list("unified_trades/v2/")] == left
    assert lake.lake.readable("coinbase") == [1, 3]
    assert lake.shown() == truth(1, 60)
    assert lake.verify().status == "proven"


def test_a_rebuild_of_a_complete_version_makes_a_new_one(lake: RawLake) -> None:
    lake.transform(rebuild=True)
    lake.transform(rebuild=True)
    assert lake.lake.readable("coinbase") == [1, 2, 3]
    assert lake.shown() == truth(1, 60)


def test_where_the_new_version_lacks_a_position_the_old_one_fills_in(lake: RawLake) -> None:
    lake.transform(rebuild=True)
    for part in (Span(16, 32), Span(56, 60)):
        lake.store.delete(part_key(2, BTC, part))
    assert lake.shown() == truth(1, 60)
    assert {piece.version for piece in lake.lake.slices(BTC)} == {1, 2}
    assert lake.verify().status == "proven"


def test_a_rebuild_marks_nothing_complete_while_a_market_failed() -> None:
    lake = RawLake()
    lake.put(1, 30)
    other = RawLake(market=ETH, store=lake.store)
    other.put(1, 30)
    lake.transformed()
    bad = [wire(n, ETH, price="?" if 32 <= n < 48 else "1") for n in range(30, 60)]
    other.put(30, 60, [other.answer(bad)])
    assert other.transform(rebuild=True).state == "failed"
    assert lake.lake.readable("coinbase") == [1]
    assert other.shown() == truth(1, 30, ETH)


def test_every_version_has_its_quarantine() -> None:
    lake = RawLake()
    rows = [wire(n, side="?") if n == 9 else wire(n) for n in range(1, 20)]
    lake.put(1, 20, [lake.answer(rows)])
    lake.transformed()
    lake.transform(rebuild=True)
    for version in (1, 2):
        assert lake.quarantined(8, 12, version) == [9]
    assert lake.shown() == [expected(n) for n in range(1, 20) if n != 9]
    assert lake.verify().status == "quarantined"


def test_the_plan_of_a_dry_run_creates_nothing() -> None:
    lake = RawLake()
    lake.put(1, 20)
    pipeline = lake.pipeline()
    for rebuild in (False, True):
        versions = pipeline.versions([BTC], rebuild=rebuild, create=False)
        assert len(pipeline.plan([BTC], versions)) == 5
    assert list(lake.store.list("unified_trades/")) == []


# Two processes with different specs: whoever's PLAN is there first owns the version.


def _plan_of_another(store: Store, key: str) -> None:
    store.create(key, other_spec().shape().encode() + b"\n")


def test_a_first_version_that_another_spec_took_meanwhile_is_not_written_into() -> None:
    lake = RawLake()
    lake.put(1, 20)
    view = RawLake(store=Meddled(lake.store, "/PLAN", _plan_of_another))
    with pytest.raises(SchemaHubError):
        target_version(view.lake, view.spec)
    with pytest.raises(SchemaHubError):
        view.transform()
    assert list(lake.store.list(part_prefix(1, BTC))) == []


def test_a_rebuild_whose_version_another_spec_took_meanwhile_does_not_write_into_it(
    lake: RawLake,
) -> None:
    view = RawLake(store=Meddled(lake.store, "v2/exchange=coinbase/PLAN", _plan_of_another))
    try:
        version = rebuild_version(view.lake, view.spec)
    except SchemaHubError:
        return
    assert lake.lake.versions("coinbase")[version] == lake.spec.shape()


# What verify and repair make of a lake whose spec has changed since.


def test_after_a_change_of_spec_repair_does_not_take_the_published_table_for_damaged(
    lake: RawLake,
) -> None:
    # It is what the old spec made of raw; only --rebuild may replace it, and it stays till then.
    changed = RawLake(store=lake.store, spec=other_spec())
    try:
        report = changed.report()
    except ConfigError:
        return
    assert report.bad_parts == ()


def test_a_complete_mark_without_parts_hides_nothing(lake: RawLake) -> None:
    lake.store.create(plan_key(2, "coinbase"), lake.spec.shape().encode())
    lake.store.create(complete_key(2, "coinbase"), b"")
    assert lake.shown() == truth(1, 60)
    lake.put(60, 70)
    assert lake.transformed().rows == 69
    assert lake.shown() == truth(1, 70)
