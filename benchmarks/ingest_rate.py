"""Share of the exchange's limit that ingest uses at 10 requests/s and 300 ms, without a 429."""

from __future__ import annotations

from typing import Any

from benchmarks import machine
from benchmarks.figures import Row, at_least, at_most
from benchmarks.process import BenchmarkFailed, Exchange, Setting

PAGE = 1_000
RATE, BURST, LATENCY = 10, 15, 0.3
SHARE_GOAL, REQUESTS_GOAL, CCXT_GOAL = 0.97, 1.05, 5.0
TRADES, LARGE = 600_000, 3_000_000
PEER_PAGES, POOL_PAGES = 40, 150
# Shorter histories, of which starting up is a larger part.
SHORT = (49_000, POOL_PAGES * PAGE)
LIMITS = ("--rate", RATE, "--burst", BURST, "--latency", LATENCY)


def run(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES, LARGE)
    rows: list[Row] = []
    seconds = 0.0
    for short in SHORT:
        seconds, share, _, requests = _ours(setting, short)
        rows.append(Row(f"ingest-rate: {requests} requests, share of the limit used", share, ""))
    pools = _pools(setting, SHORT[-1] / seconds)
    seconds, share, limited, requests = _ours(setting, trades)
    figure = f"ingest-rate: {requests} requests"
    rows += [
        at_least(f"{figure}, share of the limit used", share, "", SHARE_GOAL),
        at_most(f"{figure}, answered 429", limited, "", 0),
        at_most(f"{figure}, over the ideal number", requests / -(-trades // PAGE), "×",
                REQUESTS_GOAL),
    ]  # fmt: skip
    speed = trades / seconds
    rows += [*_ccxt(setting, speed), *pools]
    most = (BURST + RATE * seconds) * PAGE / seconds
    loop = PAGE / LATENCY
    what = "ingest-rate: the limit over a loop that costs its round trips alone"
    return [*rows, Row(what, most / loop, "×")]


def _ours(setting: Setting, trades: int) -> tuple[float, float, int, int]:
    """(seconds, share of the limit used, 429s, requests), as the exchange saw it."""
    with setting.scratch() as folder, _sandbox(setting, trades) as box:
        where = ("--base-url", f"coinbase={box.url}", "--lake", folder / "lake")
        spent = setting.schemahub("ingest", "BTC-USD", "--full", *where, "-q")
        return spent.wall, *_seen(box, trades)


def _sandbox(setting: Setting, trades: int) -> Any:  # noqa: ANN401  (a context of Exchange)
    return setting.sandbox("--market", f"BTC-USD={trades}", *LIMITS)


def _ccxt(setting: Setting, speed: float) -> list[Row]:
    """A loop over ccxt's fetch_trades: without a limit, with the largest, with the one it names."""
    rows = []
    name = f"ccxt {machine.installed('ccxt')} fetch_trades loop"
    for limit, how in ((0, "no limit given"), (PAGE, f"limit={PAGE}"), (100, "limit=100")):
        with _sandbox(setting, TRADES) as box:
            peer = setting.child("ccxt_ingest", box.url, PEER_PAGES, limit).json()
        theirs = peer["trades"] / peer["seconds"]
        rows.append(_faster(speed, theirs, f"{name}, {how}"))
        if limit == 0:
            times = speed / theirs
            figure = f"ingest-rate: times the {name}"
            rows.append(at_least(figure, times, "×", CCXT_GOAL))
    return rows


def _pools(setting: Setting, speed: float) -> list[Row]:
    """16 threads that heed no limit: how often they are turned away, and what they lose by it.

    `speed` is ours with as many pages.
    """
    rows = []
    pages = POOL_PAGES * PAGE
    for mode, how in (("once", "gives up on 429"), ("again", "asks again after 429")):
        with _sandbox(setting, pages) as box:
            peer = setting.child("pool_ingest", box.url, POOL_PAGES, mode).json()
            limited = box.stats()["limited"]
        if (limited == 0) or (mode == "again" and peer["trades"] != pages):
            raise BenchmarkFailed(f"the pool that {how} got {peer}, and {limited} answers of 429")
        figure = f"ingest-rate: 16 threads without pacing, {how}"
        rows += [
            Row(f"{figure}: answers of 429 for {POOL_PAGES} pages", limited, ""),
            Row(f"{figure}: trades lost", pages - peer["trades"], f"of {pages:,}"),
        ]
        if mode == "again":
            rows.append(_faster(speed, pages / peer["seconds"], f"16 threads, {how}", POOL_PAGES))
    return rows


def _faster(speed: float, theirs: float, against: str, pages: int | None = None) -> Row:
    figure = f"ingest-rate: durable trades{'' if pages is None else f', {pages} pages'}"
    return Row(figure, speed, "/s", "peer", against, theirs, lower=False)


def _seen(box: Exchange, trades: int) -> tuple[float, int, int]:
    """(share of the limit used, 429s, requests), as the exchange saw it."""
    stats = box.stats()
    if stats["rows"] < trades:
        raise BenchmarkFailed(f"the sandbox served {stats['rows']} of {trades} trades")
    arrivals = sorted(stats["arrivals"])
    # The bucket starts full: so much it would have let through in that time.
    allowed = BURST + RATE * (arrivals[-1] - arrivals[0])
    return len(arrivals) / allowed, stats["limited"], stats["requests"]
