"""`schemahub run`."""

from __future__ import annotations

from typing import Any

import click

from schemahub.cli.ingest import choose, ingest, make_wish, recorded
from schemahub.cli.publish import publish
from schemahub.cli.quality import judge
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.transform import transform_in_turn
from schemahub.pipelines.job import told


@click.command()
@click.argument("markets", nargs=-1, metavar="[MARKET]...")
@click.option("--exchange", metavar="E", help="Exchange of markets named without one.")
@click.option("--workers", type=int, metavar="N", help="Markets at once. [default: 3]")
@click.option(
    "--chunk-concurrency",
    type=int,
    metavar="N",
    help="Chunks of a market at once, three requests each. [default: 5]",
)
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
