"""The rows of a query as Arrow, Polars, pandas and so on: what the Python API answers with."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any

from schemahub.adapters.duck import (
    Duck,
    RecordBatch,
    Relation,
    Result,
    Table,
    floats,
    join,
    relation,
)
from schemahub.core.bars import Cut
from schemahub.core.errors import ObjectMissing, UsageError
from schemahub.core.facts import FACTS
from schemahub.core.history import HISTORY
from schemahub.core.layout import Market

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Params = Sequence[Any] | Mapping[str, Any] | None

_TRIES = 3
_SHOWN = 20


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
    cut: tuple[Market, Cut] | None = None  # then `query` says of which trades: a WHERE

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
                with self.source() as duck, answer(self, duck) as result:
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
        with self.source() as duck, answer(self, duck) as result:
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
        with self.source() as duck, answer(self, duck) as result:
            yield from _first(result.batches(rows), self.limit)


def reads_bars(query: str) -> bool:
    """Whether files of bars need to be looked for; without them bars are computed."""
    return "bars_1m" in query.lower()


def reads_facts(query: str) -> frozenset[str]:
    """The tables about the lake that it names, but `markets`; a name may be an alias as well."""
    text = query.lower()
    return frozenset(name for name in (*FACTS, *HISTORY) if name in text) - {"markets"}


def answer(rows: Rows, duck: Duck) -> Result:
    """What `rows` asks of a connection that its source gave."""
    if rows.cut is None:
        return duck.sql(rows.query, rows.params)
    market, cut = rows.cut
    return duck.bars(market, rows.query, rows.params, cut)


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


def _not_installed(library: str) -> UsageError:
    advice = f"pip install schemahub[{library}]"
    return UsageError(f"{library} is not installed", "it is an optional extra", advice)
