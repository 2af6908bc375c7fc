"""The Dockerfile, really built: by buildah, without an engine, on a Debian made on the spot.

Needs root, buildah and mmdebstrap (`.ci/run` installs them), and Debian's mirror and a package
index as apt and pip know them. Wheels are fetched outside: how this machine reaches its index
is none of the image's business, and the build proves that it needs nothing else.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BASE, IMAGE = "localhost/python-base", "localhost/schemahub"
SUITE, PYTHON = "bookworm", "3.11"  # a Debian, and the Python in it
TOOLS = ("buildah", "mmdebstrap", "unshare", "chroot")
INDEX = "[global]\nno-index = true\nfind-links = /wheels\n"


@dataclass(frozen=True, slots=True)
class Built:
    """An image: its configuration, its layers unpacked, and its root, mounted."""

    config: dict[str, Any]
    layers: tuple[int, ...]  # bytes
    root: Path
    history: tuple[str, ...]


def missing() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def build(folder: Path) -> Built:
    """Raises CalledProcessError, whose output the test's report shows."""
    (folder / "wheels").mkdir()
    base = _spawn(*_base(folder / "base.tar"))
    fetch = _spawn(*_fetch(folder))
    for process in (base, fetch):
        _ended(process)
    buildah = _Buildah(folder / "buildah")
    container = buildah("from", "scratch")
    buildah("add", "-q", container, str(folder / "base.tar"), "/")
    buildah("commit", "-q", "--rm", container, BASE)
    (folder / "pip.conf").write_text(INDEX)
    buildah(
        "bud", "--isolation", "chroot", "--pull-never", "-q", "-t", IMAGE,
        "--build-arg", f"PYTHON_BASE={BASE}", "--build-arg", "REVISION=0123abc",
        "--secret", f"id=pip,src={folder / 'pip.conf'}",
        "--volume", f"{folder / 'wheels'}:/wheels:ro", "-f", str(ROOT / "Dockerfile"), str(ROOT),
    )  # fmt: skip
    told = json.loads(buildah("inspect", "--type", "image", IMAGE))["OCIv1"]
    buildah("push", "-q", "--disable-compression", IMAGE, f"dir:{folder / 'layers'}")
    root = Path(buildah("mount", buildah("from", "--pull-never", IMAGE)))
    return Built(
        told["config"],
        tuple(_unpacked(folder / "layers")),
        root,
        tuple(each.get("created_by", "") for each in told["history"]),
    )


@dataclass(frozen=True, slots=True)
class _Buildah:
    folder: Path

    def __call__(self, *arguments: str) -> str:
        own = ("--root", f"{self.folder}/store", "--runroot", f"{self.folder}/run")
        command = ("buildah", *own, "--storage-driver", "vfs", *arguments)
        return _ended(_spawn(*command)).strip()


def _base(into: Path) -> list[str]:
    """What `python:…-slim` is: a minimal Debian with Python, and what its apt brings along."""
    lean = [f"path-exclude=/usr/share/{name}/*" for name in ("doc", "locale", "man")]
    options = [f"--dpkgopt={option}" for option in ("force-unsafe-io", *lean)]
    include = "--include=python3-minimal,python3-venv,libstdc++6,ca-certificates"
    return ["mmdebstrap", "--mode=root", "--variant=essential", *options, include, SUITE, str(into)]


def _fetch(folder: Path) -> list[str]:
    """The pinned wheels for the base's Python, by a pip of its own: uv's environments have none."""
    pins = [f"-r{ROOT / 'requirements' / name}.txt" for name in ("build", "image")]
    subprocess.run([sys.executable, "-m", "venv", str(folder / "pip")], check=True)
    download = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    how = ["--python-version", PYTHON, "--require-hashes", *pins, "-d", str(folder / "wheels")]
    return [str(folder / "pip" / "bin" / "python"), *download, *how]


def _unpacked(folder: Path) -> list[int]:
    """The size of what each layer unpacks to: of its files' bytes, as registries and du count."""
    sizes = []
    for layer in json.loads((folder / "manifest.json").read_text())["layers"]:
        blob = folder / layer["digest"].removeprefix("sha256:")
        listed = _ended(_spawn("tar", "--numeric-owner", "-tvf", str(blob)))
        sizes.append(sum(int(line.split()[2]) for line in listed.splitlines() if line[0] == "-"))
    return sizes


def _spawn(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def _ended(process: subprocess.Popen[str]) -> str:
    out = process.communicate(timeout=300)[0]
    assert process.returncode == 0, f"{process.args!r}\n{out[-4000:]}"
    return out
