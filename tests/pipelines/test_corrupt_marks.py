"""A kill between the two marks of a corrupt object is made good before a checkpoint is saved."""

from __future__ import annotations

from schemahub.core.layout import RawName, corrupt_prefix, raw_prefix
from schemahub.core.span import Span
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
