"""What users are told when something is wrong, word by word: error_words.txt is the transcript.

After a wanted change: `python -m tests.e2e.test_error_words` writes it anew; read the difference.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from contextlib import chdir
from pathlib import Path

import pytest

from tests.dashboard.lake import ETH, write
from tests.e2e.world import here

TOLD = Path(__file__).with_name("error_words.txt")


def transcript() -> list[tuple[str, str]]:
    """Each command with what it is to say on stderr and its exit code."""
    found = []
    for block in TOLD.read_text("utf-8").split("$ schemahub ")[1:]:
        command, _, said = block.partition("\n")
        found.append((command, said.strip()))
    return found


def say(command: str) -> str:
    """What it says, in a folder with a lake of one market."""
    said = here(shlex.split(command))
    assert said.out == ""
    return f"{said.err.strip()}\n[exit {said.code}]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("words")
    write(found / "lake", ETH, (1, 101))
    return found


def test_there_are_twenty_of_them() -> None:
    assert len(transcript()) >= 20


@pytest.mark.parametrize(("command", "expected"), transcript(), ids=lambda text: text[:40])
def test_an_error_is_told_in_these_words(folder: Path, command: str, expected: str) -> None:
    with chdir(folder):
        assert say(command) == expected


def rewrite() -> None:
    commands = [command for command, _ in transcript()]
    with tempfile.TemporaryDirectory() as scratch:
        write(Path(scratch) / "lake", ETH, (1, 101))
        with chdir(scratch):
            blocks = [f"$ schemahub {command}\n{say(command)}\n" for command in commands]
    TOLD.write_text("\n".join(blocks), "utf-8")


if __name__ == "__main__":
    os.environ.pop("SCHEMAHUB_LAKE", None)
    rewrite()
