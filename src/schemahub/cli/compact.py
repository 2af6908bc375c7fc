"""`schemahub compact`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import click

from schemahub.cli.complete import stored
from schemahub.cli.ingest import recorded
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.transform import part_of
from schemahub.cli.verify import explicit_exchange
from schemahub.cli.words import count, size, tell
from schemahub.core.errors import UsageError
from schemahub.core.layout import Market
from schemahub.core.times import duration
from schemahub.pipelines.compact import Outcome
from schemahub.pipelines.garbage import OldVersion
from schemahub.pipelines.job import Job, told


@click.command()
@click.argument("markets", nargs=-1, metavar="[MARKET]...", shell_complete=stored)
@click.option("--exchange", metavar="E", help="Exchange of markets named without one.")
@click.option(
    "--grace", default="24h", show_default=True, metavar="D",
    help="How long what took the place must have been there.",
)  # fmt: skip
@click.option("--old-versions", is_flag=True, help="Also remove versions that a rebuild replaced.")
@click.option("--workers", "transform_workers", type=int, metavar="N",
              help="Processes. [default: one a core]")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print what would be written and removed.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@common()
def command(shell: Shell, /, **options: Any) -> int:
    """Write larger parts where smaller ones cover them, and remove what was replaced.

    A part goes only once a larger one that holds it was read, is whole and has been there
    for the grace, so that a query under way finds its files. Raw is never removed.

    \b
      schemahub compact --dry-run
      schemahub compact --old-versions
    """
    shell.app.require_lake()
    grace = duration(options["grace"])
    if options["old_versions"] and options["markets"]:
        raise UsageError(
            "--old-versions and a market exclude each other",
            "a version holds every market of its exchange",
            "leave the market out; --exchange E chooses one exchange",
        )
    markets = shell.app.stored_markets(options["markets"], explicit_exchange(shell))
    exchanges = sorted({market.exchange for market in markets}) if options["old_versions"] else []
    if options["dry_run"]:
        return _plan(shell, markets, exchanges, grace, as_json=options["as_json"])
    asked = {"markets": [str(market) for market in markets], "grace": options["grace"]}
    with recorded(shell, "compact", asked) as job:
        versions = _compact(shell, job, markets, exchanges, grace)
    if options["as_json"]:
        shell.json(
            {
                "run_id": job.run_id,
                "markets": told(job.outcomes.get("compact", [])),
                "versions": versions,
            }
        )
    return job.exit_code


def _compact(
    shell: Shell, job: Job, markets: Sequence[Market], exchanges: Sequence[str], grace: timedelta
) -> list[dict[str, Any]]:
    app = shell.app
    workers = app.settings.transform_workers or os.cpu_count() or 1
    done: list[Outcome] = []
    for outcome in app.compact(grace).run(markets, workers):
        job.add("compact", outcome)
        done.append(outcome)
        _say(shell, outcome)
    garbage = app.garbage(grace)
    versions = []
    for exchange in exchanges:
        for old in garbage.old_versions(exchange):
            app.stop.check()
            removed = garbage.remove(old)
            job.owing = job.owing or old.damaged or old.unasked
            versions.append(_version(old) | {"removed": removed})
            _say_version(shell, old)
    traces = garbage.sweep()
    shell.say(
        f"wrote {sum(o.parts for o in done)} part(s); removed {sum(o.removed for o in done)} "
        f"superseded object(s), {size(sum(o.freed for o in done))}"
        + (f", and {len(traces)} trace(s) of writers that died" if traces else "")
    )
    waiting = sum(outcome.waiting for outcome in done)
    if waiting:
        named = sum(outcome.named for outcome in done)
        shell.say(
            f"{waiting} more wait until what replaced them is older than the grace"
            + (f"; {named} of them until the snapshots that name them expire" if named else "")
        )
    return versions


def _say(shell: Shell, outcome: Outcome) -> None:
    for note in outcome.notes:
        shell.say(f"{outcome.market}: {note}")
    if outcome.error is not None:
        tell(outcome.error)
    shell.detail(
        f"{outcome.market}: {outcome.state}, {count(outcome.rows)} rows in {outcome.parts} "
        f"part(s), removed {outcome.removed}, waiting {outcome.waiting}"
    )


def _say_version(shell: Shell, old: OldVersion) -> None:
    if old.stays:
        shell.say(f"{old.exchange}: v{old.version} stays: {'; '.join(old.stays)}")
    else:
        shell.say(f"{old.exchange}: removed v{old.version}, {size(old.size)}")


def _version(old: OldVersion) -> dict[str, Any]:
    return {
        "exchange": old.exchange,
        "version": old.version,
        "objects": len(old.entries),
        "bytes": old.size,
        "stays": old.stays,
    }


def _plan(
    shell: Shell,
    markets: Sequence[Market],
    exchanges: Sequence[str],
    grace: timedelta,
    *,
    as_json: bool,
) -> int:
    app = shell.app
    pipeline, garbage = app.compact(grace), app.garbage(grace)
    now = app.store.now()
    merges = pipeline.merges(markets)
    doomed = [one for market in markets for one in pipeline.doomed(market)]
    versions = [old for exchange in exchanges for old in garbage.old_versions(exchange)]
    traces = list(garbage.traces())
    named = pipeline.kept()
    if as_json:
        shell.json(
            {
                "dry_run": True,
                "parts": [
                    {
                        "market": str(task.market),
                        "axis": task.spec.axis,
                        "span": [task.span.start, task.span.stop],
                    }
                    for task in merges
                ],
                "superseded": [
                    {
                        "key": one.key,
                        "bytes": one.size,
                        "free_at": one.free_at.isoformat(timespec="seconds"),
                        "now": one.free_at <= now and one.key not in named,
                        "named": one.key in named,
                    }
                    for one in doomed
                ],
                "versions": [_version(old) for old in versions],
                "traces": traces,
            }
        )
        return 0
    for task in merges:
        print(f"write   {task.market} v{task.version}: {part_of(task)}")
    for one in doomed:
        when = "" if one.free_at <= now else f" (not before {one.free_at:%Y-%m-%d %H:%M} UTC)"
        when += " (not before the snapshots that name it expire)" if one.key in named else ""
        print(f"remove  {one.key}, {size(one.size)}{when}")
    for old in versions:
        why = f"stays: {'; '.join(old.stays)}" if old.stays else size(old.size)
        print(f"remove  {old.exchange} v{old.version}, {len(old.entries)} part(s), {why}")
    for trace in traces:
        print(f"remove  {trace}")
    print("nothing was written or removed")
    return 0
