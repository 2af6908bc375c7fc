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
    found = [(facts, _made(table, batches)) for facts, batches in parts]
    adding = time.process_time() - started
    made = [one.encode(facts) for facts, one in found]
    spent = time.process_time() - started
    said = {
        "rows": sum(facts.rows for facts, _ in parts),
        "bytes": sum(len(data) for data in made if data is not None),
        "loading": loading,
        "adding": adding,
        "seconds": spent,
    }
    print(json.dumps(said))


def _made(table: ParquetTable, batches: list[Rows]) -> Bars:
    found = table.bars()
    for one in batches:
        found.add(one)
    return found


main(*sys.argv[1:])
