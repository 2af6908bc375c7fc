"""`schemahub runs`."""

from __future__ import annotations

import json
from typing import Any

import click

from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.words import table
from schemahub.core.errors import ObjectCorrupt
from schemahub.pipelines.runs import RunName, find_run, list_runs, read_run


@click.group(invoke_without_command=True)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON on stdout.")
@common(reads=True)
def command(shell: Shell, /, **options: Any) -> int:
    """What each run did, latest first; `runs show LAST` tells one in full.

    \b
      schemahub runs
      schemahub runs show LAST
    """
    context = click.get_current_context()
    context.obj = shell
    if context.invoked_subcommand is not None:
        return 0
    shell.app.require_lake()
    latest = list_runs(shell.app.store)[: -options["limit"] - 1 : -1]
    found = [_read(shell, run) for run in latest]
    if options["as_json"]:
        shell.json({"runs": found})
        return 0
    rows = [
        (
            str(run.get("run_id")),
            str(run.get("command")),
            str(run.get("started_at")),
            str(run.get("seconds")),
            str(run.get("exit_code")),
        )
        for run in found
    ]
    table(("run", "command", "started", "seconds", "exit"), rows, right=(3, 4))
    return 0


def _read(shell: Shell, run: RunName) -> dict[str, Any]:
    """A record; of a damaged one what its name says. One must not hide the others."""
    try:
        return read_run(shell.app.store, run)
    except ObjectCorrupt as error:
        shell.say(f"{error}: it is only a record, and can be deleted")
        return {"run_id": run.run_id, "command": "damaged"}


@command.command("show")
@click.argument("run", default="LAST")
@click.option("--json", "as_json", is_flag=True, help="As it is anyway.")
@common(reads=True)
def show(shell: Shell, /, **options: Any) -> int:
    """Everything that a run recorded: RUN is LAST, or how its id begins.

    \b
      schemahub runs show LAST
    """
    if shell.flags["lake"] is None and shell.flags["s3_bucket"] is None:
        shell = click.get_current_context().obj  # `runs --lake DIR show` means that lake too
    shell.app.require_lake()
    run = read_run(shell.app.store, find_run(shell.app.store, options["run"]))
    print(json.dumps(run, indent=1))
    return 0
