"""Thousands of rows that went wrong by dice: each ends in exactly one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby

import pytest

from schemahub.adapters.parquet import ParquetTable
from schemahub.core import page
from schemahub.core.errors import BadAnswer
from schemahub.core.layout import RawName, raw_key
from schemahub.core.page import Answer
from schemahub.core.paging import Ask
from schemahub.core.span import Coverage, Span
from schemahub.pipelines.quarantine import Quarantine
from schemahub.ports import RawObject
from tests.adapters.readers import READER, Told, all_agree, authority, source
from tests.exchanges.coinbase import generated
from tests.pipelines.raw_lake import BTC, RawLake, wire

SIZE = 8  # rows of a page, of which the one in the middle went wrong


class Pages:
    """A lake of pages in each of which one row went wrong, held as ingest would hold it."""

    def __init__(self, count: int, seed: int) -> None:
        self.lake = RawLake()
        self.odd: dict[int, bytes] = {}
        self.sources: list[RawObject] = []
        self.answers: dict[int, Answer] = {}
        self.held = Coverage()
        for trade_id, odd in generated.rows(count, lambda n: n * SIZE + SIZE // 2, seed):
            start = trade_id - SIZE // 2 + 1
            answer = self.lake.answer(
                [odd if n == trade_id else wire(n) for n in range(start + SIZE - 1, start - 1, -1)],
                below=start + SIZE,
            )
            all_agree(answer)
            self.odd[trade_id] = odd
            try:
                proved = page.read(answer, Ask(stop=start + SIZE, limit=SIZE), READER)
            except BadAnswer:
                continue  # kept whole in quarantine, and asked for again
            self.answers[start] = answer
            self.held |= proved.all_ids.within(Span(start, start + SIZE))
        for span in self.held:
            first = (span.start - 1) // SIZE * SIZE + 1
            told = [self.answers[n] for n in range(first, span.stop, SIZE)]
            key = self.lake.put(span.start, span.stop, told)
            assert key == raw_key(BTC, RawName(span))
            lines = b"".join(page.encode(one) for one in told)
            self.sources.append(RawObject(key, span, lines))

    def told(self) -> list[Told]:
        """Every row that counts, by the authority."""
        return [one for raw in self.sources for one in authority([raw])]

    def fate(self, trade_id: int, told: dict[str, list[Told]]) -> str:
        """The one place where the odd row of a page ended; `told` are rows that count, by text."""
        answer = self.answers.get(trade_id - SIZE // 2 + 1)
        if answer is None:
            return "its answer is quarantined"
        text = self.odd[trade_id].strip().decode()
        whole = [one for one in authority([source([answer])]) if one.raw == text]
        if not whole:
            return "it fell into several rows"
        counts = {one.content is not None for one in told.get(text, ())}
        assert len(counts) < 2, "a row in both places"
        if counts:
            return "unified" if counts.pop() else "quarantined"
        # It bears the id of a place that was not asked for, so no name holds it.
        held = self.held.within(page_of(trade_id))
        assert not any(one.position in held for one in whole)
        return "elsewhere"


def page_of(trade_id: int) -> Span:
    start = trade_id - SIZE // 2 + 1
    return Span(start, start + SIZE)


def by_position(told: Iterable[Told]) -> dict[int, list[Told]]:
    ordered = sorted(told, key=lambda one: one.position)
    return {n: list(same) for n, same in groupby(ordered, lambda one: one.position)}


@pytest.mark.parametrize(
    ("count", "seed"), [(200, 1), pytest.param(5_000, 2, marks=pytest.mark.heavy)]
)
def test_each_row_is_a_row_or_in_quarantine_and_the_readers_agree(
    count: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What share of bad rows stops a market is tested elsewhere; here every page has one.
    monkeypatch.setattr("schemahub.pipelines.build.MAX_REJECT_SHARE", 1.0)
    pages = Pages(count, seed)
    pages.lake.transformed()
    told = pages.told()
    good = by_position(one for one in told if one.content is not None)
    conflicts = {n for n, many in good.items() if len({one.content for one in many}) > 1}

    rows = pages.lake.shown()
    shown = {row[2]: row[3:] for row in rows}
    assert len(rows) == len(shown)
    assert sorted(shown) == sorted(good)
    for position, (first, *_) in good.items():
        assert first.content is not None
        assert shown[position][:3] == first.content[:3]
    held = Quarantine(pages.lake.lake, ParquetTable()).market(BTC)
    refused = [one for one in told if one.content is None or one.position in conflicts]
    assert Counter((row.position, row.raw) for row in held.rows) == Counter(
        {(one.position, one.raw) for one in refused}
    )
    assert held.damaged == ()

    by_text: dict[str, list[Told]] = {}
    for one in told:
        by_text.setdefault(one.raw, []).append(one)
    found = Counter(pages.fate(trade_id, by_text) for trade_id in pages.odd)
    assert sum(found.values()) == count
    assert found["unified"] > count * 0.05
    assert found["quarantined"] > count * 0.3
