"""The system refuses a call on the lake, or kills at it: told honestly, and healed by one run."""

from __future__ import annotations

import pytest

from tests.crashes.arena import BY_NAME, Arena
from tests.crashes.syscalls import Case, Syscalls


@pytest.mark.parametrize(
    ("name", "call", "fault"),
    [("ingest", "fsync", "error=EIO"), ("transform", "link", "error=ENOSPC")],
)
def test_a_refused_call_is_told_and_healed(a: Arena, name: str, call: str, fault: str) -> None:
    found = Syscalls(a)
    found.check(Case(BY_NAME[name], call, fault, 2, on=False))
    assert found.tally["cases"] == 1


@pytest.mark.heavy
def test_whatever_the_system_refuses_is_told_and_healed(a: Arena) -> None:
    found = Syscalls(a)
    for case in found.cases(seed=1):
        found.check(case)
        if found.tally["cases"] == 60:
            break
    assert found.tally["cases"] == 60
    assert found.tally["missed"] <= 10
    assert {"exit 1", "exit 3", "exit -9"} <= found.tally.keys()
