"""Files have the rights that the umask leaves, and nobody's link is written through."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemahub.adapters.store_local import LocalStore
from schemahub.core.errors import StoreError
from tests.e2e.conftest import Make


@pytest.fixture
def umask() -> Iterator[None]:
    """The umask is put back."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_all_of_a_lake_has_the_rights_that_the_umask_leaves(
    make: Make, umask: None, mask: int
) -> None:
    w = make(30)
    os.umask(mask)
    # In this process and in those of transform's pool, which a test before may have started.
    w.ok("ingest", "--full", "BTC-USD")
    w.ok("update-seed")
    paths = [w.lake, *w.lake.rglob("*")]
    assert len(paths) > 8
    for path in paths:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & mask == 0, path
        assert mode == (0o777 if path.is_dir() else 0o666) & ~mask, path


def test_a_temporary_file_is_new_or_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is drawn by chance; if it lies there all the same, it is not written through."""
    store = LocalStore(tmp_path / "lake")
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    monkeypatch.setattr("secrets.token_hex", lambda size: "ab" * size)
    planted = tmp_path / "lake" / f".{'ab' * 12}.tmp"
    for make_link in (planted.symlink_to, planted.hardlink_to):
        make_link(victim)
        for write in (store.create, store.put):
            with pytest.raises(StoreError):
                write("key", b"theirs")
        assert victim.read_bytes() == b"mine"
        assert not (tmp_path / "lake" / "key").exists()
        planted.unlink()
    planted.symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError):
        store.create("key", b"theirs")
    assert not (tmp_path / "nowhere").exists()


def test_names_of_temporary_files_cannot_be_guessed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    seen: set[str] = set()
    real = os.open

    def watched(path: str, flags: int, mode: int = 0o777, **more: int) -> int:
        if str(path).endswith(".tmp"):
            assert flags & os.O_EXCL
            seen.add(Path(path).name)
        return real(path, flags, mode, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.open", watched)
        for n in range(50):
            store.create(f"k{n}", b"")
    assert len(seen) == 50
    assert all(len(name) == len(".") + 24 + len(".tmp") for name in seen)


def test_a_key_that_is_a_link_is_never_written_through(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "lake")
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    link = tmp_path / "lake" / "key"
    for target in (victim, tmp_path / "nowhere"):
        link.symlink_to(target)
        assert store.create("key", b"theirs") is False  # somebody has that name
        assert link.is_symlink()
        store.put("key", b"theirs")  # replaces the link, not what it leads to
        assert not link.is_symlink()
        assert victim.read_bytes() == b"mine"
        assert not (tmp_path / "nowhere").exists()
        store.delete("key")
        link.symlink_to(target)
        store.delete("key")
        assert victim.read_bytes() == b"mine"
        assert not link.is_symlink()
