"""A lake of many markets with many objects each: names alone, as ingest and transform leave them.

What goes by names reads no object, so all of them are links to a few empty files. Origins,
checkpoints and the table's PLAN are real: the product itself writes them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from schemahub.adapters import specs
from schemahub.adapters.store_local import LocalStore
from schemahub.adapters.zstd import Zstd
from schemahub.core import parts
from schemahub.core.layout import Market, RawName, part_key, raw_key
from schemahub.core.span import Coverage, Span, cut
from schemahub.core.spec import ExchangeSpec
from schemahub.pipelines.lake import Lake, target_version
from schemahub.ports import NoMetrics

# The objects of the last days: scheduled runs end inside a chunk, and leave so many pieces of it.
PIECES = 50
MOST_LINKS = 60_000  # to one file; ext4 allows 65,000


def main(markets: int, objects: int, root: str) -> None:
    spec = specs.load(specs.installed()["coinbase"])
    lake = Lake(LocalStore(root), Zstd(), NoMetrics())
    version = target_version(lake, spec)
    names = list(_names(spec, objects))
    held = Coverage.of(name.span for name in names)
    shown = parts.to_write(held, (), spec.line.cells)
    empty = _empty(Path(root) / ".empty")
    for number in range(markets):
        market = Market("coinbase", f"M{number:03}-USD")
        lake.create_origin(market, spec.first_id, {"reason": "benchmark", "since": None})
        keys = [raw_key(market, name) for name in names]
        keys += [part_key(version, market, span) for span in shown]
        for folder in {key.rpartition("/")[0] for key in keys}:
            Path(root, folder).mkdir(parents=True, exist_ok=True)
        for key in keys:
            os.link(next(empty), f"{root}/{key}")
        lake.save_checkpoint(market, spec)
        lake.save_checkpoint(market, spec)  # as a later run does: by the first one
    print(json.dumps({"held": len(held), "objects": len(names), "parts": len(shown)}))


def _names(spec: ExchangeSpec, objects: int) -> Iterator[RawName]:
    """As many names: whole chunks, and the newest one in pieces."""
    chunks = objects - PIECES + 1
    piece = spec.chunk // PIECES
    everything = Span(spec.first_id, chunks * spec.chunk - piece // 2)
    *whole, last = cut(everything, spec.chunk)
    yield from map(RawName, whole)
    yield from map(RawName, cut(last, piece))


def _empty(folder: Path) -> Iterator[str]:
    """An empty file, another one before it has too many links."""
    folder.mkdir()
    number = 0
    while True:
        path = folder / str(number // MOST_LINKS)
        if number % MOST_LINKS == 0:
            path.touch()
        number += 1
        yield str(path)


main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
