"""What nobody reads any more beside superseded parts: old versions, traces of dead writers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import timedelta

from schemahub.core.errors import CatalogError, ConfigError, ObjectCorrupt, ObjectMissing
from schemahub.core.layout import (
    PROBES,
    Market,
    bars_prefix,
    complete_key,
    plan_key,
    table_prefix,
)
from schemahub.core.parts import live
from schemahub.core.span import Coverage
from schemahub.pipelines.bars import remove_version
from schemahub.pipelines.build import read_part
from schemahub.pipelines.lake import Lake
from schemahub.ports import Entry, Metrics, Table

LONGEST_WRITE = timedelta(hours=1)


@dataclass
class OldVersion:
    """A version below the newest complete one, and why it has to stay, if it has to.

    `damaged`: because what takes its place is. `unasked`: because nobody could say whether a
    published snapshot names its parts.
    """

    exchange: str
    version: int
    newest: int
    entries: list[Entry]
    stays: list[str] = field(default_factory=list)
    damaged: bool = False
    unasked: bool = False

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)


@dataclass(frozen=True)
class Garbage:
    """The pipeline with what it needs of the world; `kept` as in Compact."""

    lake: Lake
    table: Table
    metrics: Metrics
    grace: timedelta
    kept: Callable[[], AbstractSet[str]] = frozenset

    # ------------------------------------------------------------ traces of dead writers

    def traces(self) -> Iterator[str]:
        """Halves of writes, and objects of probes, that are older than any write takes."""
        before = self.lake.store.now() - max(self.grace, LONGEST_WRITE)
        yield from self.lake.store.leftovers(before)
        for entry in self.lake.store.list(PROBES):
            if entry.created_at < before:
                yield entry.key

    def sweep(self) -> list[str]:
        """Removes them; returns what was removed. Raises StoreError."""
        found = list(self.traces())
        for name in found:
            if name.startswith(PROBES):
                self.lake.store.delete(name)
            else:
                self.lake.store.sweep(name)
            self.metrics.emit("trace.swept", key=name)
        return found

    # ------------------------------------------------------------ versions

    def old_versions(self, exchange: str) -> list[OldVersion]:
        """The versions that readers prefer another to, lowest first, and whether they may go.

        One may go once the newest complete version holds all that it holds, is whole, and has
        been complete for the grace.
        """
        newest = max(self.lake.readable(exchange), default=1)
        return [
            self._old(exchange, version, newest)
            for version in self.lake.every_version(exchange)
            if version < newest
        ]

    def _old(self, exchange: str, version: int, newest: int) -> OldVersion:
        old = OldVersion(exchange, version, newest, [])
        mark = complete_key(newest, exchange)
        marked = [entry for entry in self.lake.store.list(mark) if entry.key == mark]
        if not marked or marked[0].created_at + self.grace > self.lake.store.now():
            old.stays.append(f"v{newest} has not been complete for long enough")
        for market in self.lake.version_markets(version):
            if market.exchange == exchange:
                found = self.lake.part_entries(version, market)
                old.entries += [entry for _, entry in found]
                lacking = Coverage.of(span for span, _ in found) - self._held(newest, market)
                if lacking:
                    old.stays.append(f"v{newest} does not hold ids {lacking.spans[0]} of {market}")
        self._named(old)
        return old

    def _named(self, old: OldVersion) -> None:
        folders = (
            table_prefix(old.version, old.exchange),
            bars_prefix(old.version, old.exchange),
        )
        try:
            named = sum(key.startswith(folders) for key in self.kept())
        except (CatalogError, ConfigError) as error:
            old.unasked = True
            old.stays.append(f"the catalog does not say whether it needs it: {error}")
            return
        if named:
            old.stays.append(f"snapshots of the published table still name {named} of its files")

    def _held(self, version: int, market: Market) -> Coverage:
        return Coverage.of(self.lake.parts(version, market))

    def remove(self, old: OldVersion) -> bool:
        """Removes a version that may go, its PLAN last; False if it must stay after all.

        Reads the version that takes its place first. Raises StoreError.
        """
        if not old.stays:
            old.stays += self._damage(old)
            old.damaged = bool(old.stays)
        if old.stays:
            return False
        remove_version(self.lake, old.version, old.exchange)
        keys = [entry.key for entry in old.entries]
        for key in (*keys, complete_key(old.version, old.exchange)):
            self.lake.store.delete(key)
        self.lake.store.delete(plan_key(old.version, old.exchange))
        self.metrics.emit("version.removed", exchange=old.exchange, version=old.version)
        return True

    def _damage(self, old: OldVersion) -> Iterator[str]:
        """What of the newest version is not what was written."""
        for market in self.lake.version_markets(old.newest):
            if market.exchange != old.exchange:
                continue
            for span in live(self.lake.parts(old.newest, market)):
                try:
                    read_part(self.lake, self.table, old.newest, market, span)
                except (ObjectCorrupt, ObjectMissing) as error:
                    yield str(error)
