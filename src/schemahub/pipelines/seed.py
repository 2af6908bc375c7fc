"""The seed: the markets that a scheduled run takes when none is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec

from schemahub.core.envelope import members
from schemahub.core.errors import BadAnswer, ConfigError, ObjectMissing, UsageError
from schemahub.core.layout import Market, seed_key
from schemahub.core.page import Answer, Request
from schemahub.core.spec import ExchangeSpec
from schemahub.pipelines.source import Source
from schemahub.ports import Clock, Store

SCHEMA_VERSION = 1
# An answer with fewer than this share of the known markets is taken for a fault.
MIN_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Seed:
    """A market as the exchange lists it; increments are the exchange's own text."""

    symbol: str
    native: str
    status: str
    online: bool
    price_increment: str | None = None
    quantity_increment: str | None = None


class _File(msgspec.Struct):
    """What `write_seed` writes, as far as it is read."""

    markets: tuple[Seed, ...]


_file = msgspec.json.Decoder(_File)


@dataclass(frozen=True, slots=True)
class Change:
    """What an update makes of a seed."""

    seeds: tuple[Seed, ...]
    added: tuple[str, ...]
    gone: tuple[str, ...]


def read_seed(store: Store, exchange: str) -> tuple[Seed, ...]:
    """The seed of an exchange, empty if there is none. Raises ConfigError if damaged."""
    key = seed_key(exchange)
    try:
        found = _file.decode(store.read(key)).markets
        for seed in found:
            Market(exchange, seed.symbol)
    except ObjectMissing:
        return ()
    except (ValueError, RecursionError, UsageError) as error:
        raise ConfigError(
            f"{key} is not a seed", str(error), "delete it and run `schemahub update-seed`"
        ) from None
    return found


