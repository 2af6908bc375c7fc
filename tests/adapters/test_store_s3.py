"""An S3 lake behind a network that loses, delays and garbles: create tells the truth."""

from __future__ import annotations

import pickle
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from schemahub.adapters.store_s3 import S3Store
from schemahub.adapters.store_s3.session import TRIES
from schemahub.core.errors import ObjectCorrupt, ObjectMissing, StoreError
from tests.s3_proxy import (
    Asked,
    Forward,
    Manner,
    Proxy,
    Said,
    checksum_of,
    nothing,
    refusal,
)
from tests.s3_server import BUCKET, SECRET_KEY, S3Server, seaweed


def lake(between: Proxy, manner: Manner | None = None) -> S3Store:
    """A store that reaches the service through `between`."""
    if manner is not None:
        between.manner = manner
    return between.server.store(url=between.url)


def direct(between: Proxy, store: S3Store) -> S3Store:
    return between.server.store(store._place.prefix)


def once(fault: Said, *, kind: str = "PUT", after: bool) -> Manner:
    """The first request of a kind fails, before or `after` it had its effect."""

    def manner(asked: Asked, forward: Forward) -> Said:
        if asked.kind != kind or asked.number > 1:
            return forward(asked)
        if after:
            forward(asked)
        return fault

    return manner


def always(fault: Said, *, kind: str = "PUT", after: bool = False) -> Manner:
    def manner(asked: Asked, forward: Forward) -> Said:
        if asked.kind != kind:
            return forward(asked)
        if after:
            forward(asked)
        return fault

    return manner


FAULTS = {
    "reset": nothing(),
    "500": refusal(500, "InternalError"),
    "502": Said(502, body=b"<html>bad gateway</html>"),
    "503": refusal(503, "SlowDown"),
    "503 of a balancer": Said(503, body=b""),
    "409": refusal(409, "ConditionalRequestConflict"),
    "408": refusal(408, "RequestTimeout"),
    "400 timeout": refusal(400, "RequestTimeout"),
    "429": refusal(429, "TooManyRequests"),
    "HTML 200": Said(200, [("Content-Type", "text/html")], b"<html>welcome</html>"),
}


# ---------------------------------------------------------------- outcomes that are not known


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_create_whose_answer_is_lost_is_created_and_says_so(
    between: Proxy, fault: Said, after: bool
) -> None:
    store = lake(between, once(fault, after=after))
    assert store.create("a", b"mine") is True
    assert between.count("PUT") == 2
    assert direct(between, store).read("a") == b"mine"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_create_that_was_too_late_and_whose_answer_is_lost_says_so_too(
    between: Proxy, fault: Said
) -> None:
    store = lake(between, once(fault, after=True))
    assert direct(between, store).create("a", b"another's")
    assert store.create("a", b"mine") is False
    assert direct(between, store).read("a") == b"another's"


def test_another_may_win_between_two_tries(between: Proxy) -> None:
    def manner(asked: Asked, forward: Forward) -> Said:
        if asked.kind == "PUT" and asked.number == 1:
            assert direct(between, store).create("a", b"another's")
            return nothing()
        return forward(asked)

    store = lake(between, manner)
    assert store.create("a", b"mine") is False
    assert store.read("a") == b"another's"


