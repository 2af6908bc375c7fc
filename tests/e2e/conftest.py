"""The worlds that scenarios happen in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import schemahub
from schemahub.adapters import specs
from schemahub.core.spec import ExchangeSpec
from schemahub.sandbox import Generated, Sandbox
from tests.e2e.world import BTC, Clock, World

Make = Callable[..., World]
Respec = Callable[..., None]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """`make(trades)` or `make({symbol: trades or source}, **sandbox's keywords)`."""
    monkeypatch.chdir(tmp_path)  # no schemahub.toml of whoever runs the tests
    with ExitStack() as stack:

        def made(markets: Any = 1500, **keywords: Any) -> World:
            if isinstance(markets, int):
                markets = {BTC: markets}
            sources = {
                symbol: Generated(seed=5, trades=source) if isinstance(source, int) else source
                for symbol, source in markets.items()
            }
            clock = Clock()
            box = stack.enter_context(Sandbox(sources, clock=clock, **keywords))
            return World(tmp_path / "lake", box, clock)

        yield made


@pytest.fixture
def respec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Respec:
    """`respec(old, new)`: the program reads Coinbase's spec with these words changed."""

    def change(old: str = "", new: str = "") -> None:
        text = (Path(schemahub.__file__).parent / "exchanges/coinbase.yaml").read_text()
        assert old in text
        path = tmp_path / "coinbase.yaml"
        path.write_text(text.replace(old, new))
        monkeypatch.setattr("schemahub.adapters.specs.installed", lambda *_: {"coinbase": path})

    return change


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries wait for nothing: what fails eight times fails at once."""
    monkeypatch.setattr("schemahub.adapters.http.client.retry_delay", lambda attempt, dice: 0.0)


@pytest.fixture(autouse=True)
def _specs_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of a command's time is YAML; here hundreds of commands read the same file."""
    read = specs.load

    def load(path: Path) -> ExchangeSpec:
        seen = (path, path.stat().st_mtime_ns)
        if seen not in _READ:
            _READ[seen] = read(path)
        return _READ[seen]

    monkeypatch.setattr("schemahub.adapters.specs.load", load)


_READ: dict[tuple[Path, int], ExchangeSpec] = {}
