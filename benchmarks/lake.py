"""Lakes to measure on: raw made once and kept, tables made from it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks.process import REPOSITORY, Setting

MARKET = "BTC-USD"
EIGHT = (
    MARKET, "ETH-USD", "SOL-USD", "DOGE-USD", "ADA-USD", "LTC-USD", "LINK-USD", "XRP-USD",
)  # fmt: skip
FOLDER = "raw_coinbase_trades"
RAW = f"{FOLDER}/{MARKET}"
# What decides the bytes of raw: where one of these changes, raw is made anew.
_MAKERS = ("core/page.py", "core/layout.py", "adapters/zstd.py", "exchanges/coinbase.yaml")


def raw_lake(setting: Setting, trades: int, symbols: Sequence[str] = (MARKET,)) -> Path:
    """A lake that holds `trades` trades as ingest leaves them, and no table.

    Each symbol has as many. To be read only: work on a `copy`.
    """
    name = f"raw-{trades}" if symbols == (MARKET,) else f"raw-{trades}-in-{len(symbols)}"
    lake = setting.folder / f"{name}-{_makers()}"
    if not lake.is_dir():
        with setting.scratch() as folder:
            setting.child("raw", trades, folder / "lake", *symbols)
            for old in setting.folder.glob(f"{name}-????????????"):
                shutil.rmtree(old)
            (folder / "lake").rename(lake)
    return lake


def copy(lake: Path, target: Path) -> Path:
    """The same objects under another root, by hard links: raw is never changed."""
    shutil.copytree(lake, target, copy_function=os.link)
    return target


def size(folder: Path) -> int:
    """Bytes in the files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _makers() -> str:
    source = REPOSITORY / "src" / "schemahub"
    files = [*(source / name for name in _MAKERS), *sorted((source / "sandbox").glob("*.py"))]
    files.append(Path(__file__).with_name("children") / "raw.py")
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
