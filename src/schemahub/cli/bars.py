"""`schemahub bars`."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from schemahub.cli.complete import stored
from schemahub.cli.query import aside, write
from schemahub.cli.render import FORMATS, TABLE_ROWS
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.verify import explicit_exchange


@click.command()
@click.argument("market", shell_complete=stored)
@click.option("--every", metavar="D", help="Bars of so long: 1m, 5m, 1h, 1d, 1w. [default: 1m]")
@click.option("--ticks", metavar="N", help="Bars of so many trades.")
@click.option("--volume", metavar="X", help="Bars of so much quantity, in base units.")
@click.option("--dollars", metavar="X", help="Bars of so much price × quantity, in quote units.")
@click.option("--since", metavar="T", help="From this time on; as of `ingest`.")
@click.option("--until", metavar="T", help="Before this time.")
@click.option("--exchange", metavar="E", help="Exchange of a market named without one.")
@click.option("-o", "--output", type=click.Choice(FORMATS), help="[default: table]")
@click.option("--json", "as_json", is_flag=True, help="Short for --output json.")
@click.option("--rows", type=click.IntRange(1), default=TABLE_ROWS, show_default=True,
              help="How many rows a table shows.")  # fmt: skip
@common(reads=True)
def command(shell: Shell, /, **options: Any) -> int:
    """Bars of a market: of time, or cut by its trades.

    A bar that is cut closes with the trade with which it reaches its size; the next begins
    with the trade after it. The last trades, where they do not fill a bar, are in none.

    \b
      schemahub bars BTC-USD --every 1h --since 7d
      schemahub bars BTC-USD --dollars 1000000 --output parquet > bars.parquet
    """
    from schemahub.api import Lake
    from schemahub.rows import answer

    shell.app.require_lake()
    (market,) = shell.app.stored_markets([options["market"]], explicit_exchange(shell))
    found = Lake(shell.app.backend(), shell.app.settings.place).bars(
        market,
        options["every"],
        options["since"],
        options["until"],
        ticks=options["ticks"],
        volume=options["volume"],
        dollars=options["dollars"],
    )
    form = "json" if options["as_json"] else options["output"] or "table"
    aside(shell, lambda: write(found.source, partial(answer, found), form, options["rows"]))
    return 0
