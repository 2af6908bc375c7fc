"""What each run did: one object a run, written when it ends."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from schemahub.core.envelope import MAX_DEPTH, too_deep
from schemahub.core.errors import ObjectCorrupt, UsageError
from schemahub.core.layout import run_key
from schemahub.ports import Store

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class RunName:
    date: str
    run_id: str

    @property
    def key(self) -> str:
        return run_key(self.date, self.run_id)


def write_run(store: Store, date: str, run_id: str, record: dict[str, Any]) -> str:
    """Stores the record of a run; returns its key."""
    key = run_key(date, run_id)
    content = {"schema_version": SCHEMA_VERSION, "run_id": run_id, **record}
    store.create(key, json.dumps(content, indent=1, default=str).encode() + b"\n")
    return key


def list_runs(store: Store) -> list[RunName]:
    """Every run, oldest first."""
    found = []
    for entry in store.list("runs/"):
        parts = entry.key.split("/")
        if len(parts) == 3 and parts[2].endswith(".json"):  # noqa: PLR2004  (runs/date/id.json)
            found.append(RunName(parts[1], parts[2].removesuffix(".json")))
    return sorted(found, key=lambda run: run.run_id)


def read_run(store: Store, run: RunName) -> dict[str, Any]:
    """What a run recorded. Raises ObjectCorrupt for what `write_run` cannot have written."""
    data = store.read(run.key)
    do = "delete it: only a record"
    try:
        content = msgspec.json.decode(data, type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        raise ObjectCorrupt(run.key, f"not a record in JSON: {error}", do) from None
    if too_deep(data):
        raise ObjectCorrupt(run.key, f"nested deeper than {MAX_DEPTH}", do)
    return content


def find_run(store: Store, which: str) -> RunName:
    """`LAST`, or the run whose id starts with `which`. Raises UsageError."""
    runs = list_runs(store)
    if which == "LAST" and runs:
        return runs[-1]
    found = [run for run in runs if run.run_id.startswith(which)]
    if len(found) == 1:
        return found[0]
    why = "no run is recorded here" if not runs else f"{len(found)} of {len(runs)} runs match"
    raise UsageError(f"no run {which!r}", why, "see `schemahub runs`")
