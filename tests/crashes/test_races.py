"""Four processes on one lake, some killed, some halted for a while, and one that reads."""

from __future__ import annotations

import pytest

from tests.crashes.arena import arena, workshop
from tests.crashes.races import Plan, Race


@pytest.mark.parametrize(
    "plan",
    [
        Plan(1.0, halt=0.3),
        pytest.param(
            Plan(12.0, halt=1.6, seed=2, least_kills=20),
            marks=pytest.mark.heavy,
        ),
    ],
    ids=["1 s", "12 s"],
)
def test_processes_that_race_and_die_lose_and_repeat_nothing(plan: Plan) -> None:
    with workshop() as folder, arena(folder) as a:
        race = Race(a, plan)
        race.run()
    assert race.tally["killed"] >= plan.least_kills
    assert race.tally["readings"] >= bool(plan.least_kills)
    assert race.tally["rows"] > 800
