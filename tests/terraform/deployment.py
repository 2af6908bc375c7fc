"""The real terraform on copies of terraform/, offline: against the schema of the providers.

The mirror of schema-only providers (mirror/) is made once and kept; what is checked is always a
copy, so that neither a lock file nor a state of the mirror's ever lies beside the real thing.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "terraform"
MIRROR = Path(__file__).parent / "mirror"
Plan = dict[str, Any]

_TYPES = re.compile(r'^(?:resource|data) "(\w+)"', re.MULTILINE)
_LEFT_OUT = shutil.ignore_patterns(
    ".terraform*", ".build", "*.tfstate*", "terraform.tfvars", "*.tfplan"
)


@dataclass
class Refused(Exception):
    """Terraform itself found a mistake; what it said."""

    said: str

    def __str__(self) -> str:
        return self.said


@dataclass(frozen=True)
class Copy:
    """A copy of terraform/, ready for `validate`."""

    folder: Path
    config: Path

    def change(self, file: str, old: str, new: str) -> None:
        """Plants a mistake in place of `old`, which must be there exactly once."""
        path = self.folder / file
        text = path.read_text()
        assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new))

    def run(self, *arguments: str) -> str:
        """Raises Refused with all that terraform said."""
        environment = {
            **os.environ, "TF_CLI_CONFIG_FILE": str(self.config), "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1", "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip
        done = subprocess.run(
            [_terraform(), *arguments], cwd=self.folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=180,
        )  # fmt: skip
        if done.returncode:
            raise Refused(done.stdout)
        return done.stdout

    def plan(self, **variables: object) -> Plan:
        """The plan of a first apply, as `terraform show -json` tells it."""
        (self.folder / "test.auto.tfvars.json").write_text(json.dumps(variables))
        self.run("validate", "-no-color")
        self.run("plan", "-no-color", "-input=false", "-lock=false", "-out=test.tfplan")
        told: Plan = json.loads(self.run("show", "-json", "test.tfplan"))
        return told


def copy(into: Path) -> Copy:
    """A fresh copy of terraform/, beside a copy of the source that it zips; initialised."""
    config, template = _template()
    shutil.copytree(template, into, symlinks=True)
    return Copy(into / "terraform", config)


@cache
def _template() -> tuple[Path, Path]:
    python = _python()
    texts = {
        path: path.read_bytes()
        for path in sorted(SOURCE.rglob("*.tf*"))
        if ".terraform" not in path.parts
    }
    code = [path.read_bytes() for path in sorted(MIRROR.glob("*.py"))]
    # The plugins name the interpreter and the code by their places: other ones, another mirror.
    places = [str(python).encode(), str(MIRROR).encode()]
    digest = hashlib.sha256(b"\0".join([*texts.values(), *code, *places])).hexdigest()[:16]
    kept = ROOT / ".venv" / "terraform-mirror" if (ROOT / ".venv").is_dir() else _scratch()
    kept.mkdir(parents=True, exist_ok=True)
    mirror, template = kept / f"mirror-{digest}", kept / f"copy-{digest}"
    with _alone(kept):
        _make(python, mirror, template, texts)
    return mirror / "terraformrc", template


def _make(python: Path, mirror: Path, template: Path, texts: dict[Path, bytes]) -> None:
    if not template.is_dir():
        types = sorted({name for text in texts.values() for name in _TYPES.findall(text.decode())})
        config = _mirror(python, mirror, types)
        made = template.with_suffix(f".{os.getpid()}")
        shutil.copytree(SOURCE, made / "terraform", ignore=_LEFT_OUT)
        (made / "src").mkdir()
        (made / "src" / "README").write_text("what the function is zipped from stands here\n")
        Copy(made / "terraform", config).run("init", "-no-color", "-input=false", "-backend=false")
        made.rename(template)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time: whoever comes second finds it made."""
    with (folder / "terraform-mirror.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _mirror(python: Path, folder: Path, types: list[str]) -> Path:
    """A mirror of the two providers that know `types`; the file that points terraform at it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("aws", "archive"):
        schema = folder / f"{name}.json"
        version = subprocess.run(
            [python, MIRROR / "schema.py", f"cdktn_provider_{name}", schema, *types],
            stdout=subprocess.PIPE, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        place = folder / "registry.terraform.io" / "hashicorp" / name / version / _platform()
        place.mkdir(parents=True, exist_ok=True)
        plugin = place / f"terraform-provider-{name}_v{version}"
        plugin.write_text(
            f'#!/bin/sh\nSCHEMA="{schema}" exec "{python}" "{MIRROR / "provider.py"}" "$@"\n'
        )
        plugin.chmod(0o755)
    config = folder / "terraformrc"
    config.write_text(
        f'provider_installation {{\n  filesystem_mirror {{ path = "{folder}" }}\n}}\n'
    )
    return config


def _platform() -> str:
    told = subprocess.run(
        [_terraform(), "version", "-json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return str(json.loads(told.stdout)["platform"])


def _terraform() -> str:
    found = shutil.which("terraform")
    if found is None:
        pytest.skip("terraform is not installed")
    return found


def environment(name: str) -> Path:
    """The venv of requirements/{name}.txt, which `make heavy` makes; skips the test without it."""
    place = Path(os.environ.get(f"TEST_{name.upper()}_VENV") or ROOT / ".venv" / name)
    if not (place / "bin" / "python").exists():
        pytest.skip(f"{place} is not there: make .venv/.{name}")
    return place


def _python() -> Path:
    return environment("terraform") / "bin" / "python"


@cache
def _scratch() -> Path:
    place = Path(tempfile.gettempdir()) / f"terraform-mirror-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    return place


# ---------------------------------------------------------------- reading a plan


def resources(plan: Plan, kind: str) -> dict[str, dict[str, Any]]:
    """What is planned of a type: values by address."""
    found = plan["planned_values"]["root_module"].get("resources", [])
    return {
        one["address"]: one["values"]
        for one in found
        if one["type"] == kind and one["mode"] == "managed"
    }


def document(text: object) -> dict[str, Any]:
    """A policy, a pattern or a dashboard, which are JSON in a string."""
    parsed: dict[str, Any] = json.loads(str(text))
    return parsed
