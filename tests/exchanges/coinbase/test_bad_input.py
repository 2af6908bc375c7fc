"""Every class of bad input, end to end: it ends in exactly one place, and the rest lives."""

from __future__ import annotations

from typing import Any

import pytest

from schemahub.adapters.parquet import ParquetTable
from schemahub.adapters.zstd import Zstd
from schemahub.core import page
from schemahub.core.layout import part_key
from schemahub.core.span import Span
from tests.adapters.readers import all_agree, answer, bulk_takes
from tests.exchanges.coinbase.bad_input import (
    ANSWERS,
    BAD,
    ID,
    LAST,
    ROWS,
    Row,
    good,
)
from tests.exchanges.coinbase.bad_input import page as page_of
from tests.exchanges.coinbase.bad_input import rows_with as rows_around
from tests.pipelines.raw_lake import AT, RawLake
from tests.pipelines.raw_lake import BTC as MARKET

NOW = round(AT.timestamp() * 1_000_000)


def test_there_are_at_least_45_classes() -> None:
    assert len(BAD) >= 45
    assert len(ANSWERS) >= 20


# ---------------------------------------------------------------- rows


def rows_with(odd: bytes) -> list[bytes]:
    return rows_around(odd, NOW)


def whole(start: int, stop: int) -> list[int]:
    return list(range(start, stop))


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize("case", ROWS.values(), ids=ROWS.keys())
def test_a_row_ends_where_all_readers_say_and_the_certificate_tells(case: Row) -> None:
    odd = case.wire(ID, NOW)
    got = answer(rows_with(odd))
    told = all_agree(got)
    assert told is not None
    verdicts = {one.position: one for one in told if one.raw.encode() == odd.strip()}
    ((position, verdict),) = verdicts.items()
    assert (verdict.content is not None) == (case.reason is None)
    # Without an id of its own it belongs where the row before it does.
    assert position == (ID if case.has_id else ID + 1)
    assert bulk_takes(got) is False or case.reason is None

    lake = RawLake()
    lake.origin(1)
    for span in (Span(1, LAST + 1),) if case.has_id else (Span(1, ID), Span(ID + 1, LAST + 1)):
        lake.put(span.start, span.stop, [got])
    lake.transformed()
    shown, found = [row[2] for row in lake.shown()], lake.report()
    refused = [row for part in lake.parts() for row in quarantined(lake, part)]
    certificate = found.certificate
    assert certificate.damaged == ()
    if case.reason is None:
        assert (shown, refused, certificate.status) == (whole(1, LAST + 1), [], "proven")
        return
    assert shown == [n for n in whole(1, LAST + 1) if n != ID]
    ((raw, reason, in_table),) = refused
    assert (raw, in_table) == (odd.decode(), not case.has_id)
    assert reason.startswith(case.reason)
    (hole,) = certificate.holes
    assert (hole.span, hole.status) == (
        Span(ID, ID + 1), "quarantined" if case.has_id else "missing",
    )  # fmt: skip
    assert certificate.status == hole.status


def quarantined(lake: RawLake, part: Span) -> list[tuple[str, str, bool]]:
    key = part_key(1, MARKET, part)
    facts = ParquetTable().facts(lake.store.read(key), key)
    found = lake.lake.quarantined(MARKET, part, facts.refused)
    return [(row.raw, row.reason, row.in_table) for row in found]


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("make_body", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_that_is_none_is_left_out_and_the_rest_is_published(make_body: Any) -> None:
    got = answer([])
    bad = page.Answer(got.at, got.url, got.status, got.date, make_body(rows_with(good(ID, NOW))))
    assert all_agree(bad) is None
    lake = RawLake()
    lake.origin(1)
    lake.put(1, 11, [answer(rows_with(good(ID, NOW)))])
    lake.put(11, 21, [bad])
    outcome = lake.transform()
    assert outcome.state == "partial"
    assert [row[2] for row in lake.shown()] == whole(1, 11)
    report = lake.report()
    assert report.certificate.status == "missing"
    assert len(report.bad_raw) + len(report.stray_raw) == 1


def test_no_two_classes_are_the_same_and_none_is_a_sound_row() -> None:
    sound = good(ID, NOW)
    assert len({case.wire(ID, NOW) for case in ROWS.values()} - {sound}) == len(ROWS)
    answers = {make_body(rows_with(sound)) for make_body in ANSWERS.values()}
    assert len(answers) == len(ANSWERS)


def test_raw_keeps_what_was_told_and_not_what_a_parser_made_of_it() -> None:
    lake = RawLake()
    sound = rows_with(good(ID, NOW))
    bodies = [page_of(rows_with(case.wire(ID, NOW))) for case in ROWS.values()]
    for body in [*bodies, *(make_body(sound) for make_body in ANSWERS.values())]:
        got = answer([])
        told = page.Answer(got.at, got.url, got.status, got.date, body)
        line = Zstd().unpack(lake.packed([told]), "raw")
        assert page.decode(line) == told
