"""`schemahub repair`."""

from __future__ import annotations

from typing import Any

import click

from schemahub.cli.complete import stored
from schemahub.cli.ingest import recorded
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.transform import transform_in_turn
from schemahub.cli.verify import (
    certificates,
    conclude,
    explicit_exchange,
    print_certificates,
    workers,
)
from schemahub.cli.words import count, show, tell
from schemahub.core.layout import Market
from schemahub.pipelines.job import Job, told
from schemahub.pipelines.repair import Damage


@click.command()
@click.argument("markets", nargs=-1, metavar="[MARKET]...", shell_complete=stored)
@click.option("--exchange", metavar="E", help="Exchange of markets named without one.")
@click.option("--audit", is_flag=True, help="Also ask again for ids attested absent.")
@click.option("--dry-run", is_flag=True, help="Print what is damaged or missing; write nothing.")
@click.option("--workers", "transform_workers", type=int, metavar="N",
              help="Processes. [default: one a core]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The certificates as JSON on stdout.")
@common(base_url=True)
def command(shell: Shell, /, **options: Any) -> int:
    """Set damage aside, fetch what is missing, make the table whole, and verify.

    \b
      schemahub repair
      schemahub repair BTC-USD --audit
    """
    shell.app.require_lake()
    markets = shell.app.stored_markets(options["markets"], explicit_exchange(shell))
    pipeline = shell.app.repair()
    if options["dry_run"]:
        looked = list(pipeline.look(markets, workers(shell)))
        return _plan(shell, looked, as_json=options["as_json"])
    with recorded(shell, "repair", {"markets": [str(market) for market in markets]}) as job:
        damages = list(pipeline.look(markets, workers(shell)))
        _heal(shell, job, damages, audit=options["audit"])
        transform_in_turn(shell, job, owing=True)
    return _conclude(shell, job, markets, as_json=options["as_json"])


def _heal(shell: Shell, job: Job, damages: list[Damage], *, audit: bool) -> None:
    pipeline = shell.app.repair()
    for damage in damages:
        source = shell.app.source(damage.market)
        outcome = pipeline.heal(source, damage, audit=audit)
        job.add("ingest", outcome)
        if outcome.error is not None:
            tell(outcome.error)
        if outcome.state == "held":
            continue
        for one in damage.report.certificate.damaged:
            where = damage.report.certificate.line.between(one.span)
            shell.say(f"{damage.market}: set aside {one.key} ({where}): {one.why}")
        for dispute in damage.report.disputes:
            where = damage.report.certificate.line.between(dispute.span)
            shell.say(
                f"{damage.market}: raw and {dispute.key} differ on {where}: the exchange was asked"
            )
        for note in outcome.notes:
            shell.say(f"{damage.market}: {note}")
        shell.say(f"{damage.market}: fetched {count(outcome.trades)} trades")


def _conclude(shell: Shell, job: Job, markets: list[Market], *, as_json: bool) -> int:
    found = certificates(shell, markets)
    if as_json:
        steps = {step: told(outcomes) for step, outcomes in job.outcomes.items()}
        shell.json({"markets": [certificate.as_json() for certificate in found], "steps": steps})
    else:
        print_certificates(found)
    return job.exit_code or conclude(found)


def _plan(shell: Shell, damages: list[Damage], *, as_json: bool) -> int:
    found = [damage.report.certificate for damage in damages]
    if as_json:
        shell.json(
            {
                "dry_run": True,
                "markets": [
                    damage.report.certificate.as_json()
                    | {
                        "corrupt": [one.key for one in damage.report.certificate.damaged],
                    }
                    for damage in damages
                ],
            }
        )
        return conclude(found)
    print_certificates(found)
    for damage in damages:
        for one in damage.report.certificate.damaged:
            show(f"  {damage.market}: {one.key} would be set aside and made anew")
        for dispute in damage.report.disputes:
            where = damage.report.certificate.line.between(dispute.span)
            show(
                f"  {damage.market}: raw and {dispute.key} differ on {where}: "
                "the exchange would be asked"
            )
        for span in damage.report.suspect:
            where = damage.report.certificate.line.between(span)
            show(f"  {damage.market}: {where} would be asked again")
    print("nothing was written")
    return conclude(found)
