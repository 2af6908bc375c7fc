"""One suite for every store: what ports.Store promises."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemahub.adapters.store_local import LocalStore
from schemahub.adapters.store_memory import MemoryStore
from schemahub.adapters.store_s3 import S3Store
from schemahub.core.errors import ObjectMissing, StoreError
from schemahub.ports import Entry, Store
from tests.s3_server import S3Server

RACING = ["memory", "local", "seaweed"]
"""Where a create is one step. moto looks, then puts: of two at once both may win."""


@pytest.fixture(params=[*RACING, "moto"])
def store(request: pytest.FixtureRequest, tmp_path: Path, credentials: None) -> Store:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "local":
        return LocalStore(tmp_path / "lake")
    server: S3Server = request.getfixturevalue(f"{request.param}_server")
    return server.store()


def keys(store: Store, prefix: str = "", start_after: str = "") -> list[str]:
    """As `list` and `keys` both tell them."""
    found = [entry.key for entry in store.list(prefix, start_after)]
    assert [*store.keys(prefix, start_after)] == found
    for end in {*found[:2], *found[-2:], f"{prefix}~"}:
        assert [*store.keys(prefix, start_after, end)] == [key for key in found if key < end]
    return found


# ---------------------------------------------------------------- the promise


def test_create_is_if_absent(store: Store) -> None:
    assert store.create("a/b.jsonl", b"first") is True
    assert store.create("a/b.jsonl", b"second") is False
    assert store.read("a/b.jsonl") == b"first"


@pytest.mark.parametrize("data", [b"", b"\0" * 10, bytes(range(256)) * 5_000])
def test_bytes_come_back_as_they_were(store: Store, data: bytes) -> None:
    store.create("a", data)
    store.put("b", data)
    assert store.read("a") == store.read("b") == data
    assert list(store.list("")) == [Entry("a", len(data)), Entry("b", len(data))]


@pytest.mark.parametrize("store", RACING, indirect=True)
def test_a_race_of_creates_has_one_winner(store: Store) -> None:
    for turn in range(2 if isinstance(store, S3Store) else 10):
        bodies = [bytes([number]) * 1_000 for number in range(16)]
        start = threading.Barrier(16)

        def create(body: bytes, key: str = f"x/{turn}", start: threading.Barrier = start) -> bool:
            start.wait()
            return store.create(key, body)

        with ThreadPoolExecutor(16) as crowd:
            won = list(crowd.map(create, bodies))
        assert won.count(True) == 1
        assert store.read(f"x/{turn}") == bodies[won.index(True)]


def test_what_is_not_there_is_missing(store: Store) -> None:
    store.create("a/b", b"")
    for key in ("c", "a/c", "a", "a/b/c", "c/d/e"):
        with pytest.raises(ObjectMissing):
            store.read(key)
        store.delete(key)
    assert keys(store) == ["a/b"]


def test_put_replaces_and_delete_removes(store: Store) -> None:
    store.put("c", b"1")
    store.put("c", b"22")
    assert list(store.list("c")) == [Entry("c", 2)]
    store.delete("c")
    assert keys(store) == []
    with pytest.raises(ObjectMissing):
        store.read("c")
    assert store.create("c", b"3")


def test_listing_is_in_byte_order_of_the_whole_key(store: Store) -> None:
    # A folder's `/` sorts after `-` and `.`, before digits; é and 文 after all of ASCII.
    names = [
        "a/x",
        "a-b",
        "a.b",
        "a0",
        "a",
        "a/x-/y",
        "a/x0",
        "A",
        "é/z",
        "文",
        "\ufb00",
        "\U0001d4b3",
        "~",
    ]
    wanted = sorted((n for n in names if n != "a"), key=str.encode)
    for name in wanted:
        store.create(name, b"")
    assert keys(store) == wanted


def test_a_prefix_may_end_anywhere_and_start_after_is_exclusive(store: Store) -> None:
    names = ["r/BTC-USD/01", "r/BTC-USD/02", "r/BTC-USDT/01", "r/ETH-USD/01", "s/x"]
    for name in names:
        store.create(name, b"")
    assert keys(store, "r/BTC-USD/") == names[:2]
    assert keys(store, "r/BTC-USD") == names[:3]
    assert keys(store, "r/B") == names[:3]
    assert keys(store, "r/BTC-USD/02") == [names[1]]
    assert keys(store, "none/at/all") == []
    assert keys(store, "r/BTC-USD/01/") == []
    assert keys(store, "", "r/BTC-USD/02") == names[2:]
    assert keys(store, "r/", "r/BTC-USD/01zzz") == names[1:4]
    assert keys(store, "r/BTC-USD/", "r/BTC-USD/02") == []
    assert keys(store, "r/", "a") == names[:4]
    assert keys(store, "r/", "z") == []


def test_an_entry_tells_when_it_was_created_by_the_stores_own_clock(store: Store) -> None:
    second = timedelta(seconds=1)  # the coarsest clock of a store
    before = store.now()
    store.create("a", b"1")
    between = store.now()
    store.create("a", b"later, and in vain")
    store.create("b", b"2")
    after = store.now()
    a, b = store.list("")
    assert before - second <= a.created_at <= between + second
    assert between - second <= b.created_at <= after + second
    assert before.tzinfo is not None


def test_a_store_at_rest_has_no_leftovers(store: Store) -> None:
    store.create("a/b", b"1")
    store.put("a/c", b"2")
    assert list(store.leftovers(store.now() + timedelta(days=1))) == []


segments = st.sampled_from(["a", "b", "a-", "a.b", "ab", "0", "é", "=", "B"])
names = st.lists(segments, min_size=1, max_size=3).map("/".join)


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(names, max_size=8), st.text("ab-./é", max_size=4), names | st.just(""))
def test_a_folder_lists_as_memory_does(
    tmp_path_factory: pytest.TempPathFactory, all_keys: list[str], prefix: str, after: str
) -> None:
    # A folder cannot hold `a` and `a/b` both.
    taken = {k for k in all_keys if not any(other.startswith(k + "/") for other in all_keys)}
    local, memory = LocalStore(tmp_path_factory.mktemp("lake")), MemoryStore()
    for key in taken:
        local.create(key, b"")
        memory.create(key, b"")
    try:
        wanted = list(memory.list(prefix, after))
    except StoreError:
        with pytest.raises(StoreError):
            local.list(prefix, after)
        return
    assert list(local.list(prefix, after)) == wanted
    for folder in {"", *(key.rpartition("/")[0] + "/" for key in taken if "/" in key)}:
        assert list(local.folders(folder)) == list(memory.folders(folder))


def test_folders_are_the_names_below_that_hold_keys(store: Store) -> None:
    for key in ("v1/e=a/s/1", "v1/e=b/s/1", "v1/PLAN", "v2/e=a/s/1", "v10/x"):
        store.create(key, b"")
    assert list(store.folders("")) == ["v1", "v10", "v2"]
    assert list(store.folders("v1/")) == ["e=a", "e=b"]
    assert list(store.folders("v1/e=a/s/")) == []
    assert list(store.folders("none/")) == []
    store.delete("v10/x")
    assert list(store.folders("")) == ["v1", "v2"]


BAD_KEYS = ["", "/", "/etc/x", "a//b", "a/", "..", "../x", "a/../../x", "./a", "a/.", ".a", "a/.b"]
BAD_KEYS += ["a\\b", "..\\x", "a\0b", "a/\ud800"]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_name_that_is_no_key_is_refused_by_every_verb(store: Store, key: str) -> None:
    for verb in (
        lambda: store.create(key, b""),
        lambda: store.put(key, b""),
        lambda: store.read(key),
        lambda: store.delete(key),
        lambda: store.locate(key),
    ):
        with pytest.raises(StoreError) as caught:
            verb()
        assert not isinstance(caught.value, ObjectMissing)
    assert keys(store) == []


@pytest.mark.parametrize("prefix", ["/", "..", "../", "a/../", "a//", "a\\", "\0", "/etc"])
def test_a_prefix_that_could_lead_elsewhere_is_refused(store: Store, prefix: str) -> None:
    with pytest.raises(StoreError):
        list(store.list(prefix))
    with pytest.raises(StoreError):
        list(store.folders(prefix + "/"))