def write_seed(store: Store, exchange: str, seeds: tuple[Seed, ...], clock: Clock) -> None:
    content = {
        "schema_version": SCHEMA_VERSION,
        "exchange": exchange,
        "updated_at": clock.now().isoformat(timespec="seconds"),
        "markets": [asdict(seed) for seed in seeds],
    }
    store.put(seed_key(exchange), json.dumps(content, indent=1).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class Listing:
    """The markets that an exchange lists, and how many rows name none that can be asked for."""

    seeds: tuple[Seed, ...]
    skipped: int


def listed(source: Source) -> Listing:
    """Every market that the exchange lists.

    A row whose spelling is not the one under which we would ask for its market is skipped:
    it would be another market's. Raises BadAnswer if no market is listed, UsageError if the
    exchange has no list.
    """
    spec = source.spec
    path = spec.symbols.path
    if path is None:
        raise UsageError(
            f"{spec.title} has no list of markets", f"{spec.exchange}.yaml has no symbols.path",
            f"name them: schemahub ingest {spec.exchange}:BTC-USD",
        )  # fmt: skip

    def read(answer: Answer) -> Listing:
        rows = _rows(answer, source)
        found = [seed for row in rows if (seed := _seed(row, spec)) is not None]
        if not found:
            raise BadAnswer(
                "the exchange lists no market", f"{answer.url} answered {len(rows)} rows",
                "the seed stays as it was; try again later", answer.body, answer.url,
            )  # fmt: skip
        in_order = sorted(found, key=lambda seed: seed.symbol)
        return Listing(tuple(in_order), len(rows) - len(found))

    return source.http.fetch(Request(path, tuple(spec.symbols.params.items())), read)


def _rows(answer: Answer, source: Source) -> list[object]:
    """The rows that count. Raises BadAnswer."""
    symbols = source.spec.symbols
    told = source.reader.complaint(answer.body)
    if told is not None:
        raise _wrong(answer, told[1])
    try:
        rows = [msgspec.json.decode(row) for row in members(answer.body, symbols.rows)]
    except (ValueError, RecursionError) as error:
        raise _wrong(answer, str(error)) from None
    if not all(isinstance(row, dict | str) for row in rows):
        raise _wrong(answer, "neither objects nor texts")
    where = symbols.where.items()
    return [
        row
        for row in rows
        if isinstance(row, str) or all(_text(row, name) == text for name, text in where)
    ]


def update(
    known: tuple[Seed, ...], fresh: tuple[Seed, ...], pattern: str | None, *, merge: bool
) -> Change:
    """The new seed: listed markets that are online and match; `merge` keeps what is there.

    A market that is no longer listed, or not online, stays as it is if it was there, marked.
    Raises UsageError if nothing matches, BadAnswer if the list shrank beyond belief.
    """
    matches = matcher(pattern)
    by_symbol = {seed.symbol: seed for seed in fresh}
    still = [seed for seed in known if seed.symbol in by_symbol]
    if known and len(still) < MIN_SHARE * len(known):
        raise BadAnswer(
            f"the exchange lists only {len(still)} of the {len(known)} known markets",
            "an answer cut short looks the same",
            "the seed stays as it was; try again later",
        )
    chosen = {seed.symbol: seed for seed in fresh if seed.online and matches(seed.symbol)}
    if not chosen:
        raise UsageError(
            "no listed market matches", f"pattern {pattern!r}, {len(fresh)} markets listed",
            "try a wider --filter-regex",
        )  # fmt: skip
    for seed in known:
        if merge or matches(seed.symbol):
            fallback = replace(seed, status="delisted", online=False)
            chosen.setdefault(seed.symbol, by_symbol.get(seed.symbol, fallback))
    before = {seed.symbol for seed in known}
    return Change(
        tuple(chosen[symbol] for symbol in sorted(chosen)),
        tuple(sorted(chosen.keys() - before)),
        tuple(sorted(seed.symbol for seed in chosen.values() if not seed.online)),
    )


def matcher(pattern: str | None) -> Callable[[str], object]:
    """Whether a symbol as a whole is of `pattern`. Raises UsageError if that is none."""
    try:
        found = re.compile(pattern or ".*")
    except re.error as error:
        raise UsageError(
            f"--filter-regex {pattern!r} is not a regular expression", str(error),
            "for example --filter-regex '.*-USD'",
        ) from None  # fmt: skip
    return found.fullmatch


def _wrong(answer: Answer, why: str) -> BadAnswer:
    return BadAnswer(
        "the list of markets is not the one that this exchange documents",
        f"{why}: {answer.url}", body=answer.body, url=answer.url,
    )  # fmt: skip


def _seed(row: object, spec: ExchangeSpec) -> Seed | None:
    """The market of a listed row; None if the row does not name one that can be asked for."""
    symbols = spec.symbols
    fields: dict[str, Any] = row if isinstance(row, dict) else {}
    native = row if isinstance(row, str) else _text(fields, symbols.id)
    named = None if native is None else _currencies(native, fields, spec)
    if native is None or named is None:
        return None
    ours = {own: canonical for canonical, own in symbols.aliases.items()}
    base, quote = (ours.get(name.upper(), name.upper()) for name in named)
    try:
        market = Market(spec.exchange, f"{base}-{quote}")
        if spec.native(market) != native:
            return None
    except UsageError:
        return None
    status = "listed" if symbols.status is None else str(fields.get(symbols.status, "unknown"))
    return Seed(
        market.symbol, native, status, symbols.status is None or status in symbols.online,
        _text(fields, symbols.price_increment), _text(fields, symbols.quantity_increment),
    )  # fmt: skip


def _currencies(native: str, fields: dict[str, Any], spec: ExchangeSpec) -> tuple[str, str] | None:
    """Base and quote of a listed market as the exchange names them; None if they are not told.

    A spelling that ends in two of `quotes` is not guessed at: PAXGUSD may be two markets.
    """
    symbols = spec.symbols
    if symbols.quotes:
        spelt = native.upper()
        ends = [quote for quote in symbols.quotes if spelt.endswith(quote) and spelt != quote]
        if len(ends) != 1:
            return None
        return spelt.removesuffix(ends[0]).removesuffix(symbols.separator), ends[0]
    if symbols.pair is not None:
        base, parted, quote = (_text(fields, symbols.pair) or "").partition(symbols.separator)
        return (base, quote) if parted and base and quote else None
    named = _text(fields, symbols.base), _text(fields, symbols.quote)
    return (named[0], named[1]) if named[0] and named[1] else None


def _text(fields: dict[str, Any], name: str | None) -> str | None:
    value = fields.get(name) if name else None
    return value if isinstance(value, str) and value else None
