"""How things are said: errors, numbers, sizes, plain tables."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

from schemahub.core.errors import SchemaHubError


def visible(text: str) -> str:
    """`text` with `\\x1b` for whatever is not a letter, mark or space: it cannot steer a terminal.

    Exchanges, files that lie in a lake and bytes on the command line all get to say something.
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def show(text: str) -> None:
    """One line of data on stdout."""
    print(visible(text), flush=True)


def tell_trace() -> None:
    """The traceback of the error being handled, on stderr."""
    lines = map(visible, traceback.format_exc().splitlines())
    print("\n".join(lines), file=sys.stderr, flush=True)


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
    return visible(" ".join(line for line in lines if line.strip("^")))


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
    rows = [[visible(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = [
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip(), flush=True)
