"""Kernels run wherever numba does; without a place to keep them, or without numba, all goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from schemahub.adapters.parquet import ArrowMapper
from tests.adapters.readers import ALL, SPEC, answer, source, table_of
from tests.adapters.wire_rows import raw_row
from tests.pipelines.raw_lake import BTC

if TYPE_CHECKING:
    import pytest

ADDS = """
from schemahub.kernels.compiled import compiled

@compiled
def add(one, two):
    return one + two

print(add(2, 3))
"""


def test_where_nothing_can_be_kept_a_kernel_is_compiled_anew(tmp_path: Path) -> None:
    script = tmp_path / "adds.py"
    script.write_text(ADDS)
    # A place that serves code in zip archives alone: there is none for this file.
    nowhere = os.environ | {"NUMBA_CACHE_LOCATOR_CLASSES": "ZipCacheLocator"}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, env=nowhere, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("5\n", 0), done.stderr


def test_a_numba_that_does_not_load_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = source([answer([raw_row(1), raw_row(2)])])
    right = ArrowMapper(None).map([rows], ALL, BTC, SPEC)
    monkeypatch.setitem(sys.modules, "numba", None)  # importing it raises ImportError
    for name in [name for name in sys.modules if name.startswith("schemahub.kernels.")]:
        monkeypatch.delitem(sys.modules, name)
    mapper = ArrowMapper(0)
    for _ in range(2):
        assert table_of(mapper.map([rows], ALL, BTC, SPEC)) == table_of(right)
