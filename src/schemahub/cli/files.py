"""`schemahub files`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from schemahub.cli.complete import stored
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.verify import explicit_exchange
from schemahub.core.errors import PartlyFailed, UsageError
from schemahub.core.layout import part_key


@click.command()
@click.argument("markets", nargs=-1, metavar="[MARKET]...", shell_complete=stored)
@click.option("--exchange", metavar="E", help="Only this exchange.")
@click.option("--json", "as_json", is_flag=True, help="With spans, as JSON on stdout.")
@click.option(
    "--format", "form", type=click.Choice(["paths", "snowflake", "snowflake-iceberg"]),
    default="paths", show_default=True,
    help="Paths; or SQL for Snowflake: to load them, or to read the published table in place.",
)  # fmt: skip
@common(reads=True)
def command(shell: Shell, /, **options: Any) -> int:
    """The Parquet files that are live now, one a line: for tools that read files themselves.

    A glob over the folder may also find superseded files; this list never does.

    \b
      schemahub files > live.txt
      schemahub files BTC-USD --json
      schemahub files --format snowflake > load.sql
    """
    if options["as_json"] and options["form"] != "paths":
        raise UsageError(
            "--json and --format exclude each other", "SQL is no JSON", "leave one out"
        )
    shell.app.require_lake()
    app = shell.app
    own = app.settings
    root = own.place if own.s3_bucket else str(Path(own.lake).resolve())
    if options["form"] == "snowflake-iceberg":
        from schemahub.cli import snowflake

        return _statements(snowflake.external(root, own.database))
    markets = app.stored_markets(options["markets"], explicit_exchange(shell))
    found = [
        {
            "path": app.store.locate(part_key(piece.version, market, piece.part)),
            "market": str(market),
            "span": [piece.part.start, piece.part.stop],
            "keep": [[span.start, span.stop] for span in piece.keep],
            "key": part_key(piece.version, market, piece.part),
        }
        for market in markets
        for piece in app.lake.slices(market)
    ]
    if options["form"] == "snowflake":
        timed = {market.exchange for market in markets if app.line(market).timed}
        return _snowflake(shell, found, root, timed)
    if options["as_json"]:
        shell.json({"files": [{k: v for k, v in one.items() if k != "key"} for one in found]})
        return 0
    for file in found:
        print(file["path"])
        if file["keep"] != [file["span"]]:
            shell.say(f"of {file['path']} only ids {file['keep']} count: transform will heal this")
    return 0


def _snowflake(shell: Shell, found: Sequence[Mapping[str, Any]], root: str, timed: set[str]) -> int:
    """Parts that a reader trims are left out, as `publish` leaves them out: exit 3."""
    from schemahub.cli import snowflake

    whole = [one for one in found if one["keep"] == [one["span"]]]
    code = _statements(snowflake.loading([f"{root}/{one['key']}" for one in whole], root, timed))
    if len(whole) == len(found):
        return code
    shell.say(
        f"{len(found) - len(whole)} part(s) that others overlap are left out until "
        "`schemahub transform` unites them"
    )
    return PartlyFailed.exit_code


def _statements(statements: Any) -> int:
    for one in list(statements):
        print(f"{one};\n")
    return 0
