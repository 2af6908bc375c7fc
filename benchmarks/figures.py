"""What a benchmark says: figures, each beside a goal, a peer, or nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["goal", "peer", "figure"]
HEADER = ("figure", "ours", "unit", "against", "theirs", "ratio", "verdict")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. A `goal` that is missed fails the run.

    `theirs` is what the goal demands or the peer did; None for a figure that stands alone.
    """

    figure: str
    ours: float
    unit: str
    kind: Kind = "figure"
    against: str = ""
    theirs: float | None = None
    lower: bool = True

    @property
    def ratio(self) -> float | None:
        """How many times better ours is; None where that means nothing."""
        if self.theirs is None or not self.ours or not self.theirs:
            return None
        return self.theirs / self.ours if self.lower else self.ours / self.theirs

    @property
    def holds(self) -> bool:
        """Whether ours is no worse."""
        if self.theirs is None:
            return True
        return self.ours <= self.theirs if self.lower else self.ours >= self.theirs

    @property
    def verdict(self) -> str:
        good, bad = {
            "goal": ("met", "MISSED"),
            "peer": ("ahead", "behind"),
            "figure": ("", ""),
        }[self.kind]
        return good if self.holds else bad

    @property
    def missed(self) -> bool:
        return self.kind == "goal" and not self.holds

    def cells(self) -> tuple[str, ...]:
        bound = "" if self.kind != "goal" else "≤ " if self.lower else "≥ "
        theirs = "" if self.theirs is None else bound + shown(self.theirs)
        ratio = "" if self.ratio is None else f"{self.ratio:.2f} ×"
        ours = shown(self.ours)
        return self.figure, ours, self.unit, self.against, theirs, ratio, self.verdict


def at_most(figure: str, ours: float, unit: str, goal: float) -> Row:
    return Row(figure, ours, unit, "goal", "goal", goal)


def at_least(figure: str, ours: float, unit: str, goal: float) -> Row:
    return Row(figure, ours, unit, "goal", "goal", goal, lower=False)


def shown(value: float) -> str:
    """Three digits that count; whole numbers whole."""
    if float(value).is_integer() and abs(value) >= 10:
        return f"{value:,.0f}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return f"{value:.3f}" if "e" in text else text


def table(rows: Iterable[Row]) -> str:
    """Markdown, aligned: fit for a terminal and for BENCHMARKS.md."""
    lines = [HEADER, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    right = {1, 4, 5}

    def line(cells: Iterable[str]) -> str:
        padded = (
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = (
        "-" * (width - 1) + (":" if column in right else "-") for column, width in enumerate(widths)
    )
    return "\n".join([line(lines[0]), line(rule), *(line(cells) for cells in lines[1:])])
