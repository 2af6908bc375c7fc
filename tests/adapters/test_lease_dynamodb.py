"""Leases in DynamoDB: a table that is not there, answers that are lost, lakes that share it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from schemahub.adapters.lease_dynamodb import LeaseItems
from schemahub.adapters.leases import RenewedLeases
from schemahub.adapters.metrics import Recorder
from schemahub.core import lease as rules
from schemahub.core.errors import ConfigError, StoreError
from schemahub.core.lease import Holder
from schemahub.ports import Unlocked
from tests.dynamodb import client, make_table
from tests.lease_places import NAME, REGION, START, TABLE, TTL, Hands, got, refused, server

ONE = Holder(NAME, "one", 1, rules.first_nonce("aa"), START, TTL)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")


def board(lake: str, table: str = TABLE) -> LeaseItems:
    return LeaseItems(table, lake, REGION, server("moto"))


def item(lake: str) -> dict[str, dict[str, str]]:
    key = {"name": {"S": f"{lake}#{NAME}"}}
    found = client(server("moto")).get_item(TableName=TABLE, Key=key)
    return dict(found["Item"])


def test_lakes_that_share_a_table_do_not_share_leases(tmp_path: object) -> None:
    for lake in (f"{tmp_path}/a", f"{tmp_path}/ab"):
        leases = RenewedLeases(board(lake), lake, Hands(), Recorder(), TTL)
        got(leases.acquire(NAME))
        assert [one.owner for one in leases.records()] == [lake]


def test_an_item_says_when_dynamodb_may_remove_it_long_after_it_is_stale(tmp_path: object) -> None:
    there = board(str(tmp_path))
    assert there.take(ONE, None, dead=False)
    found = item(str(tmp_path))
    assert found["owner"] == {"S": "one"}
    assert float(found["ttl"]["N"]) == TTL
    a_day_on = (START + timedelta(days=1)).timestamp()
    assert int(found["expires_ttl"]["N"]) == a_day_on
    later = START + timedelta(hours=5)
    assert there.renew(ONE.renewed(later))
    assert int(item(str(tmp_path))["expires_ttl"]["N"]) == a_day_on + 5 * 3600


def test_a_write_whose_answer_was_lost_may_be_sent_again(tmp_path: object) -> None:
    there = board(str(tmp_path))
    for _ in range(2):
        assert there.take(ONE, None, dead=False)
    second = ONE.renewed(START)
    for _ in range(2):
        assert there.renew(second)
    heir = Holder(NAME, "heir", 2, rules.first_nonce("bb"), START, TTL)
    for _ in range(2):
        assert there.take(heir, second, dead=True)
    assert not there.renew(second.renewed(START))
    for _ in range(2):
        there.drop(second)
    assert there.read(NAME) == heir
    for _ in range(2):
        there.drop(heir)
    assert there.read(NAME) is None


def test_who_was_found_dead_and_moved_since_is_not_taken_over(tmp_path: object) -> None:
    there = board(str(tmp_path))
    assert there.take(ONE, None, dead=False)
    assert there.renew(ONE.renewed(START))
    heir = Holder(NAME, "heir", 2, rules.first_nonce("bb"), START, TTL)
    assert not there.take(heir, ONE, dead=True)


def test_an_item_that_is_no_record_is_nobodys(tmp_path: object) -> None:
    key = {"name": {"S": f"{tmp_path}#{NAME}"}}
    client(server("moto")).put_item(TableName=TABLE, Item=key | {"owner": {"S": "?"}})
    there = board(str(tmp_path))
    assert there.read(NAME) is None
    assert list(there.records()) == []
    assert there.take(ONE, None, dead=False)


def test_more_records_than_one_answer_holds_are_all_found(tmp_path: object) -> None:
    there = board(str(tmp_path))
    for number in range(30):
        long = Holder(f"coinbase/M{number}-USD", "x" * 50_000, 1, "aa.0", START, TTL)
        assert there.take(long, None, dead=False)
    assert len(list(there.records())) == 30  # an answer ends at 1 MB


# ---------------------------------------------------------------- what cannot be


def test_a_table_that_is_not_there_is_a_mistake_of_the_settings() -> None:
    with pytest.raises(ConfigError, match="no-such-table") as caught:
        board("/lake", "no-such-table").check()
    assert "partition key" in caught.value.do


def test_a_table_of_another_shape_is_one_too() -> None:
    make_table(server("moto"), "other-key", key="LockID")
    with pytest.raises(ConfigError, match="other-key"):
        board("/lake", "other-key").check()


def test_no_region_is_one_too() -> None:
    with pytest.raises(ConfigError, match="region"):
        LeaseItems(TABLE, "/lake", None, server("moto")).check()


def test_no_credentials_are_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ConfigError, match="credentials"):
        board("/lake").check()


def test_a_url_that_is_none_is_one_too() -> None:
    with pytest.raises(ConfigError):
        LeaseItems(TABLE, "/lake", REGION, "nowhere").check()


def test_a_good_table_passes(tmp_path: object) -> None:
    board(str(tmp_path)).check()


# ---------------------------------------------------------------- outages


@pytest.fixture
def mute() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def broken() -> Iterator[str]:
    """Answers everything with status 500."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(
                        b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
                    )

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("trouble", ["mute", "broken", "closed"])
def test_an_outage_is_no_mistake_and_the_work_goes_on(
    trouble: str, request: pytest.FixtureRequest
) -> None:
    url = "http://127.0.0.1:9" if trouble == "closed" else request.getfixturevalue(trouble)
    there = LeaseItems(TABLE, "/lake", REGION, url)
    with pytest.raises(StoreError):
        there.check()
    metrics = Recorder()
    leases = RenewedLeases(there, "one", Hands(), metrics, TTL)
    assert isinstance(got(leases.acquire(NAME)), Unlocked)
    assert metrics.count("lease.unlocked") == 1


def test_who_comes_after_an_outage_finds_the_holder_still_there(tmp_path: object) -> None:
    got(RenewedLeases(board(str(tmp_path)), "one", Hands(), Recorder(), TTL).acquire(NAME))
    two = RenewedLeases(board(str(tmp_path)), "two", Hands(), Recorder(), TTL)
    assert refused(two.acquire(NAME)).owner == "one"
