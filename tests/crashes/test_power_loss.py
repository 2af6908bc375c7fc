"""The power fails at any step of a job: whatever POSIX lets be on the disk, nothing is lost."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.crashes.arena import BY_NAME, Arena
from tests.crashes.power import (
    Log,
    Outage,
    link_before_fsync,
    without_file_fsync,
    without_folder_fsync,
)

SABOTAGES = [without_file_fsync, without_folder_fsync, link_before_fsync]


def test_a_power_loss_in_ingest_loses_nothing(a: Arena) -> None:
    outage = Outage(a)
    job = BY_NAME["ingest"]
    outage.check(job, outage.record(job), 60, random.Random(1), lambda n: n % 20 == 0)
    assert outage.tally == {"states": 60, "healed": 3}


@pytest.mark.heavy
@pytest.mark.parametrize("name", BY_NAME)
def test_a_power_loss_at_any_step_loses_nothing_and_is_healed_by_one_run(
    a: Arena, name: str
) -> None:
    outage = Outage(a)
    job = BY_NAME[name]
    outage.check(job, outage.record(job), 50, random.Random(2), lambda n: n % 16 == 0)
    assert outage.tally == {"states": 50, "healed": 4}


@pytest.mark.parametrize("sabotage", SABOTAGES)
@pytest.mark.parametrize("name", ["ingest", "transform"])
def test_a_store_that_leaves_out_or_delays_an_fsync_is_found_out(
    a: Arena, name: str, sabotage: Callable[[Log], Log]
) -> None:
    outage = Outage(a)
    job = BY_NAME[name]
    log = sabotage(outage.record(job))
    with pytest.raises(AssertionError, match=r"is lost|is not whole|no longer"):
        outage.check(job, log, 400, random.Random(3), lambda n: False)
