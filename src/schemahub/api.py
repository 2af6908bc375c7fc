"""The Python API: `schemahub.open("./lake")`, then trades and SQL as Arrow, Polars or pandas.

Nothing is read until a result is asked for (`arrow()`, `pl()`, `pd()`, `batches()`, ...), and
each asking reads the lake as it is then.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from html import escape
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from schemahub.adapters.duck import (
    Duck,
    FileSlice,
    MarketRow,
    RecordBatch,
    Relation,
    Table,
    floats,
    join,
    relation,
)
from schemahub.core import times
from schemahub.core.errors import ObjectMissing, UsageError
from schemahub.core.layout import Market, spelt
from schemahub.core.span import Coverage
from schemahub.core.trade import UNIFIED_SCHEMA
from schemahub.ports import Objects

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

MarketNames = str | Market | Sequence[str | Market] | None
Instant = times.Instant | None
Params = Sequence[Any] | Mapping[str, Any] | None

_TRIES = 3
_SHOWN = 20
_COLUMNS = tuple(column.name for column in UNIFIED_SCHEMA)


class Backend(Protocol):
    """What the API needs of a lake; app wires it."""

    def slices(self, market: Market | None, *, bars: bool = False) -> Sequence[FileSlice]:
        """The live files of one market, or of all; resolved afresh at each call.

        With `bars` also those of the minute bars beside them, for who reads these.
        """
        ...

    def market_rows(self) -> Sequence[MarketRow]: ...

    def coverage(self, market: Market) -> Coverage:
        """The axis positions that the lake holds."""
        ...

    def verify(self, markets: Sequence[Market]) -> Sequence[Mapping[str, object]]:
        """A certificate a market, as `schemahub verify --json` writes it."""
        ...

    def now(self) -> datetime: ...

    @property
    def objects(self) -> Objects | None:
        """How the engine opens the files; None: by itself."""
        ...


def open(  # noqa: A001  (the verb of the API: schemahub.open)
    path: str | Path | None = None,
    *,
    s3_bucket: str | None = None,
    threads: int | None = None,
    memory_limit: str | None = None,
    temp_dir: str | Path | None = None,
) -> Lake:
    """The lake at `path` (./lake), or in a bucket: `s3_bucket="B"`, or "s3://B/PREFIX" as path.

    Queries use up to `threads` and `memory_limit` ("4GB"), and spill to `temp_dir` if given.
    Raises UsageError if there is none, StoreError if the bucket cannot be read.
    """
    from schemahub.app import open_backend

    if isinstance(path, str) and path.startswith("s3://") and s3_bucket is None:
        path, s3_bucket = None, path
    elif s3_bucket is None:
        path = path or "./lake"
        if not Path(path).is_dir():
            raise UsageError(
                f"no lake at {path}",
                "the folder does not exist",
                "name the folder given to --lake, or make one with `schemahub ingest`",
            )
    backend = open_backend(path, s3_bucket)
    settings = Settings(threads, memory_limit, Path(temp_dir) if temp_dir else None)
    return Lake(backend, str(path or s3_bucket), settings)


@dataclass(frozen=True, slots=True)
class Settings:
    """What queries may take of this machine; None is DuckDB's default, and no spilling."""

    threads: int | None = None
    memory_limit: str | None = None
    temp_dir: Path | None = None


