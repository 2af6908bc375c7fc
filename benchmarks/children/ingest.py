"""`schemahub ingest` with the spec's rate limit lifted; all else is the product's own."""

from __future__ import annotations

import sys
from pathlib import Path

from schemahub.adapters import specs
from schemahub.cli import main
from schemahub.core.spec import ExchangeSpec

UNLIMITED = {"rate": 1_000_000.0, "burst": 1_000_000}
_load = specs.load


def load(path: Path) -> ExchangeSpec:
    spec = _load(path)
    return spec.model_copy(update={"limits": spec.limits.model_copy(update=UNLIMITED)})


specs.load = load
main(["ingest", *sys.argv[1:]])
