"""`schemahub status`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from schemahub.cli.complete import stored
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.verify import explicit_exchange
from schemahub.cli.words import span, table
from schemahub.core.axis import AXES, DAY, SECOND
from schemahub.core.errors import Interrupted, ObjectCorrupt, SchemaHubError
from schemahub.core.layout import Market, market_lease
from schemahub.core.lease import is_doubtful
from schemahub.core.parts import Slice
from schemahub.core.span import Coverage
from schemahub.pipelines.quality import last_report
from schemahub.pipelines.runs import list_runs, read_run

INTERRUPTED = 130  # by Ctrl-C, which is how one stops watching
DAYS = 3  # more than so many are told in days


@click.command()
@click.argument("markets", nargs=-1, metavar="[MARKET]...", shell_complete=stored)
@click.option("--exchange", metavar="E", help="Only this exchange.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON on stdout.")
@click.option("--watch", is_flag=True, help="Again and again, until Ctrl-C.")
@click.option("--every", type=click.FloatRange(0.1, 86_400), default=5.0, show_default=True,
              metavar="S", help="Seconds between, with --watch.")  # fmt: skip
@common(reads=True)
def command(shell: Shell, /, **options: Any) -> int:
    """How far each market is, by the names of the stored objects and its checkpoint.

    What a checkpoint vouches for is believed, not listed: `verify` lists everything.

    \b
      schemahub status
      schemahub status BTC-USD --json
      schemahub status --watch --every 10
    """
    shell.app.require_lake()
    if not options["watch"]:
        _show(shell, options)
        return 0
    try:
        while True:
            if sys.stdout.isatty():
                click.clear()
            _show(shell, options)
            sys.stdout.flush()
            shell.app.clock.sleep(options["every"])
    except Interrupted as stopped:
        if stopped.exit_code != INTERRUPTED:
            raise
    return 0


def _show(shell: Shell, options: dict[str, Any]) -> None:
    markets = shell.app.stored_markets(options["markets"], explicit_exchange(shell))
    at_work = _at_work(shell)
    rows = [
        {**_market(shell, market, slices), "at_work": at_work.get(market_lease(market))}
        for market, slices in shell.app.lake.all_slices(markets)
    ]
    last, checked = _last_run(shell), _last_report(shell)
    if options["as_json"]:
        shell.json({"markets": rows, "last_run": last, "quality": checked})
        return
    head = ("market", "from", "watermark", "held", "missing", "absent", "in table")
    cells = [_cells(row) for row in rows]
    table(head, cells, right=(1, 2, 3, 4, 5, 6))
    for row in rows:
        if row["at_work"] is not None:
            shell.say(f"{row['market']}: {row['at_work']} is at it")
    if last is not None:
        shell.say(f"last run: {last['run_id']} {last['command']}, exit {last['exit_code']}")
    if checked is not None:
        shell.say(f"quality: {checked['score']} of 100, {checked['status']}, at {checked['at']}")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A line of the table: times as times, and microseconds as hours or days."""
    line = AXES[row["axis"]]
    ends = ("-" if row[name] is None else line.at(row[name]) for name in ("from_id", "watermark"))
    sizes = (row[name] for name in ("held", "missing", "absent", "in_table"))
    said = (_length(size) if line.timed else str(size) for size in sizes)
    return (str(row["market"]), *ends, *said)


def _length(microseconds: int) -> str:
    if not microseconds:
        return "0"
    days = microseconds / DAY
    return f"{days:.1f} d" if days > DAYS else span(microseconds / SECOND)


def _market(shell: Shell, market: Market, slices: Sequence[Slice]) -> dict[str, Any]:
    line = shell.app.line(market)
    ledger = shell.app.lake.quick_ledger(market, shell.app.specs.by_name.get(market.exchange))
    shown = Coverage.of(kept for piece in slices for kept in piece.keep)
    wanted = ledger.wanted(ledger.extent.stop) if ledger.extent else None
    return {
        "market": str(market),
        "axis": line.kind,
        "from_id": ledger.lowest_origin,
        "watermark": ledger.watermark,
        "held": len(ledger.held),
        "missing": len(ledger.work(wanted)),
        "absent": len(ledger.absent),
        "in_table": len(shown),
        "objects": ledger.object_count,
        "parts": len(slices),
    }


def _at_work(shell: Shell) -> dict[str, str]:
    """The owner of each lease that is in force; none where leases cannot be read."""
    now = shell.app.clock.now()
    try:
        held = shell.app.leases.records()
    except SchemaHubError as error:
        shell.say(f"who is at work cannot be told: {error}")
        return {}
    return {holder.name: holder.owner for holder in held if not is_doubtful(holder, now)}


def _last_run(shell: Shell) -> dict[str, Any] | None:
    runs = list_runs(shell.app.store)
    if not runs:
        return None
    try:
        run = read_run(shell.app.store, runs[-1])
    except ObjectCorrupt as error:
        shell.say(f"{error}: it is only a record, and can be deleted")
        return None
    return {name: run.get(name) for name in ("run_id", "command", "ended_at", "exit_code")}


def _last_report(shell: Shell) -> dict[str, Any] | None:
    try:
        report = last_report(shell.app.store)
    except ObjectCorrupt as error:
        shell.say(f"{error}: it is only a report, and can be deleted")
        return None
    if report is None:
        return None
    return {name: report.get(name) for name in ("run_id", "at", "score", "status")}
