"""More ways to damage a lake's table, quarantine, versions and caches; and what harms nothing."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from schemahub.adapters.parquet import ARROW_SCHEMA
from schemahub.core import ledger as ledgers
from schemahub.core.layout import (
    PartName,
    RawName,
    checkpoint_key,
    complete_key,
    corrupt_prefix,
    part_key,
    plan_key,
    quarantine_prefix,
)
from schemahub.core.span import Coverage, Span, cut
from tests.pipelines.damage import (
    DAMAGES,
    OPEN,
    Bench,
    flip,
    forged,
    rename,
    sealed,
)
from tests.pipelines.damage_raw import RAW, Damage, any_bytes, gone

# ---------------------------------------------------------------- parts


def _lie(name: str, change: Callable[[str], str]) -> Damage:
    """A part, sealed well, whose footer says something else of its rows."""

    def damage(bench: Bench) -> list[Span]:
        span, key = bench.part()

        def rewrite(data: bytes) -> bytes:
            table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
            kept = pq.read_metadata(io.BytesIO(data)).metadata
            meta = {k.decode(): v.decode() for k, v in kept.items()}
            meta[f"schemahub.{name}"] = change(meta[f"schemahub.{name}"])
            return sealed(table.cast(ARROW_SCHEMA), meta | {"schemahub.seal": OPEN})

        bench.change(key, rewrite)
        return [span]

    return damage


def _more(text: str) -> str:
    return str(int(text) + 1)


def _part_emptied(bench: Bench) -> list[Span]:
    span, key = bench.part()
    bench.lake.store.put(key, b"")
    return [span]


def _part_to_market(bench: Bench) -> list[Span]:
    span, key = bench.part()
    piece = next(p for p in bench.lake.lake.slices(bench.market) if p.part == span)
    new = part_key(piece.version, bench.foreign.market, span)
    bench.lake.store.delete(new)
    rename(bench, key, new)
    return [span]


def _part_to_version(bench: Bench) -> list[Span]:
    """A copy in the other version, where one of that name may be."""
    span, key = bench.part()
    piece = next(p for p in bench.lake.lake.slices(bench.market) if p.part == span)
    new = part_key(3 - piece.version, bench.market, span)
    bench.lake.store.put(new, bench.lake.store.read(key))
    return [span]


def _old_part_to_version(bench: Bench) -> list[Span]:
    """A part of the older version takes the place of the newer one's."""
    old = bench.lake.parts(1)
    there = [span for span in old if span in bench.live()]
    if not there or not bench.lake.parts(2):
        return []
    span = bench.dice.choice(there)
    new = part_key(2, bench.market, span)
    bench.lake.store.put(new, bench.lake.store.read(part_key(1, bench.market, span)))
    return [span]


def _ingest_ts(bench: Bench) -> list[Span]:
    span, key = bench.part()
    late = timedelta(seconds=5)
    bench.change(
        key,
        lambda data: forged(
            data, lambda rows: [row | {"ingest_ts": row["ingest_ts"] + late} for row in rows]
        ),
    )
    return [span]


def _row_id(bench: Bench) -> list[Span]:
    """A row of a part under the id of its neighbour, which gives way."""
    span, key = bench.part()
    hits: list[Span] = []

    def rewrite(rows: list[dict[str, object]]) -> list[dict[str, object]]:
        hit = bench.dice.randrange(len(rows) - 1)
        first, second = rows[hit], rows[hit + 1]
        hits.append(Span(int(str(first["trade_id"])), int(str(second["trade_id"])) + 1))
        swapped = [first | {"trade_id": second["trade_id"]}]
        return [*rows[:hit], second | {"trade_id": first["trade_id"]}, *swapped, *rows[hit + 2 :]]

    bench.change(key, lambda data: forged(data, rewrite))
    del span
    return hits


def _superseded(bench: Bench) -> tuple[str, Span] | None:
    """A part that no reader reads: inside another, or in a version that a newer one covers."""
    read = {(p.version, p.part) for p in bench.lake.lake.slices(bench.market)}
    hidden = [
        (part_key(version, bench.market, span), span)
        for version in (1, 2)
        for span in bench.lake.parts(version)
        if (version, span) not in read
    ]
    return bench.dice.choice(hidden) if hidden else None


# ---------------------------------------------------------------- quarantine


def _quarantine(bench: Bench) -> tuple[str, Span] | None:
    """One that a part which is read has."""
    stems = {PartName(span).stem: span for span in bench.live()}
    prefix = quarantine_prefix(bench.market)
    found = [
        (entry.key, stems[stem])
        for entry in bench.lake.store.list(prefix)
        if (stem := entry.key.removeprefix(prefix).partition(".")[0]) in stems
        and entry.size
        and _told_of(bench, entry.key, stems[stem])
    ]
    return bench.dice.choice(found) if found else None


def _told_of(bench: Bench, key: str, span: Span) -> bool:
    """Whether the part that is read is the one that names this object."""
    part = bench.lake.store.read(bench.live()[span])
    digest = (pq.read_metadata(io.BytesIO(part)).metadata or {})[b"schemahub.quarantine"].decode()
    return bool(digest) and digest[:16] in key


def _quarantine_row(bench: Bench) -> list[Span]:
    """Another reason, in sound JSON."""
    found = _quarantine(bench)
    if found is None:
        return []
    key, span = found
    bench.change(key, lambda data: data.replace(b'"reason":"', b'"reason":"not ', 1))
    return [span]


