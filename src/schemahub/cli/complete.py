"""Markets of the lake for the shell's Tab: offline, silent, from the names of folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from schemahub.core.errors import SchemaHubError
from schemahub.core.layout import Market, market_of

if TYPE_CHECKING:
    import click


def stored(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """What the lake holds and begins so; of a lake in a bucket nothing, for nobody is called."""
    del parameter
    from schemahub.app.environment import configure

    try:
        flags = {name: context.params.get(name) for name in ("lake", "s3_bucket", "exchange")}
        settings = configure(flags).settings
        held = [] if settings.s3_bucket else _held(Path(settings.lake))
    except (SchemaHubError, OSError):
        return []
    short = [one.symbol for one in held if one.exchange == settings.exchange]
    wanted = begun.upper()
    names = [str(one) for one in held]
    return [name for name in (*short, *names) if name.upper().startswith(wanted)]


def _held(lake: Path) -> list[Market]:
    found = set()
    for folder in lake.glob("raw_*_trades/*/"):
        exchange = folder.parent.name.removeprefix("raw_").removesuffix("_trades")
        found.add(market_of(exchange, folder.name))
    return sorted(one for one in found if one is not None)
