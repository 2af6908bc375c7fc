"""Checks, without the network, that what is installed is what is pinned, byte for byte.

It cannot say whether a pinned version has a known hole: that takes a list that changes daily.
"""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from release.pins import BUILD, DEV, RUNTIME, SPARK, Pin, read

LOOKUP = (
    "Known holes are not looked up here: that needs the network. With it, run\n"
    "  uvx pip-audit --require-hashes -r requirements/runtime.txt"
)
_OURS = "schemahub"


def installed() -> dict[str, Distribution]:
    return {
        canonicalize_name(one.metadata["Name"]): one
        for one in distributions()
        if one.metadata["Name"]
    }


def differing(pins: Sequence[Pin], found: dict[str, Distribution], *, all_of: bool) -> list[str]:
    """What is installed in another version than the pinned one; `all_of`: or not at all."""
    wrong = []
    for pin in pins:
        if not pin.here:
            continue
        here = found.get(pin.name)
        if here is None:
            if all_of:
                wrong.append(f"{pin.name} {pin.version} is pinned, and not installed")
        elif here.version != pin.version:
            wrong.append(f"{pin.name} {here.version} is installed, and {pin.version} is pinned")
    return wrong


def altered(distribution: Distribution) -> Iterator[str]:
    """Its files that are gone, or not what its RECORD says was installed."""
    for file in distribution.files or ():
        if file.hash is None:
            continue  # RECORD itself, and compiled bytecode
        path = Path(str(file.locate()))
        try:
            data = path.read_bytes()
        except OSError as error:
            yield f"{file}: {error.strerror}"
            continue
        digest = hashlib.new(file.hash.mode, data).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            yield f"{file}: not as it was installed"


def main() -> int:
    locks = {path: read(path) for path in (RUNTIME, BUILD, DEV, SPARK)}
    found = installed()
    wrong = differing(locks[RUNTIME], found, all_of=True)
    wrong += differing((*locks[DEV], *locks[SPARK]), found, all_of=False)
    pinned = {pin.name for pins in locks.values() for pin in pins}
    checked = sorted(pinned & found.keys())
    for name in checked:
        wrong += [f"{name}: {said}" for said in altered(found[name])]
    strangers = sorted(found.keys() - pinned - {_OURS, "pip", "setuptools"})
    print(f"{len(pinned)} packages are pinned by hash, {len(checked)} of them installed here")
    if strangers:
        print(f"installed and pinned nowhere: {', '.join(strangers)}")
    for line in dict.fromkeys(wrong):
        print(f"WRONG: {line}")
    print(LOOKUP)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
