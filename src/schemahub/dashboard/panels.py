"""The panels: one SELECT a file in panels/, with a title and named parameters.

A parameter is put into the text as a literal, so that what is shown, copied and run is one
statement, which `schemahub query` takes as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from schemahub.core.bars import size_of
from schemahub.core.errors import UsageError
from schemahub.core.layout import Market, spelt

FOLDER = Path(__file__).with_name("panels")
MOST_MARKETS = 10
_NAME = re.compile(r"(?<![:\w]):([a-z][a-z_]*)")
_EVERY = {
    "1m": "1 minute", "5m": "5 minutes", "15m": "15 minutes", "1h": "1 hour", "4h": "4 hours",
    "1d": "1 day",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel; `params` are the names that it needs values of, in order."""

    name: str
    title: str
    text: str
    params: tuple[str, ...]

    def sql(self, values: Mapping[str, str]) -> str:
        """The statement. Raises UsageError for a parameter that lacks, is none or is wrong."""
        for name in values.keys() - set(self.params):
            raise UsageError(
                f"the panel {self.name} has no parameter {name!r}",
                f"it has {', '.join(self.params) or 'none'}",
                "leave it out",
            )
        for name in self.params:
            if name not in values:
                raise UsageError(
                    f"the panel {self.name} needs {name}", "", f"add ?{name}=... to the address"
                )
        literals = {name: _KINDS[name](values[name]) for name in self.params}
        return _NAME.sub(lambda found: literals[found[1]], self.text)


@cache
def panels(task_usd_per_hour: str) -> Mapping[str, Panel]:
    """Every panel by name; the price is that of the task that runs are reckoned at."""
    found = {}
    for path in sorted(FOLDER.glob("*.sql")):
        head, _, text = path.read_text("utf-8").partition("\n")
        text = text.strip().replace(":task_usd_per_hour", task_usd_per_hour)
        params = tuple(dict.fromkeys(_NAME.findall(text)))
        found[path.stem] = Panel(path.stem, head.removeprefix("-- title: "), text, params)
    return found


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _market(text: str) -> Market:
    exchange, symbol = spelt(text)
    if exchange is None:
        raise UsageError(f"{text!r} names no exchange", "", "write it as EXCHANGE:BTC-USD")
    return Market(exchange, symbol)


def _one(text: str) -> str:
    return _literal(str(_market(text)))


def _several(text: str) -> str:
    """A condition: so that files of other markets are not opened."""
    markets = [_market(one) for one in text.split(",")]
    if len(markets) > MOST_MARKETS:
        raise UsageError(
            f"{len(markets)} markets at once", f"at most {MOST_MARKETS} can be told apart", "fewer"
        )
    terms = [
        f"(exchange = {_literal(one.exchange)} AND symbol = {_literal(one.symbol)})"
        for one in markets
    ]
    return terms[0] if len(terms) == 1 else f"({' OR '.join(terms)})"


def _every(text: str) -> str:
    size_of(text, None, None, None)
    if text not in _EVERY:
        raise UsageError(f"no candles of {text}", f"there are {', '.join(_EVERY)}", "take one")
    return _literal(_EVERY[text])


def _time(text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time", "", "write it as 2026-03-20T00:00:00Z") from None
    at = at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    return _literal(at.isoformat(timespec="seconds"))


_KINDS: Mapping[str, Callable[[str], str]] = {
    "market": _one,
    "markets": _several,
    "every": _every,
    "since": _time,
    "until": _time,
}
