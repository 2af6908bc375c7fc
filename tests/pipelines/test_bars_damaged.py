"""Minute bars that were damaged, or that another part of the same name left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schemahub.adapters.parquet import ParquetTable
from schemahub.core.errors import ObjectCorrupt
from schemahub.core.layout import bars_key, part_key
from schemahub.pipelines import bars
from schemahub.pipelines.repair import Repair
from schemahub.pipelines.source import Source
from tests.pipelines.raw_lake import BTC, RawLake, small_cells
from tests.pipelines.stores import Wrapped
from tests.pipelines.test_bars import assert_bars, keys, raw, store

pytestmark = [pytest.mark.usefixtures("small_cells")]
__all__ = ["raw", "small_cells", "store"]


def spoil(lake: RawLake, key: str, data: bytes) -> None:
    lake.store.delete(key)
    assert lake.store.create(key, data)


def repaired(lake: RawLake) -> None:
    """What `repair` does to the table, then the transform that follows it."""
    report = lake.report()
    nobody: Any = None  # no exchange is asked
    repair = Repair(lake.lake, lake.verifier(), nobody)
    repair._set_aside(Source(lake.spec, nobody), lake.market, report)
    lake.transformed()


@pytest.mark.parametrize("what", ["a byte", "cut", "empty", "another's", "other rows"])
def test_damaged_bars_are_found_and_made_anew(raw: RawLake, what: str) -> None:
    raw.transformed()
    key = bars_key(part_key(1, BTC, raw.parts()[2]))
    good = raw.store.read(key)
    others = [raw.store.read(one) for one in keys(raw) if one != key]
    spoil(raw, key, {
        "a byte": good[:50] + bytes([good[50] ^ 4]) + good[51:],
        "cut": good[:-9],
        "empty": b"",
        "another's": others[0],
        "other rows": others[-1],
    }[what])  # fmt: skip
    certificate = raw.verify()
    assert [one.key for one in certificate.damaged] == [key]
    assert certificate.status == "proven"  # no trade is in doubt
    assert not certificate.passes
    repaired(raw)
    assert raw.verify().passes
    assert_bars(raw)


def test_of_a_damaged_part_the_bars_go_too(raw: RawLake) -> None:
    raw.transformed()
    key = part_key(1, BTC, raw.parts()[2])
    data = raw.store.read(key)
    spoil(raw, key, data[:-20] + b"?" + data[-19:])
    report = raw.report()
    assert report.bad_parts == (key,)
    repaired(raw)
    assert raw.verify().passes
    assert_bars(raw)


def with_other_rows(raw: RawLake) -> tuple[str, RawLake]:
    """A part, and a lake in which it has other rows."""
    span = raw.parts()[2]
    wrong = RawLake(odd={n: {"price": "7.5"} for n in range(span.start, span.stop)})
    wrong.put(1, 200)
    wrong.transformed()
    return part_key(1, BTC, span), wrong


def test_bars_that_an_older_part_of_that_name_left_are_replaced(raw: RawLake) -> None:
    """A writer that slept while its part was found damaged, removed, and made anew otherwise."""
    raw.transformed()
    key, wrong = with_other_rows(raw)
    stale = wrong.store.read(bars_key(key))
    bars.remove_part(raw.lake, key)
    raw.store.create(bars_key(key), stale)
    raw.transformed()
    assert raw.verify().passes
    assert_bars(raw)


def test_who_made_bars_of_a_part_that_was_replaced_changes_nothing(raw: RawLake) -> None:
    raw.transformed()
    key, wrong = with_other_rows(raw)
    table = ParquetTable()
    data = wrong.store.read(key)
    late = table.bars()
    for rows in table.decode(data, key):
        late.add(rows)
    before = raw.store.read(bars_key(key))
    bars.store(raw.lake, table, key, table.facts(data, key), late)
    assert raw.store.read(bars_key(key)) == before
    assert_bars(raw)


def test_bars_that_the_store_itself_finds_damaged_are_not_the_parts_fault(raw: RawLake) -> None:
    raw.transformed()
    key = keys(raw)[1]

    class Rotten(Wrapped):
        def read(self, key_: str) -> bytes:
            if key_ == key:
                raise ObjectCorrupt(key, "its checksum is another")
            return self.inner.read(key_)

    report = replace(raw, store=Rotten(raw.store)).report()
    assert (report.bad_bars, report.bad_parts) == ((key,), ())
    assert report.certificate.status == "proven"


def test_a_shallow_look_reads_no_bars(raw: RawLake) -> None:
    raw.transformed()
    spoil(raw, keys(raw)[0], b"")
    assert raw.verify(deep=False).passes