# ---------------------------------------------------------------- versions and caches


def _complete_gone(bench: Bench) -> list[Span]:
    key = complete_key(2, bench.market.exchange)
    there = any(entry.key == key for entry in bench.lake.store.list(key))
    before = _positions(bench)
    bench.lake.store.delete(key)
    lost = before - _positions(bench)
    return [lost.spans[0]] if lost else ([next(iter(before))] if there else [])


def _positions(bench: Bench) -> Coverage:
    return Coverage.of(s for piece in bench.lake.lake.slices(bench.market) for s in piece.keep)


def _complete_forged(bench: Bench) -> list[Span]:
    bench.lake.store.create(complete_key(3, bench.market.exchange), b"")
    return [Span(0, 1)]


def _plan_changed(bench: Bench) -> list[Span]:
    slices = bench.lake.lake.slices(bench.market)
    newest = max(piece.version for piece in slices)
    bench.change(plan_key(newest, bench.market.exchange), lambda data: flip(data, bench.dice))
    return [piece.part for piece in slices if piece.version == newest]


def _old_plan_gone(bench: Bench) -> list[Span]:
    if not any(piece.version == 2 for piece in bench.lake.lake.slices(bench.market)):
        return []
    bench.lake.store.delete(plan_key(1, bench.market.exchange))
    return [Span(0, 1)]


def _checkpoint(bench: Bench) -> tuple[str, Span] | None:
    key = checkpoint_key(bench.market)
    there = any(entry.key == key for entry in bench.lake.store.list(key))
    return (key, Span(0, 1)) if there else None


def _checkpoint_lies(bench: Bench) -> list[Span]:
    """Sealed well, it vouches for trades that nobody ever saw."""
    lake, market = bench.lake.lake, bench.market
    ledger, chunk = lake.ledger(market), bench.lake.spec.chunk
    known = tuple(e.key.rpartition("/")[2] for e in bench.lake.store.list(corrupt_prefix(market)))
    lie = Span(ledger.held.start, chunk * bench.dice.randrange(1, 4))
    lies = ledgers.Ledger.of(RawName(span) for span in cut(lie, chunk))
    data = ledgers.write_checkpoint(market, lies, chunk, known)
    bench.lake.store.put(checkpoint_key(market), data)
    return [Span(ledger.held.stop, lie.stop)]


TABLE: dict[str, Damage] = {
    "footer: rows": _lie("rows", _more),
    "footer: span": _lie("stop", _more),
    "footer: digest": _lie("digest", lambda text: text[::-1]),
    "footer: market": _lie("symbol", lambda text: "XRP-USD"),
    "footer: quarantine": _lie("refused", _more),
    "part emptied": _part_emptied,
    "part moved to another market": _part_to_market,
    "part copied to another version": _part_to_version,
    "older version's part in its place": _old_part_to_version,
    "ids of two rows change places": _row_id,
    "ingest_ts": _ingest_ts,
    "superseded part damaged": any_bytes(_superseded),
    "superseded part deleted": gone(_superseded),
    "quarantine damaged": any_bytes(_quarantine),
    "quarantine deleted": gone(_quarantine),
    "quarantine changed": _quarantine_row,
    "COMPLETE removed": _complete_gone,
    "COMPLETE forged": _complete_forged,
    "PLAN changed": _plan_changed,
    "older PLAN lost": _old_plan_gone,
    "checkpoint damaged": any_bytes(_checkpoint),
    "checkpoint deleted": gone(_checkpoint),
    "checkpoint lies": _checkpoint_lies,
}
ALL: dict[str, Damage] = DAMAGES | RAW | TABLE

# What is invisible by nature: the table still shows exactly the truth.
HARMLESS: dict[str, str] = {
    "raw flipped": "zstd ignores one bit of a frame's header: what it unpacks to is the same",
    "raw overwritten": "the same bit",
    "raw deleted": "objects that overlap it hold the same answers",
    "raw marked bad": "objects that overlap it hold the same answers",
    "raws swapped": "pages that were fetched as the newest hold all there is, under any name",
    ".bad marker removed": "what it condemned was sound, or holds what others hold as well",
    "raw renamed": "what its new name says too much or too little, its neighbours hold",
    "raw renamed to another revision": "the same answers under a name that says the same",
    "raw moved to another market": "objects that overlap it hold the same answers",
    "evidence renamed": "it still passes over all that is not held",
    "evidence damaged": "zstd ignores one bit of a frame's header",
    "evidence forged over held ids": "what is held is not absent, whatever claims it",
    "sighting damaged": "a first sighting concludes nothing",
    "sighting deleted": "a first sighting concludes nothing",
    "part renamed": "a superseder of that span shows the same rows",
    "part copied to another version": "the same rows, which the newer version hides",
    "part deleted": "an older version of the same spec shows the same rows",
    "part moved to another market": "an older version of the same spec shows the same rows",
    "older version's part in its place": "it is of the same spec: the same rows",
    "ingest_ts": "outside the digest: the moment of receipt, which a second reading changes",
    "superseded part damaged": "no reader reads it, and a builder checks it first",
    "superseded part deleted": "no reader reads it",
    "COMPLETE removed": "the older version holds the same rows",
    "COMPLETE forged": "an empty version hides nothing",
    "older PLAN lost": "the newer version hides that one",
    "checkpoint damaged": "a cache: its digest tells, and the listing knows",
    "checkpoint deleted": "a cache",
}
