"""An in-memory DuckDB that sees one list of files as views, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from schemahub.adapters.duck import bars, views
from schemahub.adapters.duck.closing import Closing
from schemahub.adapters.duck.cut import cut_bars
from schemahub.adapters.duck.ends import shared_minutes
from schemahub.adapters.duck.faults import FAULTS, fault
from schemahub.adapters.duck.frames import fact_table, market_table
from schemahub.adapters.duck.guard import admit
from schemahub.adapters.duck.remote import Remote
from schemahub.adapters.duck.result import Result
from schemahub.adapters.duck.views import FileSlice, MarketRow
from schemahub.core.bars import Cut
from schemahub.core.errors import SchemaHubError, UsageError
from schemahub.core.facts import Fact
from schemahub.core.layout import Market
from schemahub.ports import Objects

Params = Sequence[Any] | Mapping[str, Any] | None


class Duck(Closing):
    """The views `trades`, `trades_float`, `bars_1m`, `markets` over `slices`, read-only.

    And a table by the name of each of `facts`.

    Guarantees: reads no file but those of `slices` and reaches no network; writes only
    spilled intermediate results, and those only if `temp_dir` is given; times are UTC. A
    query must be one that only reads (guard.py). `memory_limit` is DuckDB's text ("4GB").
    Where `objects` is given it opens the files: the engine itself then opens none at all, and
    Arrow's buffers are not counted in `memory_limit`.

    Opening reads the footers of one file a market, and of all files if there are bars among
    them (a tenth of a millisecond each); of `objects` none. Raises ObjectMissing if a file is
    gone: resolve the list again and open anew. One thread at a time; close it, or use `with`.
    """

    def __init__(  # noqa: PLR0913  (five of them by name only)
        self,
        slices: Sequence[FileSlice],
        markets: Sequence[MarketRow],
        *,
        facts: Sequence[Fact] = (),
        objects: Objects | None = None,
        threads: int | None = None,
        memory_limit: str | None = None,
        temp_dir: Path | None = None,
    ) -> None:
        self._timed = any(one.timed for one in slices)
        files = bars.bar_files(slices)
        self._locations = [s.location for s in (*slices, *files)]
        self._remote = None if objects is None else Remote(objects, slices)
        try:
            self._connection = _connect(threads, memory_limit, temp_dir)
        except duckdb.Error as error:
            raise UsageError(
                "DuckDB refuses its settings", str(error), "correct threads or memory_limit"
            ) from error
        try:
            self._define(slices, markets)
            for fact in facts:
                self._connection.register("given", fact_table(fact))
                self._connection.execute(f"CREATE TABLE {fact.name} AS FROM given")
                self._connection.unregister("given")
        except FAULTS as error:
            self.close()
            raise self._fault(error) from error

    def _define(self, slices: Sequence[FileSlice], markets: Sequence[MarketRow]) -> None:
        run = self._connection.execute
        run(views.MARKETS_TABLE)
        if markets:
            # Row by row through parameters it takes half a millisecond each.
            self._connection.register("given", market_table(markets))
            run("INSERT INTO markets FROM given")
            self._connection.unregister("given")
        # Before the first file is opened, so that the lock holds for the views as well.
        # As files, and as the patterns that views name them by.
        files = [] if self._remote else [*self._locations, *map(views.exactly, self._locations)]
        run(f"SET allowed_paths = {views.array(dict.fromkeys(files))}")
        run("SET enable_external_access = false")
        run("SET lock_configuration = true")
        rest = bars.without_bars(slices)
        if self._remote is None:
            run(f"CREATE VIEW trades AS {views.trades_view(slices)}")
            files_of_bars = bars.bar_files(slices)
            held, others = bars.held_bars(files_of_bars), views.trades_view(rest)
            shared = shared_minutes([*files_of_bars, *rest]) if files_of_bars else None
        else:
            self._remote.lend(self._connection)
            run(f"CREATE VIEW trades AS {views.lent_view(self._remote.tables)}")
            held = bars.lent_bars(self._remote.bars)
            others = views.lent_view(self._remote.without_bars)
            shared = None
        run(f"CREATE VIEW trades_float AS {views.trades_float_view()}")
        source = "trades" if held is None else f"({others})" if rest else ""
        timed = bars.timed_exchanges(slices)
        run(f"CREATE VIEW bars_1m AS {bars.bars_view(source, timed, held, shared)}")

    def sql(self, query: str, params: Params = None) -> Result:
        """Start `query`, with `params` bound to its ? or $name; the rows come by streaming.

        Raises UsageError for what may not run or cannot, ObjectMissing, ObjectCorrupt.
        """
        cursor = self._connection.cursor()
        try:
            with ExitStack() as undo:
                undo.callback(cursor.close)
                if self._remote is not None:
                    self._remote.lend(cursor)
                text = admit(cursor, query)
                cursor.execute(text, params)
                result = Result(cursor, self._fault, self._check)
                undo.pop_all()
                return result
        except FAULTS as error:
            raise self._fault(error) from error

    def bars(self, market: Market, where: str, params: Params, cut: Cut) -> Result:
        """Bars that are cut from the trades of this market, of `where` a clause or nothing.

        The trades stream through, the bars are held in memory. Raises as `sql` does.
        """
        with self.sql(bars.trades_to_cut(where, timed=self._timed), params) as trades:
            try:
                table = cut_bars(trades.batches(), cut)
            except pa.ArrowInvalid as error:
                raise UsageError(
                    "a bar does not fit its columns", str(error), "cut the bars smaller"
                ) from None
        cursor = self._connection.cursor()
        cursor.register("cut", table)
        cursor.execute(bars.cut_view("cut", market))
        return Result(cursor, self._fault, self._check)

    def _fault(self, error: Exception) -> SchemaHubError:
        told = self._remote.error if self._remote else None
        return told or fault(error, self._locations)

    def _check(self) -> None:
        """Raises what a file gave, should the engine have been content all the same."""
        if self._remote is not None and self._remote.error is not None:
            raise self._remote.error

    def close(self) -> None:
        self._connection.close()


def _connect(
    threads: int | None, memory_limit: str | None, temp_dir: Path | None
) -> duckdb.DuckDBPyConnection:
    config: dict[str, str | bool | int | float | list[str]] = {
        "allow_community_extensions": False,
        "allow_persistent_secrets": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        # A name in a query must not reach a variable of the calling program.
        "python_enable_replacements": False,
        # DuckDB's own default is a folder in the working directory.
        "temp_directory": str(temp_dir) if temp_dir else "",
    }
    if threads is not None:
        config["threads"] = threads
    if memory_limit is not None:
        config["memory_limit"] = memory_limit
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET TimeZone = 'UTC'")
    # Footers are read once, not once a view and query; the files never change.
    connection.execute("SET parquet_metadata_cache = true")
    return connection
