"""The SQL of the lake's views, as text: `trades`, `trades_float`.

Each market is one branch that states its exchange and symbol as constants, so a filter on
them drops the other markets' files unopened. Hive partitioning is not used: a lake under a
folder like `symbol=X` would get that value, and a market called NULL would become null.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from schemahub.core.layout import Market
from schemahub.core.span import Span
from schemahub.core.trade import PRECISION, SCALE, UNIFIED_SCHEMA

_SQL_TYPES = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "decimal": f"DECIMAL({PRECISION},{SCALE})",
    "timestamp": "TIMESTAMPTZ",
}
_WILD = re.compile(r"[*?\[]")
FROM_FILE = ", ".join(f'"{c.name}"' for c in UNIFIED_SCHEMA if c.name not in {"exchange", "symbol"})


@dataclass(frozen=True, slots=True)
class FileSlice:
    """A live file and what of it counts; `bars` is the file of its minute bars, if there is one.

    `part` is the span that its name says. `keep` None is the whole file; otherwise only the
    rows whose position lies in one of these spans (parts that cross are trimmed so): their
    trade_id, or where the market is `timed` their trade_ts in µs since 1970. The caller sees
    to it that no position is in two slices of a market, and that an exchange is timed or not.
    """

    location: str
    market: Market
    part: Span
    keep: tuple[Span, ...] | None = None
    timed: bool = False
    bars: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Files of one market in axis order; where there is a `span`, only its rows count."""

    locations: list[str]
    span: Span | None = None
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Lent:
    """A table that the connection was lent under `name`; the rest as in Piece."""

    name: str
    span: Span | None = None
    timed: bool = False


@dataclass(frozen=True, slots=True)
class MarketRow:
    """A row of `markets`. `held` counts positions held, `missing` those wanted and not held.

    On an axis of time positions are microseconds, and `first_id` is the first one held.
    """

    market: Market
    native: str | None = None
    status: str | None = None
    price_increment: Decimal | None = None
    quantity_increment: Decimal | None = None
    first_id: int | None = None
    watermark: int | None = None
    held: int = 0
    missing: int = 0
    as_of: datetime | None = None
    axis: str | None = None


MARKETS_TABLE = f"""CREATE TABLE markets (
    market VARCHAR, exchange VARCHAR, symbol VARCHAR, native VARCHAR, status VARCHAR,
    price_increment {_SQL_TYPES["decimal"]}, quantity_increment {_SQL_TYPES["decimal"]},
    first_id BIGINT, watermark BIGINT, held BIGINT, missing BIGINT, as_of TIMESTAMPTZ,
    axis VARCHAR)"""


def literal(text: str) -> str:
    """`text` as a string literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def exactly(location: str) -> str:
    """`location` as a pattern that only it matches: a lake may lie in a folder called [1]*."""
    return _WILD.sub(r"[\g<0>]", location)


def array(texts: Iterable[str]) -> str:
    return "[" + ", ".join(map(literal, texts)) + "]"


def trades_view(slices: Sequence[FileSlice]) -> str:
    """The unified columns in order; a market's rows in axis order where order is kept.

    DuckDB keeps the order of files, of rows in a file, and of UNION ALL's branches.
    """
    branches = [
        branch(market, piece, FROM_FILE) for market, pieces in by_market(slices) for piece in pieces
    ]
    return union(branches) if branches else _no_trades()


def lent_view(tables: Sequence[Lent]) -> str:
    """The same over tables that the connection was lent."""
    branches = [
        f"SELECT * FROM {table.name}" + _inside(table)  # noqa: S608  (names of our own)
        for table in tables
    ]
    return union(branches) if branches else _no_trades()


def trades_float_view() -> str:
    columns = ", ".join(
        f'"{c.name}"::DOUBLE AS "{c.name}"' if c.kind == "decimal" else f'"{c.name}"'
        for c in UNIFIED_SCHEMA
    )
    return f"SELECT {columns} FROM trades"  # noqa: S608  (names of our own schema)


def by_market(slices: Sequence[FileSlice]) -> Iterator[tuple[Market, list[Piece]]]:
    """The pieces of each market in axis order."""
    ordered = sorted(slices, key=lambda s: (s.market, s.part.start))
    for market, files in groupby(ordered, key=lambda s: s.market):
        yield market, _pieces(list(files))


def _pieces(files: Sequence[FileSlice]) -> list[Piece]:
    found: list[tuple[int, str, Span | None]] = []
    for file in files:
        if file.keep is None:
            found.append((file.part.start, file.location, None))
        else:
            # Crossing parts may interleave, so every kept span is a piece of its own.
            found.extend((span.start, file.location, span) for span in file.keep)
    found.sort(key=lambda each: each[0])
    pieces: list[Piece] = []
    for whole, group in groupby(found, key=lambda each: each[2] is None):
        if whole:
            pieces.append(Piece([location for _, location, _ in group]))
        else:
            timed = any(file.timed for file in files)
            pieces.extend(Piece([location], span, timed) for _, location, span in group)
    return pieces


def branch(market: Market, piece: Piece, columns: str) -> str:
    """The rows of one piece with these columns of the files, after exchange and symbol."""
    where = _inside(piece)
    return (
        f"SELECT {literal(market.exchange)} AS exchange, {literal(market.symbol)} AS symbol, "  # noqa: S608
        f"{columns} FROM read_parquet({array(map(exactly, piece.locations))}, "
        f"hive_partitioning=false){where}"
    )


def _inside(piece: Piece | Lent) -> str:
    span = piece.span
    if span is None:
        return ""
    if not piece.timed:
        return f" WHERE trade_id >= {span.start} AND trade_id < {span.stop}"
    first, stop = (f"make_timestamptz({at})" for at in (span.start, span.stop))
    return f" WHERE trade_ts >= {first} AND trade_ts < {stop}"


def union(branches: Sequence[str]) -> str:
    """All branches in order, as a balanced tree: a chain of thousands overflows the parser."""
    if len(branches) == 1:
        return branches[0]
    middle = len(branches) // 2
    return f"({union(branches[:middle])}) UNION ALL ({union(branches[middle:])})"


def _no_trades() -> str:
    columns = ", ".join(f'NULL::{_SQL_TYPES[c.kind]} AS "{c.name}"' for c in UNIFIED_SCHEMA)
    return f"SELECT {columns} WHERE false"
