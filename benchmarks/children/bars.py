"""CPU nanoseconds a row that bars cost transform, of the rows of parts; by kernel or Arrow alone.

What starting up costs, the kernel's own loading, is told apart.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from schemahub.adapters.parquet import ParquetTable, bars
from schemahub.ports import Bars, Rows


def main(how: str, *files: str) -> None:
    table = ParquetTable()
    parts = []
    for path in files:
        data = Path(path).read_bytes()
        parts.append((table.facts(data, path), list(table.decode(data, path))))
    bars.KERNEL_ROWS = 0 if how == "kernel" else 1 << 62
    started = time.process_time()
    table.bars().add(parts[0][1][0])
    loading = time.process_time() - started
    started = time.process_time()
    made = [_made(table, batches).encode(facts) for facts, batches in parts]
    spent = time.process_time() - started
    rows = sum(facts.rows for facts, _ in parts)
    size = sum(len(data) for data in made if data is not None)
    print(json.dumps({"rows": rows, "seconds": spent, "loading": loading, "bytes": size}))


def _made(table: ParquetTable, batches: list[Rows]) -> Bars:
    found = table.bars()
    for one in batches:
        found.add(one)
    return found


main(*sys.argv[1:])
