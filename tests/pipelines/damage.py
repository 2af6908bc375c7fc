"""Ways to damage a lake's stored objects, each by a seed, and the span that is then in doubt."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemahub.adapters.parquet import ARROW_SCHEMA, ArrowRows, ParquetTable
from schemahub.core.layout import (
    Market,
    PartName,
    RawEntry,
    RawName,
    part_key,
    plan_key,
    raw_key,
    raw_prefix,
)
from schemahub.core.span import Coverage, Span
from tests.pipelines.raw_lake import RawLake

Rows = list[dict[str, Any]]
OPEN = "0" * 64  # what stands in a part's metadata until it is sealed


@dataclass
class Bench:
    """A lake to be damaged, and its dice."""

    lake: RawLake
    dice: random.Random
    foreign: RawLake

    @property
    def market(self) -> Market:
        return self.lake.market

    def live(self) -> dict[Span, str]:
        """The parts that readers read whole, of at least two rows, with their keys."""
        return {
            piece.part: part_key(piece.version, self.market, piece.part)
            for piece in self.lake.lake.slices(self.market)
            if piece.whole and len(piece.part) > 1
        }

    def part(self) -> tuple[Span, str]:
        return self.dice.choice(sorted(self.live().items()))

    def raw(self) -> RawName:
        return self.dice.choice(self.lake.lake.ledger(self.market).objects)

    @property
    def prefix(self) -> str:
        return raw_prefix(self.market)

    def raw_key(self, name: RawEntry) -> str:
        return raw_key(self.market, name)

    def change(self, key: str, how: Callable[[bytes], bytes]) -> None:
        data = self.lake.store.read(key)
        changed = how(data)
        assert changed != data
        self.lake.store.put(key, changed)


def forged(data: bytes, change: Callable[[Rows], Rows]) -> bytes:
    """The part with other rows, saying of itself what a part with these rows would say."""
    table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    meta = {k.decode(): v.decode() for k, v in pq.read_metadata(io.BytesIO(data)).metadata.items()}
    rows = change(table.to_pylist())
    made = pa.Table.from_pylist(rows, schema=ARROW_SCHEMA)
    meta["schemahub.rows"] = str(len(rows))
    meta["schemahub.digest"] = ParquetTable().digest([ArrowRows(made)])
    return sealed(made, meta | {"schemahub.seal": OPEN})


def sealed(table: pa.Table, meta: dict[str, str]) -> bytes:
    """A part of these rows and this metadata, its seal right."""
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, ARROW_SCHEMA, compression="zstd") as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(meta)
    unsealed = sink.getvalue()
    return unsealed.replace(OPEN.encode(), hashlib.sha256(unsealed).hexdigest().encode())


def _one(position: int) -> Span:
    return Span(position, position + 1)


def _row(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Bench], list[Span]]:
    """One row of one part is another."""

    def damage(bench: Bench) -> list[Span]:
        _, key = bench.part()
        hits: list[Span] = []

        def rewrite(rows: Rows) -> Rows:
            hit = bench.dice.randrange(len(rows))
            hits.append(_one(rows[hit]["trade_id"]))
            return [row | change(row) if n == hit else row for n, row in enumerate(rows)]

        bench.change(key, lambda data: forged(data, rewrite))
        return hits

    return damage


def _rows(change: Callable[[Rows, int], Rows]) -> Callable[[Bench], list[Span]]:
    """The rows of one part are others."""

    def damage(bench: Bench) -> list[Span]:
        span, key = bench.part()

        def rewrite(rows: Rows) -> Rows:
            return change(rows, bench.dice.randrange(len(rows)))

        bench.change(key, lambda data: forged(data, rewrite))
        return [span]

    return damage


def _part_bytes(how: Callable[[bytes, random.Random], bytes]) -> Callable[[Bench], list[Span]]:
    def damage(bench: Bench) -> list[Span]:
        span, key = bench.part()
        bench.change(key, lambda data: how(data, bench.dice))
        return [span]

    return damage


def _raw_bytes(how: Callable[[bytes, random.Random], bytes]) -> Callable[[Bench], list[Span]]:
    def damage(bench: Bench) -> list[Span]:
        name = bench.raw()
        bench.change(bench.raw_key(name), lambda data: how(data, bench.dice))
        return [name.span]

    return damage


def flip(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]


def overwrite(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    noise = dice.randbytes(min(len(data) - at, dice.randrange(1, 64)))
    return data[:at] + bytes(a ^ (b | 1) for a, b in zip(data[at:], noise, strict=False)) + (
        data[at + len(noise) :]
    )  # fmt: skip


def truncate(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data))]


def _delete_part(bench: Bench) -> list[Span]:
    span, key = bench.part()
    bench.lake.store.delete(key)
    return [span]


def _delete_raw(bench: Bench) -> list[Span]:
    name = bench.raw()
    bench.lake.store.delete(bench.raw_key(name))
    return [name.span]


def _swap(bench: Bench, keys: Iterable[str]) -> None:
    one, other = keys
    first, second = bench.lake.store.read(one), bench.lake.store.read(other)
    bench.lake.store.put(one, second)
    bench.lake.store.put(other, first)


def _swap_parts(bench: Bench) -> list[Span]:
    two = bench.dice.sample(sorted(bench.live().items()), 2)
    _swap(bench, [key for _, key in two])
    return [span for span, _ in two]


def _swap_raws(bench: Bench) -> list[Span]:
    names = bench.dice.sample(bench.lake.lake.ledger(bench.market).objects, 2)
    _swap(bench, [bench.raw_key(name) for name in names])
    return [name.span for name in names]


def rename(bench: Bench, old: str, new: str) -> None:
    data = bench.lake.store.read(old)
    bench.lake.store.delete(old)
    assert bench.lake.store.create(new, data)


def _moved(span: Span, dice: random.Random) -> Span:
    """Another span of that kind: shifted, wider or narrower."""
    start, stop = span.start + dice.choice([-2, -1, 0, 1, 2]), span.stop + dice.choice([-1, 1, 2])
    other = Span(max(0, start), max(start + 1, stop, 1))
    return other if other != span else Span(span.start, span.stop + 1)


def _rename_part(bench: Bench) -> list[Span]:
    span, key = bench.part()
    other = _moved(span, bench.dice)
    taken = {entry.key for entry in bench.lake.store.list("")}
    while (new := f"{key.rpartition('/')[0]}/{PartName(other).stem}.parquet") in taken:
        other = Span(other.start, other.stop + 1)
    rename(bench, key, new)
    return [span]


def _rename_raw(bench: Bench) -> list[Span]:
    name = bench.raw()
    other = _moved(name.span, bench.dice)
    # Below the origin a page may really hold what such a name says, and the name be true.
    lowest = bench.lake.lake.ledger(bench.market).held.start
    if other.start < lowest:
        other = Span(lowest, max(other.stop, lowest) + 2)
    rename(bench, bench.raw_key(name), bench.raw_key(RawName(other)))
    return [Span(min(name.span.start, other.start), max(name.span.stop, other.stop))]


def _foreign_raw(bench: Bench) -> list[Span]:
    name = bench.raw()
    data = bench.foreign.packed(bench.foreign.answers(name.span))
    bench.lake.store.put(bench.raw_key(name), data)
    return [name.span]


def _foreign_part(bench: Bench) -> list[Span]:
    """The other market's part of that span, or any."""
    span, key = bench.part()
    others = Bench(bench.foreign, bench.dice, bench.lake).live()
    other = others.get(span) or bench.dice.choice(sorted(others.values()))
    bench.lake.store.put(key, bench.foreign.store.read(other))
    return [span]


