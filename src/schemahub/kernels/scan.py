"""Answers of a strict form, straight to columns: what `core.wire.Reader` says, many times faster.

An exchange prints all rows of an answer alike. Where the values of a row stand is learned from
its first row; what stands between them must be the same bytes in every other. A value must be
of the plainest form that the wire contract accepts. Anything else (another order of fields, an
escape, an exponent, a word for neither side, a value out of bounds) refuses the whole answer,
which is read by the general path then: here nothing is judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from schemahub.core.envelope import inside
from schemahub.core.spec import ExchangeSpec
from schemahub.core.spec_fields import Word
from schemahub.core.values import MICRO_DIGITS, NUMBERS
from schemahub.core.wire import COLUMNS, EARLIEST, MAX_AHEAD, Reader
from schemahub.kernels import rows as kernel

Array = np.ndarray[Any, np.dtype[Any]]

_STRING = rb'"[^"\\\x00-\x1f\x7f-\xff]*"'
_SCALAR = rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null"
_S = rb"[ \t\r\n]*"
_VALUE = rb"(?P<value>" + _STRING + rb"|" + _SCALAR + rb")" + _S + rb"(?P<then>[,}\]])"
_MEMBER = re.compile(_S + rb"(?P<key>" + _STRING + rb")" + _S + rb":" + _S + _VALUE)
_ITEM = re.compile(_S + _VALUE)
_ODD = re.compile(rb'["\\\x00-\x1f\x7f-\xff]')  # stands otherwise on the wire, or in several ways
_HEAD = re.compile(_S + rb"\[" + _S + rb"(?=[\[{])")
_BETWEEN = re.compile(_S + rb"," + _S + rb"(?=[\[{])")
_TAIL = re.compile(_S + rb"\]" + _S + rb"\Z")
_MOST_AROUND = 8  # brackets around the list of rows: far from too deep
_SIDES = {"buy": kernel.BUY, "sell": kernel.SELL}


@dataclass
class Scanned:
    """Rows of answers, column by column, in the order in which the answers were scanned.

    The first `count` of each array count. `prices` and `quantities` are integers of 1e-12 as
    pairs of 64 bits, the lower first: what Arrow calls decimal128(38,12). `sides` are 0 for buy
    and 1 for sell, `times` and `received` µs since 1970. An answer that is newest first
    throughout stands here turned round.
    """

    count: int
    ids: Array
    sides: Array
    prices: Array
    quantities: Array
    times: Array
    received: Array

    @classmethod
    def empty(cls, room: int = 0) -> Scanned:
        """Room for so many rows."""
        integers = (np.empty(room, np.int64) for _ in range(3))
        pairs = (np.empty((room, 2), np.uint64) for _ in range(2))
        ids, times, received = integers
        prices, quantities = pairs
        return cls(0, ids, np.empty(room, np.int8), prices, quantities, times, received)

    def reserve(self, more: int) -> None:
        """Room for `more` rows beyond those that count."""
        room = self.count + more
        if room <= len(self.ids):
            return
        wider = Scanned.empty(max(room, 2 * len(self.ids)))
        for name in ("ids", "sides", "prices", "quantities", "times", "received"):
            grown: Array = getattr(wider, name)
            grown[: self.count] = getattr(self, name)[: self.count]
            setattr(self, name, grown)


class Scanner:
    """Scans answers of one spec. Not for several threads at once."""

    def __init__(self, spec: ExchangeSpec) -> None:
        self._reader = Reader(spec)
        self._path = spec.trades.rows
        self._slots = _slots(self._reader)
        self._arrays = isinstance(self._reader.sources["trade_id"], int)
        self._layout: _Layout | None = None
        # What marks a row as void would have to be looked for in every row.
        self._usable = not spec.trades.tombstone and not any(map(_ODD.search, self._slots.words))

    def room(self, size: int) -> Scanned:
        """For the rows of answers of so many bytes."""
        shortest = self._layout.shortest if self._layout else size
        return Scanned.empty(size // shortest + 2)

    def scan(self, body: bytes | memoryview, latest: int, received: int, into: Scanned) -> bool:
        """Adds the rows of `body` to `into`; False, and adds none, if any of it is odd.

        `latest`: when it was served, as `Answer.latest` has it; `received`: when it was got
        (both µs since 1970).
        """
        rows = self._rows(body) if self._usable else None
        if rows is None:
            return False
        for layout in self._layouts(rows):
            into.reserve(len(rows) // layout.shortest + 2)
            found = kernel.scan(
                np.frombuffer(rows, np.uint8), *layout.arrays, EARLIEST, latest + MAX_AHEAD,
                into.count, into.ids, into.sides, into.prices, into.quantities, into.times,
            )  # fmt: skip
            if found >= 0:
                self._layout = layout
                into.received[into.count : into.count + found] = received
                into.count += found
                return True
        return False

    def _rows(self, body: bytes | memoryview) -> bytes | memoryview | None:
        """The list of rows in an answer."""
        if not self._path:
            return body
        body = bytes(body)
        try:
            # What the kernel reads is ASCII throughout; here that may be in UTF-8, or be wrong.
            rows = bytes(inside(body, self._path)) if body.isascii() else b""
        except ValueError:
            return None
        around = sum(body.count(mark) - rows.count(mark) for mark in (b"[", b"{"))
        return rows if around <= _MOST_AROUND else None

    def _layouts(self, rows: bytes | memoryview) -> Iterator[_Layout]:
        """The layout of the answer before, and if that did not fit that of this one."""
        before = self._layout
        if before is not None:
            yield before
        learned = _learn(bytes(rows), self._slots, arrays=self._arrays)
        if learned is not None and learned != before:
            yield learned


class _Slot(NamedTuple):
    """What a column's value must be: one of the kernel's kinds, quoted or not."""

    kind: int
    quoted: bool


class _Slots(NamedTuple):
    """By the source of a column: its slot; and the two words of a side, the buyer's first."""

    columns: dict[str | int, _Slot]
    words: tuple[bytes, bytes]


