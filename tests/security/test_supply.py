"""Dependencies: pinned by hash, from nowhere in particular, listed, and as they were installed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from importlib.metadata import PathDistribution, distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from release import audit, sbom
from release.pins import (
    BUILD,
    CHECKOV,
    DEV,
    IMAGE,
    ROOT,
    RUNTIME,
    SPARK,
    TERRAFORM,
    UV,
    Pin,
    read,
)

LOCKS = [RUNTIME, BUILD, DEV, SPARK, IMAGE, UV, TERRAFORM, CHECKOV]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def direct(groups: list[str]) -> dict[str, Requirement]:
    """What pyproject.toml asks for itself, by name."""
    asked = list(PROJECT["project"]["dependencies"]) if "runtime" in groups else []
    for group in groups:
        asked += PROJECT["project"]["optional-dependencies"].get(group, [])
        asked += [
            one for one in PROJECT["dependency-groups"].get(group, []) if isinstance(one, str)
        ]
    return {canonicalize_name(one.name): one for one in map(Requirement, asked)}


# ---------------------------------------------------------------- lock files


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_line_is_a_version_with_hashes_and_names_no_place(path: Path) -> None:
    pins = read(path)
    assert pins
    assert all(pin.hashes and pin.via for pin in pins)
    text = path.read_text(encoding="utf-8")
    for word in ("://", "--index", "--extra-index", "--find-links", "--trusted-host", " @ ", "-e "):
        assert word not in text, word


def test_there_is_no_other_lock_file() -> None:
    assert sorted((ROOT / "requirements").iterdir()) == sorted(LOCKS)


@pytest.mark.parametrize(
    "line",
    [
        "click",
        "click>=8",
        "click==8.*",
        "click==8.5.1",
        "click==8.5.1 --hash=md5:0",
        "click==8.5.1 --hash=sha256:abc",
        "click @ https://example.com/click.whl",
        "--index-url https://example.com",
        "-e .",
        "../click",
    ],
)
def test_a_line_that_is_no_pin_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "lock.txt"
    path.write_text(line + "\n")
    with pytest.raises(ValueError, match=r"lock.txt:1: not NAME==VERSION"):
        read(path)


@pytest.mark.parametrize(
    ("path", "groups"),
    [
        (RUNTIME, ["runtime"]),
        (BUILD, ["build"]),
        (DEV, ["runtime", "test", "check"]),
        (IMAGE, ["runtime", "aws", "iceberg"]),
        (SPARK, ["runtime", "spark"]),
        (UV, ["uv"]),
        (TERRAFORM, ["terraform"]),
        (CHECKOV, ["checkov"]),
    ],
    ids=lambda one: one.stem if isinstance(one, Path) else "",
)
def test_what_the_project_asks_for_is_pinned_within_its_range(
    path: Path, groups: list[str]
) -> None:
    pins: dict[str, list[Pin]] = {}
    for pin in read(path):
        pins.setdefault(pin.name, []).append(pin)
    for name, asked in direct(groups).items():
        assert name in pins, f"{name} is not in {path.name}"
        assert all(pin.version in asked.specifier for pin in pins[name]), name


def test_the_lock_files_agree_with_each_other() -> None:
    versions: dict[str, set[str]] = {}
    for path in (RUNTIME, BUILD, SPARK, IMAGE):
        for pin in read(path):
            versions.setdefault(pin.name, set()).add(pin.version)
    for pin in read(DEV):
        if pin.here and pin.name in versions:
            assert pin.version in versions[pin.name], pin.name


def test_what_runs_here_is_what_is_pinned() -> None:
    """All that the product runs on, and the tools that its own groups name."""
    found = audit.installed()
    assert audit.differing(read(RUNTIME), found, all_of=True) == []
    tools = direct(["test", "check", "build"])
    pins = [pin for pin in read(DEV) if pin.name in tools]
    assert len(pins) > 8
    assert audit.differing(pins, found, all_of=False) == []


# ---------------------------------------------------------------- audit


def test_what_runs_here_is_byte_for_byte_what_was_installed() -> None:
    found = audit.installed()
    small = [
        pin.name for pin in read(RUNTIME) if pin.here and pin.name not in {"pyarrow", "duckdb"}
    ]
    assert len(small) > 10
    assert {name: list(audit.altered(found[name])) for name in small} == {
        name: [] for name in small
    }


def test_a_file_that_was_changed_or_lost_is_found(tmp_path: Path) -> None:
    (tmp_path / "x-1.dist-info").mkdir()
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"good").digest()).rstrip(b"=").decode()
    (tmp_path / "x-1.dist-info" / "METADATA").write_text("Name: x\nVersion: 1\n")
    (tmp_path / "x-1.dist-info" / "RECORD").write_text(
        f"x.py,sha256={digest},4\ny.py,sha256={digest},4\nz.pyc,,\n"
    )
    distribution = PathDistribution(tmp_path / "x-1.dist-info")
    for name in ("x.py", "y.py"):
        (tmp_path / name).write_bytes(b"good")
    assert list(audit.altered(distribution)) == []
    (tmp_path / "x.py").write_bytes(b"evil")
    (tmp_path / "y.py").unlink()
    said = list(audit.altered(distribution))
    assert said == ["x.py: not as it was installed", "y.py: No such file or directory"]
    pins = [Pin("x", "2", "", ("0" * 64,), ()), Pin("gone", "1", "", (), ())]
    assert audit.differing(pins, {"x": distribution}, all_of=True) == [
        "x 1 is installed, and 2 is pinned",
        "gone 1 is pinned, and not installed",
    ]
    assert audit.differing([Pin("x", "2", "sys_platform == 'x'", (), ())], {}, all_of=True) == []


def test_the_audit_says_what_it_cannot_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert "pip-audit" in audit.LOOKUP
    assert "needs the network" in audit.LOOKUP
    assert "://" not in audit.LOOKUP


# ---------------------------------------------------------------- bill of materials


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return sbom.bill(read(RUNTIME))


def test_the_bill_is_cyclonedx_as_far_as_its_schema_can_be_told(document: dict[str, Any]) -> None:
    assert (document["bomFormat"], document["specVersion"], document["version"]) == (
        "CycloneDX", "1.6", 1,
    )  # fmt: skip
    assert re.fullmatch(
        r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", document["serialNumber"]
    )
    main = document["metadata"]["component"]
    assert (main["type"], main["name"]) == ("application", "schemahub")
    assert main["version"] == PROJECT["project"]["version"]
    known = {
        "type",
        "bom-ref",
        "name",
        "version",
        "scope",
        "hashes",
        "purl",
        "licenses",
        "properties",
    }
    for part in document["components"]:
        assert part.keys() <= known
        assert part["type"] == "library"
        assert part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}"
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", part["name"])
        assert all(
            one["alg"] == "SHA-256" and re.fullmatch(r"[0-9a-f]{64}", one["content"])
            for one in part["hashes"]
        )
        for one in part.get("licenses", []):
            assert one.keys() in ({"expression"}, {"license"})
    references = [main["bom-ref"], *(part["bom-ref"] for part in document["components"])]
    assert max(Counter(references).values()) == 1
    assert [edge["ref"] for edge in document["dependencies"]] == references
    assert {one for edge in document["dependencies"] for one in edge["dependsOn"]} <= set(
        references
    )


def test_the_bill_is_complete(document: dict[str, Any]) -> None:
    parts, pins = document["components"], read(RUNTIME)
    assert [(pin.name, pin.version) for pin in pins] == [
        (part["name"], part["version"]) for part in parts
    ]
    # A package may be pinned twice: for older Pythons and for newer ones.
    for pin, part in zip(pins, parts, strict=True):
        assert [one["content"] for one in part["hashes"]] == list(pin.hashes)
        assert not pin.here or part["licenses"], f"{pin.name} has no licence"
    below = {edge["ref"]: edge["dependsOn"] for edge in document["dependencies"]}
    root = document["metadata"]["component"]["bom-ref"]
    named = {re.split("[/@]", one)[2 - 1] for one in below[root]}
    assert named == set(direct(["runtime", "dashboard", "fast"]))
    reached, todo = set(), [root]
    while todo:
        reference = todo.pop()
        if reference not in reached:
            reached.add(reference)
            todo += below[reference]
    assert reached == set(below)  # nothing is in it that nobody asked for


def test_the_bill_is_the_same_each_time_and_names_no_host_time_or_machine(tmp_path: Path) -> None:
    written = []
    for name in ("a.json", "b.json"):
        subprocess.run(
            [sys.executable, "-m", "release.sbom", str(tmp_path / name)],
            cwd=ROOT, check=True, capture_output=True,
        )  # fmt: skip
        written.append((tmp_path / name).read_text(encoding="utf-8"))
    assert written[0] == written[1]
    assert json.loads(written[0]) == sbom.bill(read(RUNTIME))
    assert not re.search(r"://|timestamp|/home|/tmp|/root", written[0])


def test_make_knows_both() -> None:
    said = subprocess.run(
        ["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert re.search(r"make sbom +\w", said)
    assert re.search(r"make audit +\w", said)


def test_what_is_wanted_with_an_extra_is_pinned_with_it() -> None:
    # Else pip takes the extra of the newest release, which has no hash, and installs nothing.
    pinned = [
        Requirement(line.removesuffix("\\").strip())
        for line in DEV.read_text("utf-8").splitlines()
        if re.match(r"[a-z0-9]", line)
    ]
    extras = {canonicalize_name(one.name): one.extras for one in pinned}
    wanted = 0
    for found in distributions():
        if canonicalize_name(found.name) not in extras:
            continue
        for text in found.requires or ():
            one = Requirement(text)
            if one.extras and (one.marker is None or one.marker.evaluate({"extra": ""})):
                wanted += 1
                assert one.extras <= extras[canonicalize_name(one.name)], (found.name, text)
    assert wanted
