"""CPU seconds of `schemahub --help`, beside those of Python and click alone."""

from __future__ import annotations

from statistics import median

from benchmarks.figures import Row, at_most
from benchmarks.process import Setting

GOAL = 0.25
REPEATS = 9


def run(setting: Setting) -> list[Row]:
    figure = "help: CPU of `schemahub --help`"
    setting.schemahub("--help")  # compiles
    setting.python("import click")
    ours = median(setting.schemahub("--help").cpu for _ in range(REPEATS))
    python = median(setting.python("pass").cpu for _ in range(REPEATS))
    click = median(setting.python("import click").cpu for _ in range(REPEATS))
    return [
        at_most(figure, ours, "s", GOAL),
        Row("help: `python -c pass` on the same machine", python, "s"),
        Row("help: `python -c 'import click'`", click, "s"),
    ]
