"""The figures of the function: what cannot be found in time is told as unknown, never as 0."""

from __future__ import annotations

import pytest

from schemahub.adapters.store_memory import MemoryStore
from schemahub.aws.figures import figures
from schemahub.core.errors import EngineError
from schemahub.ports import Found


class Deaf:
    """ports.Sql of a catalog in which nothing is published yet."""

    name = "athena"

    def query(self, statement: str) -> Found:
        raise EngineError("there is no table")


def store() -> MemoryStore:
    made = MemoryStore()
    for number in range(5):
        made.create(f"raw_e_trades/{number}", b"12345678")
    return made


def in_time() -> None:
    """There is time."""


def test_what_is_not_published_has_no_figure() -> None:
    found = figures(Deaf(), store(), in_time)
    assert {one.name: one.value for one in found.metrics} == {"RawBytes": 40}
    assert len(found.unknown) == 5


@pytest.mark.parametrize("listed", range(5))
def test_a_listing_that_takes_too_long_ends_and_costs_its_own_figure_alone(listed: int) -> None:
    left = iter(range(listed))

    def check() -> None:
        if next(left, None) is None:
            raise EngineError("the time is over")

    found = figures(Deaf(), store(), check)
    assert found.metrics == ()
    assert [one for one in found.unknown if one.startswith("RawBytes: ") and "over" in one]
