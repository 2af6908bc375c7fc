"""`schemahub cost`, and the line of cost in other commands' `--dry-run`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import ROUND_UP, Decimal
from typing import Any

import click

from schemahub.app import prices
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.words import table
from schemahub.core import cost
from schemahub.core.cost import ENGINES, Book, Limit, Line, Load
from schemahub.core.errors import UsageError
from schemahub.core.spec import ExchangeSpec
from schemahub.core.times import duration

# Of a market a day, if it is not said: 50 of them are 2 million, as on an exchange of the middle.
TRADES_A_MARKET = 40_000
_AMOUNT = re.compile(r"([0-9]+)([kMG]?)")
_TIMES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


@click.command()
@click.option("--markets", type=click.IntRange(1, 100_000), default=50, show_default=True,
              metavar="N", help="Markets that are kept up to date.")  # fmt: skip
@click.option("--every", default="6h", show_default=True, metavar="D", help="Time between runs.")
@click.option("--backfill", metavar="N", help="Trades fetched once besides: 100M, 500k.")
@click.option("--trades-per-day", metavar="N",
              help=f"Of all markets. [default: {TRADES_A_MARKET:,} a market]")  # fmt: skip
@click.option("--exchange", metavar="E", help="Whose rate limit and pages count.")
@click.option("--engine", type=click.Choice(ENGINES), default=ENGINES[0], show_default=True,
              help="Where runs run; of a laptop only what S3 bills is reckoned.")  # fmt: skip
@click.option("--region", default=prices.REGION, show_default=True, metavar="R",
              help="Region of AWS.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The lines as JSON on stdout.")
@common()
def command(shell: Shell, /, **options: Any) -> int:
    """What this costs on AWS a month, line by line: quantity × list price, and whence each.

    \b
      schemahub cost --markets 50 --every 6h --backfill 100M
      schemahub cost --markets 10 --every 1d --engine laptop --region eu-central-1
    """
    book = prices.book(options["region"])
    per_day = options["trades_per_day"]
    load = Load(
        options["markets"],
        duration(options["every"]),
        options["markets"] * TRADES_A_MARKET if per_day is None else amount(per_day),
    )
    name = shell.app.settings.exchange
    limit, engine = limit_of(shell.app.specs.of(name)), options["engine"]
    month = cost.monthly(book, load, limit, engine)
    wanted = options["backfill"]
    once = [] if wanted is None else cost.backfill(book, Decimal(amount(wanted)), limit, engine)
    if book.old(shell.app.clock.now().date()):
        shell.say(f"prices are of {book.dated}: more than a year old, look them up")
    if options["as_json"]:
        shell.json(
            {
                **_told(book, engine),
                "markets": load.markets,
                "every_seconds": int(load.every.total_seconds()),
                "trades_per_day": load.trades_per_day,
                "exchange": name,
                "month": {"usd": _usd(month), "lines": [_line(line) for line in month]},
                "backfill": {"usd": _usd(once), "lines": [_line(line) for line in once]},
            }
        )
        return 0
    print(
        f"{load.markets} markets of {name} every {options['every']}, "
        f"{load.trades_per_day:,} trades a day; {engine} in {book.region}, "
        f"list prices of {book.dated} in USD"
    )
    _print("a month", month)
    if once:
        _print("once, with its first month of storage", once)
    print("~ from memory, not looked up. Free tiers and taxes are left out: docs/cost.md")
    return 0


def amount(text: str) -> int:
    """100M, 500k, 2G or a plain number. Raises UsageError."""
    if found := _AMOUNT.fullmatch(text.replace(",", "").replace("_", "")):
        return int(found[1]) * _TIMES[found[2]]
    raise UsageError(
        f"{text!r} is not a number of trades",
        "it is a whole number, with k, M or G for thousands, millions, thousand millions",
        "write it like 100M or 2000000",
    )


def limit_of(spec: ExchangeSpec) -> Limit:
    return Limit(Decimal(str(spec.limits.rate)), spec.trades.paging.page)


def dollars(lines: Iterable[Line]) -> float:
    """Rounded up to a hundredth of a cent, for `--dry-run --json`."""
    return float(cost.total(lines).quantize(Decimal("0.0001"), ROUND_UP))


def in_words(book: Book, usd: float) -> str:
    """`about $0.0123 on AWS (…)`, for `--dry-run`."""
    return (
        f"about ${usd:.4f} on AWS ({ENGINES[0]}, {book.region}, prices of {book.dated}; "
        f"`schemahub cost` shows each line)"
    )


def _told(book: Book, engine: str) -> dict[str, Any]:
    return {"region": book.region, "engine": engine, "prices_dated": book.dated.isoformat()}


def _usd(lines: Iterable[Line]) -> str:
    return f"{cost.total(lines).normalize():f}"


def _line(line: Line) -> dict[str, Any]:
    return {
        "group": line.group,
        "what": line.what,
        "quantity": f"{line.quantity.normalize():f}",
        "unit": line.price.unit,
        "per": int(line.price.per),
        "price_usd": f"{line.price.usd.normalize():f}",
        "usd": f"{line.usd.normalize():f}",
        "count": line.count,
        "source": line.price.source,
        "seen": line.price.seen or None,
    }


def _print(title: str, lines: Sequence[Line]) -> None:
    print(f"\n{title}: ${cost.total(lines):,.2f}")
    rows: list[list[str]] = []
    for group in dict.fromkeys(line.group for line in lines):
        own = [line for line in lines if line.group == group]
        rows += [_row(line) for line in own]
        rows.append([group, "all", "", "", "", "", f"${cost.total(own):,.4f}", ""])
    head = ["group", "for", "quantity", "×", "unit", "price", "amount", "quantity from"]
    table(head, rows, right=(2, 5, 6))


def _row(line: Line) -> list[str]:
    price = line.price
    per = "" if price.per == 1 else f" / {int(price.per):,}"
    sure = "" if price.seen else "~"
    return [
        line.group, line.what, _short(line.quantity), "×", price.unit,
        f"{sure}{price.usd.normalize():f}{per}", f"${line.usd:,.4f}", line.count,
    ]  # fmt: skip


def _short(number: Decimal) -> str:
    """Four digits that count, or all before the point."""
    if number >= 1000:  # noqa: PLR2004
        return f"{number:,.0f}"
    return f"{number:.4g}" if number else "0"
