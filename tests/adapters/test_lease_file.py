"""Lease files: locks that die with their process, disks that refuse, records that lie."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from schemahub.adapters.lease_file import LeaseFiles
from schemahub.adapters.metrics import Recorder
from schemahub.adapters.store_local import LocalStore
from schemahub.core.errors import StoreError
from schemahub.core.lease import Holder
from schemahub.ports import Lease, Unlocked
from tests.e2e.world import snapshot
from tests.lease_places import NAME, TTL, Hands, beat, elsewhere, files, got, holds, refused

ROOT = Path(__file__).parents[2]


@contextmanager
def taker(folder: Path, kind: str = "file") -> Iterator[subprocess.Popen[str]]:
    """A process that has the lease."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lease_taker", kind, str(folder), str(TTL), "another process"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write("\n")
        process.stdin.flush()
        assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "got\n"]
        yield process
    finally:
        process.kill()
        process.communicate()


def record(folder: Path) -> Path:
    return folder / "leases" / f"{NAME}.json"


def test_a_killed_process_holds_nothing_from_that_moment_on(tmp_path: Path) -> None:
    with taker(tmp_path) as process:
        assert refused(files(tmp_path).leases().acquire(NAME)).owner == "another process"
        process.kill()
        process.wait()
        lease = got(files(tmp_path).leases("heir").acquire(NAME))
    assert lease.generation == 2


def test_a_killed_process_of_another_host_is_waited_for(tmp_path: Path) -> None:
    """Its lock is free here, but over a network that may mean nothing."""
    with taker(tmp_path, "hosts") as process:
        process.kill()
        process.wait()
    clock = Hands()
    heir = files(tmp_path).leases("heir", clock)
    refused(heir.acquire(NAME))
    clock.passed += TTL
    got(heir.acquire(NAME))


def test_a_stopped_process_keeps_its_lock_and_loses_its_lease_all_the_same(tmp_path: Path) -> None:
    with taker(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        clock = Hands()
        heirs = files(tmp_path).leases("heir", clock)
        refused(heirs.acquire(NAME))
        clock.passed += TTL
        heir = got(heirs.acquire(NAME))
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
        # With the lock of the dead gone too: who has it now has a lock of its own.
        assert refused(files(tmp_path).leases().acquire(NAME)).owner == "heir"
        beat(heir)
        assert heir.held


def test_of_many_on_one_host_that_find_a_stopped_one_dead_one_gets_it(tmp_path: Path) -> None:
    with taker(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        clock = Hands()
        many = [files(tmp_path).leases(str(number), clock) for number in range(16)]
        for leases in many:
            refused(leases.acquire(NAME))
        clock.passed += TTL
        with ThreadPoolExecutor(16) as crew:
            found = list(crew.map(lambda leases: leases.acquire(NAME), many))
    winners = [one for one in found if not isinstance(one, Holder)]
    assert len(winners) == 1
    for _ in range(3):
        refused(files(tmp_path).leases().acquire(NAME))
    beat(winners[0])
    assert winners[0].held


def test_nothing_is_left_of_a_lease_that_was_let_go(tmp_path: Path) -> None:
    got(files(tmp_path).leases().acquire(NAME)).release()
    assert snapshot(tmp_path) == {"leases/": None, "leases/coinbase/": None}


def test_the_lock_is_hidden_and_the_record_is_for_people(tmp_path: Path) -> None:
    lease = got(files(tmp_path).leases("me:1:ingest").acquire(NAME))
    keys = [entry.key for entry in LocalStore(tmp_path).list("")]
    assert keys == [f"leases/{NAME}.json"]
    said = json.loads(record(tmp_path).read_bytes())
    assert said["schema_version"] == 1
    assert said["owner"] == "me:1:ingest"
    assert {"generation", "nonce", "renewed_at", "ttl", "host"} <= said.keys()
    lease.release()


def test_looking_writes_nothing(tmp_path: Path) -> None:
    leases = files(tmp_path).leases()
    assert list(leases.records()) == []
    assert not leases.remove(NAME)
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"owner": 1}', b"\xff" * 9])
def test_a_damaged_record_is_nobodys(tmp_path: Path, data: bytes) -> None:
    record(tmp_path).parent.mkdir(parents=True)
    record(tmp_path).write_bytes(data)
    assert list(files(tmp_path).leases().records()) == []
    got(files(tmp_path).leases().acquire(NAME))


def test_a_damaged_record_does_not_free_a_lock(tmp_path: Path) -> None:
    """Until its holder writes it anew it says nothing; the lock does."""
    lease = got(files(tmp_path).leases("lives").acquire(NAME))
    record(tmp_path).write_bytes(b"{")
    assert "begun" in refused(files(tmp_path).leases().acquire(NAME)).owner
    lease.release()
    got(files(tmp_path).leases().acquire(NAME))


def test_other_files_in_the_folder_are_no_leases(tmp_path: Path) -> None:
    got(files(tmp_path).leases().acquire(NAME))
    for name in ("note.txt", "coinbase/x.json.bak", "coinbase/deep/er.json"):
        path = tmp_path / "leases" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert [one.name for one in files(tmp_path).leases().records()] == [NAME]


def test_who_writes_over_anothers_record_notices(tmp_path: Path) -> None:
    """Stopped between its last look and its write, a zombie believes nothing afterwards."""

    class Slow(LocalStore):
        def put(self, key: str, data: bytes) -> None:
            take()
            super().put(key, data)

    def take() -> None:
        refused(heirs.acquire(NAME))
        clock.passed += TTL
        heir.append(got(heirs.acquire(NAME)))

    clock = Hands()
    heirs = files(tmp_path).leases("heir", clock)
    heir: list[Lease] = []
    board = LeaseFiles(LocalStore(tmp_path))
    zombie = Holder(NAME, "zombie", 1, "aa.0", Hands().now(), TTL, board.host)
    assert board.take(zombie, None, dead=False)
    board._store = Slow(tmp_path)
    assert not board.renew(zombie.renewed(Hands().now()))
    assert len(heir) == 1


# ---------------------------------------------------------------- disks that refuse


def test_without_leases_the_work_goes_on_and_it_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "leases").write_text("in the way")
    metrics = Recorder()
    leases = files(tmp_path).leases(metrics=metrics)
    for _ in range(3):
        lease = got(leases.acquire(NAME))
        assert isinstance(lease, Unlocked)
        assert holds(lease)
        lease.release()
    assert metrics.count("lease.unlocked") == 1


