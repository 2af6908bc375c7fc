"""The SQL of `bars_1m`: minute bars from files that hold them, from trades elsewhere, merged.

The SQL over trades is the reference: what lies in files equals it, value by value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from schemahub.adapters.duck.views import FileSlice, Lent, branch, by_market, literal, union
from schemahub.core.layout import Market

_FROM_BARS = (
    "bar_ts, open, high, low, close, volume, quote_volume, buy_volume, trades, "
    "first_position, last_position"
)
_BARS = _FROM_BARS.replace(
    "first_position", "quote_volume::DOUBLE / volume::DOUBLE AS vwap, first_position"
)
_WITH_VWAP = f"SELECT exchange, symbol, {_BARS}"
_MINUTE = 60_000_000  # µs
_NAMED = 10_000  # minutes that the view names one by one
_MONDAY = 4 * 86_400_000_000  # 1970-01-05, in µs

_UNIT = "0.00000001::DECIMAL(8,8)"  # quote_volume counts in these: 8 places
_HALF = "0.000000005::DECIMAL(24,24)"


def timed_exchanges(slices: Sequence[FileSlice]) -> list[str]:
    """The exchanges whose trades lie on an axis of time."""
    return sorted({one.market.exchange for one in slices if one.timed})


# Within a minute the µs, then the id: one number, so that no comparison takes two.
_IN_MINUTE = "epoch_us(trade_ts)::HUGEINT % 60000000 * 9223372036854775808 + trade_id"
_BY_ID = ("trade_id", "trade_id")
_BY_TIME = (f"({_IN_MINUTE})", "epoch_us(trade_ts)")


def bars_view(
    trades: str,
    timed: Sequence[str],
    bars: str | None = None,
    shared: Sequence[int] | None = None,
) -> str:
    """`bars_1m`: one row a market and minute that has trades; bar_ts is the open time.

    Of `trades`, the name of a view or a query in brackets, and of `bars`, a query for the bars
    of other trades, in which no minutes but those of `shared` (µs since 1970; None: any) come
    more than once a market. The first and the last trade of a minute are those of the axis: by
    id, or of the exchanges that are `timed` by time, then by id. quote_volume is the exact sum
    of price × quantity, each trade's product rounded half-even to 8 places. buy_volume is null
    if the side of any trade in the bar is unknown.
    """
    computed = _bars_of(trades, timed) if trades else None
    told = [one for one in (bars, computed) if one]
    if bars is None:
        return f"{_WITH_VWAP} FROM ({told[0]})"
    if shared is None:
        return f"{_WITH_VWAP} FROM ({merged(union(told))})"
    # What is read twice must not be held in between: filters are to reach the files.
    pieces = f"WITH pieces AS NOT MATERIALIZED ({union(told)})"
    if not shared:
        return f"{pieces} {_WITH_VWAP} FROM pieces"
    minutes = f"(SELECT make_timestamptz(unnest([{', '.join(map(str, shared))}])) AS bar_ts)"
    once = f"SELECT exchange, symbol, {_FROM_BARS} FROM pieces ANTI JOIN {minutes} USING (bar_ts)"  # noqa: S608
    often = f"SELECT * FROM pieces SEMI JOIN {minutes} USING (bar_ts)"  # noqa: S608
    return f"{pieces} {_WITH_VWAP} FROM ({union([once, merged(often)])})"


def minutes_shared(ranges: Mapping[Market, Sequence[tuple[int, int]]]) -> list[int] | None:
    """The minutes (µs) of which two files of a market can both tell; None: too many to name.

    A range is the first and the last moment of a file.
    """
    found: set[int] = set()
    for files in ranges.values():
        until = -1  # the last minute of those before
        for first, last in sorted((a // _MINUTE, b // _MINUTE) for a, b in files):
            if min(last, until) - first >= _NAMED:
                return None
            found.update(range(first, min(last, until) + 1))
            if len(found) > _NAMED:
                return None
            until = max(until, last)
    return sorted(minute * _MINUTE for minute in found)


def merged(bars: str) -> str:
    """The bars of a query with several of one market and bar_ts merged, exactly."""
    return f"""
