"""Reading the ledger of a lake: what is held, which parts there are, what is quarantined."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from schemahub.core import ledger as ledgers
from schemahub.core.axis import IDS, Axis
from schemahub.core.errors import ConfigError, ObjectCorrupt, ObjectMissing, SpecError, UsageError
from schemahub.core.layout import (
    BadName,
    Market,
    OriginName,
    RawName,
    checkpoint_key,
    complete_key,
    corrupt_prefix,
    market_of,
    parse_part,
    parse_raw,
    parse_version,
    part_prefix,
    plan_key,
    quarantine_key,
    quarantine_prefix,
    raw_key,
    raw_prefix,
)
from schemahub.core.ledger import Checkpoint, Ledger
from schemahub.core.parts import Slice, reading
from schemahub.core.span import NOTHING, Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import Rejected
from schemahub.ports import Codec, Entry, Metrics, RawObject, Refused, Store


@dataclass(frozen=True, slots=True)
class Lake:
    """A store and what is needed to read it. Every method lists anew."""

    store: Store
    codec: Codec
    metrics: Metrics

    # ------------------------------------------------------------ raw

    def markets(self) -> list[Market]:
        """The markets that have a raw folder."""
        found = []
        for folder in self.store.folders(""):
            if folder.startswith("raw_") and folder.endswith("_trades"):
                exchange = folder[len("raw_") : -len("_trades")]
                names = self.store.folders(f"{folder}/")
                found += [one for name in names if (one := market_of(exchange, name))]
        return sorted(found)

    def all_markets(self) -> list[Market]:
        """The markets of raw and of the table: one may have lost the other."""
        return sorted({*self.markets(), *self.table_markets()})

    def ledger(self, market: Market, line: Axis = IDS) -> Ledger:
        """From a listing of everything: what verify, repair and rebuilds go by."""
        return Ledger.listed(self._names(market), line=line)

    def quick_ledger(self, market: Market, spec: ExchangeSpec | None) -> Ledger:
        """The same, but that the checkpoint vouches for what is `unlisted`.

        Without a spec nobody knows what it may vouch for.
        """
        if spec is None:
            return self.ledger(market)
        cached = self._checkpoint(market, spec)
        if cached is None or not cached.covered:
            return self.ledger(market, spec.line)
        span = cached.covered.spans[0]
        unlisted = cached.unlisted(spec.chunk)
        edge = unlisted.stop if unlisted else span.start
        below = self._names(market, before=f"{span.start:020}")
        above = self._names(market, start_after=f"{edge:020}")
        ledger = Ledger.listed([*below, *above], cached, spec.line)
        # With the last chunk that it vouches for: where that is gone, raw was moved away.
        if not any(span.stop in {one.span.stop, one.span.start} for one in ledger.objects):
            return self.ledger(market, spec.line)
        return replace(ledger, unlisted=unlisted, unlisted_objects=cached.objects)

    def save_checkpoint(self, market: Market, spec: ExchangeSpec) -> None:
        """Caches the ledger, unless the cache says the same already."""
        # Read before the listing: what is found corrupt in between makes this one unbelievable.
        corrupt = self._corrupt(market)
        for name in corrupt:
            self._mark(market, name)
        ledger = self.quick_ledger(market, spec)
        data = ledgers.write_checkpoint(market, ledger, spec.chunk, corrupt)
        key = checkpoint_key(market)
        if self._stored(key) != data:
            self.store.put(key, data)

    def _mark(self, market: Market, note: str) -> None:
        """Makes a marker whose maker was killed between its two writes.

        Only of an object that is there: notes outlive raw that was moved away.
        """
        mark = parse_raw(note)
        if not isinstance(mark, BadName):
            return
        marked = RawName(mark.span, mark.revision).filename
        prefix = raw_prefix(market)
        there = set(self.store.keys(f"{prefix}{mark.span.start:020}-"))
        if prefix + marked in there and prefix + note not in there:
            self.store.create(prefix + note, b"")

    def create_origin(self, market: Market, start: int, content: Mapping[str, object]) -> None:
        """Durably: how far back this market is wanted."""
        key = raw_key(market, OriginName(start))
        if self.store.create(key, json.dumps(content).encode() + b"\n"):
            # A checkpoint tells the origins inside what it covers, and does not know this one.
            self.forget_checkpoint(market)

    def vouched(self, market: Market, spec: ExchangeSpec) -> Coverage:
        """What the checkpoint says is held; nothing if there is none, or one not believed."""
        cached = self._checkpoint(market, spec)
        return NOTHING if cached is None else cached.covered

    def forget_checkpoint(self, market: Market) -> None:
        self.store.delete(checkpoint_key(market))

    def raw(self, market: Market, name: RawName) -> RawObject:
        """A raw object, unpacked. Raises ObjectCorrupt, ObjectMissing."""
        key = raw_key(market, name)
        return RawObject(key, name.span, self.codec.unpack(self.store.read(key), key))

    def mark_bad(self, market: Market, key: str, *, stray: bool = False) -> None:
        """Makes every listing ignore a corrupt raw object, so that it is fetched again.

        `stray`: it is sound, and not what its name says.
        """
        name = parse_raw(key.rpartition("/")[2])
        if not isinstance(name, RawName):
            msg = f"not a raw object: {key}"
            raise TypeError(msg)
        # From now on no checkpoint that vouches for it is believed, however late it is put.
        marker = name.stray_marker if stray else name.bad_marker
        self.store.create(corrupt_prefix(market) + marker, b"")
        self.store.create(raw_prefix(market) + marker, b"")
        self.metrics.emit("object.corrupt", market=str(market), key=key)

    def _names(self, market: Market, start_after: str = "", before: str = "") -> Sequence[str]:
        """The names in its raw folder after and before these."""
        prefix = raw_prefix(market)
        after = start_after and prefix + start_after
        keys = self.store.keys(prefix, after, before and prefix + before)
        return [key[len(prefix) :] for key in keys]

    def _checkpoint(self, market: Market, spec: ExchangeSpec) -> Checkpoint | None:
        key = checkpoint_key(market)
        try:
            found = ledgers.read_checkpoint(self.store.read(key), market, spec.chunk)
            return found if found.corrupt == self._corrupt(market) else None
        except ObjectMissing:
            return None
        except (ValueError, ObjectCorrupt) as error:
            # Only a cache: the listing knows. But damage is never passed over in silence.
            self.metrics.emit("checkpoint.corrupt", market=str(market), key=key, why=str(error))
            return None

    def _stored(self, key: str) -> bytes | None:
        """What a cache holds; None if there is nothing that can be read."""
        try:
            return self.store.read(key)
        except (ObjectMissing, ObjectCorrupt):
            return None

    def _corrupt(self, market: Market) -> tuple[str, ...]:
        prefix = corrupt_prefix(market)
        return tuple(key.removeprefix(prefix) for key in self.store.keys(prefix))

    # ------------------------------------------------------------ table

    def versions(self, exchange: str) -> dict[int, str]:
        """Version to the digest of what shapes its rows, of those that have a PLAN."""
        found = {}
        for folder in self.store.folders("unified_trades/"):
            version = parse_version(folder)
            if version is None:
                continue
            try:
                plan = self.store.read(plan_key(version, exchange))
            except ObjectMissing:
                continue
            found[version] = plan.decode("utf-8", "replace").strip()
        return found

    def complete(self, version: int, exchange: str) -> bool:
        """Whether readers may prefer this version. The first needs no mark."""
        if version == 1:
            return True
        key = complete_key(version, exchange)
        return key in self.store.keys(key)

    def readable(self, exchange: str) -> list[int]:
        """Versions to read, lowest first.

        Listed before their marks: a version that completes in between is only seen one
        reading later.
        """
        return [one for one in self.every_version(exchange) if self.complete(one, exchange)]

    def every_version(self, exchange: str) -> list[int]:
        """Complete or not, lowest first.

        By the folder, not by its PLAN: a lost PLAN must not make the rows disappear.
        """
        found = []
        for folder in self.store.folders("unified_trades/"):
            version = parse_version(folder)
            names = self.store.folders(f"unified_trades/{folder}/") if version else ()
            if version is not None and f"exchange={exchange}" in names:
                found.append(version)
        return sorted(found)

    def parts(self, version: int, market: Market) -> list[Span]:
        prefix = part_prefix(version, market)
        found = (parse_part(key.removeprefix(prefix)) for key in self.store.keys(prefix))
        return [span for span in found if span is not None]

    def part_entries(self, version: int, market: Market) -> list[tuple[Span, Entry]]:
        """Every part that is there, superseded or not, in the order of the names."""
        prefix = part_prefix(version, market)
        found = ((parse_part(e.key.removeprefix(prefix)), e) for e in self.store.list(prefix))
        return [(span, entry) for span, entry in found if span is not None]

    def slices(self, market: Market, readable: Sequence[int] | None = None) -> list[Slice]:
        """What a reader reads of a market now, by position.

        `readable` saves asking which versions are; for many markets, see `all_slices`.
        """
        versions = self.readable(market.exchange) if readable is None else readable
        return reading({version: self.parts(version, market) for version in versions})

    def all_slices(self, markets: Iterable[Market]) -> Iterator[tuple[Market, list[Slice]]]:
        """What a reader reads of each, by versions that were readable when it began.

        None of those is removed before a day has passed.
        """
        readable: dict[str, list[int]] = {}
        for market in markets:
            if market.exchange not in readable:
                readable[market.exchange] = self.readable(market.exchange)
            yield market, self.slices(market, readable[market.exchange])

    def table_markets(self) -> list[Market]:
        """The markets that have a folder in a version of the table."""
        folders = self.store.folders("unified_trades/")
        versions = [version for folder in folders if (version := parse_version(folder))]
        return sorted({market for one in versions for market in self.version_markets(one)})

    def version_markets(self, version: int) -> list[Market]:
        """The markets that have a folder in that version."""
        found = []
        top = f"unified_trades/v{version}/"
        for inner in self.store.folders(top):
            _, named, exchange = inner.partition("exchange=")
            for name in self.store.folders(f"{top}{inner}/"):
                symbol = name.removeprefix("symbol=")
                market = market_of(exchange, symbol) if named and symbol != name else None
                if market is not None:
                    found.append(market)
        return sorted(found)

    def quarantined(self, market: Market, span: Span, refused: Refused) -> list[Rejected]:
        """What the table refused of a part. Raises ObjectCorrupt if that is not all there."""
        if not refused.rows and not refused.digest:
            return []
        key = quarantine_key(market, span, refused.digest)
        try:
            data = self.store.read(key)
        except ObjectMissing:
            raise ObjectCorrupt(key, "it is gone") from None
        if hashlib.sha256(data).hexdigest() != refused.digest:
            raise ObjectCorrupt(key, "its content is not what was written")
        found = [Rejected(**json.loads(line)) for line in data.decode().splitlines()]
        if len(found) != refused.rows:
            raise ObjectCorrupt(key, f"it holds {len(found)} rows, its part says {refused.rows}")
        return found

    def quarantined_stems(self, market: Market) -> set[str]:
        """The parts, by the stems of their names, that have something in quarantine."""
        prefix = quarantine_prefix(market)
        names = (key.removeprefix(prefix) for key in self.store.keys(prefix))
        return {name.partition(".")[0] for name in names}

    def quarantine(self, market: Market, span: Span, data: bytes) -> None:
        """Stores what `write_rejects` made; heals an object of that name that is damaged."""
        if data:
            key = quarantine_key(market, span, hashlib.sha256(data).hexdigest())
            if not self.store.create(key, data) and self._stored(key) != data:
                self.store.put(key, data)


def write_rejects(rejected: list[Rejected]) -> tuple[bytes, Refused]:
    """Quarantine, one JSON object a line, and what names it."""
    lines = [json.dumps(asdict(row), separators=(",", ":")) + "\n" for row in rejected]
    data = "".join(lines).encode()
    return data, Refused(len(rejected), hashlib.sha256(data).hexdigest() if data else "")


@dataclass(frozen=True, slots=True)
class Specs:
    """The exchanges that are known, by name.

    The spec of one may be invalid: looking it up then raises SpecError, and nothing else does.
    """

    by_name: Mapping[str, ExchangeSpec]

    def readable(self, exchange: str) -> bool:
        """Whether there is a spec of it, and a valid one."""
        try:
            return exchange in self.by_name and self.by_name[exchange] is not None
        except SpecError:
            return False

    def of(self, exchange: str) -> ExchangeSpec:
        """Raises UsageError if there is no such exchange, SpecError if its spec is invalid."""
        try:
            return self.by_name[exchange]
        except KeyError:
            known = ", ".join(sorted(self.by_name)) or "none"
            raise UsageError(
                f"there is no exchange {exchange!r}",
                f"known exchanges: {known}",
                "write the market as EXCHANGE:BASE-QUOTE with one of these",
            ) from None


def target_version(lake: Lake, spec: ExchangeSpec, *, create: bool = True) -> int:
    """The version into which rows of this spec are written; `create` makes the first one.

    Raises ConfigError if the spec changed since.
    """
    exchange, shape = spec.exchange, spec.shape()
    # By their folders: a lost PLAN must not make an older version the one to write into.
    readable = lake.readable(exchange)
    versions = lake.versions(exchange)
    planned = (version for version in versions if lake.complete(version, exchange))
    current = max((*readable, *planned), default=1)
    if current not in versions:
        # Somebody with another spec may be first: what is stored there decides.
        versions[current] = _plan(lake, current, spec) if create else shape
    if versions[current] != shape:
        raise ConfigError(
            f"the spec of {exchange} shapes rows otherwise than those of the table (v{current})",
            f"unified_trades/v{current}/exchange={exchange}/PLAN has another digest",
            "run `schemahub transform --rebuild` to make the table anew from raw",
        )
    return current


def rebuild_version(lake: Lake, spec: ExchangeSpec, *, create: bool = True) -> int:
    """The version that a rebuild fills: one that a crash left unfinished, or the next."""
    exchange, shape = spec.exchange, spec.shape()
    versions = lake.versions(exchange)
    readable = lake.readable(exchange)
    if not versions and not readable:
        return target_version(lake, spec, create=create)
    version = max((*versions, *readable))
    if versions.get(version) == shape and not lake.complete(version, exchange):
        return version
    version += 1
    while create and _plan(lake, version, spec) != shape:
        version += 1
    return version


def _plan(lake: Lake, version: int, spec: ExchangeSpec) -> str:
    """Plans a version for this spec; returns the digest that it is planned for, whose ever."""
    key = plan_key(version, spec.exchange)
    lake.store.create(key, spec.shape().encode() + b"\n")
    return lake.store.read(key).decode("utf-8", "replace").strip()
