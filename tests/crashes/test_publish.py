"""SIGKILL before and after each step of `publish` that others can see: files of metadata, commits.

Publishing writes through pyiceberg and not through the store, so its steps are pyiceberg's.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from schemahub.ports.catalog import BARS, TRADES
from tests.pipelines.raw_lake import truth
from tests.published import Shown

pytestmark = pytest.mark.heavy
EVERY = 3  # of all steps, first to last

MORTAL = """
import itertools, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from tests.published import Shown

folder, at = Path(sys.argv[1]), int(sys.argv[2])
steps = itertools.count(1)

def mortal(owner, name):
    inner = getattr(owner, name)
    def step(*args, **keywords):
        if next(steps) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        done = inner(*args, **keywords)
        if next(steps) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    setattr(owner, name, step)

for owner, name in ((PyArrowFile, "create"), (PyArrowFileIO, "delete"),
                    (SqlCatalog, "commit_table"), (SqlCatalog, "create_table")):
    mortal(owner, name)
shown = Shown(folder)
shown.publish(keep=datetime.now(UTC) - datetime(2000, 1, 1, tzinfo=UTC))
"""


def _publish(folder: Path, at: int) -> int:
    done = subprocess.run([sys.executable, "-c", MORTAL, str(folder), str(at)], check=False)
    return done.returncode


@pytest.mark.parametrize("first", [True, False])
def test_killed_at_any_step_the_next_publish_is_whole(tmp_path: Path, *, first: bool) -> None:
    shown = Shown(tmp_path / "lake")
    shown.raw.put(1, 17_000)
    shown.raw.transformed()
    if not first:
        shown.publish()
        shown.raw.put(17_000, 17_500)
        shown.raw.transformed()
    shutil.copytree(shown.folder, tmp_path / "kept")
    old, new = len(truth(1, 17_000)), len(shown.live())
    killed, code = 0, -signal.SIGKILL
    for at in range(1, 200, EVERY):
        shutil.rmtree(shown.folder)
        shutil.copytree(tmp_path / "kept", shown.folder)
        code = _publish(shown.folder, at)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        killed += 1
        if shown.catalog.open(TRADES, create=False) is not None:
            ids = [row["trade_id"] for row in shown.scanned()]
            assert len(ids) == len(set(ids))
            assert len(ids) in {0, old, new}
        shown.publish()
        assert [shown.pipeline().verify(kind)[0] for kind in (TRADES, BARS)] == [[], []]
        assert len(shown.scanned()) == new
    assert code == 0
    assert killed > 3
