"""A kill between the two marks of a corrupt object is made good before a checkpoint is saved."""

from __future__ import annotations

from schemahub.core.layout import AbsentName, RawName, corrupt_prefix, raw_prefix
from schemahub.core.span import NOTHING, Coverage, Span
from tests.pipelines.raw_lake import BTC, RawLake


def test_a_noted_object_is_marked_before_a_checkpoint_vouches_for_it() -> None:
    lake = RawLake()
    lake.origin(1)
    lake.put(1, 100)
    name = RawName(Span(1, 100)).bad_marker
    lake.store.create(corrupt_prefix(BTC) + name, b"")  # killed here
    lake.lake.save_checkpoint(BTC, lake.spec)
    assert any(entry.key == raw_prefix(BTC) + name for entry in lake.store.list(raw_prefix(BTC)))
    assert not lake.lake.quick_ledger(BTC, lake.spec).held


def test_a_note_outlives_the_raw_that_it_is_about_and_marks_nothing_else() -> None:
    lake = RawLake()
    lake.origin(1)
    key = lake.put(1, 50)
    lake.lake.mark_bad(BTC, key)
    for entry in list(lake.store.list(raw_prefix(BTC))):
        lake.store.delete(entry.key)  # moved away
    lake.store.put(corrupt_prefix(BTC) + AbsentName(Span(60, 70)).filename, b"")
    lake.lake.save_checkpoint(BTC, lake.spec)
    assert list(lake.store.list(raw_prefix(BTC))) == []


def test_a_checkpoint_of_raw_that_was_moved_away_is_not_believed() -> None:
    lake = RawLake()
    lake.origin(1)
    chunk = lake.spec.chunk
    lake.put(1, chunk)
    lake.put(chunk, 2 * chunk)
    lake.lake.save_checkpoint(BTC, lake.spec)
    assert lake.lake.quick_ledger(BTC, lake.spec).held == Coverage((Span(1, 2 * chunk),))
    for entry in list(lake.store.list(raw_prefix(BTC))):
        lake.store.delete(entry.key)
    assert lake.lake.quick_ledger(BTC, lake.spec).held == NOTHING
