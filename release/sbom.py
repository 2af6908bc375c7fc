"""Writes sbom.cdx.json: what a SchemaHub that runs is made of, as CycloneDX 1.6.

The same lock file and the same installed metadata give the same bytes: it holds no time of
its own. The hashes of a component are those of all its archives that the lock file allows.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from release.pins import ROOT, RUNTIME, Pin, read

NAME = "sbom.cdx.json"
_LONGEST_NAME = 80  # of a licence: some packages put its whole text there
_SPACE = uuid.UUID("2f6d0f52-6f0e-5d0e-9b53-0c5a6a5f8f11")


def bill(pins: Sequence[Pin]) -> dict[str, Any]:
    """The document, complete but for licences of packages that are not installed here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, version = project["name"], project["version"]
    root = _reference(name, version)
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": name,
                "version": version,
                "description": project["description"],
                "licenses": [{"expression": project["license"]}],
                "purl": root,
            }
        },
        "components": [_component(pin) for pin in pins],
        "dependencies": [
            {"ref": reference, "dependsOn": sorted(map(_referred, below))}
            for reference, below in _edges(name, root, pins)
        ],
    }
    text = json.dumps(content, sort_keys=True)
    return {"serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, text)}", **content}


def _reference(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


def _referred(pin: Pin) -> str:
    return _reference(pin.name, pin.version)


def _edges(name: str, root: str, pins: Sequence[Pin]) -> list[tuple[str, list[Pin]]]:
    """Each component with those that it asked for, as the lock file says."""
    direct = [pin for pin in pins if any(via.startswith(f"{name} ") for via in pin.via)]
    rest = [(_referred(one), [pin for pin in pins if one.name in pin.via]) for one in pins]
    return [(root, direct), *rest]


def _component(pin: Pin) -> dict[str, Any]:
    reference = _referred(pin)
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": reference,
        "name": pin.name,
        "version": pin.version,
        "scope": "required",
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in pin.hashes],
        "purl": reference,
    }
    licences = _licences(pin)
    if licences:
        found["licenses"] = licences
    if pin.marker:
        found["properties"] = [{"name": "schemahub:marker", "value": pin.marker}]
    return found


def _licences(pin: Pin) -> list[dict[str, Any]]:
    """As the installed package says; an SPDX expression goes before words."""
    try:
        said = metadata(pin.name)
    except PackageNotFoundError:
        return []
    if said["Version"] != pin.version:
        return []
    if "License-Expression" in said:
        return [{"expression": said["License-Expression"]}]
    words = said["License"].strip() if "License" in said else ""
    if words and len(words) <= _LONGEST_NAME and "\n" not in words:
        return [{"license": {"name": words}}]
    names = [
        re.sub(r".* :: ", "", classifier)
        for classifier in said.get_all("Classifier") or []
        if classifier.startswith("License :: ")
    ]
    return [{"license": {"name": one}} for one in sorted(names)]


def main(arguments: Sequence[str]) -> int:
    pins = read(RUNTIME)
    content = bill(pins)
    path = Path(arguments[0]) if arguments else ROOT / NAME
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unknown = [part["name"] for part in content["components"] if "licenses" not in part]
    print(f"{path.name}: {len(pins)} components", file=sys.stderr)
    if unknown:
        print(f"without a licence, as not installed here: {', '.join(unknown)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
