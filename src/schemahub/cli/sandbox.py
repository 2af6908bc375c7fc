"""`schemahub sandbox`."""

from __future__ import annotations

import sys
from typing import Any

import click

from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.core.errors import UsageError
from schemahub.sandbox import (
    DIALECTS,
    Fault,
    Faults,
    Generated,
    Market,
    PortTaken,
    Recorded,
    Sandbox,
)


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True,
              help="0 takes a free one.")  # fmt: skip
@click.option("--exchange", "dialect", type=click.Choice(list(DIALECTS)), default="coinbase",
              show_default=True, help="The exchange whose API is spoken.")  # fmt: skip
@click.option("--market", "markets", multiple=True, metavar="SYMBOL[=TRADES]",
              help="A generated market. [default: BTC-USD=10000 ETH-USD=5000]")  # fmt: skip
@click.option("--replay", "replays", multiple=True, metavar="SYMBOL=FILE",
              help="A market of recorded rows, JSON lines.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Of generated trades.")
@click.option("--per-second", type=float, metavar="R", help="The heads grow by R trades a second.")
@click.option("--rate", type=float, metavar="R", help="Requests a second; more are turned away.")
@click.option("--burst", type=int, metavar="B", help="Requests at once, with --rate.")
@click.option("--latency", type=float, default=0.0, metavar="S", help="Seconds before each answer.")
@click.option("--fault", "faults", multiple=True, metavar="SPEC",
              help="'http_500:0.05', 'reset:0.1' or JSON; repeat for more.")  # fmt: skip
@click.option("--fault-seed", type=int, default=0, help="Of the faults' dice.")
@common()
def command(shell: Shell, /, **options: Any) -> int:
    """Run the built-in exchange on loopback until Ctrl-C. Its URL goes to stdout.

    \b
      schemahub sandbox --market BTC-USD=50000 --rate 10 --burst 15 --latency 0.3
      schemahub ingest BTC-USD --full --base-url coinbase=http://127.0.0.1:8765
    """
    try:
        box = Sandbox(
            _markets(options),
            dialect=options["dialect"],
            rate=options["rate"],
            burst=options["burst"],
            latency=options["latency"],
            faults=Faults(*map(Fault.of, options["faults"]), seed=options["fault_seed"]),
            port=options["port"],
            log=(lambda line: print(line, file=sys.stderr)) if shell.verbose else None,
        )
    except (PortTaken, ValueError, OSError) as error:
        raise UsageError(
            str(error), "the sandbox cannot start so", "see `schemahub sandbox --help`"
        ) from None
    with box:
        print(box.url, flush=True)
        shell.say(f"use it with --base-url {options['dialect']}={box.url}; Ctrl-C ends it")
        while not shell.app.stop.wait(3600):
            pass
    return 0


def _markets(options: dict[str, Any]) -> dict[str, Generated | Recorded | Market]:
    found: dict[str, Generated | Recorded | Market] = {}
    named = options["markets"] or (() if options["replays"] else ("BTC-USD=10000", "ETH-USD=5000"))
    for text in named:
        symbol, equals, trades = text.partition("=")
        if equals and not trades.isdecimal():
            msg = f"--market {text!r} is not SYMBOL=TRADES"
            raise ValueError(msg)
        found[symbol] = Generated(
            seed=options["seed"],
            trades=int(trades) if equals else 10_000,
            per_second=options["per_second"],
        )
    for text in options["replays"]:
        symbol, equals, path = text.partition("=")
        if not equals:
            msg = f"--replay {text!r} is not SYMBOL=FILE"
            raise ValueError(msg)
        found[symbol] = Recorded.load(path)
    return found
