"""SIGKILL before and after every call that a job makes of its store, on real files."""

from __future__ import annotations

import pytest

from tests.crashes.arena import BTC, BY_NAME, Arena, Job
from tests.crashes.kills import Kills
from tests.crashes.mortal import Death

# Points a job has at least, so that none is lost unseen; 940 in all. Here so many of each are
# killed, spread over all; `python -m tests.crashes --points` kills at every one.
LEAST = {
    "first ingest": 80, "sighting": 50, "ingest": 75, "first transform": 60, "transform": 45,
    "rebuild": 65, "repair": 140, "audit": 200, "compact": 55, "old versions": 120, "run": 110,
}  # fmt: skip
HERE = 19


@pytest.mark.parametrize("name", ["ingest", "transform"])
def test_some_kills_lose_nothing_and_are_healed_by_one_run(a: Arena, name: str) -> None:
    kills = Kills(a)
    job = BY_NAME[name]
    for death in list(kills.points(job))[3::14]:
        kills.point(job, death)
    assert kills.tally["killed"] >= 3


@pytest.mark.heavy
@pytest.mark.parametrize("name", BY_NAME)
def test_a_kill_at_any_call_loses_nothing_and_is_healed_by_one_run(a: Arena, name: str) -> None:
    kills = Kills(a)
    job = BY_NAME[name]
    points = list(kills.points(job))
    assert len(points) >= LEAST[name]
    for number in range(HERE):
        kills.point(job, points[number * len(points) // HERE])
    # Requests side by side: a run may need a call less than the one that was counted.
    assert kills.tally["killed"] >= HERE - 1
    # Some die with a lease in hand: the next run does not wait for it, nor is it sent away.
    assert kills.tally["took one over"] >= 1


@pytest.mark.heavy
def test_a_second_run_may_be_killed_too(a: Arena) -> None:
    kills = Kills(a)
    for seed in range(8):
        kills.pair(seed)
    assert kills.tally["both died"] >= 4


def test_a_store_that_forgets_what_it_acknowledged_is_found_out(a: Arena) -> None:
    """The checkpoint is the last write of a market: it vouches for what is then lost."""
    kills = Kills(a)
    job = Job("ingest of one", "held", ("ingest", BTC), (BTC,))
    calls = kills.calls(job)
    at = max(n for n, call in enumerate(calls, 1) if call.startswith("put checkpoints/"))
    with pytest.raises(AssertionError, match=r"verify|no longer|are not"):
        kills.point(job, Death(at, "after", forgets=3))
