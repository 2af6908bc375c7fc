"""Bytes a trade: raw and table, beside the same trades in other forms."""

from __future__ import annotations

from benchmarks.figures import Row
from benchmarks.lake import RAW, copy, raw_lake, size
from benchmarks.process import Setting

AIM, TIMES_AIM = 8.0, 17.0
JSONL = "JSONL, rows of the wire"
TRADES = 1_000_000
MEGA = 1_000_000


def run(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES)
    with setting.scratch() as folder:
        lake = copy(raw_lake(setting, trades), folder / "lake")
        setting.schemahub("transform", "--workers", 1, "--lake", lake, "-q")
        files = setting.schemahub("files", "--lake", lake).out.split()
        raw = size(lake / RAW) / trades
        ours = size(lake / "unified_trades") / trades
        others = setting.child("storage", lake / RAW, folder, *files).json()
    figure = f"storage: table, {trades / MEGA:g} M trades, exact"
    rows = [
        Row("storage: raw, verbatim answers", raw, "B/trade"),
        Row(figure, ours, "B/trade", "aim", "aim", AIM),
    ]
    smaller = others[JSONL] / trades / ours
    rows.append(
        Row("storage: times smaller than JSONL", smaller, "×", "aim", "aim", TIMES_AIM, lower=False)
    )
    rows += [
        Row(figure, ours, "B/trade", "peer", name, written / trades)
        for name, written in others.items()
    ]
    return rows
