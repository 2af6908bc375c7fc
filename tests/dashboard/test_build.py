"""What is shipped is what the sources build to, and it is shipped."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from schemahub.dashboard.panels import FOLDER
from schemahub.dashboard.server import STATIC

ROOT = Path(__file__).parents[2]


@pytest.mark.heavy
def test_the_shipped_page_is_what_its_sources_build_to(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on PATH: apt-get install npm")
    page, built = tmp_path / "page", tmp_path / "built"
    shutil.copytree(ROOT / "page", page, ignore=shutil.ignore_patterns("node_modules"))
    for words in (["ci"], ["run", "check"], ["run", "build", "--", str(built)]):
        done = subprocess.run([npm, *words], cwd=page, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in built.iterdir()} == {path.name for path in STATIC.iterdir()}
    for path in built.iterdir():
        assert path.read_bytes() == (STATIC / path.name).read_bytes(), path.name


def test_a_wheel_has_the_page_and_the_panels(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (*STATIC.iterdir(), *FOLDER.iterdir()):
        assert f"schemahub/{path.relative_to(ROOT / 'src' / 'schemahub').as_posix()}" in names
