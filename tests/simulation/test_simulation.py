"""Whatever is scheduled, killed, lost, late or damaged: every promise holds, then all heals."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.known import KNOWN, kept
from tests.simulation.world import Result, simulate

ROOT = Path(__file__).parents[2]
QUICK = range(1, 61)
CHUNKS = 4
SEEDS = 500  # of each chunk

# What the schedules must have met, or they prove nothing about it.
MET = (
    "absences attested",
    "corrupt parts removed",
    "corrupt raw fetched again",
    "corrupt raw found",
    "failed reads",
    "failed writes",
    "holes repaired inside larger cells",
    "ingests complete",
    "interrupted",
    "kills",
    "late trades held",
    "late trades held after they were attested absent",
    "lost responses",
    "parts rebuilt during an ingest",
    "pauses",
    "readings",
    "readings begun again",
    "rebuilds completed",
    "stale checkpoints",
    "superseded parts deleted",
    "torn listings",
    "zombie writes after deletion",
)


def told(result: Result) -> str:
    lines = "\n".join(result.trace[-60:])
    return f"seed {result.seed}: {result.violation}\n{lines}\n{result.facts}"


def run(seeds: range) -> Counter[str]:
    """What the schedules met. Fails with the first that breaks a promise."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        result = simulate(seed)
        assert result.violation is None, told(result)
        counts += result.counts
    assert counts["markets healed"] == len(seeds)
    return counts


def test_sixty_schedules_break_no_promise() -> None:
    run(QUICK)


@pytest.mark.heavy
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_two_thousand_schedules_break_no_promise_and_meet_everything(chunk: int) -> None:
    first = 1 + chunk * SEEDS
    counts = run(range(first, first + SEEDS))
    print(f"seeds {first} to {first + SEEDS - 1}: {dict(sorted(counts.items()))}")  # noqa: T201
    assert [name for name in MET if not counts[name]] == []


# Two listings must be torn in the right way: some of these do it, of a thousand.
CROSSING = (135, 297, 621, 660)


def test_parts_that_cross_happen_too() -> None:
    assert sum(simulate(seed).counts["crossing parts"] for seed in CROSSING) > 0


@pytest.mark.parametrize("seed", KNOWN)
def test_a_schedule_that_once_broke_a_promise_breaks_none(seed: int) -> None:
    result = simulate(seed)
    assert result.violation is None, told(result)


def test_decisions_that_once_broke_a_promise_break_none() -> None:
    assert kept()
    for name, (seed, decisions) in kept().items():
        result = simulate(seed, decisions)
        assert result.violation is None, f"{name}: {told(result)}"


SAME = (3, 7, 11, 13)


def hashes() -> list[tuple[int, int]]:
    return [(result.hash, result.steps) for result in map(simulate, SAME)]


def test_the_same_seed_is_the_same_schedule_in_any_process() -> None:
    code = "from tests.simulation.test_simulation import hashes; print(hashes())"
    there = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": salt},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for salt in ("1", "2")
    ]
    here = hashes()
    assert hashes() == here
    assert there == [str(here)] * 2
    assert len({one for one, _ in here}) == len(SAME)


def test_a_schedule_can_be_told_by_its_decisions() -> None:
    first = simulate(7)
    again = simulate(7, first.decisions)
    assert (again.hash, again.steps) == (first.hash, first.steps)
    assert simulate(7, {}).hash != first.hash
