"""SchemaHub: your own, provably complete history of crypto trades as one exact SQL table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemahub.api import Lake, open  # noqa: A004  (the verb of the API)

__version__ = "0.1.0"
__all__ = ["Lake", "__version__", "open"]


def __getattr__(name: str) -> object:
    # The API pulls in duckdb; `schemahub --help` must not pay for it.
    if name in {"Lake", "open"}:
        from schemahub import api  # noqa: PLC0415  (start-up speed)

        return getattr(api, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
