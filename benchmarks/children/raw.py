"""A lake's raw objects as ingest leaves them, made without sockets.

Pages come from the sandbox's generator and dialect; lines, frames and names from the product.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from schemahub.adapters import specs
from schemahub.adapters.store_local import LocalStore
from schemahub.adapters.zstd import Zstd
from schemahub.core import page as pages
from schemahub.core import paging
from schemahub.core.layout import Market, OriginName, RawName, raw_key
from schemahub.core.page import Answer
from schemahub.core.span import Span, cut
from schemahub.sandbox import Generated
from schemahub.sandbox.dialect_coinbase import Coinbase
from schemahub.sandbox.wire import Ask

STARTED = datetime(2026, 1, 1, tzinfo=UTC)  # later than the last trade of 100 M


def main(trades: int, root: str, *symbols: str) -> None:
    for symbol in symbols:
        make(trades // len(symbols), root, symbol)
    print(json.dumps({"trades": trades}))


def make(trades: int, root: str, symbol: str) -> None:
    spec = specs.load(specs.installed()["coinbase"])
    market = Market("coinbase", symbol)
    source = Generated(seed=7, trades=trades, start_ts=1_600_000_000, mean_gap=0.25)
    history = source.bind(market.symbol, STARTED.timestamp())
    dialect, store, codec = Coinbase(), LocalStore(root), Zstd()
    rules, base = spec.trades.paging, spec.base_url + pages.path(market, spec)
    everything = Span(spec.first_id, spec.first_id + trades)
    store.create(raw_key(market, OriginName(everything.start)), b'{"reason": "benchmark"}\n')
    for chunk in cut(everything, spec.chunk):
        frames = []
        # Cut from the top, as a fresh backfill asks for them; told lowest first, as it stores them.
        stops = reversed(range(chunk.stop, chunk.start, -rules.page))
        for page in (Span(max(chunk.start, stop - rules.page), stop) for stop in stops):
            # Head first, as ingest goes: ten answers a second.
            at = STARTED + timedelta(milliseconds=(everything.stop - page.stop) // 10)
            asked = "&".join(
                f"{name}={value}" for name, value in paging.exactly(page, rules).params(rules)
            )
            newest_first = history.newest(page.start, page.stop, len(page))[::-1]
            answer = Answer(
                at,
                f"{base}?{asked}",
                200,
                format_datetime(at, usegmt=True),
                dialect.page(Ask("trades"), newest_first),
            )
            frames.append(codec.pack(pages.encode(answer)))
        store.create(raw_key(market, RawName(chunk)), b"".join(frames))


main(int(sys.argv[1]), *sys.argv[2:])
