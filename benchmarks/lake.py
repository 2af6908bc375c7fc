"""Lakes to measure on: raw made once and kept, tables made from it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.process import REPOSITORY, Setting

MARKET = "BTC-USD"
EIGHT = (
    MARKET, "ETH-USD", "SOL-USD", "DOGE-USD", "ADA-USD", "LTC-USD", "LINK-USD", "XRP-USD",
)  # fmt: skip
FOLDER = "raw_coinbase_trades"
RAW = f"{FOLDER}/{MARKET}"
# What decides the bytes of raw, and of a table: where one of these changes, it is made anew.
_RAW = (
    "core/page.py", "core/layout.py", "adapters/zstd.py", "exchanges/coinbase.yaml", "sandbox/*.py",
)  # fmt: skip
_TABLE = (
    "core/layout.py", "core/bars.py", "adapters/parquet/*.py", "kernels/bars.py",
    "pipelines/bars.py", "exchanges/coinbase.yaml",
)  # fmt: skip


def raw_lake(setting: Setting, trades: int, symbols: Sequence[str] = (MARKET,)) -> Path:
    """A lake that holds `trades` trades as ingest leaves them, and no table.

    Each symbol has as many. To be read only: work on a `copy`.
    """
    name = f"raw-{trades}" if symbols == (MARKET,) else f"raw-{trades}-in-{len(symbols)}"

    def make(folder: Path) -> None:
        setting.child("raw", trades, folder, *symbols)

    return kept(setting, name, _makers(_RAW, "raw.py"), make)


def history(setting: Setting, markets: int, parts: int, part: int, longest: float) -> Path:
    """`lake`, a table of years without its raw, and `float64`, the same trades for a peer."""

    def make(folder: Path) -> None:
        sizes = (markets, parts, part)
        setting.child("history", folder / "lake", folder / "float64", *sizes, longest=longest)

    name = f"history-{markets}-{parts}-{part}"
    return kept(setting, name, _makers(_TABLE, "history.py"), make)


def kept(setting: Setting, name: str, makers: str, make: Callable[[Path], None]) -> Path:
    """A folder that is made once and stays; anew where what makes it has changed."""
    found = setting.folder / f"{name}-{makers}"
    if not found.is_dir():
        with setting.scratch() as folder:
            make(folder / "made")
            for old in setting.folder.glob(f"{name}-????????????"):
                shutil.rmtree(old)
            (folder / "made").rename(found)
    return found


def copy(lake: Path, target: Path) -> Path:
    """The same objects under another root, by hard links: raw is never changed."""
    shutil.copytree(lake, target, copy_function=os.link)
    return target


def size(folder: Path) -> int:
    """Bytes in the files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _makers(modules: Sequence[str], child: str) -> str:
    source = REPOSITORY / "src" / "schemahub"
    files = [path for name in modules for path in sorted(source.glob(name))]
    files.append(Path(__file__).with_name("children") / child)
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
