"""Share of the exchange's limit that ingest uses at 10 requests/s and 300 ms, without a 429."""

from __future__ import annotations

from benchmarks import machine
from benchmarks.figures import Row, at_least, at_most
from benchmarks.process import BenchmarkFailed, Exchange, Setting

PAGE = 1_000
RATE, BURST, LATENCY = 10, 15, 0.3
SHARE_GOAL, REQUESTS_GOAL = 0.95, 1.05
TRADES, LARGE = 600_000, 3_000_000
PEER_PAGES = 40


def run(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES, LARGE)
    limits = ("--rate", RATE, "--burst", BURST, "--latency", LATENCY)
    market = ("--market", f"BTC-USD={trades}")
    with setting.scratch() as folder, setting.sandbox(*market, *limits) as box:
        where = ("--base-url", f"coinbase={box.url}", "--lake", folder / "lake")
        spent = setting.schemahub("ingest", "BTC-USD", "--full", *where, "-q")
        share, limited, requests = _seen(box, trades)
    pages = -(-trades // PAGE)
    figure = f"ingest-rate: {requests} requests"
    rows = [
        at_least(f"{figure}, share of the limit used", share, "", SHARE_GOAL),
        at_most(f"{figure}, answered 429", limited, "", 0),
        at_most(f"{figure}, over the ideal number", requests / pages, "×", REQUESTS_GOAL),
    ]
    with setting.sandbox(*market, *limits) as box:
        peer = setting.child("ccxt_ingest", box.url, PEER_PAGES).json()
    speed, theirs = trades / spent.wall, peer["trades"] / peer["seconds"]
    against = f"ccxt {machine.installed('ccxt')} fetch_trades loop ({PEER_PAGES} pages)"
    rows.append(
        Row("ingest-rate: durable trades", speed, "/s", "peer", against, theirs, lower=False)
    )
    return rows


def _seen(box: Exchange, trades: int) -> tuple[float, int, int]:
    """(share of the limit used, 429s, requests), as the exchange saw it."""
    stats = box.stats()
    if stats["rows"] < trades:
        raise BenchmarkFailed(f"the sandbox served {stats['rows']} of {trades} trades")
    arrivals = sorted(stats["arrivals"])
    # The bucket starts full: so much it would have let through in that time.
    allowed = BURST + RATE * (arrivals[-1] - arrivals[0])
    return len(arrivals) / allowed, stats["limited"], stats["requests"]
