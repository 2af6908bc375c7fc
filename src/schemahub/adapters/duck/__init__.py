"""SQL over the lake's files: the one place where DuckDB runs."""

from __future__ import annotations

from pyarrow import RecordBatch, Table

from schemahub.adapters.duck.asked import DuckSql
from schemahub.adapters.duck.bars import bars_every
from schemahub.adapters.duck.engine import Duck
from schemahub.adapters.duck.frames import Relation, floats, join, relation
from schemahub.adapters.duck.given import Given
from schemahub.adapters.duck.result import Preview, Result, Streamed
from schemahub.adapters.duck.views import FileSlice, MarketRow

__all__ = [
    "Duck",
    "DuckSql",
    "FileSlice",
    "Given",
    "MarketRow",
    "Preview",
    "RecordBatch",
    "Relation",
    "Result",
    "Streamed",
    "Table",
    "bars_every",
    "floats",
    "join",
    "relation",
]
