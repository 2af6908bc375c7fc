"""Where everything lies in a lake: the one place that makes and reads object names.

The names are the ledger (docs/architecture.md), so a name that is not exactly one of
these forms is never read as one: `parse_*` return None for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from schemahub.core.errors import UsageError
from schemahub.core.span import Span

DIGITS = 20
MAX_SYMBOL = 64
# One past the highest position: ids are 63 bits wide, and so is the length of any span.
MAX_STOP = 2**63 - 1
PROBES = "probe-"

_SEGMENT = re.compile(r"[A-Z0-9.:_-]+")
_EXCHANGE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_N = f"[0-9]{{{DIGITS}}}"
_RUN_ID = r"[0-9A-Za-z]+"
_RAW = re.compile(
    rf"(?P<start>{_N})-(?P<stop>{_N})"
    rf"(?:\.r(?P<revision>[1-9][0-9]*)|\.seen\.(?P<run>{_RUN_ID})|(?P<absent>\.absent))?"
    r"\.jsonl\.zst"
)
_BAD = re.compile(rf"(?P<start>{_N})-(?P<stop>{_N})\.(?P<mark>bad|stray)(?P<bad>0|[1-9][0-9]*)")
_ORIGIN = re.compile(rf"(?P<start>{_N})\.origin")
_PART = re.compile(rf"(?P<stop>{_N})-(?P<length>{_N})\.parquet")
_VERSION = re.compile(r"v([1-9][0-9]*)")
_LEASE = re.compile(r"leases/([a-z][a-z0-9_]*/[^/]+)\.json")

LEASES = "leases/"
TABLE = "unified_trades/"
BARS = "bars_1m/"
QUALITY = "quality/"


@dataclass(frozen=True, order=True, slots=True)
class Market:
    """An exchange and a canonical symbol (`BASE-QUOTE`, upper case)."""

    exchange: str
    symbol: str

    def __post_init__(self) -> None:
        if not _EXCHANGE.fullmatch(self.exchange):
            raise UsageError(
                f"{self.exchange!r} is not an exchange's name",
                "names are lower case letters, digits and _, as the spec files are called",
                "see `schemahub config show` for the exchanges there are",
            )
        if not _is_symbol(self.symbol):
            raise UsageError(
                f"{self.symbol!r} is not a market's symbol",
                "symbols are BASE-QUOTE in upper case, at most 64 characters",
                "write it like BTC-USD or EXCHANGE:BTC-USD",
            )

    def __str__(self) -> str:
        return f"{self.exchange}:{self.symbol}"


def spelt(text: str) -> tuple[str | None, str]:
    """The exchange, if named, and the symbol of a market as people write it.

    `EXCHANGE:BTC-USD` or `BTC-USD`, in lower case too, or as CCXT spells symbols: `BTC/USD`,
    and `BTC/USDT:USDT` where a market is settled in its quote.
    """
    name, colon, symbol = text.partition(":")
    if not colon or "/" in name:  # the colon of BTC/USDT:USDT parts no exchange from it
        return None, _canonical(text)
    return name, _canonical(symbol)


def _canonical(text: str) -> str:
    upper = text.upper()
    base, slash, quote = upper.partition("/")
    if not slash:
        return upper
    quote, colon, settled = quote.partition(":")
    named = base.isalnum() and quote.isalnum()
    return f"{base}-{quote}" if named and (not colon or settled == quote) else upper


def _is_symbol(text: str) -> bool:
    printable = text.isprintable() and not any("\ud800" <= char <= "\udfff" for char in text)
    return 0 < len(text) <= MAX_SYMBOL and text == text.upper() and printable


def segment(symbol: str) -> str:
    """`symbol` as one path segment: everything outside `[A-Z0-9.:_-]` percent-encoded.

    So is a dot at the front: it would mean a hidden file, or a folder above.
    """
    encoded = "".join(char if _SEGMENT.fullmatch(char) else _percent(char) for char in symbol)
    return f"%2E{encoded[1:]}" if encoded.startswith(".") else encoded


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode())


def market_of(exchange: str, part: str) -> Market | None:
    """The market whose symbol `segment` encoded as `part`; None if it is no such name."""
    try:
        market = Market(exchange, unquote(part))
    except UsageError:
        return None
    return market if segment(market.symbol) == part else None


# ---------------------------------------------------------------- raw


@dataclass(frozen=True, order=True, slots=True)
class RawName:
    """`{start}-{stop}[.r{revision}].jsonl.zst`: answers that hold every id of `span`."""

    span: Span
    revision: int = 0

    @property
    def filename(self) -> str:
        tail = f".r{self.revision}" if self.revision else ""
        return f"{_bounds(self.span)}{tail}.jsonl.zst"

    @property
    def bad_marker(self) -> str:
        """The marker that makes every listing ignore this object."""
        return BadName(self.span, self.revision).filename

    @property
    def stray_marker(self) -> str:
        """The same for an object that never held what its name says."""
        return BadName(self.span, self.revision, stray=True).filename


@dataclass(frozen=True, order=True, slots=True)
class SeenName:
    """A first sighting: answers of one run that do not hold the ids of `span`."""

    span: Span
    run_id: str

    @property
    def filename(self) -> str:
        return f"{_bounds(self.span)}.seen.{self.run_id}.jsonl.zst"


@dataclass(frozen=True, order=True, slots=True)
class AbsentName:
    """Answers of two runs, a settle time apart, that attest `span` absent at the source.

    On an axis of time: that between two trades in `span` whose ids do not follow each other
    there is none.
    """

    span: Span

    @property
    def filename(self) -> str:
        return f"{_bounds(self.span)}.absent.jsonl.zst"


@dataclass(frozen=True, order=True, slots=True)
class BadName:
    """The object of `span` and `revision` is corrupt: ignore it.

    A `stray` one is sound, but does not hold what its name says: another's answers, or a
    name that was changed. So nothing says that its span was ever held.
    """

    span: Span
    revision: int
    stray: bool = False

    @property
    def filename(self) -> str:
        mark = "stray" if self.stray else "bad"
        return f"{_bounds(self.span)}.{mark}{self.revision}"


@dataclass(frozen=True, order=True, slots=True)
class OriginName:
    """How far back this market was asked for."""

    start: int

    @property
    def filename(self) -> str:
        return f"{_number(self.start)}.origin"


RawEntry = RawName | SeenName | AbsentName | BadName | OriginName


def raw_prefix(market: Market) -> str:
    # The slash at the end keeps BTC-USD from reading BTC-USDT.
    return f"raw_{market.exchange}_trades/{segment(market.symbol)}/"


def raw_key(market: Market, name: RawEntry) -> str:
    return raw_prefix(market) + name.filename


def parse_raw(filename: str) -> RawEntry | None:
    """What a name in a raw folder says, or None if it says nothing."""
    if found := _ORIGIN.fullmatch(filename):
        start = int(found["start"])
        return OriginName(start) if start < MAX_STOP else None
    found = _RAW.fullmatch(filename) or _BAD.fullmatch(filename)
    span = _span(found["start"], found["stop"]) if found else None
    if found is None or span is None:
        return None
    said = found.groupdict()
    if "bad" in said:
        return BadName(span, int(said["bad"]), said["mark"] == "stray")
    if said["run"]:
        return SeenName(span, said["run"])
    return AbsentName(span) if said["absent"] else RawName(span, int(said["revision"] or 0))


# ---------------------------------------------------------------- table


@dataclass(frozen=True, order=True, slots=True)
class PartName:
    """`{stop}-{length}`: a superseder sorts after everything that it supersedes."""

    span: Span

    @property
    def stem(self) -> str:
        return f"{_number(self.span.stop)}-{_number(len(self.span))}"


def table_prefix(version: int, exchange: str) -> str:
    return f"{TABLE}v{version}/exchange={exchange}/"


def part_prefix(version: int, market: Market) -> str:
    return f"{table_prefix(version, market.exchange)}symbol={segment(market.symbol)}/"


def part_key(version: int, market: Market, span: Span) -> str:
    return f"{part_prefix(version, market)}{PartName(span).stem}.parquet"


def bars_prefix(version: int, exchange: str) -> str:
    return BARS + table_prefix(version, exchange).removeprefix(TABLE)


def bars_key(part: str) -> str:
    """Where the minute bars of a part lie, by its key."""
    return BARS + part.removeprefix(TABLE)


def table_key(location: str) -> str | None:
    """The key of a part, or of its bars, wherever the lake was when it was located."""
    for folder in (TABLE, BARS):
        _, found, rest = location.rpartition(f"/{folder}")
        if found and parse_part(rest.rpartition("/")[2]) is not None:
            return folder + rest
    return None


def plan_key(version: int, exchange: str) -> str:
    """Holds the digest of what shapes the rows of this version."""
    return f"{table_prefix(version, exchange)}PLAN"


def complete_key(version: int, exchange: str) -> str:
    """There once a rebuild has filled this version."""
    return f"{table_prefix(version, exchange)}COMPLETE"


def parse_part(filename: str) -> Span | None:
    found = _PART.fullmatch(filename)
    if found is None:
        return None
    stop, length = int(found["stop"]), int(found["length"])
    return Span(stop - length, stop) if 0 < length <= stop <= MAX_STOP else None


def parse_version(folder: str) -> int | None:
    found = _VERSION.fullmatch(folder)
    return int(found[1]) if found else None


# ---------------------------------------------------------------- the rest


def quarantine_prefix(market: Market) -> str:
    return f"quarantine/{market.exchange}/{segment(market.symbol)}/"


def quarantine_key(market: Market, span: Span, digest: str) -> str:
    """Rows of a part that the table refused, named by what it holds.

    So a part that is made again from other answers never meets an old one of its name.
    """
    return f"{quarantine_prefix(market)}{PartName(span).stem}.{digest[:16]}.jsonl"


def answers_prefix(market: Market) -> str:
    return f"{quarantine_prefix(market)}answers/"


def answer_key(market: Market, run_id: str, digest: str) -> str:
    """An answer that could not be read at all."""
    return f"{answers_prefix(market)}{run_id}-{digest}.jsonl"


def checkpoint_key(market: Market) -> str:
    return f"checkpoints/{market.exchange}/{segment(market.symbol)}.json"


def corrupt_prefix(market: Market) -> str:
    """Names of the raw objects found corrupt: a checkpoint that knows fewer is not believed."""
    return f"checkpoints/{market.exchange}/{segment(market.symbol)}.bad/"


def probe_key(token: str) -> str:
    """The object by which a store is tried out."""
    return f"{PROBES}{token}"


def run_key(date: str, run_id: str) -> str:
    return f"runs/{date}/{run_id}.json"


def quality_key(date: str, run_id: str) -> str:
    return f"{QUALITY}{date}/{run_id}.json"


def seed_key(exchange: str) -> str:
    return f"seeds/{exchange}.json"


def market_lease(market: Market) -> str:
    """The name of the lease for fetching a market. No symbol is lower case, so no job's."""
    return f"{market.exchange}/{segment(market.symbol)}"


def job_lease(job: str) -> str:
    """The name of the lease for a job that goes over the whole lake."""
    return f"jobs/{job}"


def lease_key(name: str) -> str:
    return f"{LEASES}{name}.json"


def parse_lease(key: str) -> str | None:
    """The name of the lease whose record is `key`."""
    found = _LEASE.fullmatch(key)
    return found[1] if found else None


def _bounds(span: Span) -> str:
    return f"{_number(span.start)}-{_number(span.stop)}"


def _number(position: int) -> str:
    """Zero-padded: so names sort as their numbers do."""
    return f"{position:0{DIGITS}}"


def _span(start: str, stop: str) -> Span | None:
    first, last = int(start), int(stop)
    return Span(first, last) if first < last <= MAX_STOP else None
