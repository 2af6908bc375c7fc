"""More ways to damage a lake's raw folder: objects, names, marks, origins, evidence.

Each takes a `Bench`, harms the lake once, and returns the spans that are then in doubt; an
empty list where the lake has nothing of the kind to harm.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from schemahub.adapters.zstd import Zstd
from schemahub.core.layout import (
    AbsentName,
    RawName,
    raw_key,
)
from schemahub.core.span import Span
from tests.pipelines.damage import (
    Bench,
    flip,
    overwrite,
    rename,
    truncate,
)

Damage = Callable[[Bench], list[Span]]


def emptied(data: bytes, dice: random.Random) -> bytes:
    del data, dice
    return b""


def any_bytes(pick: Callable[[Bench], tuple[str, Span] | None]) -> Damage:
    """Flips, overwrites, cuts or empties one stored object."""

    def damage(bench: Bench) -> list[Span]:
        found = pick(bench)
        if found is None:
            return []
        key, span = found
        how = bench.dice.choice([flip, overwrite, truncate, emptied])
        bench.change(key, lambda data: how(data, bench.dice))
        return [span]

    return damage


def gone(pick: Callable[[Bench], tuple[str, Span] | None]) -> Damage:
    def damage(bench: Bench) -> list[Span]:
        found = pick(bench)
        if found is None:
            return []
        bench.lake.store.delete(found[0])
        return [found[1]]

    return damage


# ---------------------------------------------------------------- raw


def _raw_emptied(bench: Bench) -> list[Span]:
    name = bench.raw()
    bench.lake.store.put(bench.raw_key(name), b"")
    return [name.span]


def _raw_row(bench: Bench) -> list[Span]:
    """One field of one row of a page is another, well packed."""
    name = bench.raw()
    hit = bench.dice.randrange(name.span.start, name.span.stop)
    row = bench.lake.row(hit)
    other = bench.lake.row(hit + 1)
    field = bench.dice.choice(["side", "size", "price", "time", "trade_id"])
    changed = {"side": "buy" if row["side"] == "sell" else "sell"} if field == "side" else (
        {field: other[field]}
    )  # fmt: skip
    rows = [
        bench.lake.row(n) | (changed if n == hit else {})
        for n in range(name.span.stop - 1, name.span.start - 1, -1)
    ]
    bench.lake.store.put(bench.raw_key(name), bench.lake.packed([bench.lake.answer(rows)]))
    # The id that took another's place is told twice, if both are in the name.
    twice = field == "trade_id" and hit + 1 in name.span
    return [name.span] if field == "trade_id" else [Span(hit, hit + 1 + twice)]


def _raw_to_market(bench: Bench) -> list[Span]:
    name = bench.raw()
    new = raw_key(bench.foreign.market, RawName(name.span, 7))
    rename(bench, bench.raw_key(name), new)
    return [name.span]


def _raw_to_revision(bench: Bench) -> list[Span]:
    """The same answers under a name that says the same."""
    name = bench.raw()
    rename(bench, bench.raw_key(name), bench.raw_key(RawName(name.span, name.revision + 5)))
    return [name.span]


def _bad_mark_gone(bench: Bench) -> list[Span]:
    """A corrupt object counts again."""
    marks = bench.lake.lake.ledger(bench.market).bad
    if not marks:
        return []
    mark = bench.dice.choice(marks)
    bench.lake.store.delete(bench.raw_key(mark))
    return [mark.span]


def _origin_gone(bench: Bench) -> list[Span]:
    keys = [e.key for e in bench.lake.store.list(bench.prefix) if e.key.endswith(".origin")]
    bench.lake.store.delete(bench.dice.choice(keys))
    lowest = bench.lake.lake.ledger(bench.market).held.start
    return [Span(lowest, lowest + 1)]


# ---------------------------------------------------------------- evidence


def _evidence(bench: Bench) -> tuple[AbsentName, str] | None:
    ledger = bench.lake.lake.ledger(bench.market)
    # A claim about what is held says nothing, whatever is done to it.
    found = [name for name in ledger.attested if ledger.absent.overlaps(name.span)]
    name = bench.dice.choice(found) if found else None
    return None if name is None else (name, bench.raw_key(name))


def _evidence_key(bench: Bench) -> tuple[str, Span] | None:
    found = _evidence(bench)
    return None if found is None else (found[1], found[0].span)


def _evidence_renamed(bench: Bench) -> list[Span]:
    """It says that other ids are absent: fewer, or more."""
    found = _evidence(bench)
    if found is None:
        return []
    name, key = found
    start = max(0, name.span.start + bench.dice.choice([-1, 0, 1]))
    other = Span(start, max(start + 1, name.span.stop + bench.dice.choice([-1, 1])))
    if other == name.span:
        other = Span(other.start, other.stop + 1)
    rename(bench, key, bench.raw_key(AbsentName(other)))
    return [name.span]


def _evidence_of_others(bench: Bench) -> list[Span]:
    """Answers that hold those very ids, or that are about another market."""
    found = _evidence(bench)
    if found is None:
        return []
    name, key = found
    whole = Span(max(0, name.span.start - 5), name.span.stop + 5)
    lake = bench.dice.choice([bench.lake, bench.foreign])
    told = [*lake.answers(whole), *lake.answers(whole, lake.later(hours=1))]
    bench.lake.store.put(key, lake.packed(told))
    return [name.span]


def _evidence_from_another_market(bench: Bench) -> list[Span]:
    """Answers about another market, which passes over these ids."""
    found = _evidence(bench)
    if found is None:
        return []
    name, key = found
    ids = [n for n in range(name.span.start - 5, name.span.stop + 5) if n not in name.span]
    other = bench.foreign
    told = [
        other.answer([other.row(n) for n in reversed(ids)], at, below=name.span.stop + 5)
        for at in (other.later(), other.later(hours=2))
    ]
    bench.lake.store.put(key, other.packed(told))
    return [name.span]


def _evidence_once_only(bench: Bench) -> list[Span]:
    """One of its two answers."""
    found = _evidence(bench)
    if found is None:
        return []
    name, key = found
    lines = Zstd().unpack(bench.lake.store.read(key), key).splitlines(keepends=True)
    bench.lake.store.put(key, Zstd().pack(bench.dice.choice(lines)))
    return [name.span]


def _evidence_above(bench: Bench) -> list[Span]:
    """A forged claim that ids past the newest are absent."""
    top = bench.lake.lake.ledger(bench.market).extent.stop
    span = Span(top, top + bench.dice.randrange(1, 9))
    answers = bench.lake.answers(Span(top - 5, top))
    bench.lake.store.create(bench.raw_key(AbsentName(span)), bench.lake.packed(answers * 2))
    return [span]


def _evidence_over_held(bench: Bench) -> list[Span]:
    """A forged claim that ids which are held are absent."""
    name = bench.raw()
    bench.lake.store.create(bench.raw_key(AbsentName(name.span)), b"forged")
    return [name.span]


def _sighting(bench: Bench) -> tuple[str, Span] | None:
    found = bench.lake.lake.ledger(bench.market).seen
    name = bench.dice.choice(found) if found else None
    return None if name is None else (bench.raw_key(name), name.span)


RAW: dict[str, Damage] = {
    "raw emptied": _raw_emptied,
    "raw row changed": _raw_row,
    "raw moved to another market": _raw_to_market,
    "raw renamed to another revision": _raw_to_revision,
    ".bad marker removed": _bad_mark_gone,
    "origin removed": _origin_gone,
    "evidence damaged": any_bytes(_evidence_key),
    "evidence deleted": gone(_evidence_key),
    "evidence renamed": _evidence_renamed,
    "evidence of ids that are there": _evidence_of_others,
    "evidence about another market": _evidence_from_another_market,
    "evidence of one answer": _evidence_once_only,
    "evidence forged above the newest": _evidence_above,
    "evidence forged over held ids": _evidence_over_held,
    "sighting damaged": any_bytes(_sighting),
    "sighting deleted": gone(_sighting),
}
