"""Command lines of other files (units, task definitions), read as the program reads them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from schemahub.cli.main import cli


def parse(words: Sequence[str]) -> None:
    """Raises what the program would for the `words` after `schemahub`; nothing is run.

    Each command is met below its group, as in the program: a command keeps what it first
    heard of the group (which options ask for help), for all that this process does later.

    Raises
    ------
    click.ClickException, schemahub.core.errors.SchemaHubError
        the command or an option does not exist, or has a wrong value
    """
    command: click.Command = cli
    context = click.Context(cli, info_name="schemahub", **cli.context_settings)
    rest = list(words)
    while isinstance(command, click.Group) and rest:
        name = rest.pop(0)
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"there is no such command: {name}", context)
        command = found
        if isinstance(command, click.Group):
            context = click.Context(command, context, name)
    command.make_context(command.name, rest, context).close()
