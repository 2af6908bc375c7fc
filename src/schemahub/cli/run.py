"""`schemahub run`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from schemahub.cli.complete import stored
from schemahub.cli.ingest import choose, ingest, make_wish, planned, print_plans, recorded
from schemahub.cli.publish import publish
from schemahub.cli.quality import judge
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.transform import planned as planned_parts
from schemahub.cli.transform import print_parts, transform_in_turn
from schemahub.core.layout import Market
from schemahub.pipelines.ingest import Outcome
from schemahub.pipelines.job import exit_code, told


@click.command()
@click.argument("markets", nargs=-1, metavar="[MARKET]...", shell_complete=stored)
@click.option("--exchange", metavar="E", help="Exchange of markets named without one.")
@click.option("--workers", type=int, metavar="N", help="Markets at once. [default: 3]")
@click.option(
    "--chunk-concurrency",
    type=int,
    metavar="N",
    help="Chunks of a market at once, three requests each. [default: 5]",
)
@click.option("--dry-run", is_flag=True, help="Print what it would do and cost; write nothing.")
@click.option("--publish/--no-publish", default=None, help="Publish after it. [default: as set]")
@click.option("--quality/--no-quality", "quality", default=None,
              help="Whether to check the data, too. [default: yes]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@common(base_url=True)
def command(shell: Shell, /, **options: Any) -> int:
    """What a scheduler calls: ingest (the seed list or markets), transform, publish, quality.

    Returns the first of 1, 4, 3 that any step gave. Cron, every six hours:

    \b
      0 */6 * * *  schemahub run --lake /data/lake --quiet
    """
    markets = choose(shell, options["markets"])
    if options["dry_run"]:
        return _plan(shell, markets, as_json=options["as_json"])
    shell.app.open_lake()
    with recorded(shell, "run", {"markets": [str(market) for market in markets]}) as job:
        wish = make_wish(shell.app.clock.now(), None, None, full=False)
        done = ingest(shell, job, markets, wish)
        transform_in_turn(shell, job, owing=any(outcome.trades for outcome in done))
        if shell.app.settings.publish:
            publish(shell, job)
        if shell.app.settings.quality:
            judge(shell, job, [one.market for one in done if one.state == "complete"])
    if options["as_json"]:
        steps = {step: told(outcomes) for step, outcomes in job.outcomes.items()}
        shell.json(
            {
                "run_id": job.run_id,
                "exit_code": job.exit_code,
                "steps": steps,
                "quality": job.judged,
            }
        )
    return job.exit_code


def _plan(shell: Shell, markets: Sequence[Market], *, as_json: bool) -> int:
    """What is to be fetched, and what raw that is held now is still to be made a table of."""
    wish = make_wish(shell.app.clock.now(), None, None, full=False)
    plans, failed = planned(shell, markets, wish)
    tasks, parts, usd = planned_parts(shell) if shell.app.lake_exists() else ([], [], 0.0)
    if as_json:
        steps = {"ingest": plans, "transform": parts}
        shell.json(
            {"dry_run": True, "steps": steps, "failed": told(failed), "transform_cost_usd": usd}
        )
    else:
        print_plans(plans)
        print_parts(tasks, usd)
    return exit_code([*(Outcome(market) for market in markets[: len(plans)]), *failed])
