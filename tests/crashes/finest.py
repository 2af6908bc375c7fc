"""The program with the smallest cells alone: it leaves a table as if made little by little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from schemahub.cli.main import main as program
from schemahub.core.axis import AXES, IDS


def main(arguments: Sequence[str]) -> None:
    *_, smallest = AXES["ids"].cells
    AXES["ids"] = replace(IDS, cells=(smallest, smallest, smallest))
    program(arguments)
