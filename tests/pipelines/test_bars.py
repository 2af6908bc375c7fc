"""The minute bars beside parts: written with them, made up for, never another part's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemahub.adapters.duck import Duck, FileSlice
from schemahub.adapters.duck import bars as sql
from schemahub.adapters.parquet import ParquetTable
from schemahub.adapters.parquet import bars as files
from schemahub.adapters.store_local import LocalStore
from schemahub.core.layout import bars_key, bars_prefix, part_key
from schemahub.core.span import Span
from schemahub.pipelines import bars
from schemahub.ports import Refused, Store
from tests.pipelines.axis_lake import AxisLake, seconds, small_axes, trades
from tests.pipelines.raw_lake import BTC, RawLake, small_cells
from tests.pipelines.stores import Killed, Meddled, Mortal

pytestmark = [pytest.mark.usefixtures("small_cells")]
__all__ = ["small_axes", "small_cells"]
COLUMNS = (
    "bar_ts, open, high, low, close, volume, quote_volume, buy_volume, trades, vwap, "
    "first_position, last_position"
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "lake")


@pytest.fixture
def raw(store: Store) -> RawLake:
    """Some two minutes and a half of trades, in parts of every size."""
    made = RawLake(store=store)
    made.put(1, 200)
    made.origin(1)
    return made


def slices(lake: RawLake, *, with_bars: bool, store: Store | None = None) -> list[FileSlice]:
    """What readers read now, as `app.backend` tells them."""
    own = store or lake.store
    timed = lake.spec.line.timed
    found = []
    for piece in lake.lake.slices(lake.market):
        key = part_key(piece.version, lake.market, piece.part)
        held = with_bars and piece.whole
        beside = held and piece.part in bars.there(lake.lake, piece.version, lake.market)
        found.append(
            FileSlice(
                own.locate(key), lake.market, piece.part, None if piece.whole else piece.keep,
                timed, own.locate(bars_key(key)) if beside else None,
            )
        )  # fmt: skip
    return found


def told(pieces: Sequence[FileSlice]) -> list[tuple[Any, ...]]:
    with Duck(pieces, [], threads=1) as duck:
        table = duck.sql(f"SELECT {COLUMNS} FROM bars_1m ORDER BY bar_ts").arrow()
    return [tuple(row.values()) for row in table.to_pylist()]


def assert_bars(lake: RawLake, *, everywhere: bool = True) -> None:
    """Readers of bars see what the trades say; `everywhere`: without computing anything."""
    with_bars = slices(lake, with_bars=True)
    if everywhere:
        assert all(one.bars for one in with_bars if one.keep is None)
    expected = told(slices(lake, with_bars=False))
    assert expected
    assert told(with_bars) == expected


def lacking(lake: RawLake, version: int = 1) -> list[Span]:
    return [one.span for one in bars.lacking(lake.lake, version, [lake.market])]


def keys(lake: RawLake, version: int = 1) -> list[str]:
    prefix = bars_prefix(version, lake.market.exchange)
    return [entry.key for entry in lake.store.list(prefix)]


# ---------------------------------------------------------------- written with the parts


def test_every_part_gets_its_bars_and_minutes_over_two_parts_merge(raw: RawLake) -> None:
    raw.transformed()
    assert len(raw.parts()) > 5  # over some two minutes and a half: most straddle none or one
    assert len(keys(raw)) == len(raw.parts())
    assert_bars(raw)


@pytest.mark.parametrize("named", [-1, 0, 1_000])
def test_it_makes_no_difference_which_minutes_are_known_to_be_in_one_file_only(
    raw: RawLake, monkeypatch: pytest.MonkeyPatch, named: int
) -> None:
    monkeypatch.setattr(sql, "_NAMED", named)
    raw.transformed()
    assert_bars(raw)
    for part in raw.parts()[::2]:  # some of them computed
        raw.store.delete(bars_key(part_key(1, BTC, part)))
    assert_bars(raw, everywhere=False)


def test_a_larger_part_gets_bars_of_its_own(raw: RawLake) -> None:
    raw.transformed()
    raw.put(200, 300)
    raw.transformed()
    assert_bars(raw)


@pytest.mark.parametrize("kernel", [False, True])
def test_bars_are_the_same_with_the_kernel(
    raw: RawLake, monkeypatch: pytest.MonkeyPatch, *, kernel: bool
) -> None:
    monkeypatch.setattr(files, "KERNEL_ROWS", 0 if kernel else 1 << 60)
    raw.transformed()
    assert_bars(raw)
    assert raw.verify().status == "proven"


def test_a_part_that_another_wrote_first_gets_the_bars_of_what_it_holds(
    raw: RawLake, store: Store
) -> None:
    def other(inner: Store, key: str) -> None:
        assert inner.create(key, _part(raw, Span(1, 4)))

    name = part_key(1, BTC, Span(1, 4))
    meddled = replace(raw, store=Meddled(store, name, other))
    meddled.transformed()
    assert_bars(raw)


def _part(lake: RawLake, span: Span) -> bytes:
    """The part of `span` as another process makes it."""
    spare = RawLake()
    spare.put(span.start, span.stop)
    spare.origin(span.start)
    spare.transformed()
    return spare.store.read(part_key(1, lake.market, span))


# ---------------------------------------------------------------- crashes and older lakes


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_write_readers_see_right_bars_and_the_next_run_makes_the_rest(
    tmp_path: Path, *, after: bool
) -> None:
    for at in range(1, 60):
        store = LocalStore(tmp_path / f"{after} {at}")
        raw = RawLake(store=store)
        raw.put(1, 30)
        raw.origin(1)
        mortal = replace(raw, store=Mortal(store, at, after=after))
        try:
            mortal.transformed()
        except Killed:
            if raw.parts():
                assert_bars(raw, everywhere=False)
            raw.transformed()
            assert not lacking(raw)
            assert_bars(raw)
        else:
            assert at > 2 * len(raw.parts())
            return
    raise AssertionError


def test_a_lake_from_before_there_were_bars_gets_them(raw: RawLake) -> None:
    raw.transformed()
    for key in keys(raw):
        raw.store.delete(key)
    expected = told(slices(raw, with_bars=True))
    assert lacking(raw) == sorted(raw.parts(), key=lambda one: one.start)
    outcome = raw.transformed()
    assert (outcome.parts, outcome.rows) == (0, 0)
    assert not lacking(raw)
    assert_bars(raw)
    assert told(slices(raw, with_bars=True)) == expected


def test_a_damaged_part_that_lacks_bars_is_told_of_and_gets_none(raw: RawLake) -> None:
    raw.transformed()
    key = part_key(1, BTC, Span(4, 8))
    data = raw.store.read(key)
    raw.store.delete(key)
    raw.store.create(key, data[:100] + b"?" + data[101:])
    raw.store.delete(bars_key(key))
    outcome = raw.transform()
    assert outcome.state == "partial"
    assert key in outcome.notes[0]
    assert lacking(raw) == [Span(4, 8)]


# ---------------------------------------------------------------- compaction, versions


def test_bars_go_with_the_part_that_is_superseded(raw: RawLake) -> None:
    raw.transformed()
    raw.put(200, 300)
    raw.transformed()
    before = len(keys(raw))
    outcome = raw.compact(timedelta(0))
    assert outcome.removed > 0
    assert len(keys(raw)) == before - outcome.removed == len(raw.parts())
    assert_bars(raw)


def test_bars_that_came_after_their_part_had_gone_are_swept(raw: RawLake) -> None:
    raw.transformed()
    late = bars_key(part_key(1, BTC, Span(5, 7)))
    raw.store.create(late, b"written by one that slept")
    assert_bars(raw)
    raw.compact()
    assert late not in keys(raw)
    assert len(keys(raw)) == len(raw.parts())


def test_a_rebuild_makes_bars_of_its_own_and_old_ones_go_with_their_version(
    raw: RawLake,
) -> None:
    raw.transformed()
    assert raw.transform(rebuild=True).state == "complete"
    assert len(keys(raw, 2)) == len(raw.parts(2))
    assert_bars(raw)
    garbage = raw.garbage(timedelta(0))
    (old,) = garbage.old_versions("coinbase")
    assert garbage.remove(old)
    assert keys(raw, 1) == []
    assert_bars(raw)


def test_a_rebuild_that_died_before_its_bars_were_written_is_completed_with_them(
    raw: RawLake, store: Store
) -> None:
    raw.transformed()
    mortal = replace(raw, store=Mortal(store, 2, after=True))  # its PLAN and one part
    with pytest.raises(Killed):
        mortal.transform(rebuild=True)
    assert len(raw.parts(2)) == 1
    assert raw.transform(rebuild=True).state == "complete"
    assert not lacking(raw, 2)
    assert_bars(raw)


# ---------------------------------------------------------------- parts that cross


def test_parts_that_cross_are_told_by_their_trades(raw: RawLake) -> None:
    for span in (Span(1, 30), Span(20, 60)):
        spare = RawLake()
        spare.put(1, 200)
        batch = next(iter(spare.builder().raw.read(
            BTC, raw.spec, spare.lake.ledger(BTC).overlapping(span), span
        )))[1].rows  # fmt: skip
        _write(raw, span, [batch])
    assert len(slices(raw, with_bars=True)) == 2
    assert sum(one.bars is not None for one in slices(raw, with_bars=True)) == 1
    assert_bars(raw, everywhere=False)
    raw.transformed()
    assert_bars(raw)


def _write(lake: RawLake, span: Span, batches: Sequence[Any]) -> None:
    table = ParquetTable()
    made = table.bars()
    part = table.encode(
        bars.watched(iter(batches), made), lake.market, span, lake.spec.line, lake.spec.shape(),
        Refused,
    )  # fmt: skip
    key = part_key(1, lake.market, span)
    assert lake.store.create(key, part.data)
    assert bars.store(lake.lake, table, key, part.facts, made)


# ---------------------------------------------------------------- axes of time


@pytest.mark.usefixtures("small_axes")
def test_bars_of_a_market_on_an_axis_of_time(store: Store) -> None:
    """Ids that do not grow with time, several trades of one instant, a minute in two parts."""
    sold = trades(0.5, 0.5, 0.5, 3, 15.9, 16, 40, 59.999999, 60, 63.5, 63.5, 90, 119)
    mixed = [replace(one, trade_id=1000 - 7 * one.trade_id) for one in sold]
    lake = AxisLake(store=store, sold=mixed)
    lake.tell(seconds(0, 128))
    lake.origin(seconds(0, 1).start)
    lake.transformed()
    assert len(lake.parts()) > 1
    assert_bars(lake)