def _slots(reader: Reader) -> _Slots:
    found: dict[str | int, _Slot] = {}
    words: dict[int, Word] = {_SIDES[side]: word for word, side in reader.sides.items()}
    for column in COLUMNS:
        if column == "side":
            if not reader.signed:
                quoted = isinstance(words[kernel.BUY], str)
                found[reader.sources[column]] = _Slot(kernel.SIDE, quoted)
        else:
            kind = reader.kinds[column]
            quoted = kind not in NUMBERS and kind != "integer"
            found[reader.sources[column]] = _Slot(_kind(column, kind), quoted)
    return _Slots(found, (_wire(words[kernel.BUY]), _wire(words[kernel.SELL])))


def _kind(column: str, kind: str) -> int:
    if column == "trade_id":
        return kernel.ID
    if column == "price":
        return kernel.PRICE if kind == "decimal_text" else kernel.PRICE_NUMBER
    if column == "quantity":
        return {
            "decimal_text": kernel.QUANTITY,
            "decimal_number": kernel.QUANTITY_NUMBER,
            "signed_text": kernel.SIGNED,
            "signed_number": kernel.SIGNED_NUMBER,
        }[kind]
    if kind in {"iso_time", "iso_utc"}:
        return kernel.ISO_ZONE if kind == "iso_time" else kernel.ISO
    return kernel.UNIX + MICRO_DIGITS.get(kind.split("_")[1], kernel.NANOSECONDS)


def _wire(word: Word) -> bytes:
    """A word as it stands on the wire, without quotes."""
    if isinstance(word, bool):
        return b"true" if word else b"false"
    return str(word).encode()


@dataclass(frozen=True)
class _Layout:
    """Where the values of a row stand, and the bytes around them.

    `literals` are before the first row, between rows, after the last, and in a row before each
    value and after the last; `kinds` one a value.
    """

    literals: tuple[bytes, ...]
    kinds: tuple[int, ...]
    words: tuple[bytes, bytes]
    arrays: tuple[Array, Array] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        texts = kernel.packed((*self.literals, *self.words))
        object.__setattr__(self, "arrays", (texts, np.array(self.kinds, np.int64)))

    @property
    def shortest(self) -> int:
        """Bytes of the shortest row, with what parts it from the next."""
        return sum(map(len, self.literals[3:])) + len(self.literals[1])


def _learn(rows: bytes, slots: _Slots, *, arrays: bool) -> _Layout | None:
    """The layout of `rows`, by its first row and what follows that; None if that is odd."""
    head = _HEAD.match(rows)
    if head is None or rows[head.end() : head.end() + 1] != (b"[" if arrays else b"{"):
        return None
    values: list[tuple[str | int, int, int]] = []  # source, start and stop of the value
    at = head.end() + 1
    closing = b"]" if arrays else b"}"
    while True:
        found = (_ITEM if arrays else _MEMBER).match(rows, at)
        if found is None:
            return None
        source = len(values) if arrays else found["key"][1:-1].decode()
        values.append((source, found.start("value"), found.end("value")))
        at = found.end()
        if found["then"] != b",":
            break
    if found["then"] != closing or len({source for source, _, _ in values}) != len(values):
        return None
    literals: list[bytes] = []
    kinds: list[int] = []
    last = head.end()
    for source, start, stop in values:
        quoted = rows[start : start + 1] == b'"'
        slot = slots.columns.get(source)
        if slot is not None and slot.quoted != quoted:
            return None
        inset = 1 if quoted else 0
        literals.append(rows[last : start + inset])
        kinds.append(slot.kind if slot else kernel.TEXT if quoted else kernel.SCALAR)
        last = stop - inset
    literals.append(rows[last:at])
    missing = slots.columns.keys() - {source for source, _, _ in values}
    between = _BETWEEN.match(rows, at)
    tail = _TAIL.search(rows, max(at, len(rows) - 64))
    if missing or tail is None:
        return None
    around = (head[0], between[0] if between else b",", tail[0])
    return _Layout((*around, *literals), tuple(kinds), slots.words)
