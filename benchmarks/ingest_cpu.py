"""CPU of ingest a million trades, beside the loop that one writes first, on an unlimited server."""

from __future__ import annotations

from benchmarks import machine
from benchmarks.figures import Row, at_least
from benchmarks.process import BenchmarkFailed, Exchange, Setting, Spent

GOAL = 10.0
TRADES, NEXT_TO_NOTHING = 1_000_000, 1_000
MEGA = 1_000_000


def run(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES)
    market = ("--market", f"BTC-USD={trades}", "--market", f"ETH-USD={NEXT_TO_NOTHING}")
    with setting.scratch() as folder, setting.sandbox(*market) as box:
        # Once for bytecode, and for whatever is compiled once a machine.
        _ours(setting, box, "ETH-USD", NEXT_TO_NOTHING, folder / "first")
        start = _ours(setting, box, "ETH-USD", NEXT_TO_NOTHING, folder / "start")
        ours = _ours(setting, box, "BTC-USD", trades, folder / "lake")
        peer = setting.child("requests_ingest", box.url, trades, folder / "trades.jsonl")
        if peer.json()["trades"] != trades:
            raise BenchmarkFailed(f"the loop got {peer.out}, not {trades} trades")
    figure = f"ingest-cpu: {trades / MEGA:g} M trades, a million"
    against = f"requests {machine.installed('requests')}, json.loads, json.dumps a trade"
    million = MEGA / trades
    more = ours.cpu - start.cpu
    return [
        Row(figure, ours.cpu * million, "s", "peer", against, peer.cpu * million),
        at_least(f"{figure}, times less", peer.cpu / ours.cpu, "×", GOAL),
        Row("ingest-cpu: starting up and ending, in the figures above", start.cpu, "s"),
        Row(f"{figure}, without that, times less", peer.cpu / more, "×"),
        Row("ingest-cpu: trades a second, no limit, loopback", trades / ours.wall, "/s"),
    ]  # fmt: skip


def _ours(setting: Setting, box: Exchange, market: str, trades: int, lake: object) -> Spent:
    where = ("--base-url", f"coinbase={box.url}", "--lake", lake)
    spent = setting.child("ingest", market, "--full", "--json", "-q", *where)
    (found,) = spent.json()["markets"]
    if (found["state"], found["trades"]) != ("complete", trades):
        raise BenchmarkFailed(f"ingest says {found}, not {trades} trades")
    return spent