def test_a_place_that_fails_is_left_alone_for_a_while_and_then_tried_again(tmp_path: Path) -> None:
    (tmp_path / "leases").write_text("in the way")
    clock = Hands()
    leases = files(tmp_path).leases(clock=clock)
    assert isinstance(got(leases.acquire(NAME)), Unlocked)
    (tmp_path / "leases").unlink()
    assert isinstance(got(leases.acquire(NAME)), Unlocked)
    clock.passed += TTL / 3
    assert not isinstance(got(leases.acquire(NAME)), Unlocked)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO])
def test_a_disk_without_locks_has_no_leases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(file: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    before = open_files()
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert isinstance(got(files(tmp_path).leases().acquire(NAME)), Unlocked)
    assert open_files() == before


def test_a_full_disk_takes_no_record_and_no_lock_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(store: LocalStore, key: str, data: bytes) -> None:
        raise StoreError("the disk is full")

    before = open_files()
    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "put", full)
        assert isinstance(got(files(tmp_path).leases().acquire(NAME)), Unlocked)
    assert open_files() == before
    got(files(tmp_path).leases().acquire(NAME))


def test_what_cannot_be_renewed_is_held_for_two_thirds_of_its_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(store: LocalStore, key: str, data: bytes) -> None:
        raise StoreError("the disk is full")

    clock = Hands()
    lease = got(files(tmp_path).leases("one", clock).acquire(NAME))
    monkeypatch.setattr(LocalStore, "put", full)
    clock.passed = TTL / 3
    beat(lease)
    assert holds(lease)
    clock.passed = TTL * 0.66
    beat(lease)
    assert holds(lease)
    clock.passed = TTL * 0.67
    assert not holds(lease)
    lease.release()
    assert list(files(tmp_path).leases().records()) == []


def test_a_way_out_of_the_lake_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    lake = tmp_path / "lake"
    lake.mkdir()
    (lake / "leases").symlink_to(outside)
    assert isinstance(got(files(lake).leases().acquire(NAME)), Unlocked)
    assert snapshot(outside) == {}


def test_hosts_are_told_apart_by_their_boot(tmp_path: Path) -> None:
    board = LeaseFiles(LocalStore(tmp_path))
    assert board.host == LeaseFiles(LocalStore(tmp_path)).host
    assert len(board.host.split()[-1]) == 36
    assert elsewhere(tmp_path, "other").host == "other"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
