"""The first trade of a time where pages come oldest first, and the first trade of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.core.axis import SECOND
from schemahub.core.page import Answer, Page, Request
from schemahub.core.span import Coverage
from schemahub.core.spec_reading import build
from schemahub.core.wire import EARLIEST
from schemahub.pipelines.source import BEGINNING, Source, find_first_above, find_first_time
from tests.core.dialect import MARKET, NOW_US, answer, body, data, row

T = TypeVar("T")
START = 1_700_000_000 * SECOND


def page(rows: list[tuple[int, int]]) -> Page:
    """Of (position, time)."""
    ids = Coverage.of_ids(position for position, _ in rows)
    return Page(ids, {}, 0, len(rows), tuple(rows), keys=tuple((at, one) for one, at in rows))


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, int]]:
    count = draw(st.integers(1, 120))
    position, at = draw(st.integers(0, 40)), START
    rows = []
    for _ in range(count):
        rows.append((position, at))
        position += draw(st.sampled_from([1, 1, 1, 2, 30]))
        at += draw(st.sampled_from([0, 1, SECOND]))
    return rows


@given(histories(), st.integers(2, 12), st.data())
@settings(max_examples=300, deadline=None)
def test_it_is_the_lowest_id_of_that_time(
    rows: list[tuple[int, int]], size: int, given_: st.DataObject
) -> None:
    asked = 0

    def above(start: int) -> Page:
        nonlocal asked
        asked += 1
        assert asked < 200, "it would ask for ever"
        return page([row for row in rows if row[0] >= start][:size])

    since = given_.draw(st.one_of(st.just(BEGINNING), st.integers(START - 5, rows[-1][1] + 5)))
    found = find_first_above(above, since, page(rows[-size:]), 0, size)
    later = [position for position, at in rows if at >= since]
    assert found == (later[0] if later else rows[-1][0] + 1)


@given(st.lists(st.integers(EARLIEST, START), min_size=1, max_size=60), st.integers(2, 12))
@settings(max_examples=200, deadline=None)
def test_the_first_time_is_found_to_the_second(times: list[int], size: int) -> None:
    times.sort()

    def below(stop: int) -> Page:
        told = [(at, number) for number, at in enumerate(times) if at < stop][-size:]
        return Page(Coverage(), {}, 0, len(told), (), keys=tuple(told))

    found = find_first_time(below, times[-1])
    assert times[0] - SECOND <= found <= times[0]


@pytest.mark.parametrize("heeds", [True, False])
def test_an_exchange_that_does_not_heed_the_order_asked_for_is_not_believed(heeds: bool) -> None:
    changed = data()
    changed["axis"] = "time"
    changed["provable"] = {"by": "nothing", "basis": "measured", "why": "as it is"}
    changed["trades"]["paging"] = {
        "rule": "time_window", "start": "start", "stop": "end", "unit": "ms",
        "limit": "limit", "page": 5, "oldest": {"sort": "1"},
    }  # fmt: skip
    spec = build(changed, {}, "acme.yaml")
    times = [NOW_US - 90_000 * SECOND + n * 61 * SECOND for n in range(40)]

    @dataclass
    class Wire:
        asked: int = 0

        def fetch(self, request: Request, read: Callable[[Answer], T]) -> T:
            self.asked += 1
            params = dict(request.params)
            stop = int(params.get("end", 10**13)) * 1_000
            before = [(n, at) for n, at in enumerate(times) if at <= stop]
            oldest = heeds and params.get("sort") == "1"
            shown = before[:5] if oldest else before[-5:]
            return read(answer(body(*(row(n, at) for n, at in shown))))

    source = Source(spec, Wire())
    found = source.first_time(MARKET, (times[-1], 39))
    assert times[0] - SECOND <= found <= times[0]
