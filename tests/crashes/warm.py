"""Imports what the program's jobs import, before it is forked; nothing here starts a thread."""

from __future__ import annotations

import os
import pkgutil
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet

import schemahub.adapters.http
import schemahub.adapters.parquet
import schemahub.app
import schemahub.cli
from schemahub.adapters.store_s3 import Place, S3Store, session


class _NoPandas(MetaPathFinder):
    """No job needs pandas, which Arrow loads if it is there: a fork would copy twice as much."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname, name=fullname)


def share_client() -> None:
    """One client of S3 for all forks: making one costs more than most of their jobs do.

    It has no connection yet, and makes those of each process there.
    """
    place = Place("any", region=os.environ["AWS_REGION"], endpoint=os.environ["AWS_ENDPOINT_URL"])
    client = S3Store(place)._session.client()
    setattr(session.Session, "_made", lambda _: client)  # noqa: B010  (to mypy it is no variable)


sys.meta_path.insert(0, _NoPandas())
pa.array([1])  # Arrow looks for pandas once
for name in (
    "_strptime", "concurrent.futures.thread", "encodings.idna", "encodings.utf_8_sig",
):  # fmt: skip  # what the standard library puts off
    import_module(name)

# DuckDB starts a thread when it is imported: only those that ask in SQL load it.
for found in pkgutil.iter_modules(schemahub.cli.__path__):
    if found.name not in {"__main__", "query", "doctor", "demo", "sandbox"}:
        import_module(f"schemahub.cli.{found.name}")
