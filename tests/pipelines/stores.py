"""Stores that misbehave as real ones do: torn listings, sudden deaths, vanishing objects."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import takewhile

from schemahub.core.errors import ObjectMissing
from schemahub.ports import Entry, Store


class Killed(BaseException):
    """The process died here."""


class Wrapped:
    """ports.Store: passes everything on."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    def create(self, key: str, data: bytes) -> bool:
        return self.inner.create(key, data)

    def read(self, key: str) -> bytes:
        return self.inner.read(key)

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        return self.inner.list(prefix, start_after)

    def keys(self, prefix: str, start_after: str = "", before: str = "") -> Sequence[str]:
        found = (entry.key for entry in self.list(prefix, start_after))
        return [*takewhile(lambda key: not before or key < before, found)]

    def folders(self, prefix: str) -> Iterator[str]:
        return self.inner.folders(prefix)

    def put(self, key: str, data: bytes) -> None:
        self.inner.put(key, data)

    def delete(self, key: str) -> None:
        self.inner.delete(key)

    def locate(self, key: str) -> str:
        return self.inner.locate(key)

    def now(self) -> datetime:
        return self.inner.now()

    def leftovers(self, before: datetime) -> Iterator[str]:
        return self.inner.leftovers(before)

    def sweep(self, leftover: str) -> None:
        self.inner.sweep(leftover)


class Torn(Wrapped):
    """Listings that miss some of the raw objects, as one that others write to meanwhile may.

    With seed None they miss nothing.
    """

    def __init__(self, inner: Store, seed: int | None) -> None:
        super().__init__(inner)
        self._dice = None if seed is None else random.Random(seed)

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        for entry in self.inner.list(prefix, start_after):
            missed = self._dice is not None and self._dice.random() < 0.4
            if not (missed and prefix.startswith("raw_")):
                yield entry


class Mortal(Wrapped):
    """Dies at the n-th write, before it takes effect or just after."""

    def __init__(self, inner: Store, at: int, *, after: bool) -> None:
        super().__init__(inner)
        self._left = at
        self._after = after

    def create(self, key: str, data: bytes) -> bool:
        return self._mortally(lambda: self.inner.create(key, data))

    def put(self, key: str, data: bytes) -> None:
        self._mortally(lambda: self.inner.put(key, data))

    def delete(self, key: str) -> None:
        self._mortally(lambda: self.inner.delete(key))

    def _mortally(self, write: Callable[[], bool | None]) -> bool:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Killed
        done = bool(write())
        if self._left == 0:
            raise Killed
        return done


class Vanishing(Wrapped):
    """`key` is listed, and gone at the moment somebody reads it: deleted as superseded."""

    def __init__(self, inner: Store, key: str, then: Callable[[], None] = lambda: None) -> None:
        super().__init__(inner)
        self._key: str | None = key
        self._then = then

    def read(self, key: str) -> bytes:
        if key == self._key:
            self._key = None
            self.inner.delete(key)
            self._then()
            raise ObjectMissing(f"{key} is not there", "deleted just now")
        return self.inner.read(key)


class Watched(Wrapped):
    """`look` is called after every write, with its key."""

    def __init__(self, inner: Store, look: Callable[[str], None]) -> None:
        super().__init__(inner)
        self._look = look

    def create(self, key: str, data: bytes) -> bool:
        done = self.inner.create(key, data)
        self._look(key)
        return done

    def put(self, key: str, data: bytes) -> None:
        self.inner.put(key, data)
        self._look(key)

    def delete(self, key: str) -> None:
        self.inner.delete(key)
        self._look(key)


class Meddled(Wrapped):
    """Somebody else acts just before the first create of a key that ends in `suffix`."""

    def __init__(self, inner: Store, suffix: str, act: Callable[[Store, str], None]) -> None:
        super().__init__(inner)
        self._suffix = suffix
        self._act: Callable[[Store, str], None] | None = act

    def create(self, key: str, data: bytes) -> bool:
        if self._act is not None and key.endswith(self._suffix):
            act, self._act = self._act, None
            act(self.inner, key)
        return self.inner.create(key, data)