SELECT exchange, symbol, bar_ts, arg_min(open, first_position) AS open, max(high) AS high,
    min(low) AS low, arg_max(close, last_position) AS close,
    sum(volume)::DECIMAL(38,12) AS volume, sum(quote_volume)::DECIMAL(38,8) AS quote_volume,
    CASE WHEN count(buy_volume) = count(*)
        THEN sum(buy_volume)::DECIMAL(38,12) END AS buy_volume,
    sum(trades)::BIGINT AS trades, min(first_position) AS first_position,
    max(last_position) AS last_position
FROM ({bars}) GROUP BY exchange, symbol, bar_ts"""  # noqa: S608


def bars_every(step: int, where: str) -> str:
    """Bars of `step` µs, counted from a Monday, 00:00 UTC, put together from those of a minute."""
    if step == _MINUTE:
        return f"SELECT * FROM bars_1m{where} ORDER BY bar_ts"  # noqa: S608
    at = f"(epoch_us(bar_ts) - {_MONDAY}) // {step} * {step} + {_MONDAY}"
    columns = _FROM_BARS.removeprefix("bar_ts, ")
    minutes = f"SELECT exchange, symbol, make_timestamptz({at}) AS bar_ts, {columns} FROM bars_1m"  # noqa: S608
    return f"{_WITH_VWAP} FROM ({merged(minutes + where)}) ORDER BY bar_ts"


def trades_to_cut(where: str, *, timed: bool) -> str:
    """What bars are cut from (cut.py), in axis order."""
    position = "epoch_us(trade_ts)" if timed else "trade_id"
    return (
        f"SELECT {position} AS position, trade_ts, side, price, quantity, "  # noqa: S608
        f"quote::DECIMAL(38,0) AS quote FROM ({_quotes('trades', where)})"
    )


def cut_view(table: str, market: Market) -> str:
    """What was cut, with its market and the mean price."""
    names = f"{literal(market.exchange)} AS exchange, {literal(market.symbol)} AS symbol"
    columns = _BARS.replace("bar_ts", "bar_ts, close_ts")
    return f"SELECT {names}, {columns} FROM {table}"  # noqa: S608


def bar_files(slices: Sequence[FileSlice]) -> list[FileSlice]:
    """The files of bars: right only for what counts whole."""
    return [replace(one, location=one.bars) for one in slices if one.bars and one.keep is None]


def without_bars(slices: Sequence[FileSlice]) -> list[FileSlice]:
    """What is left for the trades to tell."""
    return [one for one in slices if not one.bars or one.keep is not None]


def held_bars(files: Sequence[FileSlice]) -> str | None:
    """The bars that lie in files, some minutes in two pieces; None if there are none."""
    branches = [
        branch(market, piece, _FROM_BARS) for market, pieces in by_market(files) for piece in pieces
    ]
    return union(branches) if branches else None


def lent_bars(tables: Sequence[Lent]) -> str | None:
    """The same over tables that the connection was lent."""
    columns = f"exchange, symbol, {_FROM_BARS}"
    branches = [f"SELECT {columns} FROM {table.name}" for table in tables]  # noqa: S608
    return union(branches) if branches else None


def _bars_of(trades: str, timed: Sequence[str]) -> str:
    if not timed:
        return _bars(trades, "", *_BY_ID)
    names = ", ".join(map(literal, timed))
    return union(
        [
            _bars(trades, f" WHERE exchange NOT IN ({names})", *_BY_ID),
            _bars(trades, f" WHERE exchange IN ({names})", *_BY_TIME),
        ]
    )


def _bars(source: str, where: str, order: str, position: str) -> str:
    return f"""
SELECT exchange, symbol, make_timestamptz(minute * 60000000) AS bar_ts,
    arg_min(price, {order}) AS open, max(price) AS high, min(price) AS low,
    arg_max(price, {order}) AS close,
    sum(quantity)::DECIMAL(38,12) AS volume,
    (sum(quote)::DECIMAL(38,0) * {_UNIT})::DECIMAL(38,8) AS quote_volume,
    CASE WHEN count(side) = count(*)
        THEN coalesce(sum(quantity) FILTER (side = 'buy'), 0)::DECIMAL(38,12) END AS buy_volume,
    count(*) AS trades,
    min({position}) AS first_position, max({position}) AS last_position
FROM ({_quotes(source, where)}) GROUP BY exchange, symbol, minute"""  # noqa: S608


def _quotes(source: str, where: str) -> str:
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
    round({_double("price")} * {_double("quantity")} * 1e8) AS guess FROM {source}{where})))"""  # noqa: S608


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