def _forged_raw(bench: Bench) -> list[Span]:
    """Well-formed answers in which one trade has another price."""
    name = bench.raw()
    hit = bench.dice.randrange(name.span.start, name.span.stop)
    rows = [
        bench.lake.row(n) | ({"price": "0.00000001"} if n == hit else {})
        for n in range(name.span.stop - 1, name.span.start - 1, -1)
    ]
    bench.lake.store.put(bench.raw_key(name), bench.lake.packed([bench.lake.answer(rows)]))
    return [_one(hit)]


def _short_raw(bench: Bench) -> list[Span]:
    """Well-formed answers in which one trade is missing."""
    name = bench.raw()
    hit = bench.dice.randrange(name.span.start, name.span.stop)
    rows = [bench.lake.row(n) for n in range(name.span.start, name.span.stop) if n != hit]
    bench.lake.store.put(bench.raw_key(name), bench.lake.packed([bench.lake.answer(rows)]))
    return [name.span]


def _bad_marker(bench: Bench) -> list[Span]:
    name = bench.raw()
    bench.lake.store.create(bench.prefix + name.bad_marker, b"")
    return [name.span]


def _lost_plan(bench: Bench) -> list[Span]:
    """The newest version's."""
    slices = bench.lake.lake.slices(bench.market)
    newest = max(piece.version for piece in slices)
    bench.lake.store.delete(plan_key(newest, bench.market.exchange))
    shown = (span for piece in slices if piece.version == newest for span in piece.keep)
    return list(Coverage.of(shown))


def _beyond(rows: Rows, _: int) -> Rows:
    last = rows[-1]
    return [*rows, last | {"trade_id": last["trade_id"] + 1}]


def _below(rows: Rows, _: int) -> Rows:
    return [rows[0] | {"trade_id": rows[0]["trade_id"] - 1}, *rows]


def _unit(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: {name: row[name] + Decimal("0.000000000001")}


DAMAGES: dict[str, Callable[[Bench], list[Span]]] = {
    "row dropped": _rows(lambda rows, n: rows[:n] + rows[n + 1 :]),
    "all rows dropped": _rows(lambda rows, n: []),
    "row twice": _rows(lambda rows, n: rows[: n + 1] + rows[n:]),
    "row twice, out of order": _rows(lambda rows, n: [*rows, rows[n]]),
    "rows in another order": _rows(lambda rows, n: rows[::-1]),
    "row of the next part as well": _rows(_beyond),
    "row of the part before as well": _rows(_below),
    "price": _row(_unit("price")),
    "quantity": _row(_unit("quantity")),
    "side": _row(lambda row: {"side": "buy" if row["side"] == "sell" else "sell"}),
    "no side": _row(lambda row: {"side": None}),
    "time": _row(lambda row: {"trade_ts": row["trade_ts"] + timedelta(microseconds=1)}),
    "symbol": _row(lambda row: {"symbol": "XRP-USD"}),
    "exchange": _row(lambda row: {"exchange": "kraken"}),
    "trade_ref": _row(lambda row: {"trade_ref": "x"}),
    "part flipped": _part_bytes(flip),
    "part overwritten": _part_bytes(overwrite),
    "part truncated": _part_bytes(truncate),
    "part deleted": _delete_part,
    "parts swapped": _swap_parts,
    "part renamed": _rename_part,
    "part of another market": _foreign_part,
    "raw flipped": _raw_bytes(flip),
    "raw overwritten": _raw_bytes(overwrite),
    "raw truncated": _raw_bytes(truncate),
    "raw deleted": _delete_raw,
    "raws swapped": _swap_raws,
    "raw renamed": _rename_raw,
    "raw of another market": _foreign_raw,
    "raw with another price": _forged_raw,
    "raw one trade short": _short_raw,
    "raw marked bad": _bad_marker,
    "PLAN lost": _lost_plan,
}
