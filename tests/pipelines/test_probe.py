"""A backend that breaks a promise is refused before it holds a single trade."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemahub.adapters.clock import Stop
from schemahub.adapters.store_local import LocalStore
from schemahub.adapters.store_memory import MemoryStore
from schemahub.adapters.tasks import Threads
from schemahub.core.errors import StoreError
from schemahub.pipelines.probe import probe
from schemahub.ports import Entry


class Overwrites(MemoryStore):
    """`create` is `put`: everybody wins."""

    def create(self, key: str, data: bytes) -> bool:
        self.put(key, data)
        return True


class TwoWinners(MemoryStore):
    """Looks first, then writes: who comes in between wins too."""

    def __init__(self) -> None:
        super().__init__()
        self.between = threading.Barrier(2)

    def create(self, key: str, data: bytes) -> bool:
        if list(self.list(key)):
            return False
        try:
            self.between.wait(1)
        except threading.BrokenBarrierError:
            return False
        self.put(key, data)
        return True


class NobodyWins(MemoryStore):
    """Stores, and says that somebody else did."""

    def create(self, key: str, data: bytes) -> bool:
        super().create(key, data)
        return False


class LaterOverwrites(MemoryStore):
    """Exclusive in a race, but an old object is replaced by who asks later."""

    def create(self, key: str, data: bytes) -> bool:
        if data == b"a later writer":
            self.put(key, data)
            return self.says
        return super().create(key, data)

    says = True


class LaterOverwritesSilently(LaterOverwrites):
    says = False


class StoresAnothers(MemoryStore):
    """The winner is told so, and the loser's bytes are kept."""

    def create(self, key: str, data: bytes) -> bool:
        won = super().create(key, data)
        self.put(key, data)
        return won


class ListsLate(MemoryStore):
    """A new object is listed some time later."""

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        return iter(())


class ListsFirstAlways(MemoryStore):
    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        return super().list(prefix)


class ListsWrongSize(MemoryStore):
    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        return (Entry(entry.key, 0) for entry in super().list(prefix, start_after))


class KeepsDeleted(MemoryStore):
    def delete(self, key: str) -> None:
        pass


class Fails(MemoryStore):
    def create(self, key: str, data: bytes) -> bool:
        raise StoreError("cannot write", "the disk is full")


@pytest.fixture
def tasks() -> Threads:
    return Threads(Stop())


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_a_store_that_keeps_its_promises_passes_and_is_left_as_it_was(
    kind: str, tmp_path: Path, tasks: Threads
) -> None:
    store = MemoryStore() if kind == "memory" else LocalStore(tmp_path)
    store.create("kept", b"")
    for _ in range(5):
        probe(store, tasks, "abc1")
    assert [entry.key for entry in store.list("")] == ["kept"]
    if kind == "local":
        assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (Overwrites, "create: 8 of 8 writers at once were told they won"),
        (NobodyWins, "create: 0 of 8 writers"),
        (LaterOverwrites, "create: a second create of the same name was told it won"),
        (LaterOverwritesSilently, "create: a second create of the same name replaced the first"),
        (StoresAnothers, "create: what is stored is not what the winner wrote"),
        (TwoWinners, "create: . of 8 writers"),
        (ListsLate, "list: a new object is not listed as it is"),
        (ListsWrongSize, "list: a new object is not listed as it is"),
        (ListsFirstAlways, "list: a listing that starts after a name holds that name"),
        (KeepsDeleted, "delete: a deleted object is still listed"),
        (Fails, "the disk is full"),
    ],
)
def test_a_store_that_breaks_one_is_refused_by_its_name(
    store: type[MemoryStore], said: str, tasks: Threads
) -> None:
    broken = store()
    with pytest.raises(StoreError, match=said):
        probe(broken, tasks, "abc1")
    if store is not KeepsDeleted:
        assert list(MemoryStore.list(broken, "")) == []
