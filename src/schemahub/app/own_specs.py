"""Where the user's own exchange specs are, and those with the ones that are built in."""

from __future__ import annotations

import os
from pathlib import Path

from schemahub.adapters.specs import SpecFiles
from schemahub.core.errors import ConfigError
from schemahub.core.settings import Settings, default_exchanges


def own_folder(settings: Settings) -> Path | None:
    """The folder, there or not; None where nobody has a home."""
    try:
        return Path(settings.exchanges).expanduser()
    except RuntimeError:
        return None


def spec_files(settings: Settings) -> SpecFiles:
    """Raises ConfigError if a folder that somebody named is not there."""
    folder = own_folder(settings)
    default, _ = default_exchanges(os.environ)
    if settings.exchanges != default and (folder is None or not folder.is_dir()):
        raise ConfigError(
            f"there is no folder {settings.exchanges}",
            "the setting `exchanges` names it as that of your own exchange specs",
            "`schemahub exchange new NAME` makes it; or see `schemahub config show --origin`",
        )
    return SpecFiles(folder)
