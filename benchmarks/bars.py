"""What minute bars add to transform's CPU, and what daily candles cost with and without them."""

from __future__ import annotations

from benchmarks.figures import Row, at_most
from benchmarks.lake import copy, raw_lake, size
from benchmarks.process import BenchmarkFailed, Setting
from schemahub.kernels import installed

TRADES = 1_000_000
SHARE = 5.0  # % of transform's CPU
ROW = 30.0  # ns of CPU a row, before anything is written


def run(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES)
    with setting.scratch() as folder:
        lake = copy(raw_lake(setting, trades), folder / "lake")
        transform = setting.schemahub("transform", "--workers", 1, "--lake", lake, "-q")
        files = setting.schemahub("files", "--lake", lake).out.split()
        arrow = setting.child("bars", "arrow", *files).json()
        table, beside = size(lake / "unified_trades"), size(lake / "bars_1m")
        with_bars = setting.child("candles", lake, "bars").json()
        computed = setting.child("candles", lake, "trades").json()
        kernel = setting.child("bars", "kernel", *files).json() if installed() else None
    if with_bars["rows"] != computed["rows"] or not computed["rows"]:
        raise BenchmarkFailed("candles from bars are not those from the trades")
    if arrow["rows"] != trades or (kernel and kernel["bytes"] != arrow["bytes"]):
        raise BenchmarkFailed(f"bars were made of {arrow['rows']} rows of {trades} trades")
    figure = f"bars: daily candles of {trades / 1e6:g} M trades"
    rows = [
        Row("bars: CPU a row by Arrow alone", arrow["seconds"] / trades * 1e9, "ns"),
        Row("bars: share of the table's bytes", 100 * beside / table, "%"),
        Row(f"{figure}, wall", with_bars["wall"], "s", "peer", "from trades", computed["wall"]),
        Row(f"{figure}, CPU", with_bars["cpu"], "s", "peer", "from trades", computed["cpu"]),
    ]
    if kernel is not None:
        written = kernel["seconds"] - kernel["adding"]
        share = 100 * kernel["seconds"] / transform.cpu
        rows += [
            at_most("bars: CPU a row, kernel", kernel["adding"] / trades * 1e9, "ns", ROW),
            Row(f"bars: CPU of writing a file, of {len(files)}", 1e3 * written / len(files), "ms"),
            at_most("bars: share of transform's CPU, kernel", share, "%", SHARE),
            Row("bars: CPU to load the kernel, once a process", kernel["loading"], "s"),
        ]
    return rows
