"""The unified trade: what every column means, once, in a form no library owns."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from schemahub.core.settings import DEFAULT_EXCHANGE

SCHEMA_VERSION = 1
PRECISION = 38
SCALE = 12
INTEGER_DIGITS = PRECISION - SCALE

Kind = Literal["string", "int64", "decimal", "timestamp"]
Side = Literal["buy", "sell"]


@dataclass(frozen=True, slots=True)
class Column:
    """`kind` decimal is decimal(38,12); timestamp is microseconds, UTC."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    example: str
    nullable: bool = False


UNIFIED_SCHEMA: tuple[Column, ...] = (
    Column("exchange", "string", "", "lower-case id, as the spec file", DEFAULT_EXCHANGE),
    Column("symbol", "string", "", "canonical BASE-QUOTE, upper case", "BTC-USD"),
    Column("trade_id", "int64", "", "the exchange's own integer id", "1088000000", nullable=True),
    Column("trade_ref", "string", "", "its id where that is not an integer", "", nullable=True),
    Column(
        "side", "string", "", "the taker's (aggressor's) side: buy or sell", "buy", nullable=True
    ),
    Column("price", "decimal", "quote units per base unit", "always > 0", "65000.01"),
    Column("quantity", "decimal", "base units", "always > 0", "0.00512"),
    Column(
        "trade_ts",
        "timestamp",
        "µs, UTC",
        "when it was executed, by the exchange",
        "2026-11-23 05:26:18.123456+00",
    ),
    Column(
        "ingest_ts",
        "timestamp",
        "µs, UTC",
        "when the answer was received",
        "2026-11-23 05:26:19.000001+00",
    ),
)

# Where an answer is read twice (a lost response, a zombie), only this column may differ.
OUTSIDE_DIGEST = frozenset({"ingest_ts"})


@dataclass(frozen=True, slots=True)
class Trade:
    """One row of the wire, typed. Times are microseconds since 1970, UTC.

    `position` is its place on the market's axis: its id, or on an axis of time `trade_ts`.
    `side` is the taker's; None if the exchange does not say.
    """

    position: int
    trade_id: int | None
    trade_ref: str | None
    side: Side | None
    price: Decimal
    quantity: Decimal
    trade_ts: int


VOID = "void"  # how the reason of a row begins whose id the exchange itself voided
CONFLICT = "conflict"  # how the reason of a row begins whose id was told with other content, too


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that the table refuses, and why.

    `in_table` says that another row stands in the table at that position all the same.
    `position` is the row's place on the axis; a row whose own id cannot be read takes the
    place of the row before it in the answer, so that it belongs to exactly one part.
    `trade_id` is its own id if that can be read.
    """

    position: int
    reason: str
    raw: str
    source: str = ""
    url: str = ""
    at: str = ""
    in_table: bool = False
    trade_id: int | None = None

    @property
    def key(self) -> tuple[int, int]:
        """Position and id, which tell rows apart; the position twice if it has no id."""
        return self.position, self.position if self.trade_id is None else self.trade_id

    @property
    def voids(self) -> bool:
        """Whether the exchange itself voided its id: it is no trade, and none is missing."""
        return self.reason.startswith(VOID)

    @property
    def conflicts(self) -> bool:
        """Whether its id was told with other content, too."""
        return self.reason.startswith(CONFLICT)
