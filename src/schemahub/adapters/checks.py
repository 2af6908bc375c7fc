"""Checks from `.sql` files: the package's own, and those of a folder of the user's."""

from __future__ import annotations

from pathlib import Path

from schemahub.core.errors import ConfigError
from schemahub.core.quality import Check, parse

LARGEST = 64 * 1024
BUILT_IN = Path(__file__).parents[1] / "checks"


def checks(own: Path | None = None) -> list[Check]:
    """The checks by name; those in the folder `own` too.

    Raises ConfigError for a folder or file that cannot be read, a file that is no check, or a
    name that is taken.
    """
    found = _in(BUILT_IN)
    if own is not None:
        added = _in(own)
        if not added:
            raise ConfigError(f"there is no check in {own}", "it has no .sql file", "name another")
        if taken := added.keys() & found.keys():
            raise ConfigError(
                f"there are two checks {min(taken)!r}",
                f"one is built in, one in {own}",
                "rename it",
            )
        found |= added
    return [found[name] for name in sorted(found)]


def _in(folder: Path) -> dict[str, Check]:
    try:
        paths = sorted(folder.glob("[!.]*.sql"))
        return {path.stem: parse(path.stem, _text(path)) for path in paths}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{folder} cannot be read", str(error), "check its name") from None


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ConfigError(f"{path} is larger than {LARGEST // 1024} kB", "", "it is no check")
    return data.decode()
