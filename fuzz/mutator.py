"""A seeded mutator: the same seed makes the same inputs, on every machine."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

LARGEST = 4_096
_NUMBER = re.compile(rb"[0-9]+")
_NUMBERS = (b"0", b"1", b"-1", b"9223372036854775807", b"9223372036854775808", b"1e999", b"00")


class Mutator:
    """Makes inputs out of sound ones; `keep` adds one that ended in a new way."""

    def __init__(self, seeds: Sequence[bytes], words: Sequence[bytes], seed: int) -> None:
        self._pool = list(seeds)
        self._words = list(words)
        self._dice = random.Random(seed)

    def keep(self, data: bytes) -> None:
        self._pool.append(data)

    def next(self) -> bytes:
        data = self._dice.choice(self._pool)
        for _ in range(self._dice.choice((1, 1, 1, 2, 2, 3, 5, 9))):
            data = self._dice.choice(_CHANGES)(self, data)
        return data[:LARGEST]

    # ------------------------------------------------------------ one change

    def _place(self, data: bytes) -> int:
        return self._dice.randrange(len(data) + 1)

    def _range(self, data: bytes) -> tuple[int, int]:
        start = self._place(data)
        return start, min(len(data), start + self._dice.choice((1, 1, 2, 4, 8, 32)))

    def _bit(self, data: bytes) -> bytes:
        if not data:
            return data
        at = self._dice.randrange(len(data))
        return data[:at] + bytes([data[at] ^ (1 << self._dice.randrange(8))]) + data[at + 1 :]

    def _byte(self, data: bytes) -> bytes:
        at, stop = self._range(data)
        return data[:at] + bytes([self._dice.randrange(256)]) + data[stop:]

    def _cut(self, data: bytes) -> bytes:
        start, stop = self._range(data)
        return data[:start] + data[stop:]

    def _again(self, data: bytes) -> bytes:
        start, stop = self._range(data)
        times = self._dice.choice((2, 2, 3, 40))
        return data[:start] + data[start:stop] * times + data[stop:]

    def _insert(self, data: bytes) -> bytes:
        at = self._place(data)
        return data[:at] + self._dice.choice(self._words) + data[at:]

    def _replace(self, data: bytes) -> bytes:
        start, stop = self._range(data)
        return data[:start] + self._dice.choice(self._words) + data[stop:]

    def _swap(self, data: bytes) -> bytes:
        """A word that is there already makes way for another."""
        there = [word for word in self._words if word in data]
        if not there:
            return self._insert(data)
        return data.replace(self._dice.choice(there), self._dice.choice(self._words), 1)

    def _number(self, data: bytes) -> bytes:
        found = list(_NUMBER.finditer(data))
        if not found:
            return self._insert(data)
        one = self._dice.choice(found)
        near = str(int(one[0][:18]) + self._dice.choice((-1, 1))).encode()
        said = self._dice.choice((near, *_NUMBERS))
        return data[: one.start()] + said + data[one.end() :]

    def _splice(self, data: bytes) -> bytes:
        other = self._dice.choice(self._pool)
        return data[: self._place(data)] + other[self._place(other) :]


_CHANGES: tuple[Callable[[Mutator, bytes], bytes], ...] = (
    Mutator._bit,
    Mutator._byte,
    Mutator._cut,
    Mutator._again,
    Mutator._insert,
    Mutator._replace,
    Mutator._swap,
    Mutator._swap,
    Mutator._number,
    Mutator._splice,
)
