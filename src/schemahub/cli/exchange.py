"""`schemahub exchange`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import click

from schemahub.cli.exchange_check import by_line, check
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.words import table, tell, visible
from schemahub.core.errors import ConfigError, SpecError, UsageError
from schemahub.core.spec import ExchangeSpec

_HEAD = (
    "exchange", "title", "axis", "provable", "history", "limit", "wire's side", "page", "spec",
    "file",
)  # fmt: skip


@click.group()
def command() -> None:
    """The exchanges there are, and how to add one.

    \b
      schemahub exchange list
      schemahub exchange new acme
      schemahub exchange check ~/.config/schemahub/exchanges/acme.yaml --live
    """


@command.command("list", short_help="Every exchange that is described.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON on stdout.")
@common(reads=True)
def list_(shell: Shell, /, **options: Any) -> int:
    """Every exchange that is described: built in, or in your own folder.

    Tells how its trades are numbered, whether that proves completeness, how far back it goes,
    and whose side its wire tells (the table always holds the taker's). Exit 6 if a spec is
    invalid; the others are listed all the same.

    \b
      schemahub exchange list
    """
    files, specs = shell.app.spec_files, shell.app.specs
    found: list[dict[str, Any]] = []
    broken: list[tuple[Path, SpecError]] = []
    for name in files:
        about = {"exchange": name, "file": str(files.path(name)), "built_in": files.built_in(name)}
        try:
            about |= {"valid": True, **_facts(specs.of(name))}
        except SpecError as error:
            broken.append((files.path(name), error))
            about |= {"valid": False, "mistakes": list(error.mistakes)}
        found.append(about)
    if options["as_json"]:
        shell.json({"exchanges": found})
    else:
        table(_HEAD, [_row(about) for about in found], right=(7,))
    for path, wrong in broken:
        for line in by_line(path, wrong):
            print(visible(line), file=sys.stderr, flush=True)
    if broken:
        said = f"{len(broken)} of {len(found)} exchange specs cannot be used"
        names = ", ".join(str(path) for path, _ in broken)
        tell(SpecError(said, (names,), broken[0][1].do))
    return SpecError.exit_code if broken else 0


def _facts(spec: ExchangeSpec) -> dict[str, Any]:
    return {
        "title": spec.title,
        "docs": spec.docs,
        "base_url": spec.base_url,
        "axis": spec.axis,
        "provable": spec.provable.model_dump(),
        "history": spec.history,
        "limits": spec.limits.model_dump(),
        "side": spec.trades.fields.side.of,
        "rule": spec.trades.paging.rule,
        "page": spec.trades.paging.page,
    }


def _row(about: dict[str, Any]) -> tuple[str, ...]:
    whose = "built in" if about["built_in"] else "yours"
    if not about["valid"]:
        said = f"not valid: {len(about['mistakes'])} mistake(s)"
        return (about["exchange"], said, *["-"] * 6, whose, about["file"])
    limits, provable = about["limits"], about["provable"]
    away = f", then {limits['penalty']:g} s away" if limits["penalty"] else ""
    return (
        about["exchange"],
        about["title"],
        about["axis"],
        f"by {provable['by']} ({provable['basis']})",
        about["history"],
        f"{limits['rate']:g}/s a {limits['scope']}, burst {limits['burst']}{away}",
        about["side"],
        str(about["page"]),
        whose,
        about["file"],
    )


@command.command("new", short_help="Write a spec to be filled in.")
@click.argument("name")
@click.option("--dir", "folder", metavar="D", help="The folder. [default: your own specs']")
@common(reads=True)
def new(shell: Shell, /, **options: Any) -> int:
    """Write a spec to be filled in: NAME.yaml in your own folder, which is made if need be.

    Each question stands in it with its answers. Nothing is ever overwritten. The path of the
    new file goes to stdout.

    \b
      schemahub exchange new acme
    """
    from schemahub.adapters.specs import create, installed
    from schemahub.app.own_specs import own_folder
    from schemahub.core.spec_reading import schema
    from schemahub.core.spec_scaffold import SCHEMA_FILE, scaffold

    name: str = options["name"]
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
        raise UsageError(
            f"{name!r} is not an exchange's name",
            "names are lower case letters, digits and _, at most 32",
            "write it like acme or acme_futures",
        )
    if name in installed():
        raise UsageError(
            f"{name} is built in", f"its spec is {installed()[name]}", "choose another name"
        )
    folder = Path(options["folder"]) if options["folder"] else own_folder(shell.app.settings)
    if folder is None:
        raise ConfigError("there is no home folder", "HOME is not set", "name a folder: --dir D")
    path = folder / f"{name}.yaml"
    if not create(path, scaffold(name)):
        raise UsageError(
            f"{path} is there already", "nothing is overwritten", "edit it, or choose another name"
        )
    create(folder / SCHEMA_FILE, schema())  # what the first line of the spec points editors to
    print(path, flush=True)
    shell.say(f"fill it in, then: schemahub exchange check {path}")
    return 0


@command.command("schema")
@common(reads=True)
def schema(shell: Shell, /, **options: Any) -> int:
    """The JSON Schema of a spec, for editors.

    \b
      schemahub exchange schema > exchange.schema.json
    """
    from schemahub.core import spec_reading

    del shell, options
    print(spec_reading.schema(), end="", flush=True)
    return 0


command.add_command(check)
