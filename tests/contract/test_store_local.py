"""What only a folder can do, suffer, or get wrong."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from schemahub.adapters.store_local import LocalStore, folder
from schemahub.adapters.store_local.folder import Names
from schemahub.core.errors import ObjectMissing, StoreError
from schemahub.ports import Store


def keys(store: Store, prefix: str = "", start_after: str = "") -> list[str]:
    return [entry.key for entry in store.list(prefix, start_after)]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_made_before_the_first_write_if_so_asked(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "deep" / "lake", create_root=False)
    assert keys(store) == []
    assert list(store.folders("")) == []
    store.delete("a/b")
    with pytest.raises(ObjectMissing):
        store.read("a/b")
    assert list(tmp_path.iterdir()) == []
    store.create("a/b", b"1")
    assert keys(store) == ["a/b"]
    LocalStore(tmp_path / "new")
    assert (tmp_path / "new").is_dir()


def test_a_store_is_its_root_to_pickle(lake: Path) -> None:
    store = pickle.loads(pickle.dumps(LocalStore(lake)))  # noqa: S301  (just made here)
    assert store.create("a", b"1")
    assert store.locate("a") == str(lake / "a")
    assert Path(store.locate("a")).read_bytes() == b"1"


def test_a_write_leaves_one_file(lake: Path) -> None:
    store = LocalStore(lake)
    store.create("a/b", b"1")
    store.create("a/b", b"2")
    store.put("a/c", b"3")
    store.put("a/c", b"4")
    assert files(lake) == {"a/b", "a/c"}
    assert (lake / "a/b").stat().st_nlink == 1


def test_leftovers_of_crashes_are_never_seen(lake: Path) -> None:
    store = LocalStore(lake)
    store.create("a/b", b"1")
    (lake / "a" / ".0123456789abcdef.tmp").write_bytes(b"half")
    (lake / ".tmp").mkdir()
    (lake / ".tmp" / "x").write_bytes(b"")
    (lake / "empty").mkdir()
    (lake / "a" / "not\\ours").write_bytes(b"")
    (lake / "a" / "link").symlink_to("b")
    os.mkfifo(lake / "a" / "pipe")
    assert keys(store) == ["a/b"]
    assert list(store.folders("")) == ["a"]


def test_leftovers_are_told_by_age_and_swept(lake: Path) -> None:
    store = LocalStore(lake)
    store.create("a/b/x", b"1")
    old = lake / "a" / "b" / ".0123456789abcdef01234567.tmp"
    young = lake / "a" / ".76543210fedcba9876543210.tmp"
    foreign = lake / "a" / ".DS_Store"
    for path in (old, young, foreign):
        path.write_bytes(b"half")
    for path in (old, foreign):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    found = list(store.leftovers(store.now() - timedelta(hours=1)))
    assert found == ["a/b/.0123456789abcdef01234567.tmp"]
    store.sweep(found[0])
    store.sweep(found[0])  # somebody else was first
    assert not old.exists()
    assert young.exists()
    for wrong in ("a/b/x", "a/.DS_Store", "../.0123456789abcdef01234567.tmp"):
        with pytest.raises(StoreError):
            store.sweep(wrong)
    assert foreign.exists()


def test_symbolic_links_do_not_lead_out(lake: Path, tmp_path: Path) -> None:
    store = LocalStore(lake)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"s")
    (lake / "out").symlink_to(outside)
    (lake / "up").symlink_to("..")
    (lake / "file").symlink_to(outside / "secret")
    for key in ("out/secret", "out/new", "up/x", "file"):
        with pytest.raises(StoreError, match="symbolic link") as caught:
            store.read(key)
        assert not isinstance(caught.value, ObjectMissing)
    for key in ("out/new", "up/x"):
        with pytest.raises(StoreError, match="leads out"):
            store.create(key, b"")
    with pytest.raises(StoreError, match="leads out"):
        list(store.list("out/"))
    assert store.create("file", b"") is False
    assert keys(store) == []
    assert files(outside) == {"secret"}


def test_the_root_itself_may_be_a_link(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    lake.symlink_to(tmp_path / "disk")
    store = LocalStore(lake)
    assert store.create("a/b", b"1")
    assert keys(store) == ["a/b"]


def test_a_folder_removed_behind_our_back_is_made_again(lake: Path) -> None:
    store = LocalStore(lake)
    store.create("a/b/c", b"1")
    (lake / "a/b/c").unlink()
    (lake / "a/b").rmdir()
    (lake / "a").rmdir()
    assert store.create("a/b/c", b"2")


def test_errors_say_what_why_and_what_to_do(lake: Path) -> None:
    store = LocalStore(lake)
    store.create("file", b"")
    store.create("folder/x", b"")
    for key, why in [
        ("file/below", "a folder on its way is a file"),
        ("folder", "there is a folder of that name"),
        ("x" * 300, "name is too long"),
    ]:
        for write in (store.create, store.put):
            with pytest.raises(StoreError, match=why) as caught:
                write(key, b"1")
            assert caught.value.what == f"cannot write {key}"
            assert caught.value.do
    assert files(lake) == {"file", "folder/x"}


def test_a_root_that_is_a_file_or_may_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="is a file"):
        LocalStore(tmp_path / "file")
    with pytest.raises(StoreError, match="is a file"):
        LocalStore(tmp_path / "file" / "lake")
    with pytest.raises(StoreError):
        LocalStore("/proc/lake")  # not even root makes folders there
    with pytest.raises(StoreError):
        LocalStore("/proc/lake", create_root=False).create("a", b"")


LIMITED = """
import resource, sys
from schemahub.adapters.store_local import LocalStore
from schemahub.core.errors import StoreError
store = LocalStore(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for write in (store.create, store.put):
    try:
        write("a/big", b"x" * 5000)
    except StoreError as error:
        assert "larger than allowed" in error.why, error.why
    else:
        raise SystemExit("no error")
assert store.create("a/small", b"x" * 1000)
"""


def test_a_write_that_fails_half_way_leaves_nothing(lake: Path) -> None:
    subprocess.run([sys.executable, "-c", LIMITED, lake], check=True, timeout=30)
    assert files(lake) == {"a/small"}


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "the disk fails"),
        (errno.EMFILE, "too many files"),
        (errno.EPERM, "forbids"),
        (errno.EXDEV, "the system refuses"),
    ],
)
def test_a_system_error_at_any_step_is_translated_and_leaves_nothing(
    lake: Path, monkeypatch: pytest.MonkeyPatch, number: int, why: str
) -> None:
    store = LocalStore(lake)
    store.put("a/b", b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    for step, verb in [("fsync", "create"), ("link", "create"), ("replace", "put")]:
        write = store.put if verb == "put" else store.create
        with monkeypatch.context() as patch:
            patch.setattr(os, step, fail)
            with pytest.raises(StoreError, match=why) as caught:
                write("a/b" if verb == "put" else "a/c", b"new")
        assert isinstance(caught.value.__cause__, OSError)
        assert files(lake) == {"a/b"}
        assert store.read("a/b") == b"old"


RACER = """
import sys
from schemahub.adapters.store_local import LocalStore
store = LocalStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for turn in range(200):
    if store.create(f"d{turn % 7}/{turn:04}", sys.argv[2].encode() * 1000):
        print(turn, flush=True)
"""


def test_processes_racing_have_one_winner_each_time(lake: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, lake, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "AB"
    ]
    for racer in racers:
        assert racer.stdout is not None
        racer.stdout.readline()
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [set(map(int, racer.communicate(timeout=60)[0].split())) for racer in racers]
    assert not won[0] & won[1]
    assert won[0] | won[1] == set(range(200))
    store = LocalStore(lake)
    for turn in range(200):
        winner = b"A" if turn in won[0] else b"B"
        assert store.read(f"d{turn % 7}/{turn:04}") == winner * 1000
    assert len(files(lake)) == 200


def test_a_listing_scans_until_two_scans_agree(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(lake)
    for number in range(5):
        store.create(f"a/{number}", b"")
    whole = folder._names
    torn = iter([Names(["1"], []), Names(["1", "2"], [])])
    monkeypatch.setattr(folder, "_names", lambda path: next(torn, None) or whole(path))
    assert len(keys(store, "a/")) == 5
    noise = iter(range(10_000))
    monkeypatch.setattr(folder, "_names", lambda _: Names([str(next(noise))], []))
    with pytest.raises(StoreError, match="cannot be listed"):
        keys(store, "a/")


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that were scanned, one entry a scan."""
    found: list[str] = []
    names = folder._names

    def note(path: str) -> Names:
        found.append(path)
        return names(path)

    monkeypatch.setattr(folder, "_names", note)
    return found


def test_a_folder_that_has_long_been_still_is_scanned_once_and_then_believed(
    lake: Path, monkeypatch: pytest.MonkeyPatch, scanned: list[str]
) -> None:
    store = LocalStore(lake)
    store.create("a/1", b"")
    for _ in range(2):
        assert keys(store, "a/") == ["a/1"]
    assert len(scanned) == 4  # it changed a moment ago: twice each time
    scanned.clear()
    later = time.time_ns() + 3 * folder.CALM
    monkeypatch.setattr(time, "time_ns", lambda: later)
    for _ in range(5):
        assert keys(store, "a/") == ["a/1"]
    assert len(scanned) == 1
    assert LocalStore(lake).keys("a/") == ["a/1"]
    time.sleep(0.02)  # past the tick in which it changed last
    store.create("a/2", b"")
    store.delete("a/1")
    assert keys(store, "a/") == ["a/2"]
    assert len(scanned) == 3


def test_a_name_that_comes_during_the_one_scan_makes_it_scan_again(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(lake)
    store.create("a/1", b"")
    later = time.time_ns() + 3 * folder.CALM
    monkeypatch.setattr(time, "time_ns", lambda: later)
    names = folder._names
    scans = 0

    def torn(path: str) -> Names:
        nonlocal scans
        scans += 1
        if scans == 1:
            time.sleep(0.02)  # past the tick in which the folder was made
            (lake / "a" / "2").write_bytes(b"")
            return Names([], [])
        return names(path)

    monkeypatch.setattr(folder, "_names", torn)
    assert store.keys("a/") == ["a/1", "a/2"]
    assert scans == 2


def test_names_that_others_add_meanwhile_do_not_disturb(lake: Path) -> None:
    store = LocalStore(lake)
    for number in range(300):
        store.create(f"a/{number:05}", b"")
    over = threading.Event()

    def add() -> None:
        number = 300
        while not over.is_set():
            store.create(f"a/{number:05}", b"")
            number += 1

    writer = threading.Thread(target=add)
    writer.start()
    try:
        for _ in range(20):
            assert len(keys(store, "a/")) >= 300
    finally:
        over.set()
        writer.join()


def test_an_object_deleted_while_it_is_listed_is_left_out(lake: Path) -> None:
    store = LocalStore(lake)
    for name in "abc":
        store.create(name, b"")
    listing = store.list("")
    assert next(listing).key == "a"
    store.delete("b")
    assert [entry.key for entry in listing] == ["c"]


def test_every_create_is_made_durable_in_the_protocols_order(lake: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    code = (
        "import sys; from schemahub.adapters.store_local import LocalStore\n"
        "s = LocalStore(sys.argv[1]); s.create('a/b', b'1'); print(s.create('a/b', b'2'))"
    )
    strace = "/usr/bin/strace"
    if not Path(strace).exists():
        pytest.skip("strace is not installed, without which no system call is seen; .ci/run does")
    calls = "trace=link,linkat,fsync,mkdir,unlink,openat"
    command = [strace, "-y", "-e", calls, "-o", str(trace), sys.executable, "-c", code, str(lake)]
    if subprocess.run(command, check=False, timeout=60).returncode:
        pytest.skip("the kernel forbids this user to trace (ptrace): no system call is seen")
    lines = [line for line in trace.read_text().splitlines() if str(lake.parent) in line]
    steps = []
    for line in lines:
        call = line.partition("(")[0]
        if call == "fsync":
            where = line.partition("<")[2].partition(">")[0]
            steps.append("fsync file" if where.endswith(".tmp") else f"fsync {Path(where).name}")
        elif call in {"link", "linkat", "mkdir", "unlink"}:
            steps.append(call.removesuffix("at") + ("" if "= 0" in line else " refused"))
    assert steps[-8:] == [
        *("fsync file", "link", "unlink", "fsync a"),
        *("fsync file", "link refused", "unlink", "fsync a"),
    ]
    assert steps[:-8] == ["mkdir", f"fsync {lake.parent.name}", "mkdir", "fsync lake"]
