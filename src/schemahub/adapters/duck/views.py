"""The SQL of the lake's views, as text: `trades`, `trades_float`, `bars_1m`.

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
_FROM_FILE = ", ".join(
    f'"{c.name}"' for c in UNIFIED_SCHEMA if c.name not in {"exchange", "symbol"}
)


@dataclass(frozen=True, slots=True)
class FileSlice:
    """A live file and what of it counts.

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
    branches = [_branch(market, piece) for market, pieces in by_market(slices) for piece in pieces]
    return _union(branches) if branches else _no_trades()


def lent_view(tables: Sequence[Lent]) -> str:
    """The same over tables that the connection was lent."""
    branches = [
        f"SELECT * FROM {table.name}" + _inside(table)  # noqa: S608  (names of our own)
        for table in tables
    ]
    return _union(branches) if branches else _no_trades()


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


def _branch(market: Market, piece: Piece) -> str:
    where = _inside(piece)
    return (
        f"SELECT {literal(market.exchange)} AS exchange, {literal(market.symbol)} AS symbol, "  # noqa: S608
        f"{_FROM_FILE} FROM read_parquet({array(map(exactly, piece.locations))}, "
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


def _union(branches: Sequence[str]) -> str:
    """All branches in order, as a balanced tree: a chain of thousands overflows the parser."""
    if len(branches) == 1:
        return branches[0]
    middle = len(branches) // 2
    return f"({_union(branches[:middle])}) UNION ALL ({_union(branches[middle:])})"


def _no_trades() -> str:
    columns = ", ".join(f'NULL::{_SQL_TYPES[c.kind]} AS "{c.name}"' for c in UNIFIED_SCHEMA)
    return f"SELECT {columns} WHERE false"


# ---------------------------------------------------------------- bars

_UNIT = "0.00000001::DECIMAL(8,8)"  # quote_volume counts in these: 8 places
_HALF = "0.000000005::DECIMAL(24,24)"


def timed_exchanges(slices: Sequence[FileSlice]) -> list[str]:
    """The exchanges whose trades lie on an axis of time."""
    return sorted({one.market.exchange for one in slices if one.timed})


# Within a minute the µs, then the id: one number, so that no comparison takes two.
_IN_MINUTE = "epoch_us(trade_ts)::HUGEINT % 60000000 * 9223372036854775808 + trade_id"
_BY_ID = ("trade_id", "trade_id")
_BY_TIME = (f"({_IN_MINUTE})", "epoch_us(trade_ts)")


def bars_view(timed: Sequence[str] = ()) -> str:
    """`bars_1m`: one row a market and minute that has trades; bar_ts is the open time.

    The first and the last trade of a minute are those of the axis: by id, or of the exchanges
    that are `timed` by time, then by id. quote_volume is the exact sum of price × quantity,
    each trade's product rounded half-even to 8 places. buy_volume is null if the side of any
    trade in the bar is unknown.
    """
    if not timed:
        return _bars("", *_BY_ID)
    names = ", ".join(map(literal, timed))
    return _union(
        [
            _bars(f" WHERE exchange NOT IN ({names})", *_BY_ID),
            _bars(f" WHERE exchange IN ({names})", *_BY_TIME),
        ]
    )


def _bars(where: str, order: str, position: str) -> str:
    return f"""
SELECT exchange, symbol, make_timestamptz(minute * 60000000) AS bar_ts,
    arg_min(price, {order}) AS open, max(price) AS high, min(price) AS low,
    arg_max(price, {order}) AS close,
    sum(quantity)::DECIMAL(38,12) AS volume,
    (sum(quote)::DECIMAL(38,0) * {_UNIT})::DECIMAL(38,8) AS quote_volume,
    CASE WHEN count(side) = count(*)
        THEN coalesce(sum(quantity) FILTER (side = 'buy'), 0)::DECIMAL(38,12) END AS buy_volume,
    count(*) AS trades,
    (sum(quote)::DECIMAL(38,0) * {_UNIT})::DOUBLE / sum(quantity)::DOUBLE AS vwap,
    min({position}) AS first_position, max({position}) AS last_position
FROM ({_quotes(where)}) GROUP BY exchange, symbol, minute"""  # noqa: S608


def _quotes(where: str) -> str:
    """Trades with `quote`: price × quantity in units of 1e-8, rounded half-even, exactly.

    A division of a 128-bit decimal costs DuckDB a microsecond and more, so doubles guess and
    one exact multiplication tells how far the guess is off: `rest`, whose comparison with
    half a unit is the rounding. Where the guess is too far off, or the product would not fit
    DECIMAL(38,24), long multiplication in integers does it (60 times slower, large sums only).
    """
    return f"""
SELECT *, CASE WHEN abs(rest) < 0.000000015 THEN (near + CASE
        WHEN abs(rest) < {_HALF} THEN 0
        WHEN rest > {_HALF} THEN 1 WHEN rest < -{_HALF} THEN -1
        WHEN rest > 0 THEN near % 2 ELSE -(near % 2) END)::HUGEINT
    ELSE {_long_product()} END AS quote
FROM (SELECT *, CASE WHEN guess < 1e15 THEN price * quantity - near * {_UNIT} END AS rest
FROM (SELECT *, CASE WHEN guess < 1e15 THEN guess::BIGINT END AS near
FROM (SELECT exchange, symbol, trade_id, trade_ts, side, price, quantity,
    epoch_us(trade_ts) // 60000000 AS minute,
    round({_double("price")} * {_double("quantity")} * 1e8) AS guess FROM trades{where})))"""  # noqa: S608


def _double(column: str) -> str:
    # From 128 bits the conversion is ten times slower than from 64.
    return (
        f"(CASE WHEN {column} < 1000000 THEN {column}::DECIMAL(18,12)::DOUBLE "
        f"ELSE {column}::DOUBLE END)"
    )


def _long_product() -> str:
    """The same by long multiplication of integer and fractional parts, rounded once.

    With p = p1 + p0/1e12 and q alike: p1·q1·1e8 + (p1·q0 + p0·q1)/1e4 + p0·q0/1e16.
    """
    p1, q1 = (f"floor({c})::UHUGEINT" for c in ("price", "quantity"))
    p0, q0 = (
        f"(({c} % 1)::DECIMAL(25,12) * 1000000000000::DECIMAL(13,0))::UHUGEINT"
        for c in ("price", "quantity")
    )
    ten16 = "10000000000000000::UHUGEINT"
    cross = f"({p1} * {q0} + {p0} * {q1})"
    below = f"(({cross} % 10000::UHUGEINT) * 1000000000000::UHUGEINT + {p0} * {q0})"
    floor = f"({p1} * {q1} * 100000000::UHUGEINT + {cross} // 10000::UHUGEINT + {below} // {ten16})"
    rest = f"({below} % {ten16})"
    up = (
        f"{rest} > 5000000000000000::UHUGEINT OR "
        f"({rest} = 5000000000000000::UHUGEINT AND {floor} % 2::UHUGEINT = 1::UHUGEINT)"
    )
    return f"({floor} + CASE WHEN {up} THEN 1::UHUGEINT ELSE 0::UHUGEINT END)::HUGEINT"
