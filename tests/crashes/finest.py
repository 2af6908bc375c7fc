"""The program with the smallest cells alone: it leaves a table as if made little by little."""

from __future__ import annotations

from collections.abc import Sequence

from schemahub.cli.main import main as program
from schemahub.core import parts


def main(arguments: Sequence[str]) -> None:
    *_, smallest = parts.CELLS
    parts.CELLS = (smallest, smallest, smallest)
    program(arguments)
