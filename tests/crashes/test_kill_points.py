"""SIGKILL before and after every call that a job makes of its store, on real files."""

from __future__ import annotations

import pytest

from tests.crashes.arena import BTC, BY_NAME, Arena, Job
from tests.crashes.kills import Kills
from tests.crashes.mortal import Death

# Points a job has at least, so that nobody thins them out unseen; 380 in all.
LEAST = {
    "first ingest": 70, "sighting": 40, "ingest": 60, "first transform": 55, "transform": 40,
    "rebuild": 55, "repair": 60, "compact": 50, "old versions": 50,
}  # fmt: skip


@pytest.mark.parametrize("name", ["ingest", "transform"])
def test_some_kills_lose_nothing_and_are_healed_by_one_run(a: Arena, name: str) -> None:
    kills = Kills(a)
    job = BY_NAME[name]
    for death in list(kills.points(job))[3::14]:
        kills.point(job, death)
    assert kills.tally["killed"] >= 3


@pytest.mark.heavy
@pytest.mark.parametrize("name", LEAST)
def test_a_kill_at_any_call_loses_nothing_and_is_healed_by_one_run(a: Arena, name: str) -> None:
    kills = Kills(a)
    job = BY_NAME[name]
    points = list(kills.points(job))
    for death in points:
        kills.point(job, death)
    assert len(points) >= LEAST[name]
    # Requests side by side: a run may need a call less than the one that was counted.
    assert kills.tally["killed"] >= LEAST[name] - 5


@pytest.mark.heavy
def test_a_second_run_may_be_killed_too(a: Arena) -> None:
    kills = Kills(a)
    for seed in range(20):
        kills.pair(seed)
    assert kills.tally["killed"] >= 15


def test_a_store_that_forgets_what_it_acknowledged_is_found_out(a: Arena) -> None:
    """The checkpoint is the last write of a market: it vouches for what is then lost."""
    kills = Kills(a)
    job = Job("ingest of one", "held", ("ingest", BTC), (BTC,))
    calls = kills.calls(job)
    at = max(n for n, call in enumerate(calls, 1) if call.startswith("put checkpoints/"))
    with pytest.raises(AssertionError, match=r"verify|no longer|are not"):
        kills.point(job, Death(at, "after", forgets=3))
