"""Where a run of the benchmarks took place."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.process import REPOSITORY

PACKAGES = (
    "schemahub", "pyarrow", "duckdb", "msgspec", "urllib3", "click", "pydantic",
    "polars", "pandas", "ccxt", "requests",
)  # fmt: skip


def described() -> Iterator[str]:
    """Lines of text: processor, memory, system, versions, commit, load."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield f"{_processor()}, {_cores()} cores, {gigabytes:.0f} GB; {platform.platform()}"
    yield f"Python {platform.python_version()}; {', '.join(_versions())}"
    yield f"commit {_commit()}; load before the run {os.getloadavg()[0]:.2f}"


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _versions() -> Iterator[str]:
    for package in PACKAGES:
        yield f"{package} {installed(package)}"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _commit() -> str:
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty"],  # noqa: S607
            cwd=REPOSITORY, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
