"""`schemahub verify`."""

from __future__ import annotations

from typing import Any

import click

from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.words import count, show, table, tell
from schemahub.core.errors import ProofFailed, UsageError
from schemahub.core.layout import Market
from schemahub.core.proof import STATUSES, Certificate

SHOWN_HOLES = 20


@click.command()
@click.argument("markets", nargs=-1, metavar="[MARKET]...")
@click.option("--exchange", metavar="E", help="Exchange of markets named without one.")
@click.option("--shallow", is_flag=True, help="Go by the names of the objects; read none.")
@click.option("--json", "as_json", is_flag=True, help="The certificates as JSON on stdout.")
@common(reads=True)
def command(shell: Shell, /, **options: Any) -> int:
    """Prove that nothing is missing and nothing is twice; exit 4 if that fails.

    Reads every raw answer again and compares it with the table row by row. Says why a hole
    is there; `repair` fills it.

    \b
      schemahub verify BTC-USD
      schemahub verify --json
    """
    shell.app.require_lake()
    markets = shell.app.stored_markets(options["markets"], explicit_exchange(shell))
    foreign = [] if options["markets"] else shell.app.foreign_markets()
    for market in foreign:
        shell.say(f"{market}: not looked at, there is no spec of {market.exchange} here")
    if not markets:
        raise UsageError(
            "there is nothing to verify",
            f"{shell.app.settings.place} holds no market",
            "`schemahub ingest` fetches one",
        )
    found = certificates(shell, markets, deep=not options["shallow"])
    if options["as_json"]:
        shell.json({"markets": [certificate.as_json() for certificate in found]})
    else:
        print_certificates(found)
    return conclude(found) or (3 if foreign else 0)


def conclude(found: list[Certificate]) -> int:
    """The exit code of these certificates; what fails is told on stderr, worst first."""
    failed = sorted(
        (one for one in found if not one.passes), key=lambda one: -STATUSES.index(one.status)
    )
    if not failed:
        return 0
    worst = failed[0]
    hole = next((hole for hole in worst.holes if hole.status == worst.status), None)
    why = f"ids {hole.span}: {hole.reason}" if hole is not None else "nothing is held"
    do = f"`schemahub repair {worst.market}`, unless the reason says something else"
    if worst.status == "quarantined":
        do = "`schemahub quarantine show`; with a corrected spec, `schemahub quarantine replay`"
    tell(
        ProofFailed(
            f"{len(failed)} of {len(found)} market(s) are not proven",
            f"{worst.market} is {worst.status}: {why}",
            do,
        )
    )
    return ProofFailed.exit_code


def explicit_exchange(shell: Shell) -> str | None:
    """--exchange if it was given: the default must not hide other exchanges' markets."""
    return shell.flags.get("exchange")


def certificates(shell: Shell, markets: list[Market], *, deep: bool = True) -> list[Certificate]:
    pipeline = shell.app.verify()
    found = []
    for market in markets:
        shell.app.stop.check()
        found.append(pipeline.market(market, deep=deep).certificate)
    return found


def print_certificates(found: list[Certificate]) -> None:
    rows = [
        (
            str(one.market),
            one.status,
            count(one.count),
            "-" if one.first_id is None else str(one.first_id),
            "-" if one.last_id is None else str(one.last_id),
            str(len(one.holes)),
            str(one.duplicates),
        )
        for one in found
    ]
    head = ("market", "status", "trades", "first id", "last id", "holes", "duplicates")
    table(head, rows, right=(2, 3, 4, 5, 6))
    for one in found:
        if one.span is None:
            show(f"  {one.market}: nothing is held")
        for hole in one.holes[:SHOWN_HOLES]:
            show(f"  {one.market} ids {hole.span}: {hole.status}: {hole.reason}")
        if len(one.holes) > SHOWN_HOLES:
            show(f"  {one.market}: {len(one.holes) - SHOWN_HOLES} more holes, see --json")
