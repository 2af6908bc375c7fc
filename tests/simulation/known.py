"""Schedules that once broke a promise: run every time.

What a seed means changes with the generator; `decisions/*.json` (made by
`python -m tests.simulation --save FILE`) tell a schedule exactly, as long as ports are called
in the same order.
"""

from __future__ import annotations

import json
from pathlib import Path

KNOWN = {
    15: "a hole below a row that is held as bad; also told by its decisions",
    24: "a hole right below a row that is held as bad was never attested absent",
    35: "the same, with sightings of two earlier runs",
    37: "two ingests at once, one of which asks for more: complete by its own origin",
    47: "a row without a readable id beside one that is bad",
    158: "a market whose origin was stored by another process",
    186: "several bad rows above a hole",
    362: "a bad row that was told badly in two ways",
    1566: "a part of an unfinished rebuild rots before it is read",
    22964: "raw found corrupt and fetched again while a rebuild slept (the check was wrong)",
    3911: "a hole below attested ids below a bad row, across two chunks",
}
FOLDER = Path(__file__).parent / "decisions"


def kept() -> dict[str, tuple[int, dict[int, int]]]:
    """Schedules told by their decisions: file name to seed and decisions."""
    found = {}
    for path in sorted(FOLDER.glob("*.json")):
        content = json.loads(path.read_text("utf-8"))
        decisions = {int(place): made for place, made in content["decisions"].items()}
        found[path.stem] = (content["seed"], decisions)
    return found
