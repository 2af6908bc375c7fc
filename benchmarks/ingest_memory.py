"""Peak memory of `ingest --full`, whether it grows with the history, and how fast it resumes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Row, at_most
from benchmarks.lake import RAW
from benchmarks.process import BenchmarkFailed, Enough, Exchange, Setting, Spent, resident

GOAL = 300  # MB
GROWTH_GOAL = 1.15  # flat: what is held does not grow with the history
RESUME_GOAL = 2.0  # s from the start of the process after a kill
NEAR = 0.06
KILLED_AT = 0.9  # of the objects
TRADES, LARGE = 2_000_000, 50_000_000
QUIET = 0.5  # s without a request: what a dead process asked for has been answered
CHUNK = 50_000
MEGA = 1_000_000


@dataclass
class _Samples:
    """Memory of a process as the raw objects that it writes become more."""

    raw: Path
    objects: int
    there: int = 0
    seen: list[tuple[float, int]] = field(default_factory=list)

    def look(self, pid: int) -> None:
        """Raises Enough when it is to be killed."""
        held = resident(pid)
        if held is not None:
            self.there = len(list(self.raw.glob("*.zst"))) if self.raw.is_dir() else 0
            self.seen.append((self.there / self.objects, held))
            if self.there >= KILLED_AT * self.objects:
                raise Enough

    def around(self, share: float) -> float | None:
        """The most, in MB, while about this share of the work was done."""
        found = [held for done, held in self.seen if share - NEAR <= done <= share + NEAR]
        return max(found) / MEGA if found else None


def run(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES, LARGE)
    with setting.scratch() as folder, setting.sandbox("--market", f"BTC-USD={trades}") as box:
        lake = folder / "lake"
        samples = _Samples(lake / RAW, -(-(trades + 1) // CHUNK))
        asked = ("BTC-USD", "--full", "--json", "-q", "--base-url", f"coinbase={box.url}",
                 "--lake", lake)  # fmt: skip
        killed = setting.child("ingest", *asked, watch=samples.look)
        if killed.out:
            raise BenchmarkFailed("it came to its end before it could be killed")
        _quiet(box)
        at = time.time()
        rest = setting.child("ingest", *asked)
        arrivals = sorted(moment for moment in box.stats()["arrivals"] if moment > at)
        _check(rest, trades)
    if len(arrivals) < 2:  # the head, and a page below what is held
        raise BenchmarkFailed("nothing was left to be fetched")
    figure = f"ingest-memory: {trades / MEGA:g} M trades"
    rows = [at_most(f"{figure}, peak", max(killed.rss, rest.rss) / MEGA, "MB", GOAL)]
    found = {share: samples.around(share) for share in (0.1, 0.5, KILLED_AT)}
    rows += [
        Row(f"{figure}, at {share:.0%} of them", held, "MB")
        for share, held in found.items()
        if held is not None
    ]
    half, end = found[0.5], found[KILLED_AT]
    if half is not None and end is not None:
        rows.append(at_most(f"{figure}, at {KILLED_AT:.0%} over half way", end / half, "×",
                            GROWTH_GOAL))  # fmt: skip
    again = f"{figure}, killed with {samples.there:,} objects held: from start"
    rows.append(Row(f"{again} to the first request", arrivals[0] - at, "s"))
    rows.append(at_most(f"{again} to the first missing page", arrivals[1] - at, "s", RESUME_GOAL))
    return rows


def _quiet(box: Exchange) -> None:
    """Returns once what the killed process had asked for was answered."""
    before = -1
    while (now := box.stats()["requests"]) != before:
        before = now
        time.sleep(QUIET)


def _check(spent: Spent, trades: int) -> None:
    (market,) = spent.json()["markets"]
    if (market["state"], market["watermark"]) != ("complete", trades + 1):
        raise BenchmarkFailed(f"ingest says {market}, not {trades} trades")
