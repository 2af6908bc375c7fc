"""The small world: the product with cells, pages and chunks of a hundredth of their size.

The rules are the same; a market of some hundred trades then has several chunks, parts of
every size and parts that supersede parts, and a whole job takes a few hundredths of a second.
Every process of these tests is one of this world: they must all cut alike.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from schemahub.adapters import specs
from schemahub.core.axis import AXES, IDS
from schemahub.core.spec import ExchangeSpec

CELLS = (1 << 10, 1 << 8, 1 << 6)
PAGE = 50
CHUNK_PAGES = 2
FAST = 10_000  # requests a second: nobody waits for a turn


def shrink() -> None:
    """Makes this process one of the small world; for good."""
    AXES["ids"] = replace(IDS, cells=CELLS)
    load, seen = specs.load, dict[Path, ExchangeSpec]()

    def small(path: Path) -> ExchangeSpec:
        if path not in seen:  # reading YAML would be a fifth of a command
            seen[path] = shrunk(load(path))
        return seen[path]

    specs.load = small
    for path in specs.installed().values():
        small(path)  # so that those who are forked from here have it


def shrunk(spec: ExchangeSpec) -> ExchangeSpec:
    paging = spec.trades.paging.model_copy(update={"page": PAGE})
    trades = spec.trades.model_copy(update={"paging": paging, "chunk_pages": CHUNK_PAGES})
    limits = spec.limits.model_copy(update={"rate": FAST, "burst": FAST})
    return spec.model_copy(update={"trades": trades, "limits": limits})
