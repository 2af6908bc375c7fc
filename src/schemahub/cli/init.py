"""`schemahub init`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from schemahub.app.environment import CONFIG_FILE
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.core.errors import StoreError, UsageError
from schemahub.core.settings_file import annotated


@click.command()
@click.option("--exchange", metavar="E", help="What BTC-USD alone is to mean.")
@click.option("--stdout", is_flag=True, help="Print it; write no file.")
@common()
def command(shell: Shell, /, **options: Any) -> int:
    """Write schemahub.toml into this folder: every setting, explained, with its default.

    What is given as an option is set in it. A file that is there is never touched.

    \b
      schemahub init --lake /data/lake
      schemahub init --s3-bucket my-bucket --stdout
    """
    given = ("lake", "s3_bucket", "exchanges", "exchange")
    values = {name: shell.flags[name] for name in given if shell.flags.get(name) is not None}
    if "exchange" in values:
        shell.app.specs.of(values["exchange"])
    text = annotated(values)
    if options["stdout"]:
        print(text, end="", flush=True)
        return 0
    path = Path(os.path.abspath(CONFIG_FILE))  # noqa: PTH100  (links stay as they are named)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            f"{path} is there already", "it is yours, and is not touched", "see --stdout"
        ) from None
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written", str(error), "go to a folder of your own"
        ) from None
    shell.say(f"wrote {path}; every setting in it is explained there")
    return 0
