"""A process that does nothing but read a lake while others write it, kill and are killed.

Each reading must show every key once, and all that the readings before it showed. One that
lost a race with removals is void, as the API says, and done again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import schemahub
from schemahub.core.errors import ObjectMissing, StoreError, UsageError


def main(arguments: Sequence[str]) -> None:
    """`address end`: reads until there is a file `end`; exits 1 with what it saw wrong.

    With `patient` behind them it goes on when the store cannot be reached.
    """
    address, end = arguments[0], Path(arguments[1])
    void_are = StoreError if "patient" in arguments else ObjectMissing
    seen: set[tuple[str, int]] = set()
    readings = void = 0
    while not end.exists():
        try:
            table = schemahub.open(address).trades(columns=["symbol", "trade_id"]).arrow()
        except UsageError:  # there is no lake yet
            time.sleep(0.01)
            continue
        except void_are:
            void += 1
            continue
        symbols, ids = (table[name].to_pylist() for name in ("symbol", "trade_id"))
        keys = list(zip(symbols, ids, strict=True))
        found = set(keys)
        if len(found) != len(keys):
            twice = sorted(key for key in found if keys.count(key) > 1)
            sys.exit(f"reading {readings} shows {len(twice)} keys twice: {twice[:5]}")
        if lost := seen - found:
            sys.exit(f"reading {readings} lacks {len(lost)} keys seen before: {sorted(lost)[:5]}")
        seen = found
        readings += 1
    print(readings, void)  # noqa: T201  (for whoever started it)
