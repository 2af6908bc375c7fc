"""What cannot work: three lines that say what, why and what to do, and the right exit code."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import schemahub
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, Said, World, changed, checked, here, snapshot

# ---------------------------------------------------------------- what is asked for


def test_an_unknown_market_fails_alone_and_partly_beside_a_good_one(make: Make) -> None:
    w = make(50)
    said = w.run("ingest", "NOPE-USD", "--full")
    assert said.code == 1
    assert len(said.errors) == 1
    assert "SH-REFUSED" in said.err
    assert not (w.lake / "raw_coinbase_trades").exists()
    said = w.run("ingest", "NOPE-USD", BTC, "--full")
    assert said.code == 3
    w.ok("transform")
    w.assert_whole()
    assert w.run("run", "NOPE-USD", BTC).code == 3
    assert w.run("ingest", "NOPE-USD", "--dry-run").code == 1
    assert w.run("ingest", "NOPE-USD", BTC, "--dry-run").code == 3


WRONG = [
    ("ingest", BTC, "--wrong"), ("ingest", BTC, "--workers", "x"), ("ingst", BTC),
    ("ingest", BTC, "--full", "--since", "1h"), ("ingest", BTC, "--since", "soon"),
    ("ingest", BTC, "--since", "2030-01-01"), ("ingest", BTC, "--since", "1h", "--until", "2h"),
    ("ingest", "BTCUSD"), ("ingest", "nobody:BTC-USD"), ("ingest", "-"), ("ingest", ""),
    ("ingest", "../../x"), ("ingest", "A" * 70 + "-USD"), ("ingest",), ("run",),
    ("transform", "--engine", "spark9"), ("transform", "extra"), ("verify", "NOPE-USD"),
    ("repair", "NOPE-USD"), ("status", "NOPE-USD"), ("files", "NOPE-USD"),
    ("runs", "show", "nope"), ("query",), ("query", "drop table trades"),
    ("query", "-f", "/nowhere.sql"), ("update-seed", "--filter-regex", "["),
    ("update-seed", "--filter-regex", "NOTHING"), ("update-seed", "--exchange", "nobody"),
]  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    from schemahub.sandbox import Generated, Sandbox

    with Sandbox({BTC: Generated(trades=20)}) as box:
        w = World(tmp_path_factory.mktemp("small") / "lake", box)
        w.fetch()
        yield w


@pytest.mark.parametrize("command", WRONG, ids=" ".join)
def test_what_cannot_be_meant_is_exit_2_and_three_lines(
    small: World, command: tuple[str, ...]
) -> None:
    before = small.files()
    said = small.run(*command)
    assert said.code == 2, said
    assert len(said.errors) == 1
    assert len(said.err.splitlines()) == 3
    assert said.out == ""
    assert [n for n in changed(before, small.files()) if not n.startswith("runs/")] == []


@pytest.mark.parametrize("url", ["coinbase", "coinbase=ftp://x", "=http://127.0.0.1:1"])
def test_a_base_url_that_is_none_is_refused(small: World, url: str) -> None:
    said = here(["ingest", BTC, "--lake", str(small.lake), "--base-url", url])
    assert said.code in {2, 6}
    assert len(said.err.splitlines()) == 3


@pytest.mark.parametrize("url", ["http://10.0.0.1:8000", "http://example.com"])
def test_plain_http_goes_to_this_machine_alone(small: World, url: str) -> None:
    said = here(["ingest", BTC, "--lake", str(small.lake), "--base-url", f"coinbase={url}"])
    assert said.code == 6
    assert small.last_run()["exit_code"] in {0, 6}  # 0: the last one that worked


# ---------------------------------------------------------------- settings and specs


@pytest.mark.parametrize(
    "text", ["lake = ", "[[[", "lakes = 'x'", "workers = 'many'", "workers = 0", "workers = 500"]
)
def test_a_broken_toml_is_exit_6_for_every_command(make: Make, tmp_path: Path, text: str) -> None:
    w = make(5)
    (tmp_path / "schemahub.toml").write_text(text)
    for command in ("ingest", "transform", "verify", "status"):
        said = w.run(command)
        assert said.code == 6, said
        assert len(said.err.splitlines()) == 3
        assert "schemahub.toml" in said.err
    assert not w.lake.exists()


def test_a_broken_environment_is_exit_6(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    w = make(5)
    monkeypatch.setenv("SCHEMAHUB_WORKERS", "many")
    assert w.run("ingest", BTC).code == 6
    monkeypatch.delenv("SCHEMAHUB_WORKERS")
    monkeypatch.setenv("SCHEMAHUB_CONFIG", "/nowhere/schemahub.toml")
    assert w.run("ingest", BTC).code == 6


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"axis: ids": "axis: idz", "settle: 60.0": "settel: 60.0"},
            ["axis", "did you mean settle"],
        ),
        ({"  path: /products\n": "  path: [/products\n"}, ["line"]),
    ],
    ids=["fields", "syntax"],
)
def test_a_broken_spec_is_exit_6_and_names_every_line(
    make: Make, tmp_path: Path, changes: dict[str, str], says: list[str]
) -> None:
    """Specs are files of the package: this is the program with such a file changed."""
    w = make(5)
    package = tmp_path / "changed" / "schemahub"
    shutil.copytree(
        Path(schemahub.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    spec = package / "exchanges" / "coinbase.yaml"
    text = spec.read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    spec.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "schemahub.cli", *w.arguments("ingest", BTC)],
        env={**os.environ, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = checked(Said(done.returncode, done.stdout, done.stderr))
    assert said.code == 6
    assert len(said.err.splitlines()) == 3
    assert all(words in said.err for words in (*says, "line "))
    assert not w.lake.exists()


# ---------------------------------------------------------------- the network


def test_a_server_that_is_not_there_fails_and_leaves_what_is_held(
    make: Make, hurried: None
) -> None:
    w = make(50)
    w.fetch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused
        url = f"coinbase=http://127.0.0.1:{taken.getsockname()[1]}"
        for command in (("ingest", BTC), ("ingest", BTC, "--dry-run"), ("run", BTC), ("doctor",)):
            said = here([*command, "--lake", str(w.lake), "--base-url", url])
            assert said.code == 1, command
            assert "cannot be reached" in said.err + said.out
        assert here(["update-seed", "--lake", str(w.lake), "--base-url", url]).code == 1
    record = w.last_run()
    assert (record["command"], record["exit_code"]) == ("run", 1)
    w.assert_whole()


# ---------------------------------------------------------------- the disk


@contextmanager
def disk(folder: Path, options: str) -> Iterator[None]:
    """A small disk of its own at `folder`; skips where one may not be mounted."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("only root may mount the small disk that is to be filled up")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_told_and_more_space_is_all_it_takes(make: Make, tmp_path: Path) -> None:
    w = make({BTC: 6_000, "ETH-USD": 10})
    folder = tmp_path / "disk"
    with disk(folder, "size=64k"):
        w.lake = folder / "lake"
        said = w.run("ingest", "ETH-USD", BTC, "--full")
        assert said.code == 3
        assert "the disk is full" in said.err
        w.assert_raw(w.box.truth("ETH-USD"), "ETH-USD")
        resize = ["mount", "-o", "remount,size=8m", str(folder)]
        subprocess.run(resize, check=True)
        w.ok("ingest", BTC)
        w.ok("transform")
        w.assert_whole()
        w.assert_whole("ETH-USD")
        left = [name for name in snapshot(w.lake) if "/." in name]
        assert left == []


