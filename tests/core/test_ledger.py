"""The listing of a market's raw folder is the ledger, in whatever order it is read."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from schemahub.core.layout import (
    AbsentName,
    BadName,
    OriginName,
    RawEntry,
    RawName,
    SeenName,
    parse_raw,
)
from schemahub.core.ledger import Ledger
from schemahub.core.span import Coverage, Span
from tests.core.strategies import SMALL, points, spans

revisions = st.integers(0, 2)
raws = st.builds(RawName, spans(), revisions)
absents = st.builds(AbsentName, spans())
origins = st.builds(OriginName, st.integers(0, SMALL))
sightings = st.builds(SeenName, spans(), st.sampled_from(["a", "b"]))
bads = st.builds(BadName, spans(), revisions)
growing: st.SearchStrategy[list[RawEntry]] = st.lists(
    st.one_of(raws, absents, origins, sightings), max_size=12
)


@st.composite
def listings(draw: st.DrawFn) -> list[RawEntry]:
    """Names as a folder may hold them; some of the data is marked corrupt."""
    names = draw(growing)
    data = [name for name in names if isinstance(name, RawName)]
    marked = draw(st.lists(st.sampled_from(data), max_size=3)) if data else []
    loose = draw(st.lists(bads, max_size=2))
    return [*names, *loose, *(BadName(name.span, name.revision) for name in marked)]


def held_by(entries: list[RawEntry]) -> set[int]:
    bad = {(entry.span, entry.revision) for entry in entries if isinstance(entry, BadName)}
    good = [
        entry.span
        for entry in entries
        if isinstance(entry, RawName) and (entry.span, entry.revision) not in bad
    ]
    return points(Coverage.of(good))


@given(listings(), st.randoms())
def test_the_order_and_repetition_of_a_listing_do_not_matter(
    entries: list[RawEntry], dice: random.Random
) -> None:
    one = Ledger.of(entries)
    dice.shuffle(entries)
    other = Ledger.of(entries)
    assert (one.objects, one.held, one.absent) == (other.objects, other.held, other.absent)
    assert (one.origins, one.seen, sorted(one.bad)) == (
        other.origins, other.seen, sorted(other.bad),
    )  # fmt: skip
    assert Ledger.of(entries * 2).held == one.held


@given(listings())
def test_held_is_the_union_of_the_good_names(entries: list[RawEntry]) -> None:
    ledger = Ledger.of(entries)
    assert points(ledger.held) == held_by(entries)
    assert list(ledger.objects) == sorted(ledger.objects)


@given(listings())
def test_a_late_trade_is_held_and_no_longer_absent(entries: list[RawEntry]) -> None:
    ledger = Ledger.of(entries)
    attested = {
        p for e in entries if isinstance(e, AbsentName) for p in points(Coverage((e.span,)))
    }
    assert points(ledger.absent) == attested - held_by(entries)
    assert points(ledger.known) == attested | held_by(entries)
    assert set(ledger.attested) == {e for e in entries if isinstance(e, AbsentName)}


@given(listings())
def test_the_extent_is_what_was_ever_known(entries: list[RawEntry]) -> None:
    """What was found corrupt stays wanted, though nothing holds it now."""
    ledger = Ledger.of(entries)
    marked = {p for e in entries if isinstance(e, BadName) for p in points(Coverage((e.span,)))}
    assert points(ledger.extent) == points(ledger.known) | marked


@given(growing, st.one_of(raws, absents, origins, sightings))
def test_what_is_held_and_known_only_grows_with_names(
    names: list[RawEntry], more: RawEntry
) -> None:
    before, after = Ledger.of(names), Ledger.of([*names, more])
    assert points(before.held) <= points(after.held)
    assert points(before.known) <= points(after.known)


@given(growing, st.one_of(raws, absents, sightings))
def test_the_watermark_never_falls_while_the_origins_stay(
    names: list[RawEntry], more: RawEntry
) -> None:
    names = [OriginName(3), *names]
    before, after = Ledger.of(names).watermark, Ledger.of([*names, more]).watermark
    assert before is not None
    assert after is not None
    assert before <= after


@given(growing, st.integers(0, SMALL), st.integers(0, SMALL))
def test_asking_for_older_history_does_not_lower_the_watermark(
    names: list[RawEntry], highest: int, lower: int
) -> None:
    names = [name for name in names if not isinstance(name, OriginName)]
    before = Ledger.of([*names, OriginName(highest)])
    after = Ledger.of([*names, OriginName(highest), OriginName(min(lower, highest))])
    assert after.watermark == before.watermark


@given(growing)
def test_the_watermark_ends_the_known_run_that_holds_the_highest_origin(
    names: list[RawEntry],
) -> None:
    asked = [name.start for name in names if isinstance(name, OriginName)]
    ledger = Ledger.of(names)
    begins = [ledger.extent.start] if ledger.extent else []
    assert ledger.lowest_origin == min(asked or begins, default=None)
    # What is held begins at an origin: where none says so, one was lost, and only a look into
    # the objects can tell whether it was.
    held = ledger.held.start if ledger.held else None
    below = held is not None and held < min(asked, default=held + 1)
    assert ledger.lost_origin == (held if below else None)
    if not asked and not ledger.held:
        assert ledger.watermark is None
        return
    expected = max(asked) if asked else ledger.held.start
    while expected in points(ledger.known):
        expected += 1
    assert ledger.watermark == expected


@given(listings(), st.integers(0, SMALL + 5))
def test_work_is_wanted_minus_held_minus_absent(entries: list[RawEntry], stop: int) -> None:
    ledger = Ledger.of(entries)
    wanted = ledger.wanted(stop)
    lowest = ledger.lowest_origin
    everything = set() if lowest is None else set(range(lowest, stop))
    assert (set() if wanted is None else set(range(wanted.start, wanted.stop))) == everything
    assert points(ledger.work(wanted)) == everything - points(ledger.held) - points(ledger.absent)


@given(listings(), spans())
def test_overlapping_names_every_good_object_that_holds_a_piece(
    entries: list[RawEntry], span: Span
) -> None:
    ledger = Ledger.of(entries)
    found = ledger.overlapping(span)
    assert set(found) == {name for name in ledger.objects if name.span.overlaps(span)}
    told = points(Coverage.of(name.span for name in found)) & set(range(span.start, span.stop))
    assert told == held_by(entries) & set(range(span.start, span.stop))


# ---------------------------------------------------------------- corrupt objects


@given(listings(), spans())
def test_a_new_name_is_never_one_that_is_marked_corrupt(
    entries: list[RawEntry], span: Span
) -> None:
    """What is fetched again must count, so no marker of any revision may lie on its name."""
    ledger = Ledger.of(entries)
    name = ledger.name_for(span)
    after = Ledger.of([*entries, name])
    assert name.span == span
    assert name in after.objects
    assert points(after.held) >= set(range(span.start, span.stop))


@given(listings(), spans())
def test_a_name_of_a_span_with_no_marker_is_the_plain_one(
    entries: list[RawEntry], span: Span
) -> None:
    """Runs that race write the same name; only a marker moves it on."""
    ledger = Ledger.of([entry for entry in entries if not isinstance(entry, BadName)])
    assert ledger.name_for(span) == RawName(span)


def test_a_corrupt_object_leaves_coverage_until_its_refetch_is_there() -> None:
    span = Span(0, 50)
    marked: list[RawEntry] = [RawName(span), OriginName(0), BadName(span, 0)]
    assert Ledger.of(marked).held == Coverage()
    assert Ledger.of(marked).watermark == 0
    again = Ledger.of(marked).name_for(span)
    assert again == RawName(span, 1)
    assert Ledger.of([*marked, again]).held == Coverage((span,))
    worse: list[RawEntry] = [*marked, again, BadName(span, 1)]
    assert Ledger.of(worse).held == Coverage()
    assert Ledger.of(worse).name_for(span) == RawName(span, 2)


def test_a_marker_condemns_only_its_own_span_and_revision() -> None:
    entries = [RawName(Span(0, 50)), RawName(Span(0, 60)), RawName(Span(0, 50), 1)]
    ledger = Ledger.of([*entries, BadName(Span(0, 50), 0)])
    assert ledger.objects == (RawName(Span(0, 50), 1), RawName(Span(0, 60)))


@given(listings())
def test_names_survive_the_listing(entries: list[RawEntry]) -> None:
    read = [parse_raw(entry.filename) for entry in entries]
    assert Ledger.of(one for one in read if one is not None) == Ledger.of(entries)
