"""`schemahub verify`."""

from __future__ import annotations

import os
from typing import Any

import click

from schemahub.cli.complete import stored
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.words import count, show, table, tell
from schemahub.core.errors import ProofFailed, UsageError
from schemahub.core.layout import Market
from schemahub.core.proof import PASSING, STATUSES, Certificate
from schemahub.pipelines.compare import TOLD_TWICE
from schemahub.pipelines.verify import RUN_TRANSFORM

SHOWN_HOLES = 20


@click.command()
@click.argument("markets", nargs=-1, metavar="[MARKET]...", shell_complete=stored)
@click.option("--exchange", metavar="E", help="Exchange of markets named without one.")
@click.option("--shallow", is_flag=True, help="Go by the names of the objects; read none.")
@click.option("--workers", "transform_workers", type=int, metavar="N",
              help="Processes. [default: one a core]")  # fmt: skip
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
        shell.say(f"{market}: not looked at, there is no valid spec of {market.exchange} here")
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
    why, do = _worst(failed[0])
    tell(ProofFailed(f"{len(failed)} of {len(found)} market(s) are not proven", why, do))
    return ProofFailed.exit_code


def _worst(one: Certificate) -> tuple[str, str]:
    """What is worst about a certificate that fails, and what to do about it."""
    repair = f"`schemahub repair {one.market}`"
    hole = next((hole for hole in one.holes if hole.status == one.status), None)
    if one.status in PASSING:
        first = one.damaged[0]
        where = f"{first.key} ({one.line.between(first.span)}) is damaged: {first.why}"
        do = f"{repair} sets it aside; other objects hold the same trades"
        return f"{one.market} is {one.status}, but {where}", do
    if hole is None:
        return f"{one.market} is {one.status}: nothing is held", f"`schemahub ingest {one.market}`"
    why = f"{one.market} is {one.status}: {one.line.between(hole.span)}: {hole.reason}"
    if one.status == "quarantined":
        do = "see quarantine/ in the lake; a corrected spec and `transform --rebuild` read it anew"
    elif TOLD_TWICE in hole.reason:
        do = "see quarantine/ in the lake for both; the source itself disagrees, nothing heals that"
    elif RUN_TRANSFORM in hole.reason and not one.damaged:
        do = "`schemahub transform`"
    else:
        do = f"{repair} sets damage aside, fetches what can be had and makes the table whole"
    return why, do


def explicit_exchange(shell: Shell) -> str | None:
    """--exchange if it was given: the default must not hide other exchanges' markets."""
    return shell.flags.get("exchange")


def certificates(shell: Shell, markets: list[Market], *, deep: bool = True) -> list[Certificate]:
    reports = shell.app.verify().run(markets, deep=deep, workers=workers(shell))
    return [report.certificate for report in reports]


def workers(shell: Shell) -> int:
    """Processes side by side: --workers, else one a core."""
    return shell.app.settings.transform_workers or os.cpu_count() or 1


def _basis(one: Certificate) -> str:
    """What a proof would rest on, and who says so."""
    if one.provable is None:
        return "-"
    if one.provable.by == "nothing":
        return "nothing"
    documented = one.provable.basis == "documented"
    return f"{one.provable.by}, {'documented, not measured' if documented else 'measured'}"


def print_certificates(found: list[Certificate]) -> None:
    rows = [
        (
            str(one.market),
            one.status,
            "-" if one.count is None else count(one.count),
            "-" if one.first_id is None else str(one.first_id),
            "-" if one.last_id is None else str(one.last_id),
            str(len(one.holes)),
            str(one.duplicates),
            _basis(one),
        )
        for one in found
    ]
    head = ("market", "status", "trades", "first id", "last id", "holes", "duplicates", "by")
    table(head, rows, right=(2, 3, 4, 5, 6))
    for one in found:
        if one.span is None:
            show(f"  {one.market}: nothing is held")
        for hole in one.holes[:SHOWN_HOLES]:
            where = one.line.between(hole.span)
            show(f"  {one.market} {where}: {hole.status}: {hole.reason}")
        if len(one.holes) > SHOWN_HOLES:
            show(f"  {one.market}: {len(one.holes) - SHOWN_HOLES} more holes, see --json")
        for damaged in one.damaged[:SHOWN_HOLES]:
            where = one.line.between(damaged.span)
            show(f"  {one.market} damaged: {damaged.key} ({where}): {damaged.why}")
        if len(one.damaged) > SHOWN_HOLES:
            show(f"  {one.market}: {len(one.damaged) - SHOWN_HOLES} more damaged, see --json")
