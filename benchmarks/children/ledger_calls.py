"""What a command asks of a lake's store: how often it lists and reads, and how much it is told.

`plan` is no command: it reads the ledger of every market as the planning of an ingest does.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from schemahub.adapters.store_local import LocalStore
from schemahub.app.environment import configure
from schemahub.app.wiring import App
from schemahub.cli.main import run
from schemahub.ports import Entry

T = TypeVar("T")


class Counted(LocalStore):
    """Counts every call and every name that it tells."""

    listings = told = reads = 0

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        return iter(self._told([*super().list(prefix, start_after)]))

    def keys(self, prefix: str, start_after: str = "", before: str = "") -> Sequence[str]:
        return self._told(super().keys(prefix, start_after, before))

    def folders(self, prefix: str) -> Iterator[str]:
        return iter(self._told([*super().folders(prefix)]))

    def read(self, key: str) -> bytes:
        self.reads += 1
        return super().read(key)

    def _told(self, found: Sequence[T]) -> Sequence[T]:
        self.listings += 1
        self.told += len(found)
        return found


def main(root: str, arguments: list[str]) -> None:
    store = Counted(root, create_root=False)
    opened = cached_property(lambda _: store)
    opened.__set_name__(App, "store")
    setattr(App, "store", opened)  # noqa: B010  (to mypy it is not of that type)
    if arguments == ["plan"]:
        app = App(configure({"lake": root}).settings)
        ledgers = (
            app.lake.quick_ledger(market, app.specs.of(market.exchange))
            for market in app.stored_markets([])
        )
        held, code = sum(len(ledger.held) for ledger in ledgers), 0
    else:
        with contextlib.redirect_stdout(io.StringIO()):
            held, code = 0, run([*arguments, "--lake", root])
    counts = {"listings": store.listings, "told": store.told, "reads": store.reads}
    print(json.dumps({"code": code, "held": held, **counts}))


main(str(Path(sys.argv[1]).absolute()), sys.argv[2:])
