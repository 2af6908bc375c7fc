"""The lock files in requirements/, read strictly: every line is a pin with its hashes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
RUNTIME = ROOT / "requirements" / "runtime.txt"
DEV = ROOT / "requirements" / "dev.txt"
BUILD = ROOT / "requirements" / "build.txt"
SPARK = ROOT / "requirements" / "spark.txt"
IMAGE = ROOT / "requirements" / "image.txt"
UV = ROOT / "requirements" / "uv.txt"
TERRAFORM = ROOT / "requirements" / "terraform.txt"
CHECKOV = ROOT / "requirements" / "checkov.txt"

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_VIA = re.compile(r"    #(?: via)?(?: +([^#]*))?")


@dataclass(frozen=True)
class Pin:
    """One version of one package, by what asked for it (`via`), and where (`marker`) it is used."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    via: tuple[str, ...]

    @property
    def here(self) -> bool:
        """Whether this Python on this machine uses it."""
        requirement = Requirement(f"x; {self.marker}" if self.marker else "x")
        return requirement.marker is None or requirement.marker.evaluate()


def read(path: Path) -> tuple[Pin, ...]:
    """The pins of a lock file, sorted by name.

    Raises ValueError for a line that is no pin, has no hash, or names a place to fetch from.
    """
    pins: list[Pin] = []
    text = path.read_text(encoding="utf-8").replace("\\\n", "")
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" "):
            found = _VIA.fullmatch(line)
            if found is None or not pins:
                raise _wrong(path, number, line)
            name = (found[1] or "").strip()
            if name and not name.startswith("-c "):
                last = pins[-1]
                pins[-1] = Pin(last.name, last.version, last.marker, last.hashes, (*last.via, name))
            continue
        pins.append(_pin(path, number, line))
    return tuple(sorted(pins, key=lambda pin: pin.name))


def _pin(path: Path, number: int, line: str) -> Pin:
    words, *hashes = re.split(r"\s+(?=--hash)", line)
    digests = [_HASH.fullmatch(one.strip()) for one in hashes]
    try:
        requirement = Requirement(words)
    except InvalidRequirement as error:
        raise _wrong(path, number, line) from error
    (specifier,) = requirement.specifier or (None,)
    exact = specifier is not None and specifier.operator == "==" and "*" not in specifier.version
    if not exact or requirement.url or not digests or None in digests:
        raise _wrong(path, number, line)
    return Pin(
        canonicalize_name(requirement.name),
        specifier.version if specifier else "",
        str(requirement.marker or ""),
        tuple(sorted(digest[1] for digest in digests if digest)),
        (),
    )


def _wrong(path: Path, number: int, line: str) -> ValueError:
    return ValueError(f"{path.name}:{number}: not NAME==VERSION with hashes: {line.strip()[:80]}")
