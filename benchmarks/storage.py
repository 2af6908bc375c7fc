"""Bytes a trade: raw and table, beside the same trades in other forms."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figures import Row, at_least, at_most
from benchmarks.lake import EIGHT, FOLDER, MARKET, RAW, copy, raw_lake, size
from benchmarks.process import Setting

MOST, MOST_RECORDED, TIMES = 8.0, 5.5, 17.0
JSONL = "JSONL, all columns"
TRADES = 10_000_000
MEGA = 1_000_000
RECORDED = Path(__file__).with_name("recorded")


def run(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES) // len(EIGHT) * len(EIGHT)
    with setting.scratch() as folder:
        lake = copy(raw_lake(setting, trades, EIGHT), folder / "lake")
        setting.schemahub("transform", "--workers", 1, "--lake", lake, "-q")
        files = setting.schemahub("files", "--lake", lake).out.split()
        mine = [path for path in files if f"symbol={MARKET}/" in path]
        raw = size(lake / FOLDER) / trades
        ours = size(lake / "unified_trades") / trades
        bars = size(lake / "bars_1m") / trades
        others = setting.child("storage", lake / RAW, folder, *mine).json()
        one = sum(Path(path).stat().st_size for path in mine)
        real = setting.child("recorded", RECORDED, folder).json()
    figure = f"storage: table, {trades / MEGA:g} M trades, exact"
    first = f"storage: the first of its {len(EIGHT)} markets"
    some = trades // len(EIGHT)
    return [
        Row("storage: raw, verbatim answers", raw, "B/trade"),
        at_most(figure, ours, "B/trade", MOST),
        Row("storage: minute bars beside it", bars, "B/trade"),
        at_least("storage: times smaller than JSONL", others[JSONL] / one, "×", TIMES),
        *(
            Row(first, one / some, "B/trade", "peer", name, written / some)
            for name, written in others.items()
        ),
        *_recorded(real.pop("trades"), real.pop("ours"), real),
    ]


def _recorded(trades: int, ours: int, others: dict[str, int]) -> list[Row]:
    figure = f"storage: table, {trades:,} recorded trades of Binance, exact"
    return [
        at_most(figure, ours / trades, "B/trade", MOST_RECORDED),
        *(
            Row(figure, ours / trades, "B/trade", "peer", name, written / trades)
            for name, written in others.items()
        ),
    ]