def fill(ballast: Path) -> None:
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):  # no space left
        while os.write(file, bytes(4096)):
            pass
    os.close(file)


def test_a_disk_that_fills_under_transform_keeps_the_table(make: Make, tmp_path: Path) -> None:
    w = make(600)
    folder = tmp_path / "disk"
    with disk(folder, "size=8m"):
        w.lake = folder / "lake"
        w.fetch()
        w.box.grow(BTC, 5_000)
        w.ok("ingest", BTC)
        fill(folder / "ballast")
        said = w.run("transform")
        assert said.code == 1
        assert "the disk is full" in said.err
        assert w.ids() == list(range(1, 601))
        (folder / "ballast").unlink()
        w.ok("transform")
        w.assert_whole()


def test_files_that_may_not_grow_are_told_as_a_full_disk_is(make: Make) -> None:
    w = make({BTC: 5_000, "ETH-USD": 10})

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))

    said = w.process("ingest", BTC, "ETH-USD", "--full", preexec_fn=limit)
    assert said.code == 3
    assert "larger than allowed" in said.err
    w.ok("ingest", BTC)
    w.ok("transform")
    w.assert_whole()
    w.assert_whole("ETH-USD")


def test_a_read_only_lake_is_told_and_can_be_read(make: Make, tmp_path: Path) -> None:
    w = make(500)
    folder = tmp_path / "disk"
    with disk(folder, "size=8m"):
        w.lake = folder / "lake"
        w.fetch()
        w.box.grow(BTC, 10)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        before = w.files()
        for command in (
            ("ingest", BTC),
            ("run", BTC),
            ("update-seed",),
            ("transform", "--rebuild"),
        ):
            said = w.run(*command)
            assert said.code == 1, said
            assert "read-only" in said.err
        for command in (("verify",), ("status",), ("files",), ("query", "select 1")):
            w.ok(*command)
        assert w.ids() == list(range(1, 501))
        assert changed(before, w.files()) == []
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        w.ok("run", BTC)
        w.assert_whole()


@pytest.mark.parametrize("below", ["", "lake"])
def test_a_lake_that_is_a_file_is_told(make: Make, tmp_path: Path, below: str) -> None:
    w = make(20)
    (tmp_path / "file").write_text("not a folder")
    w.lake = tmp_path / "file" / below
    said = w.run("ingest", BTC)
    assert said.code == 1, said
    for command in ("verify", "transform", "status"):
        assert w.run(command).code in {1, 2}
    assert (tmp_path / "file").read_text() == "not a folder"
