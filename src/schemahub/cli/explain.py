"""`schemahub explain`."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

import click

from schemahub.core.errors import UsageError

PAGES = Path(__file__).parents[1] / "errors"
_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")
_HEADING = re.compile(r"^#+ ", re.MULTILINE)


@click.command()
@click.argument("code", required=False)
def command(code: str | None) -> int:
    """What an error means and what to do: CODE as it was told, or all codes.

    \b
      schemahub explain SH-STORE
      schemahub explain proof
    """
    known = sorted(path.stem for path in PAGES.glob("*.md"))
    if code is None:
        print("\n".join(known))
        return 0
    wanted = "SH-" + code.upper().removeprefix("SH-")
    if wanted not in known:
        near = get_close_matches(wanted, known, 1)
        raise UsageError(
            f"there is no error {code!r}",
            f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}",
            "`schemahub explain` lists all",
        )
    text = (PAGES / f"{wanted}.md").read_text("utf-8")
    print(_HEADING.sub("", _LINK.sub(r"\1", text)), end="")
    return 0
