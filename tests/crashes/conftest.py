"""One arena for all tests that put its lake back to a known state themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crashes.arena import Arena, arena, workshop


@pytest.fixture(scope="session")
def a() -> Iterator[Arena]:
    with workshop() as folder, arena(folder) as made:
        yield made
