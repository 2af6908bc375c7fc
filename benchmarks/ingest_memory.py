"""Peak memory of `ingest --full`, whether it grows with the history, and its CPU a trade."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Row, at_most
from benchmarks.lake import RAW
from benchmarks.process import BenchmarkFailed, Setting, resident

GOAL = 300  # MB
GROWTH_GOAL = 1.15  # flat: what is held does not grow with the history
NEAR = 0.06
TRADES = 1_000_000
CHUNK = 50_000
MEGA = 1_000_000


@dataclass
class _Samples:
    """Memory of a process as the raw objects that it writes become more."""

    raw: Path
    objects: int
    seen: list[tuple[float, int]] = field(default_factory=list)

    def look(self, pid: int) -> None:
        held = resident(pid)
        if held is not None:
            there = len(list(self.raw.glob("*.zst"))) if self.raw.is_dir() else 0
            self.seen.append((there / self.objects, held))

    def around(self, share: float) -> float | None:
        """The most, in MB, while about this share of the work was done."""
        found = [held for done, held in self.seen if share - NEAR <= done <= share + NEAR]
        return max(found) / MEGA if found else None


def run(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES)
    with setting.scratch() as folder, setting.sandbox("--market", f"BTC-USD={trades}") as box:
        lake = folder / "lake"
        samples = _Samples(lake / RAW, -(-(trades + 1) // CHUNK))
        where = ("--base-url", f"coinbase={box.url}", "--lake", lake)
        spent = setting.child(
            "ingest", "BTC-USD", "--full", "--json", "-q", *where, watch=samples.look
        )
        (market,) = spent.json()["markets"]
        if (market["state"], market["trades"]) != ("complete", trades):
            raise BenchmarkFailed(f"ingest says {market}, not {trades} trades")
    figure = f"ingest-memory: {trades / MEGA:g} M trades"
    rows = [at_most(f"{figure}, peak", spent.rss / MEGA, "MB", GOAL)]
    found = {share: samples.around(share) for share in (0.1, 0.5, 1.0)}
    rows += [
        Row(f"{figure}, at {share:.0%} of them", held, "MB")
        for share, held in found.items()
        if held is not None
    ]
    half, end = found[0.5], found[1.0]
    if half is not None and end is not None:
        rows.append(at_most(f"{figure}, at the end over half way", end / half, "×", GROWTH_GOAL))
    per_million = spent.cpu / trades * MEGA
    rows.append(Row("ingest: CPU a million trades, no limit, loopback", per_million, "s"))
    rows.append(Row("ingest: trades a second, no limit", trades / spent.wall, "/s"))
    return rows
