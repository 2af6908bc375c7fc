"""What the answers of a chunk add up to: nothing is named that they do not prove."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.core.harvest import (
    Harvest,
    Piece,
    Witness,
    attests,
    harvest,
    piece,
    reaches_beyond,
)
from schemahub.core.layout import AbsentName, BadName, RawName, SeenName
from schemahub.core.ledger import Ledger
from schemahub.core.span import Coverage, Span
from tests.core.dialect import NOW, NOW_US, page_of, row
from tests.core.strategies import coverages, is_normal, points

SETTLE = timedelta(seconds=60)
SETTLE_US = 60_000_000
HOUR = timedelta(hours=1)
HIGHEST = 30
WORK = Coverage((Span(0, HIGHEST),))
LABEL = 4


def told(
    number: int, ids: Iterable[int], bad: Iterable[int] = (), age: timedelta = timedelta()
) -> Piece:
    """An answer with trades of an hour ago and older; `number` is what it is packed as."""
    rows = [row(one, at(one)) for one in ids] + [row(one, price="0") for one in bad]
    page = page_of(*rows, at=NOW - age)
    return piece(str(number).zfill(LABEL).encode(), page, NOW - age)


def at(position: int) -> int:
    return NOW_US - 3_600_000_000 - (HIGHEST - position) * 1_000_000


def saw(
    run_id: str, silence: Iterable[int] = (), bad: Iterable[int] = (), age: timedelta = HOUR
) -> Witness:
    label = f"w{run_id}".ljust(LABEL, ".")[:LABEL].encode()
    return Witness(run_id, label, Coverage.of_ids(bad), Coverage.of_ids(silence), NOW - age)


def reap(
    pieces: Iterable[Piece],
    witnesses: Iterable[Witness] = (),
    work: Coverage = WORK,
    ledger: Ledger | None = None,
) -> Harvest:
    return harvest(work, list(pieces), list(witnesses), ledger or Ledger(), "now", SETTLE)


def labels(data: bytes) -> list[bytes]:
    return [data[at : at + LABEL] for at in range(0, len(data), LABEL)]


def spans_of(found: Harvest, kind: type) -> Coverage:
    spans = [n.span for n, _ in found.objects if isinstance(n, (RawName, SeenName, AbsentName))
             and isinstance(n, kind)]  # fmt: skip
    assert len(spans) == len(set(spans))
    return Coverage.of(spans)


# ---------------------------------------------------------------- against sets


numbers = st.sets(st.integers(0, HIGHEST - 1), max_size=10)
ages = st.sampled_from([0, 1, 30, 59, 60, 61, 3600]).map(lambda s: timedelta(seconds=s))
pieces_ = st.lists(st.tuples(numbers, numbers, ages), max_size=4).map(
    lambda drawn: [told(n, ids, bad - ids, age) for n, (ids, bad, age) in enumerate(drawn)]
)
witnesses_ = st.lists(
    st.builds(saw, st.sampled_from(["a", "b", "now"]), numbers, numbers, ages), max_size=3
)


@settings(max_examples=150)
@given(pieces_, witnesses_, coverages(HIGHEST), coverages(HIGHEST))
def test_a_harvest_is_what_the_rules_make_of_the_sets(
    pieces: list[Piece], witnesses: list[Witness], work: Coverage, attested: Coverage
) -> None:
    found = reap(pieces, witnesses, work, Ledger(absent=attested))
    held = points(work) & {n for one in pieces for n in points(one.ids)}
    rest = points(work) - held
    bad = rest & {n for one in pieces for n in points(one.bad)}
    others = [one for one in witnesses if one.run_id != "now"]
    twice = bad & {n for one in others for n in points(one.bad)}
    quiet: set[int] = set()
    absent: set[int] = set()
    for one in pieces:
        edge = int((one.served_at - SETTLE).timestamp()) * 1_000_000
        told_of = points(one.ids) | points(one.bad)
        above = {n: min(points(one.ids) & set(range(n, HIGHEST)), default=None) for n in rest - bad}
        silent = {
            n
            for n, good in above.items()
            if good is not None and n not in told_of and n > min(told_of) and at(good) <= edge
        }
        quiet |= silent
        for witness in others:
            if one.served_at - witness.served_at >= SETTLE:
                absent |= silent & points(witness.silence)
    seen = quiet - absent - points(attested) - {n for w in witnesses for n in points(w.silence)}
    seen |= bad - twice - {n for w in witnesses for n in points(w.bad)}

    assert points(found.held) == held | twice
    assert points(found.absent) == absent
    assert points(found.missing) == rest - twice - absent
    assert points(spans_of(found, RawName)) == held | twice
    assert points(spans_of(found, AbsentName)) == absent
    assert points(spans_of(found, SeenName)) == seen
    assert all(map(is_normal, (found.held, found.absent, found.missing)))


@given(pieces_, witnesses_, coverages(HIGHEST))
def test_every_object_holds_the_answers_that_prove_its_name(
    pieces: list[Piece], witnesses: list[Witness], work: Coverage
) -> None:
    by_label = {one.packed: one for one in pieces}
    for name, data in reap(pieces, witnesses, work).objects:
        used = [by_label[label] for label in labels(data) if label in by_label]
        if isinstance(name, RawName):
            good = {n for one in used for n in points(one.ids)}
            bad = {n for one in used for n in points(one.bad)}
            span = set(range(name.span.start, name.span.stop))
            assert span <= good or span <= bad
            # None that adds nothing: raw would tell its rows twice.
            assert len(used) == len(data) // LABEL <= len(span)
        else:
            assert used


@given(pieces_, witnesses_, coverages(HIGHEST))
def test_without_a_settle_time_nothing_is_concluded(
    pieces: list[Piece], witnesses: list[Witness], work: Coverage
) -> None:
    """A chunk without all its answers cannot say what the source lacks."""
    found = harvest(work, pieces, witnesses, Ledger(), "now", None)
    assert spans_of(found, SeenName) == spans_of(found, AbsentName) == found.absent == Coverage()
    assert found.held == spans_of(found, RawName)
    assert found.missing == work - found.held


# ---------------------------------------------------------------- data


def test_only_wanted_positions_are_named_in_one_object_a_run_of_them() -> None:
    work = Coverage((Span(2, 5), Span(8, 10)))
    found = reap([told(1, range(12))], work=work)
    assert [(name, data) for name, data in found.objects] == [
        (RawName(Span(2, 5)), b"0001"),
        (RawName(Span(8, 10)), b"0001"),
    ]


def test_answers_stand_in_their_object_lowest_first() -> None:
    pieces = [told(1, range(20, 30)), told(2, range(10)), told(3, range(10, 20))]
    assert reap(pieces).objects == ((RawName(Span(0, 30)), b"000200030001"),)


def test_a_refetch_takes_the_name_past_the_corrupt_ones() -> None:
    ledger = Ledger(bad=(BadName(Span(0, 30), 0), BadName(Span(0, 30), 1)))
    found = reap([told(1, range(30))], ledger=ledger)
    assert [name for name, _ in found.objects] == [RawName(Span(0, 30), 2)]


def test_no_answer_is_no_object() -> None:
    assert reap([]) == Harvest((), Coverage(), Coverage(), WORK)


# ---------------------------------------------------------------- bad rows


def test_a_row_that_one_run_sees_bad_is_sighted_and_stays_missing() -> None:
    found = reap([told(1, {0, 1, 3}, {2})], work=Coverage((Span(0, 4),)))
    assert found.missing == Coverage((Span(2, 3),))
    assert (SeenName(Span(2, 3), "now"), b"0001") in found.objects


def test_a_row_that_two_runs_see_bad_is_held() -> None:
    work = Coverage((Span(0, 4),))
    found = reap([told(1, {0, 1, 3}, {2})], [saw("before", bad={2})], work)
    assert found.held == work
    assert (RawName(Span(2, 3)), b"0001") in found.objects


def test_one_run_never_attests_a_bad_row_by_itself() -> None:
    work = Coverage((Span(0, 4),))
    pieces = [told(1, {0, 1, 3}, {2}), told(2, {0, 1, 3}, {2})]
    found = reap(pieces, [saw("now", bad={2})], work)
    assert found.missing == Coverage((Span(2, 3),))


def test_a_good_row_in_any_answer_heals_a_bad_one() -> None:
    work = Coverage((Span(0, 4),))
    pieces = [told(1, {0, 1, 3}, {2}), told(2, {2})]
    assert reap(pieces, [saw("before", bad={2})], work).objects == (
        (RawName(Span(0, 4)), b"00010002"),
    )


def test_a_bad_row_is_never_absent() -> None:
    """It was there to be seen."""
    work = Coverage((Span(2, 3),))
    pieces = [told(1, {0, 4}, {2}), told(2, {0, 4})]
    found = reap(pieces, [saw("before", silence={2})], work)
    assert not found.absent


# ---------------------------------------------------------------- absence


HOLE = Coverage((Span(2, 3),))


def one_hole(age: timedelta = timedelta()) -> Piece:
    return told(1, {0, 1, 3}, age=age)


def test_a_first_sighting_is_kept_and_attests_nothing() -> None:
    found = reap([one_hole()], work=HOLE)
    assert found.objects == ((SeenName(Span(2, 3), "now"), b"0001"),)
    assert (found.absent, found.missing) == (Coverage(), HOLE)


def test_two_runs_attest_a_hole_with_the_evidence_of_both() -> None:
    found = reap([one_hole()], [saw("then", silence={2})], HOLE)
    ((name, data),) = found.objects
    assert name == AbsentName(Span(2, 3))
    assert labels(data) == [b"wthe", b"0001"]
    assert found.absent == HOLE


@pytest.mark.parametrize(("seconds", "absent"), [(60, True), (59.999999, False), (0, False)])
def test_the_answers_of_two_runs_are_a_settle_time_apart(seconds: float, absent: bool) -> None:
    witness = saw("then", silence={2}, age=timedelta(seconds=seconds))
    assert bool(reap([one_hole()], [witness], HOLE).absent) == absent


def test_an_answer_from_before_the_witness_attests_nothing() -> None:
    assert not reap([one_hole(age=HOUR)], [saw("then", silence={2}, age=SETTLE)], HOLE).absent


def test_one_run_never_attests_a_hole_by_itself() -> None:
    pieces = [one_hole(), told(2, {0, 1, 3})]
    assert not reap(pieces, [saw("now", silence={2})], HOLE).absent


def test_a_witness_attests_only_what_it_passed_over_itself() -> None:
    found = reap([told(1, {0, 5})], [saw("a", silence={2}), saw("b", silence={3, 9})])
    assert found.absent == Coverage((Span(2, 4),))


@pytest.mark.parametrize(("age_us", "settled"), [(SETTLE_US, True), (SETTLE_US - 1, False)])
def test_ids_younger_than_the_settle_time_are_neither_sighted_nor_attested(
    age_us: int, settled: bool
) -> None:
    """By the trade above them: an id without a trade has no time of its own."""
    page = page_of(row(1, NOW_US - age_us - 7), row(3, NOW_US - age_us))
    one = piece(b"0001", page, NOW)
    assert bool(reap([one], work=HOLE).objects) == settled
    assert bool(reap([one], [saw("then", silence={2})], HOLE).absent) == settled


def test_a_hole_below_a_bad_row_is_dated_by_the_next_good_one() -> None:
    young = page_of(row(1), row(3, price="x"), row(4, NOW_US))
    assert not reap([piece(b"0001", young, NOW)], work=HOLE).objects
    old = page_of(row(1), row(3, price="x"), row(4))
    assert spans_of(reap([piece(b"0001", old, NOW)], work=HOLE), SeenName) == HOLE


def test_a_hole_with_no_good_row_above_it_is_undated_and_so_never_sighted() -> None:
    page = page_of(row(1), row(3, price="x"))
    assert not reap([piece(b"0001", page, NOW)], work=HOLE).objects


def test_an_answer_with_an_id_that_cannot_be_read_is_no_evidence() -> None:
    page = page_of(row(1), row("2"), row(3))
    found = reap([piece(b"0001", page, NOW)], [saw("then", silence={2})], HOLE)
    assert found.objects == ()
    assert found.missing == HOLE


def test_a_hole_is_sighted_once_however_often_it_is_seen() -> None:
    assert reap([one_hole()], [saw("then", silence={2}, age=timedelta())], HOLE).objects == ()
    assert reap([one_hole()], work=HOLE, ledger=Ledger(absent=HOLE)).objects == ()


@pytest.mark.parametrize("first", ["bad", "silent"])
def test_what_was_bad_in_one_run_and_silent_in_the_next_is_resolved_by_a_third(first: str) -> None:
    bad = told(1, {0, 1, 3}, {2})
    now, before = (one_hole(), saw("a", bad={2})) if first == "bad" else (bad, saw("a", {2}))
    second = reap([now], [before], HOLE)
    assert spans_of(second, SeenName) == HOLE  # of the other kind: it can be confirmed
    after = saw("b", silence={2}) if first == "bad" else saw("b", bad={2})
    third = reap([replace(now, served_at=NOW + HOUR)], [before, after], HOLE)
    assert third.missing == Coverage()


told_at = st.tuples(st.integers(0, 200), numbers)


@given(st.lists(told_at, max_size=4), st.integers(0, 20), st.integers(1, 5))
def test_evidence_attests_a_span_if_two_answers_a_settle_time_apart_pass_over_each_position(
    told_: list[tuple[int, set[int]]], start: int, length: int
) -> None:
    answers = [(NOW + timedelta(seconds=at), Coverage.of_ids(ids)) for at, ids in told_]
    proven = {
        position
        for one, ids in told_
        for other, others in told_
        for position in ids & others
        if other - one >= SETTLE.total_seconds()
    }
    wanted = Span(start, start + length)
    assert attests(answers, wanted, SETTLE) == (set(range(start, start + length)) <= proven)


@given(witnesses_, pieces_)
def test_what_is_called_absent_has_its_evidence_with_it(
    witnesses: list[Witness], pieces: list[Piece]
) -> None:
    """What is stored under `.absent` must convince a reader who has nothing else."""
    others = [one for one in witnesses if one.run_id != "now"]
    for name, data in reap(pieces, others).objects:
        if isinstance(name, AbsentName):
            kept = labels(data)
            answers = [(w.served_at, w.silence) for w in others if w.packed in kept]
            answers += [
                (one.served_at, Coverage.of(span for span, _ in one.silence))
                for one in pieces
                if one.packed in kept
            ]
            assert attests(answers, name.span, SETTLE)


# ---------------------------------------------------------------- pieces


def test_a_piece_dates_each_hole_by_the_trade_above_it() -> None:
    one = told(1, {1, 4, 9})
    assert one.silence == ((Span(2, 4), at(4)), (Span(5, 9), at(9)))


@given(numbers, st.integers(0, HIGHEST - 1), st.integers(1, HIGHEST))
def test_a_piece_reaches_beyond_a_span_if_it_is_silent_there(
    ids: set[int], start: int, length: int
) -> None:
    one, page = told(1, ids), Span(start, start + length)
    silent = {n for span, _ in one.silence for n in range(span.start, span.stop)}
    assert reaches_beyond(one, page) == any(n not in page for n in silent)
