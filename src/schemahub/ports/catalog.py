"""What publishing needs of an Iceberg catalog. Adapters keep these promises.

Every method raises CatalogError if the catalog or what it names cannot be reached or read, and
ConfigError if what stands there is not ours to write.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from schemahub.core.facts import Fact
from schemahub.core.layout import Market

Kind = Literal["trades", "bars_1m_parts"]
TRADES: Kind = "trades"
BARS: Kind = "bars_1m_parts"


@dataclass(frozen=True, slots=True)
class Named:
    """A data file as the current snapshot of a table names it; `rows` and `size` as it says."""

    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class DataFile:
    """A live Parquet file of the lake, to be named by a table; `size` in bytes."""

    location: str
    market: Market
    size: int


class DataTable(Protocol):
    """A table of the lake's own files, as it was when it was opened."""

    @property
    def files(self) -> Mapping[str, Named]:
        """What its current snapshot names, by location."""

    def replace(self, removed: Collection[str], added: Sequence[DataFile]) -> int | None:
        """One commit, one snapshot: names `removed` no more and `added` from now on.

        Returns the rows added. None: nothing is known to have changed, because another commit
        came first or no answer came; open it again. A location may be in both. Raises
        ObjectMissing if an added file is gone.
        """


class Catalog(Protocol):
    """The tables of one database; nothing is opened or made before it is needed."""

    def open(self, kind: Kind, *, create: bool) -> DataTable | None:
        """The table as it is now; made or adopted if `create`, else None if there is none.

        Raises TableLost, unless `create`, if it is that of the place where the lake was before.
        """

    def put(self, fact: Fact) -> bool | None:
        """Replaces a fact's table whole, in one commit, making it if there is none.

        False: it held these rows already. None: another commit came first; try again.
        """

    def define_views(self) -> Sequence[str]:
        """Creates or renews the views; their names, none where the catalog holds no views."""

    def rows(self, locations: Collection[str]) -> Mapping[str, int | None]:
        """How many rows these files hold by their own footers; None for one that is not there."""

    def expire(self, table: str, before: datetime, keep: int) -> int:
        """Forgets snapshots older than `before`, but never the last `keep`; returns how many.

        Of tables that are none, and where another commit came first, none.
        """

    def named(self) -> AbstractSet[str]:
        """The locations that any snapshot, not yet expired, of the two tables of files names."""

    def needed(self, table: str) -> tuple[str, AbstractSet[str]] | None:
        """Where a table keeps its own files, and the locations of all that it still needs."""
