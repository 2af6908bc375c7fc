"""A checkpoint is a cache of the listing: it saves time, and can cost nothing else."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemahub.adapters.store_memory import MemoryStore
from schemahub.adapters.zstd import Zstd
from schemahub.core.layout import (
    AbsentName,
    BadName,
    Market,
    OriginName,
    RawEntry,
    RawName,
    SeenName,
    checkpoint_key,
    raw_key,
)
from schemahub.core.ledger import Checkpoint, Ledger, cacheable, read_checkpoint, write_checkpoint
from schemahub.core.span import Coverage, Span, cut
from schemahub.pipelines.lake import Lake
from schemahub.ports import NoMetrics
from tests.core.dialect import MARKET, spec
from tests.core.strategies import coverages, points, spans

CHUNK = 10
SMALL_CHUNKS = spec(page=5, chunk_pages=2)


def cut_names(held: Coverage) -> list[RawName]:
    """The names that ingest gives a coverage: cut at the multiples of a chunk."""
    return [RawName(piece) for span in held for piece in cut(span, CHUNK)]


@st.composite
def folders(draw: st.DrawFn) -> list[RawEntry]:
    """What a raw folder holds after some runs."""
    names: list[RawEntry] = list(cut_names(draw(coverages())))
    names += [OriginName(n) for n in draw(st.lists(st.integers(0, 60), max_size=3))]
    absents = [piece for span in draw(coverages()) for piece in cut(span, CHUNK)]
    names += [AbsentName(span) for span in absents]
    names += [SeenName(span, "a") for span in draw(st.lists(spans(), max_size=2))]
    marked = draw(st.lists(st.sampled_from(names), max_size=2)) if names else []
    names += [BadName(name.span, 0) for name in marked if isinstance(name, RawName)]
    return names


# ---------------------------------------------------------------- what it may say


@given(folders())
def test_a_checkpoint_never_vouches_for_what_raw_does_not_hold(names: list[RawEntry]) -> None:
    ledger = Ledger.of(names)
    covered = cacheable(ledger, CHUNK)
    assert points(covered) <= points(ledger.held)
    assert len(covered.spans) <= 1


@given(folders())
def test_a_checkpoint_covers_whole_chunks_from_the_lowest_position_in_one_run(
    names: list[RawEntry],
) -> None:
    ledger = Ledger.of(names)
    expected: set[int] = set()
    if ledger.held:
        run = ledger.held.watermark(ledger.held.start)
        expected = set(range(ledger.held.start, run // CHUNK * CHUNK))
    assert points(cacheable(ledger, CHUNK)) == expected


def test_absence_does_not_count_for_a_checkpoint() -> None:
    """A late trade there must still be seen by the next listing."""
    names: list[RawEntry] = [RawName(Span(0, 10)), AbsentName(Span(10, 20)), RawName(Span(20, 30))]
    assert cacheable(Ledger.of(names), CHUNK) == Coverage((Span(0, 10),))


@given(st.lists(spans(), min_size=1, max_size=6))
@example([Span(0, 50), Span(20, 21)])
def test_where_objects_overlap_a_checkpoint_and_what_begins_above_it_tell_all(
    held: list[Span],
) -> None:
    ledger = Ledger.of(map(RawName, held))
    covered = cacheable(ledger, 1)
    later = [RawName(span) for span in held if not covered or span.start >= covered.stop]
    assert Ledger.of(later, Checkpoint(covered, (), ())).held == ledger.held


@given(folders())
def test_a_checkpoint_reads_back_as_what_was_written(names: list[RawEntry]) -> None:
    ledger = Ledger.of(names)
    data = write_checkpoint(MARKET, ledger, CHUNK, ("one", "two"))
    covered = cacheable(ledger, CHUNK)
    # All but the last chunk: that one is always listed.
    unlisted = range(covered.start, covered.stop - CHUNK) if covered else ()
    objects = sum(name.span.start in unlisted for name in ledger.objects)
    assert read_checkpoint(data, MARKET, CHUNK) == Checkpoint(
        covered, ledger.origins, ("one", "two"), objects
    )


# ---------------------------------------------------------------- with a lake


def lake_of(names: list[RawEntry]) -> Lake:
    lake = Lake(MemoryStore(), Zstd(), NoMetrics())
    for name in names:
        lake.store.create(raw_key(MARKET, name), b"")
    return lake


def told(ledger: Ledger) -> tuple[object, ...]:
    """All that a run decides by, and that `status` says."""
    return (
        ledger.extent,
        ledger.held, ledger.absent, ledger.known, ledger.lowest_origin, ledger.watermark,
        ledger.work(ledger.wanted(70)),
    )  # fmt: skip


@given(folders(), folders())
@example(  # the gap between older history and the first window must stay work
    [OriginName(40), RawName(Span(40, 50)), OriginName(3), *cut_names(Coverage((Span(3, 20),)))],
    [],
)
@example(  # asking for older history must not lower the watermark
    [OriginName(10), *cut_names(Coverage((Span(10, 40),)))], [OriginName(4)]
)
def test_with_its_checkpoint_a_lake_says_what_it_says_without(
    early: list[RawEntry], late: list[RawEntry]
) -> None:
    held = Ledger.of(early).held
    # Nothing is ever fetched from below every origin.
    lake = lake_of([*early, OriginName(held.start)] if held else early)
    lake.save_checkpoint(MARKET, SMALL_CHUNKS)
    # Objects are never marked corrupt behind the checkpoint's back: marking deletes it.
    for name in late:
        if not isinstance(name, BadName):
            lake.store.create(raw_key(MARKET, name), b"")
    assert told(lake.quick_ledger(MARKET, SMALL_CHUNKS)) == told(lake.ledger(MARKET))


@given(folders(), folders())
def test_a_checkpoint_counts_the_objects_that_it_stands_for(
    early: list[RawEntry], late: list[RawEntry]
) -> None:
    lake = lake_of(early)
    told_late = [name for name in late if isinstance(name, RawName)]
    for later in ([], told_late):
        for name in later:
            lake.store.create(raw_key(MARKET, name), b"")
        lake.save_checkpoint(MARKET, SMALL_CHUNKS)
        quick, whole = lake.quick_ledger(MARKET, SMALL_CHUNKS), lake.ledger(MARKET)
        # A second telling of what is covered already is not looked for.
        again = sum(name.span.start in quick.unlisted for name in set(told_late))
        assert whole.object_count - again <= quick.object_count <= whole.object_count
        assert len(quick.objects) + sum(
            name.span.start in quick.unlisted for name in whole.objects
        ) == len(whole.objects)


@given(folders())
def test_a_saved_checkpoint_is_not_written_again_if_nothing_changed(names: list[RawEntry]) -> None:
    lake = lake_of(names)
    lake.save_checkpoint(MARKET, SMALL_CHUNKS)
    first = lake.store.read(checkpoint_key(MARKET))
    lake.save_checkpoint(MARKET, SMALL_CHUNKS)
    assert lake.store.read(checkpoint_key(MARKET)) == first


def test_marking_an_object_corrupt_takes_it_out_of_every_ledger() -> None:
    lake = lake_of([OriginName(0), *cut_names(Coverage((Span(0, 40),)))])
    lake.save_checkpoint(MARKET, SMALL_CHUNKS)
    lake.mark_bad(MARKET, raw_key(MARKET, RawName(Span(10, 20))))
    for ledger in (lake.ledger(MARKET), lake.quick_ledger(MARKET, SMALL_CHUNKS)):
        assert ledger.work(ledger.wanted(40)) == Coverage((Span(10, 20),))


def test_a_checkpoint_put_after_an_object_was_found_corrupt_is_not_believed() -> None:
    """A run that listed before it was marked may put what it saw then."""
    lake = lake_of([OriginName(0), *cut_names(Coverage((Span(0, 40),)))])
    lake.save_checkpoint(MARKET, SMALL_CHUNKS)
    late = lake.store.read(checkpoint_key(MARKET))
    lake.mark_bad(MARKET, raw_key(MARKET, RawName(Span(10, 20))))
    lake.store.put(checkpoint_key(MARKET), late)
    ledger = lake.quick_ledger(MARKET, SMALL_CHUNKS)
    assert ledger.work(ledger.wanted(40)) == Coverage((Span(10, 20),))
    lake.save_checkpoint(MARKET, SMALL_CHUNKS)
    assert told(lake.quick_ledger(MARKET, SMALL_CHUNKS)) == told(lake.ledger(MARKET))


# ---------------------------------------------------------------- damage


FULL = Ledger.of([OriginName(3), *cut_names(Coverage((Span(3, 47),)))])
GOOD = write_checkpoint(MARKET, FULL, CHUNK)


def changed(**what: Any) -> bytes:
    """Sealed like a good one, so that it is the content that must be found wrong."""
    content = {**json.loads(GOOD), **what}
    del content["digest"]
    content = {name: value for name, value in content.items() if value is not ...}
    text = json.dumps(content, separators=(",", ":"))
    content["digest"] = sha256(text.encode()).hexdigest()
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def test_the_seal_is_a_digest_of_the_content() -> None:
    assert changed() == GOOD
    assert read_checkpoint(changed(watermark=99), MARKET, CHUNK).origins == (3,)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"null",
        b"[]",
        b"7",
        b'"covered"',
        b"{}",
        b"{",
        GOOD[:-4],
        GOOD[10:],
        GOOD * 2,
        b"\xff\xfe" + GOOD,
        b"\x00" * 300,
        b"<html>502 Bad Gateway</html>",
        b"[" * 200_000,
        b'{"covered":' * 50_000,
        b"1" * 5_000,
        changed(schema_version=1),
        changed(schema_version=2),
        changed(chunk=...),
        changed(schema_version="2"),
        changed(schema_version=...),
        changed(market="acme:BTC-USDT"),
        changed(market=...),
        changed(market=None),
        changed(covered=...),
        changed(covered=None),
        changed(covered="[[3,40]]"),
        changed(covered=[[3, 10], [20, 30]]),
        changed(covered=[[3]]),
        changed(covered=[[3, 40, 50]]),
        changed(covered=[3, 40]),
        changed(covered=[[3, 41]]),
        changed(covered=[[40, 40]]),
        changed(covered=[[40, 30]]),
        changed(covered=[[-10, 40]]),
        changed(covered=[[3.0, 40]]),
        changed(covered=[["3", "40"]]),
        changed(covered=[[3, None]]),
        changed(covered=[{"start": 3, "stop": 40}]),
        changed(origins=...),
        changed(origins=None),
        changed(origins=3),
        changed(origins=["3"]),
        changed(origins=[3.0]),
        changed(origins=[True]),
        changed(origins=[-3]),
        changed(origins=[[3]]),
        changed(corrupt=...),
        changed(corrupt=None),
        changed(corrupt="x"),
        changed(corrupt=[3]),
        changed(objects=...),
        changed(objects="3"),
        changed(objects=3.0),
        changed(objects=True),
        changed(objects=-1),
    ],
)
def test_a_damaged_checkpoint_is_known_as_such(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (whatever is wrong with it)
        read_checkpoint(data, MARKET, CHUNK)


def test_a_checkpoint_of_another_market_or_chunk_size_is_not_believed() -> None:
    with pytest.raises(ValueError, match="acme:BTC-USD"):
        read_checkpoint(GOOD, Market("acme", "ETH-USD"), CHUNK)
    with pytest.raises(ValueError, match="acme:BTC-USD"):
        read_checkpoint(GOOD, Market("other", "BTC-USD"), CHUNK)
    for other in (7, CHUNK // 2, CHUNK * 2, 1):  # divisors of where it ends, too
        with pytest.raises(ValueError, match=f"chunk is {CHUNK}"):
            read_checkpoint(GOOD, MARKET, other)


def test_no_single_wrong_byte_makes_a_checkpoint_vouch_for_more() -> None:
    """A flipped digit is believed by nobody, or costs nothing."""
    held = points(FULL.held)
    for at in range(len(GOOD)):
        for byte in {GOOD[at] ^ 1, GOOD[at] ^ 2, GOOD[at] ^ 4, GOOD[at] ^ 8, ord("9")}:
            damaged = GOOD[:at] + bytes([byte]) + GOOD[at + 1 :]
            try:
                read = read_checkpoint(damaged, MARKET, CHUNK)
            except ValueError:
                continue
            assert points(read.covered) <= held, damaged
            assert set(read.origins) <= set(FULL.origins), damaged


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_not_be_a_checkpoint(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read_checkpoint(data, MARKET, CHUNK)


def test_a_lake_with_a_damaged_checkpoint_goes_by_its_listing() -> None:
    lake = lake_of([OriginName(3), *cut_names(Coverage((Span(3, 47),)))])
    for data in (b"", b"{}", b"[" * 200_000, GOOD[:-4]):
        lake.store.put(checkpoint_key(MARKET), data)
        assert told(lake.quick_ledger(MARKET, SMALL_CHUNKS)) == told(lake.ledger(MARKET))
