"""The Python API: `schemahub.open("./lake")`, then trades and SQL as Arrow, Polars or pandas.

Nothing is read until a result is asked for (`arrow()`, `pl()`, `pd()`, `batches()`, ...), and
each asking reads the lake as it is then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from schemahub.adapters.duck import Duck, FileSlice, MarketRow, bars_every
from schemahub.core import times
from schemahub.core.bars import Cut, next_open, size_of
from schemahub.core.errors import UsageError
from schemahub.core.facts import Fact
from schemahub.core.layout import Market, spelt
from schemahub.core.span import Coverage
from schemahub.core.trade import UNIFIED_SCHEMA
from schemahub.pipelines.quality import Report
from schemahub.ports import Objects
from schemahub.rows import Params, Rows, Trades, reads_bars, reads_facts

MarketNames = str | Market | Sequence[str | Market] | None
Instant = times.Instant | None

_COLUMNS = tuple(column.name for column in UNIFIED_SCHEMA)


class Backend(Protocol):
    """What the API needs of a lake; app wires it."""

    def slices(self, market: Market | None, *, bars: bool = False) -> Sequence[FileSlice]:
        """The live files of one market, or of all; resolved afresh at each call.

        With `bars` also those of the minute bars beside them, for who reads these.
        """
        ...

    def market_rows(self) -> Sequence[MarketRow]: ...

    def fact_tables(self, names: Collection[str]) -> Sequence[Fact]:
        """At least these tables about the lake itself (core/facts.py, core/history.py)."""
        ...

    def coverage(self, market: Market) -> Coverage:
        """The axis positions that the lake holds."""
        ...

    def verify(self, markets: Sequence[Market]) -> Sequence[Mapping[str, object]]:
        """A certificate a market, as `schemahub verify --json` writes it."""
        ...

    def certified(
        self, markets: Sequence[Market], since: datetime | None, until: datetime | None
    ) -> Sequence[FileSlice]:
        """Files of the trades of a range, cut to what is proven; no markets are all.

        Raises ProofFailed if any of it is not.
        """
        ...

    def judge(
        self, markets: Sequence[Market], names: Sequence[str], since: datetime | None
    ) -> Report:
        """What the checks find; no markets or names are all."""
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
        *,
        require_proof: bool = False,
    ) -> Trades:
        """Trades with `start` <= trade_ts < `end`, a market's in axis order; None is all.

        A market is "EXCHANGE:BTC-USD", or "BTC-USD" if one exchange alone has it. Times are
        ISO text, date or datetime (naive is UTC), or "7d", "12h", "45m", "30s", "2w" ago.
        Raises UsageError for a market, column or time that is none. With `require_proof` every
        reading certifies the range first (as `schemahub query --require-proof`), and raises
        ProofFailed if any position of it is not proven.
        """
        chosen = None if markets is None else self._resolve(markets)
        since, until = self._since_until(start, end)
        names = _columns(columns)
        where, params = _where(since, until)

        def slices() -> Sequence[FileSlice]:
            if require_proof:
                return self._backend.certified(chosen or [], since, until)
            return self._slices(chosen)

        return Trades(
            self._source(slices, list),
            f"SELECT {', '.join(names)} FROM trades{where}",  # noqa: S608  (names checked)
            params,
            title=_title(chosen, since, until),
            count_sql=f"SELECT count(*) FROM trades{where}",  # noqa: S608
        )

    def sql(self, query: str, params: Params = None, *, require_proof: bool = False) -> Rows:
        """One reading statement over `trades`, `trades_float`, `bars_1m`, `markets` and others.

        `params` are bound to ? or $name. Refused and wrong queries raise UsageError when run.
        With `require_proof` each reading raises ProofFailed unless every market is proven.
        """
        bars, facts = reads_bars(query), reads_facts(query)
        source = self._source(
            lambda: (
                self._backend.certified([], None, None)
                if require_proof
                else self._backend.slices(None, bars=bars)
            ),
            self._backend.market_rows,
            lambda: self._backend.fact_tables(facts) if facts else [],
        )
        return Rows(source, query, params, title=query.strip())

    def bars(  # noqa: PLR0913  (three of them by name only)
        self,
        market: str | Market,
        every: str | timedelta | None = None,
        start: Instant = None,
        end: Instant = None,
        *,
        ticks: int | str | None = None,
        volume: str | int | Decimal | None = None,
        dollars: str | int | Decimal | None = None,
    ) -> Rows:
        """Bars of a market: of `every` 1m (default), 5m, 1h, 1d or 1w, or cut by its trades.

        Bars of time are those of `bars_1m` put together, with `start` <= bar_ts < `end`; weeks
        begin on Monday, 00:00 UTC. Of the others one closes with the trade with which it reaches
        so many `ticks` (trades), so much `volume` (base units) or so many `dollars` (quote
        units: its quote_volume); the next begins with the next trade, at nothing. They are cut
        from the trades with `start` <= trade_ts < `end`; what does not fill a last bar is none.

        Raises UsageError for a market, time or size that is none, and for two sizes.
        """
        (chosen,) = self._resolve(market)
        since, until = self._since_until(start, end)
        found = size_of(every, ticks, volume, dollars)
        title = _title([chosen], since, until)
        if isinstance(found, Cut):
            where, params = _where(since, until)
            source = self._source(lambda: self._slices([chosen]), list)
            return Rows(source, where, params, f"bars of {title}", cut=(chosen, found))
        since, until = (one and next_open(one, found) for one in (since, until))
        where, params = _where(since, until, "bar_ts")
        source = self._source(lambda: self._backend.slices(chosen, bars=True), list)
        return Rows(source, bars_every(found, where), params, f"bars of {title}")

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

    def quality(
        self,
        markets: MarketNames = None,
        checks: Sequence[str] = (),
        since: Instant = None,
    ) -> Report:
        """What the quality checks find, and the score; by default all of them over all markets.

        `since` makes them look further back than each does by itself. The report is not
        stored. Raises UsageError for a market, check or time that is none.
        """
        chosen = [] if markets is None else self._resolve(markets)
        return self._backend.judge(chosen, checks, self._instant(since))

    def __repr__(self) -> str:
        return f"<schemahub.Lake {self._name}>"

    def _source(
        self,
        slices: Callable[[], Sequence[FileSlice]],
        markets: Callable[[], Sequence[MarketRow]],
        facts: Callable[[], Sequence[Fact]] = list,
    ) -> Callable[[], Duck]:
        own = self._settings
        return lambda: Duck(
            slices(),
            markets(),
            facts=facts(),
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

    def _since_until(self, start: Instant, end: Instant) -> tuple[datetime | None, datetime | None]:
        since, until = self._instant(start), self._instant(end)
        if since and until and since > until:
            raise UsageError(f"start {since} is after end {until}", "", "exchange the two")
        return since, until

    def _instant(self, value: Instant) -> datetime | None:
        return None if value is None else times.instant(value, self._backend.now())


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


def _where(
    since: datetime | None, until: datetime | None, column: str = "trade_ts"
) -> tuple[str, list[datetime]]:
    terms = [(f"{column} >= ?", since), (f"{column} < ?", until)]
    given = [(term, value) for term, value in terms if value is not None]
    where = " WHERE " + " AND ".join(term for term, _ in given) if given else ""
    return where, [value for _, value in given]


def _title(markets: Sequence[Market] | None, since: datetime | None, until: datetime | None) -> str:
    names = "all markets" if markets is None else ", ".join(map(str, markets[:5]))
    more = f" and {len(markets) - 5} more" if markets and len(markets) > 5 else ""  # noqa: PLR2004
    return names + more + (f" from {since}" if since else "") + (f" until {until}" if until else "")
