"""Listings in byte order, from services that list in their own, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.adapters.store_memory import MemoryStore
from schemahub.adapters.store_s3.listing import base_of, in_byte_order, start_for
from schemahub.core.errors import StoreError
from schemahub.ports import Entry
from tests.s3_server import BUCKET, S3Server

segments = st.sampled_from(["a", "b", "a-", "a.b", "ab", "0", "é", "=", "a-/", "a!", "a/"])
names = st.lists(segments.map(lambda s: s.strip("/")), min_size=1, max_size=4).map("/".join)
prefixes = st.sampled_from(["", "a", "a/", "a-", "a/a", "a.b/", "b/0/"])


def by_bytes(key: str) -> list[bytes]:
    return [key.encode()]


def by_folders(key: str) -> list[bytes]:
    """As a service lists that walks its folders: `a/b` before `a-b`."""
    return [segment.encode() for segment in key.split("/")]


@given(st.sets(names, max_size=25), prefixes, names | st.just(""), st.booleans())
def test_both_orders_of_services_give_byte_order(
    keys: set[str], prefix: str, after: str, walks: bool
) -> None:
    order = by_folders if walks else by_bytes
    base, found = base_of(prefix), [key for key in keys if key.startswith(prefix)]
    start = start_for(base, after)
    wanted = sorted((key for key in found if key.encode() > after.encode()), key=str.encode)
    if start is None:
        assert wanted == []
        return
    told = [key for key in sorted(found, key=order) if not start or order(key) > order(start)]
    if walks and start:
        # The name of a folder means: after all that is in it.
        told = [key for key in told if not key.startswith(f"{start}/")]
    listed = [entry.key for entry in in_byte_order((Entry(key, 0) for key in told), base)]
    assert [key for key in listed if key.encode() > after.encode()] == wanted


def test_a_start_among_numbers_is_told_as_it_is() -> None:
    base = "raw_x_trades/BTC-USD/"
    for number, told in ((1, "0000000000000000000" + "0~"), (50_000, "0000000000000004~")):
        assert start_for(base, f"{base}{number:020}") == base + told


def test_what_lies_in_no_folder_is_not_held_back() -> None:
    drawn = []

    def endless() -> Iterator[Entry]:
        for number in range(1_000_000):
            drawn.append(number)
            yield Entry(f"raw/BTC/{number:020}", 0)

    listing = in_byte_order(endless(), "raw/BTC/")
    assert [next(listing).key[-1] for _ in range(3)] == ["0", "1", "2"]
    assert len(drawn) == 3


def test_an_order_that_is_none_is_refused() -> None:
    for keys in (["b", "a"], ["a", "a"], ["b/x", "c", "a"]):
        with pytest.raises(StoreError, match="no order of names"):
            list(in_byte_order((Entry(key, 0) for key in keys), ""))


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["seaweed_server", "moto_server"])
def test_2_500_objects_come_in_pages(
    kind: str, request: pytest.FixtureRequest, credentials: None
) -> None:
    server: S3Server = request.getfixturevalue(kind)
    store = server.store()
    keys = [f"r/{number:04}" for number in range(2_500)] + ["r-", "r.x", "r/a/b", "r/a-b", "s"]
    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(lambda key: store.create(key, b""), keys))
    keys.sort(key=str.encode)
    assert [entry.key for entry in store.list("")] == keys
    assert [entry.key for entry in store.list("r/")] == [k for k in keys if k.startswith("r/")]
    assert [entry.key for entry in store.list("r/", "r/0999")][:2] == ["r/1000", "r/1001"]
    assert [entry.key for entry in store.list("r/", "r/2499")] == ["r/a-b", "r/a/b"]
    assert list(store.folders("")) == ["r"]


@pytest.mark.parametrize("kind", ["seaweed_server", "moto_server"])
def test_a_service_lists_as_memory_does(
    kind: str,
    request: pytest.FixtureRequest,
    credentials: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server: S3Server = request.getfixturevalue(kind)
    store, memory = server.store(), MemoryStore()
    keys = ["a-b", "a/b", "a.b", "a/b-/c", "a/b.c", "a0", "é/z", "文", "=/x y+z&%41", "~", "b/a/c"]
    for key in keys:
        store.create(key, b"1")
        memory.create(key, b"1")
    for prefix in ("", "a", "a/", "a/b", "é/", "=/", "c"):
        for after in ("", "a", "a-", "a-b", "a.b", "a/", "a/b", "a/b-/c", "a0", "b", "é", "~"):
            wanted = list(memory.list(prefix, after))
            assert list(store.list(prefix, after)) == wanted, (prefix, after)
    monkeypatch.setattr("schemahub.adapters.store_s3.store._PAGE", 3)
    for after in ("", "a/b"):
        assert list(store.list("", after)) == list(memory.list("", after))
    for folder in ("", "a/", "b/", "é/", "c/"):
        assert list(store.folders(folder)) == list(memory.folders(folder))


def test_objects_that_stand_for_folders_hide_none(seaweed_server: S3Server) -> None:
    prefix = seaweed_server.prefix()
    store = seaweed_server.store(prefix)
    key = "raw_x_trades/BTC-USD/1"
    store.create(key, b"1")
    for folder in ("raw_x_trades/", "raw_x_trades/BTC-USD/", "raw_x_trades/AAA/"):
        seaweed_server.client.put_object(Bucket=BUCKET, Key=f"{prefix}/{folder}", Body=b"")
    assert list(store.folders("")) == ["raw_x_trades"]
    assert list(store.folders("raw_x_trades/")) == ["BTC-USD"]
    assert [entry.key for entry in store.list("")] == [key]
