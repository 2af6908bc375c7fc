"""The worlds of tests/e2e, and one with a neighbourhood that must stay as it is."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from schemahub.cli.main import run as run_cli
from tests.e2e.conftest import Make, _specs_are_read_once, hurried, make
from tests.e2e.world import BTC, Files, World, snapshot

__all__ = ["_specs_are_read_once", "hurried", "make"]


def anyway(arguments: Sequence[str]) -> tuple[int, str, str]:
    """Code, stdout and stderr as `here` gives them, also where a traceback is asked for."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = run_cli(list(arguments))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    texts = []
    for stream in (out, err):
        stream.flush()
        assert isinstance(stream.buffer, io.BytesIO)
        texts.append(stream.buffer.getvalue().decode())
    return code, texts[0], texts[1]


SECRET = "canary-of-the-neighbourhood"


@dataclass
class Walled:
    """A world, and what lies around its lake."""

    world: World
    around: Path

    @property
    def outside(self) -> Path:
        return self.around / "outside"

    def surroundings(self) -> Files:
        """Every file and folder that is not the lake's; links as what they are."""
        lake = self.world.lake.name + "/"
        found = snapshot(self.around)
        return {name: data for name, data in found.items() if not name.startswith(lake)}


Wall = Callable[..., Walled]


@pytest.fixture
def wall(make: Make, tmp_path: Path) -> Wall:
    """A lake with one whole market, between a folder with a secret and an empty one."""

    def made(*, whole: bool = True) -> Walled:
        world = make({BTC: 40})
        walled = Walled(world, tmp_path)
        for place in (walled.outside, tmp_path / "x", tmp_path / "BTC-USD"):
            place.mkdir()
            (place / "secret.json").write_text(f'{{"run_id": "{SECRET}", "markets": "{SECRET}"}}')
        if whole:
            world.fetch()
        return walled

    return made
