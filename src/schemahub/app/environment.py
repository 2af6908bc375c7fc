"""The settings in force: of flags, the environment and schemahub.toml."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemahub.core.errors import ConfigError
from schemahub.core.settings import Origin, Settings, layer

CONFIG_FILE = "schemahub.toml"
_LARGEST_CONFIG = 64 * 1024


@dataclass(frozen=True)
class Configured:
    """Settings with where each came from."""

    settings: Settings
    origins: list[Origin]
    environ: Mapping[str, str]


def configure(flags: Mapping[str, Any]) -> Configured:
    """Flags over environment over schemahub.toml over defaults. Raises ConfigError."""
    environ = dict(os.environ)
    path = Path(environ.get("SCHEMAHUB_CONFIG") or CONFIG_FILE)
    file: dict[str, Any] = {}
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST_CONFIG + 1)
        if len(data) > _LARGEST_CONFIG:
            raise ConfigError(
                f"{path} is larger than {_LARGEST_CONFIG // 1024} kB",
                "it holds a few settings, a line each",
                "correct it, or name another with SCHEMAHUB_CONFIG",
            )
        file = tomllib.loads(data.decode())
    except FileNotFoundError:
        if environ.get("SCHEMAHUB_CONFIG"):
            raise ConfigError(
                f"there is no {path}", "SCHEMAHUB_CONFIG names it", "correct or unset it"
            ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read", str(error), "check its rights") from None
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits
        raise ConfigError(f"{path} is not TOML", str(error), "correct that line") from None
    settings, origins = layer(flags, environ, file, str(path))
    return Configured(settings, origins, environ)
