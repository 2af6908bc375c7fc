"""The seed: the markets that a scheduled run takes when none is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec

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


def listed(source: Source) -> tuple[Seed, ...]:
    """Every market that the exchange lists. Raises BadAnswer if it lists none."""
    spec = source.spec

    def read(answer: Answer) -> tuple[Seed, ...]:
        try:
            rows = msgspec.json.decode(answer.body, type=list[dict[str, Any]])
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadAnswer(
                "the list of markets is not a list of objects", str(error),
                body=answer.body, url=answer.url,
            ) from None  # fmt: skip
        found = [seed for row in rows if (seed := _seed(row, spec)) is not None]
        if not found:
            raise BadAnswer(
                "the exchange lists no market", f"{answer.url} answered {len(rows)} rows",
                "the seed stays as it was; try again later", answer.body, answer.url,
            )  # fmt: skip
        return tuple(sorted(found, key=lambda seed: seed.symbol))

    return source.http.fetch(Request(spec.symbols.path), read)


def update(
    known: tuple[Seed, ...], fresh: tuple[Seed, ...], pattern: str | None, *, merge: bool
) -> Change:
    """The new seed: listed markets that are online and match; `merge` keeps what is there.

    A market that is no longer listed, or not online, stays as it is if it was there, marked.
    Raises UsageError if nothing matches, BadAnswer if the list shrank beyond belief.
    """
    matches = _matcher(pattern)
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


def _matcher(pattern: str | None) -> Callable[[str], object]:
    try:
        found = re.compile(pattern or ".*")
    except re.error as error:
        raise UsageError(
            f"--filter-regex {pattern!r} is not a regular expression", str(error),
            "for example --filter-regex '.*-USD'",
        ) from None  # fmt: skip
    return found.fullmatch


def _seed(row: dict[str, Any], spec: ExchangeSpec) -> Seed | None:
    """The market of a listed row; None if the row does not name one."""
    symbols = spec.symbols
    native, base, quote = (row.get(name) for name in (symbols.id, symbols.base, symbols.quote))
    if not all(isinstance(value, str) and value for value in (native, base, quote)):
        return None
    status = str(row.get(symbols.status, "unknown"))
    try:
        market = Market(spec.exchange, f"{base}-{quote}".upper())
    except UsageError:
        return None

    def text(name: str | None) -> str | None:
        value = row.get(name) if name else None
        return value if isinstance(value, str) else None

    return Seed(
        market.symbol, str(native), status, status in symbols.online,
        text(symbols.price_increment), text(symbols.quantity_increment),
    )  # fmt: skip
