"""A result on stdout: table, csv, json, parquet or arrow."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, BinaryIO, Literal, TextIO, get_args

from schemahub.cli.words import visible
from schemahub.core.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from schemahub.adapters.duck import Streamed

Format = Literal["table", "csv", "json", "parquet", "arrow"]
FORMATS: tuple[str, ...] = get_args(Format)
TABLE_ROWS = 40
Columns = tuple[tuple[str, str], ...]
Cells = tuple[str | None, ...]
_BETWEEN = 2  # letters that the space between two columns takes
_PAPER = 10_000  # columns: wide enough for any line

_NUMBER = re.compile(r"DECIMAL|DOUBLE|FLOAT|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?\b")
_ZEROS = re.compile(r"(\.\d*?)0+(?=Z?$)")
_QUOTED = re.compile(r'[",\r\n]')
_TURNS = (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))  # the writing direction
# JSON escapes those below 32 itself.
_JSON_CONTROLS = {code: f"\\u{code:04x}" for code in (*range(127, 160), *_TURNS)}


def render(
    result: Streamed, form: Format, out: BinaryIO, notes: TextIO, *, rows: int = TABLE_ROWS
) -> None:
    """Write `result` to `out` (stdout's buffer), UTF-8, streaming but for the table.

    Data only goes to `out`; that a table was cut short is told on `notes`. csv and json hold
    every digit; a table trims the zeros at the end. Raises UsageError, before it writes, for
    parquet or arrow on a terminal, and for json whose columns share a name; and whatever
    reading the result raises.
    """
    if form in {"parquet", "arrow"} and out.isatty():
        raise UsageError(
            f"{form} is binary and stdout is a terminal",
            "it would only garble the screen",
            f"redirect it to a file: schemahub query … --output {form} > result.{form}",
        )
    match form:
        case "table":
            _write_table(result, out, notes, rows)
        case "csv":
            _write_csv(result, out)
        case "json":
            _write_json(result, out)
        case "parquet":
            result.write_parquet(out)
        case "arrow":
            result.write_arrow(out)
    out.flush()


# ---------------------------------------------------------------- csv, json


def _write_csv(result: Streamed, out: BinaryIO) -> None:
    """RFC 4180 quoting, lines end in a line feed. NULL is empty, an empty text is quoted.

    Exact, but for a terminal: control characters are shown there, not sent.
    """
    line = _csv_shown if out.isatty() else _csv_line
    out.write(line([name for name, _ in result.columns]))
    out.writelines(map(line, result.rows_text()))


def _csv_shown(values: Iterable[str | None]) -> bytes:
    return _csv_line([None if value is None else _visible(value) for value in values])


def _csv_line(values: Iterable[str | None]) -> bytes:
    fields = [_csv_field(value) for value in values]
    # Many readers skip an empty line, and with it the row.
    return (('""' if fields == [""] else ",".join(fields)) + "\n").encode()


def _csv_field(value: str | None) -> str:
    if value is None:
        return ""
    if not value or _QUOTED.search(value):
        return '"' + value.replace('"', '""') + '"'
    return value


def _write_json(result: Streamed, out: BinaryIO) -> None:
    """One document, one row a line; what is written before a fault is not a document."""
    names = [name for name, _ in result.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"two columns are called {twice[0]}",
            "a row of JSON holds a name once",
            "name one with AS, or write --output csv",
        )
    columns = [{"name": name, "type": kind} for name, kind in result.columns]
    out.write(f'{{"schema_version":1,"columns":{_json(columns)},"rows":['.encode())
    separator = "\n"
    for row in result.rows_plain():
        out.write((separator + _json(dict(zip(names, row, strict=True)))).encode())
        separator = ",\n"
    out.write(b"\n]}\n")


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_JSON_CONTROLS)


# ---------------------------------------------------------------- table


def _write_table(result: Streamed, out: BinaryIO, notes: TextIO, rows: int) -> None:
    preview = result.preview(rows)
    if [name for name, _ in result.columns] == ["explain_key", "explain_value"]:
        # A plan is a drawing already.
        out.write("".join(f"{row[1]}\n" for row in preview.rows).encode())
        return
    from rich.console import Console

    text = StringIO()
    console = Console(file=text, width=_PAPER, force_terminal=out.isatty())
    if console.no_color:
        console = Console(file=text, width=_PAPER, force_terminal=False)
    columns, shown, same = result.columns, preview.rows, ""
    table = _table(columns, shown)
    # Only a screen has a width; a file or a pager gets the whole line.
    width = shutil.get_terminal_size((100, 25)).columns if out.isatty() else _PAPER
    if _natural_width(console, table) > width:
        columns, shown, same = _without_constants(columns, shown)
        table = _table(columns, shown, width)
    natural = max(1, _natural_width(console, table))
    # A screen too narrow for a letter a column wraps the lines: rich would drop columns.
    narrow = (_BETWEEN + 1) * (len(columns) + 1) > width
    console.width = natural if narrow else min(width, natural)
    console.print(table)
    text.write(same)
    out.write(text.getvalue().encode())
    if preview.more:
        count = f"{preview.more:,}" if preview.exact else f"more than {preview.more:,}"
        notes.write(f"… and {count} more rows; LIMIT or --output csv gives others or all\n")


def _table(columns: Columns, rows: Sequence[Cells], width: int = _PAPER) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    cells = [
        [_cell(value, kind) for value, (_, kind) in zip(row, columns, strict=True)] for row in rows
    ]
    longest = [max((len(row[n]) for row in cells), default=1) for n in range(len(columns))]
    rooms = _rooms([name for name, _ in columns], longest, width)
    for (name, kind), room in zip(columns, rooms, strict=True):
        # Folded, never cut: half a number is a wrong number.
        table.add_column(
            Text(_folded(_visible(name), room)),
            justify="right" if _NUMBER.match(kind) and "[" not in kind else "left",
            overflow="fold",
        )
    for row in cells:
        table.add_row(*map(Text, row))
    return table


def _rooms(names: Sequence[str], longest: Sequence[int], width: int) -> list[int]:
    """How wide each name may be: what its values need, and what is left of `width`."""
    rooms = [max(1, length) for length in longest]
    spare = width - sum(rooms) - _BETWEEN * (len(names) + 1)
    while spare > 0:
        short = [n for n, name in enumerate(names) if len(name) > rooms[n]][:spare]
        if not short:
            break
        for n in short:
            rooms[n] += 1
        spare -= len(short)
    return rooms


def _folded(name: str, room: int) -> str:
    return "\n".join(name[n : n + room] for n in range(0, len(name), room))


def _without_constants(columns: Columns, rows: Sequence[Cells]) -> tuple[Columns, list[Cells], str]:
    """Columns that say the same in every row are told in one line instead, losing nothing."""
    constant = {n for n in range(len(columns)) if len(rows) > 1 and len({r[n] for r in rows}) == 1}
    if not constant or len(constant) == len(columns):
        return columns, list(rows), ""
    left = [n for n in range(len(columns)) if n not in constant]
    same = ", ".join(
        f"{_visible(columns[n][0])} {_cell(rows[0][n], columns[n][1])}" for n in sorted(constant)
    )
    kept = [tuple(row[n] for n in left) for row in rows]
    return tuple(columns[n] for n in left), kept, f"in every row: {same}\n"


def _natural_width(console: Console, table: Table) -> int:
    from rich.measure import Measurement

    return Measurement.get(console, console.options, table).maximum


def _cell(value: str | None, kind: str) -> str:
    if value is None:
        return "NULL"
    if kind.startswith("DECIMAL") and "[" not in kind:
        return _ZEROS.sub(r"\1", value).removesuffix(".")
    if kind.startswith("TIMESTAMP") and "[" not in kind:
        return _ZEROS.sub(r"\1", value).replace("T", " ", 1).replace(".Z", "Z").removesuffix(".")
    return _visible(value)


def _visible(text: str) -> str:
    """An exchange's or a query's text, which must not steer the terminal; lines stay lines."""
    return "\n".join(map(visible, text.split("\n")))