class Lake:
    """Trades and their markets. Safe to keep: every result reads the lake afresh."""

    def __init__(self, backend: Backend, name: str, settings: Settings | None = None) -> None:
        self._backend = backend
        self._name = name
        self._settings = settings or Settings()

    def trades(
        self,
        markets: MarketNames = None,
        start: Instant = None,
        end: Instant = None,
        columns: Sequence[str] | None = None,
    ) -> Trades:
        """Trades with `start` <= trade_ts < `end`, a market's in axis order; None is all.

        A market is "EXCHANGE:BTC-USD", or "BTC-USD" if one exchange alone has it. Times are
        ISO text, date or datetime (naive is UTC), or "7d", "12h", "45m", "30s", "2w" ago.
        Raises UsageError for a market, column or time that is none.
        """
        chosen = None if markets is None else self._resolve(markets)
        since, until = self._instant(start), self._instant(end)
        if since and until and since > until:
            raise UsageError(f"start {since} is after end {until}", "", "exchange the two")
        names = _columns(columns)
        where, params = _where(since, until)
        return Trades(
            self._source(lambda: self._slices(chosen), list),
            f"SELECT {', '.join(names)} FROM trades{where}",  # noqa: S608  (names checked)
            params,
            title=_title(chosen, since, until),
            count_sql=f"SELECT count(*) FROM trades{where}",  # noqa: S608
        )

    def sql(self, query: str, params: Params = None) -> Rows:
        """One reading statement over `trades`, `trades_float`, `bars_1m` and `markets`.

        `params` are bound to ? or $name. Refused and wrong queries raise UsageError when run.
        """
        source = self._source(
            lambda: self._backend.slices(None, bars=True), self._backend.market_rows
        )
        return Rows(source, query, params, title=query.strip())

    def markets(self) -> Rows:
        """One row a market: status, increments, what is held, how far."""
        title = f"markets of {self._name}"
        source = self._source(list, self._backend.market_rows)
        return Rows(source, "FROM markets ORDER BY market", None, title, shown=True)

    def coverage(self, market: str | Market) -> Coverage:
        """The axis positions held: ids, or µs since 1970 where the market's axis is time."""
        return self._backend.coverage(self._resolve(market)[0])

    def verify(self, markets: MarketNames = None) -> Sequence[Mapping[str, object]]:
        """A certificate a market (docs of `schemahub verify --json`); None is all."""
        held = [row.market for row in self._backend.market_rows()]
        return self._backend.verify(held if markets is None else self._resolve(markets))

    def __repr__(self) -> str:
        return f"<schemahub.Lake {self._name}>"

    def _source(
        self,
        slices: Callable[[], Sequence[FileSlice]],
        markets: Callable[[], Sequence[MarketRow]],
    ) -> Callable[[], Duck]:
        own = self._settings
        return lambda: Duck(
            slices(),
            markets(),
            objects=self._backend.objects,
            threads=own.threads,
            memory_limit=own.memory_limit,
            temp_dir=own.temp_dir,
        )

    def _slices(self, markets: Sequence[Market] | None) -> Sequence[FileSlice]:
        if markets is None:
            return self._backend.slices(None)
        return [piece for market in markets for piece in self._backend.slices(market)]

    def _resolve(self, markets: str | Market | Sequence[str | Market]) -> list[Market]:
        held = [row.market for row in self._backend.market_rows()]
        names = [markets] if isinstance(markets, str | Market) else markets
        return list(dict.fromkeys(_market(name, held) for name in names))

    def _instant(self, value: Instant) -> datetime | None:
        return None if value is None else times.instant(value, self._backend.now())


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a query that runs anew each time they are asked for."""

    source: Callable[[], Duck]
    query: str
    params: Params
    title: str
    limit: int | None = None
    shown: bool = False  # few by nature: showing them costs little
    count_sql: str | None = None

    def batches(self, rows: int = 100_000) -> Generator[RecordBatch, None, None]:
        """Arrow batches of about `rows` rows in bounded memory.

        Raises ObjectMissing if a file was superseded after the first batch: what was given
        is void then; start again.
        """
        for left in reversed(range(_TRIES)):
            given = False
            try:
                for batch in self._stream(rows):
                    given = True
                    yield batch
            except ObjectMissing as error:
                if given:
                    raise ObjectMissing(
                        "the lake changed while it was read",
                        f"{error.what}; the batches already given are void",
                        "discard them and read again from the first batch",
                    ) from error
                if not left:
                    raise
            else:
                return

    def arrow(self) -> Table:
        """All rows as a pyarrow.Table; prices and quantities are decimal128(38, 12)."""
        for left in reversed(range(_TRIES)):
            try:
                with self.source() as duck, duck.sql(self.query, self.params) as result:
                    schema, batches = result.stream()
                    return join(_first(batches, self.limit), schema)
            except ObjectMissing:
                # Whatever was read is dropped with the exception, and the list made anew.
                if not left:
                    raise
        raise AssertionError

    def pl(self) -> pl.DataFrame:
        """A Polars frame; decimals stay exact. Raises UsageError if Polars is not installed."""
        try:
            import polars as pl
        except ImportError as error:
            raise _not_installed("polars") from error
        return pl.DataFrame(self.arrow())

    def pd(self, *, exact: bool = False) -> pd.DataFrame:
        """A pandas frame; decimals as float64, or as decimal.Decimal objects if `exact`.

        Raises UsageError if pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: F401  (pyarrow makes the frame)
        except ImportError as error:
            raise _not_installed("pandas") from error
        table = self.arrow()
        return (table if exact else floats(table)).to_pandas()

    def duckdb(self) -> Relation:
        """All rows as a DuckDB relation of your own default connection."""
        return relation(self.arrow())

    def head(self, n: int = 10) -> Rows:
        """The first `n` rows; the query stops there."""
        few = n if self.limit is None else min(n, self.limit)
        return replace(self, limit=few, shown=few <= _SHOWN)

    def count(self) -> int:
        """How many rows there are."""
        if self.count_sql is None or self.limit is not None:
            return sum(batch.num_rows for batch in self.batches())
        one = Rows(self.source, self.count_sql, self.params, self.title).arrow()
        return int(one.column(0)[0].as_py())

    def __repr__(self) -> str:
        few = "" if self.limit is None else f", first {self.limit}"
        return f"<schemahub {type(self).__name__}: {self.title[:200]}{few}>"

    def _repr_html_(self) -> str:
        """The first rows if they cost little, at most 20; the query's title otherwise."""
        if not self.shown:
            return f"<code>{escape(repr(self))}</code>"
        with self.source() as duck, duck.sql(self.query, self.params) as result:
            few = _SHOWN if self.limit is None else min(self.limit, _SHOWN)
            names = [name for name, _ in result.columns]
            rows = list(islice(result.rows_text(), few))
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(value or '')}</td>" for value in row) + "</tr>"
            for row in rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _stream(self, rows: int) -> Generator[RecordBatch, None, None]:
        with self.source() as duck, duck.sql(self.query, self.params) as result:
            yield from _first(result.batches(rows), self.limit)