def test_a_plain_second_create_costs_one_request(between: Proxy) -> None:
    store = lake(between)
    assert store.create("a", b"1")
    assert not store.create("a", b"1")
    assert [each.kind for each in between.asked] == ["PUT", "PUT"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", ["reset", "500", "HTML 200"])
def test_an_outcome_that_stays_unknown_is_called_unknown(
    between: Proxy, fault: str, after: bool
) -> None:
    store = lake(between, always(FAULTS[fault], after=after))
    with pytest.raises(StoreError, match="cannot write a: the outcome is unknown") as caught:
        store.create("a", b"mine")
    assert f"tried {TRIES} times" in caught.value.why
    assert between.count("PUT") == TRIES


def test_a_storm_of_slow_down_ends_and_is_called_that(between: Proxy) -> None:
    pauses: list[float] = []
    store = lake(between, always(FAULTS["503"]))
    slow = between.server.store(url=between.url, pause=pauses.append, draw=lambda: 1.0)
    with pytest.raises(StoreError, match="cannot write a") as caught:
        slow.create("a", b"mine")
    assert "slow down" in caught.value.why
    # The service refused before it did anything: nothing is unknown.
    assert "unknown" not in caught.value.what
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert [entry.key for entry in direct(between, store).list("")] == []


def test_a_process_that_was_asked_to_stop_tries_twice_more(between: Proxy) -> None:
    store = between.server.store(url=between.url, pause=lambda seconds: True)
    between.manner = always(FAULTS["500"])
    with pytest.raises(StoreError):
        store.create("a", b"mine")
    assert between.count("PUT") == 3


def test_after_two_minutes_no_further_try_begins(between: Proxy) -> None:
    seconds = count(0, 50)
    store = between.server.store(url=between.url, monotonic=lambda: float(next(seconds)))
    between.manner = always(FAULTS["500"])
    with pytest.raises(StoreError, match="unknown"):
        store.create("a", b"mine")
    assert between.count("PUT") == 3


def test_a_race_through_losses_has_one_winner(between: Proxy) -> None:
    def manner(asked: Asked, forward: Forward) -> Said:
        said = forward(asked)
        return nothing() if asked.kind == "PUT" and asked.number % 2 else said

    store = lake(between, manner)
    bodies = [bytes([n]) * 100 for n in range(16)]
    with ThreadPoolExecutor(16) as crowd:
        won = list(crowd.map(lambda body: store.create("a", body), bodies))
    assert won.count(True) == 1
    assert direct(between, store).read("a") == bodies[won.index(True)]


# ---------------------------------------------------------------- what arrives


def garbled(asked: Asked, forward: Forward) -> Said:
    said = forward(asked)
    if asked.kind == "GET" and asked.number == 1:
        said.body = bytes([said.body[0] ^ 1]) + said.body[1:]
    return said


def without_checksums(said: Said) -> Said:
    said.headers = [each for each in said.headers if "checksum" not in each[0].lower()]
    return said


@pytest.mark.parametrize("checksums", [True, False])
def test_a_garbled_answer_is_asked_again(between: Proxy, checksums: bool) -> None:
    def manner(asked: Asked, forward: Forward) -> Said:
        said = garbled(asked, forward)
        return said if checksums else without_checksums(said)

    store = lake(between, manner)
    store.create("a", b"x" * 1000)
    assert store.read("a") == b"x" * 1000
    assert between.count("GET") == 2


def test_a_truncated_answer_is_asked_again(between: Proxy) -> None:
    def manner(asked: Asked, forward: Forward) -> Said:
        said = forward(asked)
        if asked.kind in {"GET", "LIST"} and asked.number <= 2:
            said.sent = "half"
        return said

    store = lake(between, manner)
    store.create("a", b"x" * 100_000)
    assert store.read("a") == b"x" * 100_000
    assert between.count("GET") == 3
    assert [entry.size for entry in store.list("")] == [100_000]
    assert between.count("LIST") == 3


def test_bytes_that_are_damaged_where_they_are_stored_are_told(between: Proxy) -> None:
    store = lake(between)
    name = f"{store._place.prefix}/a"
    between.server.client.put_object(
        Bucket=BUCKET, Key=name, Body=b"damaged", Metadata={"crc32": f"{zlib.crc32(b'whole'):08x}"}
    )
    with pytest.raises(ObjectCorrupt, match="a is corrupt"):
        store.read("a")
    assert between.count("GET") == 2


def test_what_another_tool_copied_into_the_bucket_is_read(between: Proxy) -> None:
    store = lake(between)
    between.server.client.put_object(Bucket=BUCKET, Key=f"{store._place.prefix}/a", Body=b"copied")
    assert store.read("a") == b"copied"


def test_a_garbled_upload_is_refused_by_the_service_and_sent_again(between: Proxy) -> None:
    def manner(asked: Asked, forward: Forward) -> Said:
        if asked.kind == "PUT" and asked.number == 1:
            return forward(Asked("PUT", asked.path, asked.headers, b"garbled!!"))
        return forward(asked)

    store = lake(between, manner)
    assert store.create("a", b"my bytes!") is True
    assert direct(between, store).read("a") == b"my bytes!"
    assert checksum_of(between.asked[0]) == f"{zlib.crc32(b'my bytes!'):08x}"


@pytest.mark.parametrize("kind", ["GET", "LIST", "DELETE"])
@pytest.mark.parametrize("fault", ["reset", "500", "502", "503", "429"])
def test_reading_listing_and_deleting_are_tried_again(
    between: Proxy, kind: str, fault: str
) -> None:
    store = lake(between)
    store.create("a", b"1")
    between.manner = once(FAULTS[fault], kind=kind, after=True)
    assert store.read("a") == b"1"
    assert [entry.key for entry in store.list("")] == ["a"]
    store.delete("a")
    with pytest.raises(ObjectMissing):
        direct(between, store).read("a")
    assert between.count(kind) == (3 if kind == "LIST" else 2) - (kind == "LIST")


# ---------------------------------------------------------------- pieces


def test_pieces_are_those_of_one_object_or_none(between: Proxy) -> None:
    store = lake(between)
    data = bytes(range(256)) * 8_000
    store.create("a", data)
    opened = store.open(store.locate("a"))
    assert opened.size == len(data)
    for start, stop in ((0, 10), (1_000_000, 1_700_000), (len(data) - 5, len(data)), (0, 0)):
        assert opened.read_at(start, stop) == data[start:stop]
    direct(between, store).put("a", data[::-1])
    with pytest.raises(ObjectMissing):
        opened.read_at(0, 10)
    store.delete("a")
    for broken in (opened.read_at, lambda *_: store.open(store.locate("a"))):
        with pytest.raises(ObjectMissing):
            broken(0, 10)


def test_a_small_object_takes_one_request_or_two(between: Proxy) -> None:
    store = lake(between)
    for size, requests in ((0, 1), (1, 1), (65_536, 1), (65_537, 2), (1_000_000, 2)):
        data = bytes(size)
        store.create(f"x{size}", data)
        before = between.count("GET")
        opened = store.open(store.locate(f"x{size}"))
        pieces = [opened.read_at(at, min(at + 4_000, size)) for at in range(0, size, 4_000)]
        assert b"".join(pieces) == data
        assert between.count("GET") - before == requests


@pytest.mark.parametrize("fault", ["reset", "500", "503"])
def test_a_piece_is_tried_again_and_a_short_one_too(between: Proxy, fault: str) -> None:
    store = lake(between)
    data = bytes(range(256)) * 8_000
    store.create("a", data)
    between.manner = once(FAULTS[fault], kind="GET", after=True)
    opened = store.open(store.locate("a"))

    def short(asked: Asked, forward: Forward) -> Said:
        said = forward(asked)
        if asked.number == 3:
            said.body = said.body[:-1]
        return said

    between.manner = short
    assert opened.read_at(5, 500_000) == data[5:500_000]


# ---------------------------------------------------------------- processes


def test_whoever_unpickles_a_store_connects_anew(s3: S3Server) -> None:
    store = s3.store()
    store.create("a", b"1")
    sent = pickle.dumps(store)
    assert SECRET_KEY.encode() not in sent
    assert pickle.loads(sent).read("a") == b"1"  # noqa: S301  (our own, just made)


@pytest.mark.heavy
def test_what_was_acknowledged_survives_the_kill_of_the_service(
    tmp_path: Path, credentials: None
) -> None:
    with seaweed(tmp_path) as server:
        # One of two killings hits writers in the middle.
        kept: dict[str, bytes] = {}
        for turn in range(2):
            store = server.store("lake", pause=time.sleep)
            stop = threading.Event()

            def write(name: str, stop: threading.Event = stop, store: S3Store = store) -> None:
                for number in count():
                    key, data = f"{name}-{number}", f"{name} {number}".encode() * 100
                    if stop.is_set():
                        return
                    try:
                        store.create(key, data)
                    except StoreError:
                        return
                    kept[key] = data

            crowd = [threading.Thread(target=write, args=(f"{turn}/{n}",)) for n in range(8)]
            for one in crowd:
                one.start()
            before = len(kept)
            while len(kept) < before + 200:
                time.sleep(0.01)
            server.kill()
            stop.set()
            server.restart()
            for one in crowd:
                one.join()
            found = server.objects("lake")
            assert {key: found.get(key) for key in kept} == kept
