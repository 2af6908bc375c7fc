"""Leaves out of an installed environment what SchemaHub never loads; run by the Dockerfile.

Whoever adds a service of AWS or a part of Arrow to the code adds it here: tests/image imports
and calls, inside the image, all that the code uses.
"""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

# Definitions of AWS's APIs that are called: the rest are 27 MB of JSON.
SERVICES = {"athena", "cloudwatch", "dynamodb", "glue", "logs", "s3", "sso", "sso-oidc", "sts"}
# Flight (RPC between engines), headers and sources for compilers.
OF_ARROW = ("include", "src", "includes", "*flight*", "*.pyx", "*.pxi", "*.pxd")
# Tests; a second backend of zstandard, for other Pythons than CPython; a catalog not offered.
OTHERS = ("pyarrow/tests", "zstandard/_cffi*.so", "hive_metastore")


def slim(packages: Path) -> int:
    """Bytes removed from `packages`, a site-packages folder."""
    before = _size(packages)
    for service in (packages / "botocore" / "data").iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    arrow = packages / "pyarrow"
    for pattern in OF_ARROW:
        for found in arrow.glob(pattern):
            _remove(found)
    # One library under three names in the wheel, which knows no links; the one in the middle
    # is what the others ask the loader for.
    for library in arrow.glob("libarrow_python*.so"):
        library.unlink()
    for library in arrow.glob("libarrow_python*.so.*.*.*"):
        library.unlink()
    for pattern in OTHERS:
        for found in packages.glob(pattern):
            _remove(found)
    return before - _size(packages)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    removed = slim(Path(sysconfig.get_path("purelib")))
    print(f"left out {removed / 1e6:.0f} MB")
