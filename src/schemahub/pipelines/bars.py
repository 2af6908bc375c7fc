"""The minute bars beside the parts: written right after a part, from its rows and no others.

They are only derived. Readers use them for a part that they read whole and that is live, and
compute from the trades where there are none; so a crash before they are written costs time.
What a part of the same name once had is never taken for its own: bars go before their part
does, and name its digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from schemahub.core import parts
from schemahub.core.errors import ObjectCorrupt, ObjectMissing
from schemahub.core.layout import (
    Market,
    bars_key,
    bars_prefix,
    parse_part,
    part_key,
    part_prefix,
    table_prefix,
)
from schemahub.core.span import Span
from schemahub.pipelines.lake import Lake
from schemahub.ports import Bars, PartFacts, Rows, Table


@dataclass(frozen=True, slots=True)
class BarsTask:
    """A part that lacks its bars."""

    market: Market
    version: int
    span: Span


@dataclass
class BarsMaker:
    """Makes the bars of a part that is there; can be sent to another process."""

    lake: Lake
    table: Table

    def __call__(self, task: BarsTask) -> bool:
        """False if they cannot be. Raises ObjectCorrupt, ObjectMissing, StoreError."""
        key = part_key(task.version, task.market, task.span)
        data = self.lake.store.read(key)
        bars = self.table.bars()
        for _ in watched(self.table.decode(data, key), bars):
            pass
        return store(self.lake, self.table, key, self.table.facts(data, key), bars)


def watched(rows: Iterator[Rows], bars: Bars) -> Iterator[Rows]:
    """The same rows; on the way they are added to the bars."""
    for some in rows:
        bars.add(some)
        yield some


def store(lake: Lake, table: Table, part: str, facts: PartFacts, bars: Bars) -> bool:
    """Stores the bars of the part of that key, which is there; False if they cannot be made."""
    data = bars.encode(facts)
    if data is None:
        return False
    key = bars_key(part)
    if not lake.store.create(key, data) and _outdated(lake, table, part, facts, bars):
        lake.store.delete(key)
        lake.store.create(key, data)
    return True


def _outdated(lake: Lake, table: Table, part: str, facts: PartFacts, bars: Bars) -> bool:
    """Whether what is there are not the bars of this part, while the part is still this one.

    Where a part was removed as damaged and made anew, whoever still worked on the old one may
    have been faster.
    """
    key = bars_key(part)
    try:
        bars.check(lake.store.read(key), key, facts)
    except ObjectMissing:
        return False
    except ObjectCorrupt:
        try:
            return table.facts(lake.store.read(part), part).digest == facts.digest
        except (ObjectCorrupt, ObjectMissing):
            return False
    return False


def lacking(lake: Lake, version: int, markets: Sequence[Market]) -> Iterator[BarsTask]:
    """The live parts of a version, of markets of one exchange, that have no bars."""
    if not markets:
        return
    one = len(markets) == 1
    prefix = part_prefix(version, markets[0]) if one else table_prefix(version, markets[0].exchange)
    there, have = listed(lake, prefix), listed(lake, bars_key(prefix))
    for market in markets:
        folder = part_prefix(version, market)
        with_bars = have.get(bars_key(folder), set())
        for span in parts.live(there.get(folder, ())):
            if span not in with_bars:
                yield BarsTask(market, version, span)


def listed(lake: Lake, prefix: str) -> dict[str, set[Span]]:
    """The parts whose files, or whose bars, lie under a prefix, by folder; live or not."""
    found: dict[str, set[Span]] = {}
    for entry in lake.store.list(prefix):
        folder, slash, name = entry.key.rpartition("/")
        span = parse_part(name)
        if span is not None:
            found.setdefault(folder + slash, set()).add(span)
    return found


def there(lake: Lake, version: int, market: Market) -> set[Span]:
    """The parts of a market of which there are bars, live or not."""
    prefix = bars_key(part_prefix(version, market))
    return listed(lake, prefix).get(prefix, set())


def remove_part(lake: Lake, key: str) -> None:
    """Removes a part and before it its bars: they must not be there for the next of its name."""
    lake.store.delete(bars_key(key))
    lake.store.delete(key)


def sweep(
    lake: Lake, version: int, market: Market, kept: AbstractSet[str] = frozenset()
) -> Iterator[str]:
    """Removes bars without a part, which a writer that came late left, but not `kept`; names."""
    found = there(lake, version, market)  # listed first: a part is there before its bars
    for span in sorted(found - set(lake.parts(version, market)) if found else ()):
        key = bars_key(part_key(version, market, span))
        if key not in kept:
            lake.store.delete(key)
            yield key


def remove_version(lake: Lake, version: int, exchange: str) -> None:
    """Removes all bars of a version, before its parts go."""
    for entry in list(lake.store.list(bars_prefix(version, exchange))):
        lake.store.delete(entry.key)
