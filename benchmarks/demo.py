"""Wall seconds of `schemahub demo`: ingest, transform, query and verify of 16,666 trades."""

from __future__ import annotations

from benchmarks.figures import Row, at_most
from benchmarks.process import Setting

GOAL = 15.0


def run(setting: Setting) -> list[Row]:
    with setting.scratch() as folder:
        cold = setting.schemahub("demo", "--lake", folder / "cold", cold=True)
        warm = setting.schemahub("demo", "--lake", folder / "warm")
    return [
        at_most("demo: the first after installation, no bytecode there", cold.wall, "s", GOAL),
        at_most("demo: again", warm.wall, "s", GOAL),
    ]
