"""Daily candles of a lake by its own view: from files of bars, or computed from the trades."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace

import schemahub
from schemahub.adapters.duck import Duck
from schemahub.app import open_backend

REPEATS = 3


def main(lake: str, how: str) -> None:
    backend = open_backend(lake, None)
    slices = backend.slices(None, bars=True)
    if how == "trades":
        slices = [replace(one, bars=None) for one in slices]
    query = schemahub.open(lake).bars("BTC-USD", "1d").query
    wall, cpu = [], []
    rows = []
    for _ in range(REPEATS):
        started, spent = time.perf_counter(), time.process_time()
        with Duck(slices, []) as duck, duck.sql(query) as result:
            rows = list(result.rows_text())
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - spent)
    print(json.dumps({"wall": min(wall), "cpu": min(cpu), "rows": rows}))


main(*sys.argv[1:])
