"""A lake of four days and two markets, in one of which a hundred trades are missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemahub.adapters.store_local import LocalStore
from schemahub.core.layout import Market
from tests.pipelines.raw_lake import RawLake

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
A_DAY = 1440  # a trade a minute; the id of the first one is 1
IDS = 4 * A_DAY
HOLE = (2000, 2100)  # on the second day
BTC, ETH = Market("coinbase", "BTC-USD"), Market("coinbase", "ETH-USD")
PARAMS = {
    "market": str(BTC),
    "markets": f"{BTC},{ETH}",
    "every": "1h",
    "since": "2024-03-01T00:00:00Z",
    "until": "2024-03-05T00:00:00Z",
}


def write(folder: Path, market: Market, *spans: tuple[int, int]) -> RawLake:
    """Raw of these spans of ids, and the table of it."""
    lake = RawLake(market, store=LocalStore(folder), odd=_Minutes())
    for start, stop in spans:
        lake.put(start, stop)
    lake.transformed()
    return lake


class _Minutes(dict[int, dict[str, object]]):
    """A trade a minute, at prices around 100."""

    def get(self, position: int, default: object = None) -> dict[str, object]:
        del default
        at = FIRST + timedelta(minutes=position - 1, seconds=7)
        price = f"{100 + position % 17}.{position % 100:02d}"
        return {"time": at.isoformat().replace("+00:00", "Z"), "price": price, "size": "0.25"}


def make(folder: Path) -> Path:
    """The lake, with a quality report and two run records."""
    write(folder, BTC, (1, HOLE[0]), (HOLE[1], IDS + 1)).origin(1)
    write(folder, ETH, (1, A_DAY + 1)).origin(1)
    run("quality", "--lake", str(folder), check=False)
    run("transform", "--lake", str(folder))
    return folder


def run(*words: str, check: bool = True) -> str:
    """What the program says on stdout."""
    command = [sys.executable, "-m", "schemahub.cli", *words]
    return subprocess.run(command, check=check, capture_output=True, text=True).stdout


@contextmanager
def served(*place: str) -> Iterator[str]:
    """The real command; the address that it tells."""
    command = [sys.executable, "-m", "schemahub.cli", "dashboard", "--port", "0", *place]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=20)
