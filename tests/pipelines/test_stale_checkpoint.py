"""Checkpoints of yesterday, of a process that died, of one that slept: none claims too much."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.core.errors import ObjectMissing
from schemahub.core.layout import (
    AbsentName,
    OriginName,
    RawEntry,
    RawName,
    checkpoint_key,
    raw_key,
)
from schemahub.core.ledger import Ledger
from schemahub.core.span import Coverage, Span, cut
from schemahub.ports import Store
from tests.pipelines.exchange import FakeExchange
from tests.pipelines.raw_lake import BTC, RawLake
from tests.pipelines.stores import Killed, Mortal, Wrapped

KEY = checkpoint_key(BTC)


def small() -> RawLake:
    """Chunks of ten positions."""
    lake = RawLake()
    paging = lake.spec.trades.paging.model_copy(update={"page": 5})
    trades = lake.spec.trades.model_copy(update={"paging": paging, "chunk_pages": 2})
    return RawLake(spec=lake.spec.model_copy(update={"trades": trades}))


def create(lake: RawLake, name: RawEntry) -> None:
    lake.store.create(raw_key(BTC, name), b"")


def quick(lake: RawLake) -> Ledger:
    return lake.lake.quick_ledger(BTC, lake.spec)


def full(lake: RawLake) -> Ledger:
    return lake.lake.ledger(BTC)


def same(lake: RawLake) -> None:
    """All that ingest goes by is the same, with the checkpoint and without."""
    one, other = quick(lake), full(lake)
    assert one.held == other.held
    assert one.known == other.known
    assert one.watermark == other.watermark
    assert one.lowest_origin == other.lowest_origin
    for stop in (0, 1, 35, 60, 200):
        assert one.work(one.wanted(stop)) == other.work(other.wanted(stop))


@dataclass(frozen=True)
class Do:
    what: str
    start: int
    length: int


steps = st.lists(
    st.builds(
        Do,
        st.sampled_from(["land", "land", "land", "absent", "origin", "save", "stale", "corrupt"]),
        st.integers(0, 60),
        st.integers(1, 40),
    ),
    max_size=16,
)


@settings(max_examples=150)
@given(steps)
def test_quick_and_whole_ledger_agree_and_a_stale_checkpoint_never_claims_more(
    history: list[Do],
) -> None:
    lake = small()
    create(lake, OriginName(50))
    old: list[bytes] = []
    for do in history:
        span = Span(do.start, do.start + do.length)
        match do.what:
            case "land":
                for piece in cut(span, lake.spec.chunk):  # every run cuts alike
                    create(lake, full(lake).name_for(piece))
            case "absent":
                for piece in cut(span, lake.spec.chunk):
                    create(lake, AbsentName(piece))
            case "origin" if do.start < min(full(lake).origins):
                lake.lake.create_origin(BTC, do.start, {"since": None})
                old.clear()
            case "save":
                lake.lake.save_checkpoint(BTC, lake.spec)
                old.append(lake.store.read(KEY))
                same(lake)
            case "stale" if old:
                lake.store.put(KEY, old[do.start % len(old)])
            case "corrupt" if full(lake).objects:
                name = full(lake).objects[do.start % len(full(lake).objects)]
                lake.lake.mark_bad(BTC, raw_key(BTC, name))
                old.clear()
        # It may know less than there is, never more.
        assert quick(lake).held - full(lake).held == Coverage()
    lake.lake.save_checkpoint(BTC, lake.spec)
    same(lake)
    lake.lake.forget_checkpoint(BTC)
    same(lake)


def test_a_checkpoint_spares_the_listing_of_what_it_vouches_for() -> None:
    lake = small()
    for start in range(0, 47, 10):
        create(lake, RawName(Span(start, min(start + 10, 47))))
    lake.lake.save_checkpoint(BTC, lake.spec)
    # But for its last chunk: that this is there shows that raw was not moved away.
    assert [name.span for name in quick(lake).objects] == [Span(30, 40), Span(40, 47)]
    assert quick(lake).held == Coverage((Span(0, 47),))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 5))
def test_a_kill_while_an_object_is_marked_corrupt_leaves_no_checkpoint_that_vouches_for_it(
    at: int, after: bool
) -> None:
    lake = small()
    for start in range(0, 50, 10):
        create(lake, RawName(Span(start, start + 10)))
    lake.lake.save_checkpoint(BTC, lake.spec)
    view = RawLake(spec=lake.spec, store=Mortal(lake.store, at, after=after))
    with suppress(Killed):
        view.lake.mark_bad(BTC, raw_key(BTC, RawName(Span(20, 30))))
    assert quick(lake).held - full(lake).held == Coverage()


class SlowToPut(Wrapped):
    """A process that goes to sleep just before it puts; meanwhile somebody else is at work."""

    def __init__(self, inner: Store, lake: RawLake, corrupt: RawName) -> None:
        super().__init__(inner)
        self._lake = lake
        self._corrupt = corrupt

    def put(self, key: str, data: bytes) -> None:
        self._lake.lake.mark_bad(BTC, raw_key(BTC, self._corrupt))
        self.inner.put(key, data)


def test_a_checkpoint_put_late_does_not_vouch_for_what_was_found_corrupt_meanwhile() -> None:
    lake = small()
    for start in range(0, 50, 10):
        create(lake, RawName(Span(start, start + 10)))
    slow = SlowToPut(lake.store, lake, RawName(Span(20, 30)))
    RawLake(spec=lake.spec, store=slow).lake.save_checkpoint(BTC, lake.spec)
    assert full(lake).held == Coverage((Span(0, 20), Span(30, 50)))
    assert quick(lake).held - full(lake).held == Coverage()


def test_an_ingest_with_any_old_checkpoint_fetches_all_that_is_missing_and_nothing_twice() -> None:
    lake = small()
    exchange = FakeExchange(lake, head=34)
    lake.origin(1)
    olds: list[bytes | None] = [None]
    for run, head in enumerate((34, 47, 61, 80, 95)):
        exchange.head = head
        for old in olds:
            if old is not None:
                lake.store.put(KEY, old)
            assert quick(lake).held - full(lake).held == Coverage()
        outcome = exchange.ingest(f"run{run}")
        assert (outcome.state, outcome.error) == ("complete", None)
        assert full(lake).held == Coverage((Span(1, head + 1),))
        same(lake)
        try:
            olds.append(lake.store.read(KEY))
        except ObjectMissing:
            olds.append(None)
    told = sum(len(name.span) for name in full(lake).objects)
    assert told == 95
