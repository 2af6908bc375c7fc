"""An S3 service that breaks a promise is refused before it holds a single trade."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from schemahub.adapters.clock import Stop
from schemahub.adapters.tasks import Threads
from schemahub.core.errors import StoreError
from schemahub.pipelines.probe import probe
from schemahub.sandbox import Generated, Sandbox
from tests import s3_proxy
from tests.e2e.world import here
from tests.s3_proxy import Manner, Proxy, honest
from tests.s3_server import BUCKET

Broken = Callable[[Proxy], Manner]


def replaces_silently(between: Proxy) -> Manner:
    return s3_proxy.replaces_later(between, status=412)


def stores_other_bytes_and_their_marks(between: Proxy) -> Manner:
    return s3_proxy.stores_other_bytes(between, marked=True)


BROKEN: list[tuple[Broken, str]] = [
    (s3_proxy.ignores_conditions, "create: 8 of 8 writers at once were told they won"),
    (s3_proxy.looks_first, "create: . of 8 writers"),
    (s3_proxy.lists_late, "list: a new object is not listed as it is"),
    (s3_proxy.keeps_deleted, "delete: a deleted object is still listed"),
    (s3_proxy.replaces_later, "create: a second create of the same name was told it won"),
    (replaces_silently, "create: a second create of the same name replaced the first"),
    (s3_proxy.stores_other_bytes, "create: what is stored is not what the winner wrote"),
    (stores_other_bytes_and_their_marks, "its checksum is not the one it carries"),
]


@pytest.mark.parametrize(("broken", "said"), BROKEN)
def test_a_service_that_breaks_a_promise_is_refused_by_its_name(
    broken: Broken, said: str, between: Proxy
) -> None:
    store = between.server.store(url=between.url)
    between.manner = broken(between)
    with pytest.raises(StoreError, match=said):
        probe(store, Threads(Stop()), os.urandom(4).hex())


def test_an_honest_one_passes_and_is_left_as_it_was(between: Proxy) -> None:
    store = between.server.store(url=between.url)
    store.create("kept", b"")
    for _ in range(3):
        probe(store, Threads(Stop()), os.urandom(4).hex())
    assert [entry.key for entry in store.list("")] == ["kept"]


def test_doctor_and_the_first_ingest_refuse_it(
    between: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", between.url)
    lake = ["--s3-bucket", f"{BUCKET}/{between.server.prefix()}"]
    between.manner = s3_proxy.ignores_conditions(between)
    said = here(["doctor", "--offline", *lake])
    assert said.code == 1
    assert "were told they won; use a local disk, or an S3 service that honours" in said.out
    with Sandbox({"BTC-USD": Generated(seed=5, trades=100)}) as box:
        ingest = ["ingest", "BTC-USD", "--full", *lake, "--base-url", f"coinbase={box.url}"]
        said = here(ingest)
        assert said.code == 1
        assert "this storage cannot hold a lake" in said.err
        assert "create: 8 of 8 writers at once were told they won" in said.err
        assert box.stats().requests == 0
        between.manner = honest
        assert here(["doctor", "--offline", *lake]).code == 0
        assert here(ingest).code == 0
