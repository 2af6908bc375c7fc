"""`schemahub files`."""

from __future__ import annotations

from typing import Any

import click

from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.verify import explicit_exchange
from schemahub.core.layout import part_key


@click.command()
@click.argument("markets", nargs=-1, metavar="[MARKET]...")
@click.option("--exchange", metavar="E", help="Only this exchange.")
@click.option("--json", "as_json", is_flag=True, help="With spans, as JSON on stdout.")
@common(reads=True)
def command(shell: Shell, /, **options: Any) -> int:
    """The Parquet files that are live now, one a line: for tools that read files themselves.

    A glob over the folder may also find superseded files; this list never does.

    \b
      schemahub files > live.txt
      schemahub files BTC-USD --json
    """
    shell.app.require_lake()
    app = shell.app
    found = [
        {
            "path": app.store.locate(part_key(piece.version, market, piece.part)),
            "market": str(market),
            "span": [piece.part.start, piece.part.stop],
            "keep": [[span.start, span.stop] for span in piece.keep],
        }
        for market in app.stored_markets(options["markets"], explicit_exchange(shell))
        for piece in app.lake.slices(market)
    ]
    if options["as_json"]:
        shell.json({"files": found})
        return 0
    for file in found:
        print(file["path"])
        if file["keep"] != [file["span"]]:
            shell.say(f"of {file['path']} only ids {file['keep']} count: transform will heal this")
    return 0
