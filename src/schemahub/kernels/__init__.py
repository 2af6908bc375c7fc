"""Loops over plain buffers, compiled (extra `fast`). No I/O; numba and numpy are used only here.

A kernel is never the authority: it does what a general path does for input of a narrow, strict
form, faster, and hands anything odd back. Without the extra the results are the same.
"""

from __future__ import annotations

from importlib.util import find_spec


def installed() -> bool:
    """Whether kernels can be imported: the extra `fast` is there."""
    return find_spec("numba") is not None
