"""Each deliberate breakage of the product is caught by the simulation."""

from __future__ import annotations

import pytest

from schemahub.core import page as pages
from schemahub.core.layout import PartName
from schemahub.core.page import Answer
from schemahub.core.paging import Ask
from schemahub.core.span import Coverage, Span
from tests.pipelines.raw_lake import AT, DATE
from tests.simulation import sabotage_raw, sabotage_table
from tests.simulation.market import READER
from tests.simulation.sabotage import SABOTAGES, Sabotage
from tests.simulation.sabotage_raw import SILENCE_IS_EVIDENCE
from tests.simulation.sabotage_table import PARTS_NAMED_BY_START
from tests.simulation.world import simulate

# Each has registered its own when it was imported.
FILES = (sabotage_raw, sabotage_table)


def schedules_needed(one: Sabotage) -> int:
    """How many schedules until a promise is seen broken; 0 if none is within its bound."""
    for number in range(1, one.within + 1):
        seed = one.first + number - 1
        if simulate(seed, sabotage=one).violation is not None:
            return number
    return 0


def marked(one: Sabotage) -> object:
    return pytest.param(one, id=one.name, marks=[pytest.mark.heavy] if one.within > 60 else [])


@pytest.mark.parametrize("one", [marked(one) for one in SABOTAGES])
def test_a_sabotage_is_caught(one: Sabotage) -> None:
    needed = schedules_needed(one)
    print(f"{one.name}: {needed} schedules ({one.breaks})")  # noqa: T201
    assert 0 < needed <= one.within


def lost_by_a_torn_listing() -> list[Span]:
    """A reader has listed up to any part; then a larger one is made, and what it supersedes goes.

    Superseders that lie behind the place where the listing goes on.
    """
    listed = [Span(start, start + 4) for start in range(16, 32, 4)]
    over = Span(16, 32)
    return [part for part in listed if PartName(over).stem < PartName(part).stem]


def test_parts_named_by_their_start_would_be_lost_to_a_torn_listing() -> None:
    assert lost_by_a_torn_listing() == []
    with PARTS_NAMED_BY_START():
        assert lost_by_a_torn_listing() != []


def silence_of_an_empty_answer() -> Coverage:
    """What an empty answer, asked for the rows below id 100, says that the source lacks."""
    answer = Answer(AT, "https://api.example/products/BTC-USD/trades?after=100", 200, DATE, b"[]")
    return pages.read(answer, Ask(100, 5), READER).silence


def test_an_answer_that_speaks_of_what_is_not_in_it_would_make_absences() -> None:
    assert silence_of_an_empty_answer() == Coverage()
    with SILENCE_IS_EVIDENCE():
        assert silence_of_an_empty_answer() != Coverage()


def test_there_are_enough_of_them_and_each_is_undone() -> None:
    assert len({one.name for one in SABOTAGES}) == len(SABOTAGES) >= 15
    homes = {one.changes.__module__ for one in SABOTAGES}
    assert homes == {file.__name__ for file in FILES}
    for one in SABOTAGES:
        before = [getattr(where, name) for where, name, _ in one.changes()]
        with one():
            pass
        assert [getattr(where, name) for where, name, _ in one.changes()] == before
    # With none of them the same schedules pass: see test_simulation.
    assert simulate(1).violation is None
