"""The machine's randomness: names that nobody else has, and jitter."""

from __future__ import annotations

import random
import secrets


def token(size: int) -> str:
    """`2 * size` hexadecimal digits that were never drawn before."""
    return secrets.token_hex(size)


def jitter() -> random.Random:
    """For delays; not for secrets."""
    return random.Random()  # noqa: S311
