"""ports.Sql over the lake's views."""

from __future__ import annotations

from collections.abc import Callable

from schemahub.adapters.duck.closing import Closing
from schemahub.adapters.duck.engine import Duck
from schemahub.core.errors import ObjectMissing
from schemahub.ports import Found

TRIES = 3


class DuckSql(Closing):
    """The engine, opened by `source` when it is first asked; close it, or use `with`.

    Where a part was superseded and deleted while it was read, it is opened anew and asked
    again. One thread at a time.
    """

    name = "duckdb"

    def __init__(self, source: Callable[[], Duck]) -> None:
        self._source = source
        self._duck: Duck | None = None

    def query(self, statement: str) -> Found:
        """Raises UsageError for what may not run or cannot, ObjectMissing, ObjectCorrupt."""
        for left in reversed(range(TRIES)):
            try:
                return self._query(statement)
            except ObjectMissing:
                self.close()
                if not left:
                    raise
        raise AssertionError

    def _query(self, statement: str) -> Found:
        if self._duck is None:
            self._duck = self._source()
        with self._duck.sql(statement) as result:
            names = tuple(name for name, _ in result.columns)
            # Two columns may share a name: by position, not by name.
            columns = [column.to_pylist() for column in result.arrow().columns]
        return Found(names, tuple(zip(*columns, strict=True)))

    def close(self) -> None:
        if self._duck is not None:
            self._duck.close()
            self._duck = None
