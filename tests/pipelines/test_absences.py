"""An absence counts only as long as its evidence says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from schemahub.core.layout import AbsentName, raw_key
from schemahub.core.page import Answer
from schemahub.core.span import Coverage, Span
from tests.pipelines.raw_lake import AT, BTC, RawLake, wire

GONE = Span(7, 9)


def told(lake: RawLake, minutes: int) -> Answer:
    """An answer that passes over the ids that are gone, `minutes` later."""
    rows = [wire(n) for n in range(19, 0, -1) if n not in GONE]
    answer = lake.answer(rows, AT + timedelta(minutes=minutes), below=20)
    return replace(answer, date="")


@pytest.fixture
def lake() -> RawLake:
    made = RawLake()
    made.origin(1)
    made.put(1, 7)
    made.put(9, 20)
    made.store.create(raw_key(BTC, AbsentName(GONE)), made.packed([told(made, 0), told(made, 2)]))
    made.transformed()
    return made


def replaced(lake: RawLake, data: bytes) -> None:
    lake.store.put(raw_key(BTC, AbsentName(GONE)), data)


def test_an_absence_that_two_answers_attest_passes(lake: RawLake) -> None:
    certificate = lake.verify()
    assert (certificate.status, certificate.count) == ("absent_at_source", 17)


@pytest.mark.parametrize("kind", ["emptied", "cut", "one answer", "too soon", "not passed over"])
def test_evidence_that_attests_nothing_leaves_the_ids_missing(lake: RawLake, kind: str) -> None:
    whole = lake.store.read(raw_key(BTC, AbsentName(GONE)))
    harm = {
        "emptied": b"",
        "cut": whole[:-5],
        "one answer": lake.packed([told(lake, 0)]),
        "too soon": lake.packed([told(lake, 0), replace(told(lake, 0), at=AT)]),
        "not passed over": lake.packed(
            [*lake.answers(Span(1, 20)), *lake.answers(Span(1, 20), AT + timedelta(hours=1))]
        ),
    }
    replaced(lake, harm[kind])
    report = lake.report()
    assert report.certificate.status == "missing"
    assert Coverage.of(hole.span for hole in report.certificate.holes) == Coverage((GONE,))
    assert report.bad_evidence == (raw_key(BTC, AbsentName(GONE)),)
