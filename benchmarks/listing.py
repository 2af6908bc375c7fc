"""Seconds, memory and listings of `status`, plans and `verify --shallow` where objects are many.

50 markets of 5,000 raw objects each, 500 with `--large`. Every market has its checkpoint, as a
scheduled run leaves it: outside of what it vouches for lie 50 pieces of the newest chunk. The
lake is made once and kept.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Row, at_most
from benchmarks.process import REPOSITORY, BenchmarkFailed, Setting, Spent

GOAL = 2.0  # s, for the large lake
MARKETS, LARGE, OBJECTS = 50, 500, 5_000
MEGA = 1_000_000
# What decides the names: where one of these changes, the lake is made anew.
_MAKERS = ("core/layout.py", "core/ledger.py", "core/axis.py", "exchanges/coinbase.yaml")


@dataclass(frozen=True, slots=True)
class _Question:
    """Something that is asked of the whole lake, and whether an answer is right."""

    name: str
    arguments: tuple[str, ...]
    right: Callable[[dict[str, Any], dict[str, int], int], bool]


def _status(said: dict[str, Any], made: dict[str, int], markets: int) -> bool:
    wanted = {(made["held"], made["objects"], made["held"])}
    told = {(one["held"], one["objects"], one["in_table"]) for one in said["markets"]}
    return len(said["markets"]) == markets and told == wanted


def _verify(said: dict[str, Any], made: dict[str, int], markets: int) -> bool:
    told = {(one["status"], one["count"]) for one in said["markets"]}
    return len(said["markets"]) == markets and told == {("proven", made["held"])}


def _transform(said: dict[str, Any], made: dict[str, int], markets: int) -> bool:
    del made, markets
    return bool(said == {**said, "dry_run": True, "parts": []})


def _ingest(said: dict[str, Any], made: dict[str, int], markets: int) -> bool:
    return bool(said["held"] == made["held"] * markets)


PLAN = _Question("plan of ingest, without the exchange", ("plan",), _ingest)
QUESTIONS = (
    _Question("status", ("status", "--json"), _status),
    PLAN,
    _Question("plan of transform", ("transform", "--dry-run", "--json"), _transform),
    _Question("verify --shallow", ("verify", "--shallow", "--json"), _verify),
)


def run(setting: Setting) -> list[Row]:
    markets = LARGE if setting.large else MARKETS
    lake = _lake(setting, markets)
    return [row for one in QUESTIONS for row in _measured(setting, lake, markets, one)]


def _measured(setting: Setting, lake: Path, markets: int, asked: _Question) -> list[Row]:
    made = json.loads((lake / ".made").read_text("utf-8"))
    # Twice: the system keeps what it read of the folders, as it does between scheduled runs.
    spent = [_answer(setting, lake, asked) for _ in range(2)][1]
    said = json.loads(spent.out)
    if not asked.right(said, made, markets):
        raise BenchmarkFailed(f"{asked.name} says {spent.out[:500]}")
    calls = said
    if asked is not PLAN:
        calls = setting.child("ledger_calls", lake, *asked.arguments).json()
    figure = f"ledger: {asked.name}, {markets} × {OBJECTS:,} objects"
    wall = Row(figure, spent.wall, "s")
    return [
        at_most(figure, spent.wall, "s", GOAL) if markets == LARGE else wall,
        Row(f"{figure}, CPU", spent.cpu, "s"),
        Row(f"{figure}, peak", spent.rss / MEGA, "MB"),
        Row(f"{figure}, listings a market", calls["listings"] / markets, ""),
        Row(f"{figure}, names told a market", calls["told"] / markets, ""),
        Row(f"{figure}, reads a market", calls["reads"] / markets, ""),
    ]


def _answer(setting: Setting, lake: Path, asked: _Question) -> Spent:
    if asked is PLAN:
        return setting.child("ledger_calls", lake, *asked.arguments)
    return setting.schemahub(*asked.arguments, "--lake", lake)


def _lake(setting: Setting, markets: int) -> Path:
    lake = setting.folder / f"ledger-{markets}-{_makers()}"
    if not lake.is_dir():
        for old in setting.folder.glob(f"ledger-{markets}-*"):
            shutil.rmtree(old)
        with setting.scratch() as folder:
            made = setting.child("ledger", markets, OBJECTS, folder / "lake")
            (folder / "lake" / ".made").write_text(made.out, "utf-8")
            (folder / "lake").rename(lake)
    return lake


def _makers() -> str:
    source = REPOSITORY / "src" / "schemahub"
    files = [*(source / name for name in _MAKERS)]
    files.append(Path(__file__).with_name("children") / "ledger.py")
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
