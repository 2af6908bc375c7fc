"""Deliberate breakages of the product: each a small change of a real function, each to be caught.

A sabotage lasts as long as a schedule (`World` enters it). `within` is how many schedules
may pass before a promise is seen broken, counted from `first`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sabotage:
    """`changes` makes what is put where: (object, name, value)."""

    name: str
    breaks: str
    changes: Callable[[], list[tuple[Any, str, Any]]]
    within: int = 60
    first: int = 1

    @contextmanager
    def __call__(self) -> Iterator[None]:
        changes = self.changes()
        kept = [(where, name, getattr(where, name)) for where, name, _ in changes]
        for where, name, value in changes:
            setattr(where, name, value)
        try:
            yield
        finally:
            for where, name, value in kept:
                setattr(where, name, value)


SABOTAGES: list[Sabotage] = []


def sabotage(
    breaks: str, within: int = 60, first: int = 1
) -> Callable[[Callable[[], list[tuple[Any, str, Any]]]], Sabotage]:
    """Registers a function that says what to put where."""

    def register(changes: Callable[[], list[tuple[Any, str, Any]]]) -> Sabotage:
        made = Sabotage(changes.__name__, breaks, changes, within, first)
        SABOTAGES.append(made)
        return made

    return register
