"""`schemahub config`."""

from __future__ import annotations

from typing import Any

import click

from schemahub.app import configure
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.words import table
from schemahub.core.settings import unknown_variables


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> object:
    """Show the settings and where each comes from.

    \b
      schemahub config show --origin
    """
    return context.invoke(show) if context.invoked_subcommand is None else None


@command.command("show")
@click.option("--origin", is_flag=True, help="Also where each value is from.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON on stdout.")
@common(base_url=True, reads=True)
def show(shell: Shell, /, **options: Any) -> int:
    """The settings in force: flag, then environment, then schemahub.toml, then default.

    \b
      schemahub config show --origin
    """
    configured = configure(shell.flags)
    exchanges = list(shell.app.specs.by_name)
    if options["as_json"]:
        settings = {
            one.name: {"value": one.value, "origin": one.origin} for one in configured.origins
        }
        shell.json({"settings": settings, "exchanges": exchanges})
        return 0
    rows = []
    for one in configured.origins:
        value = one.value
        if one.name == "base_urls":
            value = ", ".join(f"{name}={url}" for name, url in configured.settings.base_urls) or "-"
        rows.append((one.name, str(value), *([one.origin] if options["origin"] else [])))
    table(("setting", "value", *(["from"] if options["origin"] else [])), rows)
    shell.say(f"exchanges: {', '.join(exchanges)}")
    for name in unknown_variables(configured.environ):
        shell.say(f"warning: {name} is set, but there is no such setting")
    return 0
