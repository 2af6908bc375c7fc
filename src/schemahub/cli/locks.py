"""`schemahub locks`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.words import span, table
from schemahub.core.errors import UsageError
from schemahub.core.lease import Holder, is_doubtful


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> object:
    """Who works on what now: the leases by which runs keep out of each other's way.

    They save work. Without them, or with one broken by mistake, everything stays right.

    \b
      schemahub locks
    """
    return context.invoke(list_) if context.invoked_subcommand is None else None


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON on stdout.")
@common(reads=True)
def list_(shell: Shell, /, **options: Any) -> int:
    """Each lease with its holder. Stale: by its own words it was silent for too long.

    A stale one needs no help: the next run takes it over.

    \b
      schemahub locks list
    """
    held = leases(shell)
    now = shell.app.clock.now()
    if options["as_json"]:
        shell.json({"locks": [told(holder, now) for holder in held]})
        return 0
    cells = [
        (
            holder.name,
            holder.owner,
            str(holder.generation),
            span(max(0.0, (now - holder.renewed_at).total_seconds())),
            "yes" if is_doubtful(holder, now) else "no",
        )
        for holder in held
    ]
    table(("name", "owner", "generation", "renewed ago", "stale"), cells, right=(2, 3))
    return 0


@command.command("break")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="All of them.")
@common()
def break_(shell: Shell, /, **options: Any) -> int:
    """Take leases away from their holders, as `locks list` names them.

    A holder that lives notices at its next renewal and begins nothing new.

    \b
      schemahub locks break EXCHANGE/BTC-USD
    """
    held = {holder.name: holder for holder in leases(shell)}
    names: Sequence[str] = list(held) if options["every"] else options["names"]
    if not names and not options["every"]:
        raise UsageError(
            "no lease is named",
            "break takes the names of leases, or --all",
            "name some of `schemahub locks list`",
        )
    missing = [name for name in names if name not in held]
    if missing:
        raise UsageError(
            f"there is no lease {missing[0]}",
            f"there are: {', '.join(held) or 'none'}; nothing was broken",
            "see `schemahub locks list`",
        )
    now = shell.app.clock.now()
    for name in names:
        holder = held[name]
        if not is_doubtful(holder, now):
            shell.say(
                f"warning: {holder.owner} renewed {name} at {holder.renewed_at:%H:%M:%S} UTC and "
                "seems to live; it will stop before its next chunk"
            )
        shell.app.leases.remove(name)
        shell.say(f"{name}: broken")
    return 0


def leases(shell: Shell) -> list[Holder]:
    shell.app.require_lake()
    return list(shell.app.leases.records())


def told(holder: Holder, now: datetime) -> dict[str, Any]:
    """A lease as JSON shows it."""
    return {
        "name": holder.name,
        "owner": holder.owner,
        "generation": holder.generation,
        "renewed_at": holder.renewed_at.isoformat(timespec="milliseconds"),
        "seconds": round((now - holder.renewed_at).total_seconds(), 3),
        "ttl": holder.ttl,
        "stale": is_doubtful(holder, now),
    }
