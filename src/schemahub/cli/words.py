"""How things are said: errors, numbers, sizes, plain tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from schemahub.core.errors import SchemaHubError

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != ord("\n")}


def tell(error: SchemaHubError) -> None:
    """What, why and where, what to do: a line each, on stderr."""
    lines = [f"error {error.code}: {_line(error.what)}"]
    if error.why:
        lines.append(f"  why: {_line(error.why)}")
    if error.do:
        lines.append(f"  do:  {_line(error.do)}")
    print("\n".join(lines), file=sys.stderr, flush=True)


def _line(text: str) -> str:
    """On one line; a line that only points at the one above it points at nothing then."""
    lines = (line.strip() for line in text.splitlines())
    return " ".join(line for line in lines if line.strip("^"))


def visible(text: str) -> str:
    """An exchange's or a query's text, which must not steer the terminal."""
    return text.translate(_CONTROLS)


def count(number: float) -> str:
    """12,345,678."""
    return f"{number:,.0f}"


def size(number: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:  # noqa: PLR2004
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def span(seconds: float) -> str:
    """Seconds as people read them."""
    if seconds < 100:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, hours = seconds / 60, seconds / 3600
    return f"{minutes:.0f} min" if minutes < 100 else f"{hours:.1f} h"  # noqa: PLR2004


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """A plain table on stdout: aligned columns, the `right` ones to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = [
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip(), flush=True)
