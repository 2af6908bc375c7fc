"""An exchange that keeps its rule is never accused, whatever its history looks like."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.core import conformance as points
from schemahub.core import paging
from schemahub.core.conformance import Finding, Seen
from schemahub.core.page import Answer
from schemahub.core.paging import NANOSECONDS, Ask
from schemahub.core.sample import Sampled
from schemahub.core.spec import ExchangeSpec, Paging
from schemahub.core.spec_reading import build
from schemahub.core.trade import Trade
from tests.core.dialect import data

NOW = datetime(2026, 5, 17, tzinfo=UTC)
START = int(NOW.timestamp()) * 1_000_000 - 3_600_000_000
PAGE = 12

RULES = {
    "newest_below": {"cursor": "c"},
    "oldest_from": {"cursor": "c"},
    "oldest_after": {"cursor": "c"},
    "time_window": {"start": "a", "stop": "b"},
}


def spec(axis: str, rule: str, unit: str | None, by: str) -> ExchangeSpec:
    content = data()
    content["axis"] = axis
    content["provable"]["by"] = by
    given: dict[str, Any] = {"rule": rule, "limit": "n", "page": PAGE, **RULES[rule]}
    content["trades"]["paging"] = {**given, "unit": unit} if unit else given
    return build(content, {}, "acme.yaml")


SPECS = [
    *(spec("ids", rule, None, "ids") for rule in RULES if rule != "time_window"),
    *(spec("sparse_ids", rule, None, "nothing") for rule in RULES if rule != "time_window"),
    *(spec("time", rule, unit, "ids") for rule in RULES for unit in ("s", "ms", "us", "ns")),
]


def trade(number: int, moment: int, *, timed: bool) -> Trade:
    return Trade(
        moment if timed else number, number, None, "buy", Decimal(1), Decimal(1), moment
    )  # fmt: skip


@st.composite
def histories(draw: st.DrawFn, one: ExchangeSpec) -> list[Trade]:
    """Some pages of trades; on an axis of time no instant holds more than half a page."""
    steps = draw(st.lists(st.sampled_from([0, 1, 999, 1_000, 999_999, 2_500_000]), max_size=50))
    skips = st.integers(1, 9) if one.axis == "sparse_ids" else st.just(1)
    number, moment, alike, found = draw(st.integers(1, 500)), START, 0, []
    for step in steps:
        number += draw(skips)
        alike = 0 if step > 1_000_000 else alike + 1
        moment += step if alike < PAGE // 2 else 2_000_000
        alike %= PAGE // 2
        found.append(trade(number, moment, timed=one.line.timed))
    return found


def asked(history: list[Trade], ask: Ask, rules: Paging) -> Seen:
    """What an exchange answers that keeps its rule, by the cursors as they are sent."""
    sent = {name: int(value) for name, value in ask.params(rules)}
    limit = min(sent.pop("n"), PAGE)
    size = NANOSECONDS[rules.unit] if rules.unit else 1
    scale = 1_000 if rules.unit else 1

    def at(one: Trade) -> int:
        return one.position * scale

    keeps: dict[str, Callable[[Trade], bool]] = {
        "newest_below": lambda one: at(one) < sent["c"] * size,
        "oldest_from": lambda one: at(one) >= sent["c"] * size,
        "oldest_after": lambda one: at(one) > sent["c"] * size,
        # Both ends included, in the cursor's whole units.
        "time_window": lambda one: sent["a"] <= at(one) // size <= sent["b"],
    }
    told = [one for one in history if not sent or keeps[rules.rule](one)]
    if not sent or paging.descends(rules):
        told = told[-limit:]
    if paging.descends(rules):
        told.reverse()
    answer = Answer(NOW, "http://127.0.0.1/x", 200, "", b"")
    return Seen(ask, answer, tuple(Sampled(b"", one.position, one) for one in told[:limit]))


@pytest.mark.parametrize(
    "one", SPECS, ids=lambda s: f"{s.axis}-{s.trades.paging.rule}-{s.trades.paging.unit}"
)
@given(st.data())
def test_who_keeps_the_rule_is_never_accused(one: ExchangeSpec, drawn: st.DataObject) -> None:
    rules = one.trades.paging
    history = drawn.draw(histories(one))
    first = asked(history, paging.head(rules), rules)
    known = first.ordered
    question = points.around(known, one)
    middle = None if question is None else asked(history, question, rules)
    found: list[Finding] = [
        points.order(first),
        points.cursor(middle, known, one),
        points.adjacency(middle, known, one),
    ]
    beside = points.beside(known, one)
    if beside is not None:
        older = asked(history, beside, rules)
        pages = [older, first]
        if not points.joined(older, known):
            onward = points.after(older, one)
            pages = pages if onward is None else [older, asked(history, onward, rules)]
        found += [points.contiguity(pages, one), points.ids([first, *pages])]
        found.append(points.page([first, older], None, one))
        above = points.above(first, one)
        beyond = None if above is None else asked(history, above, rules)
        found.append(points.newest(first, first, [older], beyond))
    assert [one for one in found if one.verdict == "failed"] == []