class Trades(Rows):
    """Trades of the unified schema, a market's in axis order."""

    __slots__ = ()


def _first(
    batches: Generator[RecordBatch, None, None], limit: int | None
) -> Generator[RecordBatch, None, None]:
    left = limit
    with closing(batches):
        while left is None or left > 0:
            batch = next(batches, None)
            if batch is None:
                return
            if left is not None:
                batch = batch.slice(0, left)
                left -= batch.num_rows
            yield batch


def _market(name: str | Market, held: Sequence[Market]) -> Market:
    text = str(name).strip()
    exchange, wanted = spelt(text)
    found = [
        market
        for market in held
        if market.symbol == wanted and (exchange is None or market.exchange == exchange.lower())
    ]
    # A symbol may hold a colon itself.
    found = found or [market for market in held if market.symbol == text.upper()]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{text} is a market of several exchanges",
            "the lake has " + ", ".join(map(str, found)),
            f"write {found[0]}",
        )
    names = {str(m).upper(): str(m) for m in held} | {m.symbol: str(m) for m in held}
    close = list(dict.fromkeys(names[n] for n in get_close_matches(text.upper(), names, 5, 0.6)))
    raise UsageError(
        f"no market {text} in this lake",
        f"it has {len(held)} markets",
        f"did you mean {', '.join(close)}?" if close else "lake.markets() lists them",
    )


def _columns(columns: Sequence[str] | None) -> Sequence[str]:
    if columns is None:
        return _COLUMNS
    names = [columns] if isinstance(columns, str) else list(columns)
    if not names:
        raise UsageError("no columns", "", f"name some of {', '.join(_COLUMNS)}")
    for name in names:
        if name not in _COLUMNS:
            raise UsageError(
                f"trades have no column {name!r}",
                f"they have {', '.join(_COLUMNS)}",
                f"did you mean {get_close_matches(name, _COLUMNS, 1, 0)[0]}?",
            )
    return names


def _where(since: datetime | None, until: datetime | None) -> tuple[str, list[datetime]]:
    terms = [("trade_ts >= ?", since), ("trade_ts < ?", until)]
    given = [(term, value) for term, value in terms if value is not None]
    where = " WHERE " + " AND ".join(term for term, _ in given) if given else ""
    return where, [value for _, value in given]


def _title(markets: Sequence[Market] | None, since: datetime | None, until: datetime | None) -> str:
    names = "all markets" if markets is None else ", ".join(map(str, markets[:5]))
    more = f" and {len(markets) - 5} more" if markets and len(markets) > 5 else ""  # noqa: PLR2004
    return names + more + (f" from {since}" if since else "") + (f" until {until}" if until else "")


def _not_installed(library: str) -> UsageError:
    advice = f"pip install schemahub[{library}]"
    return UsageError(f"{library} is not installed", "it is an optional extra", advice)
