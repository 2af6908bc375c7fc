"""How kernels are compiled: once a machine, kept beside the source or in the user's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """`function`, compiled at its first call in a process, or read from where numba keeps it.

    It runs without the interpreter's lock, so threads may run kernels side by side. Integers
    wrap at 64 bits as they do in C: kernels see to it that none does. Where nothing can be
    kept, as in a read-only container without a home, each process compiles anew.
    """
    made: F
    try:
        made = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba: no place for a cache
        made = numba.njit(nogil=True, error_model="numpy")(function)
    return made


def version() -> str:
    """Numba's."""
    said: str = numba.__version__
    return said
