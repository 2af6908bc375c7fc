"""The market that is simulated: its spec, and the rows that its exchange has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

from schemahub.core import answer
from schemahub.core.axis import AXES, IDS
from schemahub.core.layout import Market, parse_part, parse_raw
from schemahub.core.span import Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.spec_reading import build
from schemahub.core.wire import Reader
from schemahub.pipelines import build as builds
from schemahub.pipelines import evidence, lake, transform
from tests.core.dialect import DATA

MARKET = Market("acme", "BTC-USD")
BEGIN = datetime(2026, 5, 17, 12, 0, 0, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SETTLE = 60.0
SLACK = 12
PAGE = 4

# What the table refuses of a row whose id can be read, as the wire may tell it.
FLAWS: tuple[tuple[str, object], ...] = (
    ("price", "0"),
    ("price", "NaN"),
    ("size", "-1"),
    ("side", "hold"),
    ("time", "yesterday"),
    ("size", 5),
)


def _spec(chunk_pages: int) -> ExchangeSpec:
    what = deepcopy(DATA)
    what["settle"] = SETTLE
    what["head_slack"] = SLACK
    what["trades"]["paging"]["page"] = PAGE
    what["trades"]["chunk_pages"] = chunk_pages
    return build(what, {}, "acme.yaml")


@dataclass(frozen=True, slots=True)
class Rules:
    """The sizes of a schedule: of chunks, and of cells from largest to smallest."""

    spec: ExchangeSpec
    cells: tuple[int, int, int]


# Small cells make many parts; where a cell holds many chunks its parts can cross.
RULES = (
    Rules(_spec(3), (64, 16, 4)),
    Rules(_spec(2), (64, 32, 16)),
    Rules(_spec(3), (128, 32, 8)),
    Rules(_spec(1), (128, 64, 64)),
)
READER = Reader(RULES[0].spec)
SHAPE = RULES[0].spec.shape()

# So few rows are always more than one per cent: the share of refused rows that stops a market
# is out of the question here, and each part is worth a worker of its own.
_SIZES: tuple[tuple[Any, str, object], ...] = (
    (builds, "MAX_REJECTS", 1_000),
    (transform, "ROWS_WORTH_A_PROCESS", 0),
)
# The same functions, which are pure, with a memory: they are asked the same all the time.
_MEMORIES: tuple[tuple[Any, str, object], ...] = (
    (evidence, "Reader", lambda *_: READER),
    (lake, "parse_raw", lru_cache(1 << 14)(parse_raw)),
    (lake, "parse_part", lru_cache(1 << 14)(parse_part)),
    (answer, "parsedate_to_datetime", lru_cache(1 << 14)(parsedate_to_datetime)),
    (ExchangeSpec, "shape", lambda _: SHAPE),
)


@contextmanager
def small(cells: tuple[int, int, int]) -> Iterator[None]:
    """Sizes with which a market of some tens of trades meets every rule, and memories."""
    changes = (*_SIZES, *_MEMORIES)
    kept = [(where, name, getattr(where, name)) for where, name, _ in changes]
    for where, name, value in changes:
        setattr(where, name, value)
    AXES["ids"] = replace(IDS, cells=cells)
    try:
        yield
    finally:
        AXES["ids"] = IDS
        for where, name, value in kept:
            setattr(where, name, value)


def mask(span: Span) -> int:
    """A span as bits: sets of positions that are cheap to compare."""
    return ((1 << len(span)) - 1) << span.start


def positions(bits: int) -> list[int]:
    found = []
    while bits:
        low = bits & -bits
        found.append(low.bit_length() - 1)
        bits ^= low
    return found


@dataclass(frozen=True, slots=True)
class Sold:
    """A trade as the exchange has it. `seen_at`: from then on it is served; None: never."""

    position: int
    at: datetime
    seen_at: datetime | None
    row: dict[str, Any]
    text: str
    good: bool

    @property
    def expected(self) -> tuple[str, str, str, int]:
        """Side, price, quantity and µs of the table's row; the taker's side, not the maker's."""
        taker = {"buy": "sell", "sell": "buy"}[self.row["side"]]
        moment = (self.at - EPOCH) // timedelta(microseconds=1)
        return taker, self.row["price"], self.row["size"], moment


def sold(position: int, at: datetime, seen_at: datetime | None, flaw: int | None) -> Sold:
    row: dict[str, Any] = {
        "trade_id": position,
        "side": "buy" if position * 7 % 3 else "sell",
        "size": f"{position * 13 % 50}.{position % 90 + 1:02d}1",
        "price": f"{position + 100}.5",
        "time": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
    if flaw is not None:
        name, value = FLAWS[flaw]
        row[name] = value
    return Sold(position, at, seen_at, row, told(row), flaw is None)


def told(row: dict[str, Any]) -> str:
    return json.dumps(row, separators=(",", ":"))
