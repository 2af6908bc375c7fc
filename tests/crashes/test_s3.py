"""The same on a real S3 service: kills at calls of the store, and processes that race."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crashes.arena import BY_NAME, Arena, bucket_arena, workshop
from tests.crashes.kills import Kills
from tests.crashes.races import Plan, Race

pytestmark = pytest.mark.heavy

HERE = 21  # kills of each job


@pytest.fixture(scope="module")
def bucket() -> Iterator[Arena]:
    with workshop() as folder, bucket_arena(folder) as made:
        yield made


@pytest.mark.parametrize("name", ["ingest", "transform", "compact"])
def test_a_kill_loses_nothing_and_is_healed_by_one_run(bucket: Arena, name: str) -> None:
    kills = Kills(bucket)
    job = BY_NAME[name]
    points = list(kills.points(job))
    for number in range(HERE):
        at = number * len(points) // HERE
        kills.point(job, points[at], heal=number % 7 == 0)
    assert kills.tally["killed"] >= HERE - 1
    assert kills.tally["healed"] >= 2
    assert kills.tally["left a lease"] == 0  # a bucket alone keeps none


def test_processes_that_race_and_die_lose_and_repeat_nothing(bucket: Arena) -> None:
    race = Race(bucket, Plan(15.0, processes=2, halt=1.0, least_kills=5))
    race.run()
    assert race.tally["killed"] >= 5
    assert race.tally["readings"] >= 1
    assert race.tally["kept"] >= 10
