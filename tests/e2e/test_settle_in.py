"""A user settles in: a file of settings, and a status to keep an eye on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from tests.dashboard.lake import A_DAY, ETH, write
from tests.e2e.world import here

if TYPE_CHECKING:
    import pytest


def test_init_writes_a_file_that_the_program_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert here(["init", "--lake", "data/lake", "--exchange", "kraken"]).code == 0
    file = tmp_path / "schemahub.toml"
    text = file.read_text()
    assert tomllib.loads(text) == {"lake": "data/lake", "exchange": "kraken"}
    settings = json.loads(here(["config", "show", "--json"]).out)["settings"]
    assert settings["lake"] == {"value": "data/lake", "origin": "file schemahub.toml"}
    again = here(["init"])
    assert (again.code, file.read_text()) == (2, text)
    assert "is there already" in again.err


def test_init_prints_and_refuses_an_exchange_that_there_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = here(["init", "--stdout", "--s3-bucket", "my-bucket/p"])
    assert tomllib.loads(said.out) == {"s3_bucket": "my-bucket/p"}
    assert here(["init", "--exchange", "nowhere"]).code == 2
    assert list(tmp_path.iterdir()) == []


def test_status_is_told_again_until_ctrl_c(tmp_path: Path) -> None:
    write(tmp_path, ETH, (1, 101)).origin(1)
    command = [sys.executable, "-m", "schemahub.cli", "status", "--watch", "--every", "0.1"]
    with subprocess.Popen(
        [*command, "--json", "--lake", str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        (one,) = json.loads(process.stdout.readline())["markets"]
        write(tmp_path, ETH, (101, A_DAY))
        while one["held"] == 100:
            (one,) = json.loads(process.stdout.readline())["markets"]
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(20) == 0
    assert one["held"] == A_DAY - 1
