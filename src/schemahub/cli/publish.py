"""`schemahub publish`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from schemahub.cli.ingest import recorded
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.words import count, show, tell
from schemahub.core.errors import ProofFailed, SchemaHubError
from schemahub.core.times import duration
from schemahub.pipelines.job import Job, told
from schemahub.pipelines.publish import KEEP, KEEP_LAST, Odd, Outcome
from schemahub.ports.catalog import BARS, TRADES

if TYPE_CHECKING:
    from schemahub.pipelines.publish import Publish

_SHOWN = 20


@click.command()
@click.option("--verify", is_flag=True, help="Compare the tables with the lake; write nothing.")
@click.option("--dry-run", is_flag=True, help="Print what would change; write nothing.")
@click.option("--keep", default="7d", show_default=True, metavar="D",
              help="How old snapshots get before they expire.")  # fmt: skip
@click.option("--keep-last", type=click.IntRange(1, 10_000), default=KEEP_LAST, show_default=True,
              metavar="N", help="So many snapshots never expire.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@common()
def command(shell: Shell, /, **options: Any) -> int:
    """Show the live parts to other engines: as Iceberg tables in SQLite, Glue or a REST catalog.

    No row is copied: a table names the Parquet files of the lake. What changed since the last
    time is one commit, and what was live before stays readable until its snapshot expires.

    \b
      schemahub publish
      schemahub publish --verify
      schemahub publish --keep 1d --keep-last 3
    """
    from schemahub.app import publishing

    shell.app.require_lake()
    keep = duration(options["keep"])
    if options["verify"]:
        return _verify(shell, publishing.publish(shell.app, keep, 1), as_json=options["as_json"])
    if options["dry_run"]:
        return _plan(shell, publishing.publish(shell.app, keep, 1), as_json=options["as_json"])
    with recorded(shell, "publish", {"keep": options["keep"]}) as job:
        publish(shell, job, keep, options["keep_last"])
    if options["as_json"]:
        shell.json({"run_id": job.run_id, "tables": told(job.outcomes.get("publish", []))})
    return job.exit_code


def publish(shell: Shell, job: Job, keep: timedelta = KEEP, keep_last: int = KEEP_LAST) -> None:
    """Publishes the lake, and says what it did table by table.

    Raises Interrupted, and ConfigError if there can be no catalog.
    """
    from schemahub.app import publishing

    app = shell.app

    facts = app.backend().facts().gather
    for outcome in publishing.publish(app, keep, keep_last).run(facts):
        job.add("publish", outcome)
        _say(shell, outcome)


def _say(shell: Shell, outcome: Outcome) -> None:
    for note in outcome.notes:
        shell.say(f"{outcome.table}: {note}")
    if outcome.error is not None:
        tell(outcome.error)
        return
    text = (
        f"{outcome.table}: {count(outcome.files)} file(s), {outcome.added} added with "
        f"{count(outcome.rows)} rows, {outcome.removed} taken out"
        + (f"; {outcome.expired} snapshot(s) expired" if outcome.expired else "")
    )
    if outcome.table in {TRADES, BARS}:
        shell.say(f"published {text}")
    else:
        shell.detail(text)


def _plan(shell: Shell, pipeline: Publish, *, as_json: bool) -> int:
    plans = [(kind, *pipeline.plan(kind)) for kind in (TRADES, BARS)]
    if as_json:
        tables = [
            {
                "table": kind,
                "added": [file.location for file in difference.added],
                "removed": list(difference.removed),
                "notes": list(live.notes),
            }
            for kind, difference, live in plans
        ]
        shell.json({"dry_run": True, "tables": tables})
        return 0
    for kind, difference, live in plans:
        for note in live.notes:
            shell.say(f"{kind}: {note}")
        for location in difference.removed:
            show(f"{kind}: take out {location}")
        for file in difference.added:
            show(f"{kind}: add {file.location}")
    print("nothing was written")
    return 0


def _verify(shell: Shell, pipeline: Publish, *, as_json: bool) -> int:
    found: list[Odd] = []
    tables = []
    for kind in (TRADES, BARS):
        odd, rows = pipeline.verify(kind)
        found += odd
        tables.append(
            {
                "table": kind,
                "rows": rows,
                "status": "differs" if odd else "equal",
                "odd": [{"location": one.location, "what": one.what} for one in odd],
            }
        )
        if not as_json:
            show(f"{kind}: {'differs from the lake' if odd else f'equal, {count(rows)} rows'}")
    if as_json:
        shell.json({"tables": tables})
    if not found:
        return 0
    for one in found[:_SHOWN]:
        shell.say(f"{one.table}: {one.location} {one.what}".replace(":  ", ": "))
    tell(_differs(found))
    return ProofFailed.exit_code


def _differs(found: Sequence[Odd]) -> SchemaHubError:
    more = f", the first {_SHOWN} of them above" if len(found) > _SHOWN else ""
    return ProofFailed(
        "what is published is not what is live",
        f"{len(found)} difference(s){more}",
        "run `schemahub publish`; if parts overlap, `schemahub transform` first",
    )
