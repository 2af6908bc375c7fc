"""Worlds of one exchange that shows a window of history, its spec hurried, and the program."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import schemahub
from tests.e2e.windows.venues import KINDS, Trade, Venue, serving
from tests.e2e.world import TALKS, Files, Said, here, snapshot, unpacked

BUILT_IN = Path(schemahub.__file__).parent / "exchanges"
Row = tuple[int, str, Decimal, Decimal, int]


@dataclass
class Window:
    """A lake, a venue, and the program between them."""

    lake: Path
    venue: Venue

    @property
    def exchange(self) -> str:
        return f"{self.venue.kind.name}_fast"

    @property
    def market(self) -> str:
        return f"{self.exchange}:BTC-USD"

    @property
    def reach(self) -> float:
        """How far back the exchange shows history, in seconds."""
        assert self.venue.reach is not None
        return self.venue.reach.total_seconds()

    # ------------------------------------------------------------ the program

    def run(self, command: str, *more: str) -> Said:
        given = [command, *more, "--lake", str(self.lake)]
        if command in TALKS:
            given += ["--base-url", f"{self.exchange}={self.venue.url}"]
        return here(given)

    def ingest(self, *more: str, code: int = 0) -> Said:
        said = self.run("ingest", self.market, *more)
        assert said.code == code, f"ingest {more}: exit {said.code}\n{said.out}\n{said.err}"
        return said

    def poll(self, *more: str, code: int = 0) -> str:
        """What a scheduler does, and what it was told."""
        said = self.ingest(*more, code=code)
        built = self.run("transform", "--workers", "1")
        assert built.code == 0, built.err
        return said.err

    def certificate(self, code: int = 0) -> dict[str, Any]:
        said = self.run("verify", self.market, "--json", "--workers", "1")
        assert said.code == code, f"verify: exit {said.code}\n{said.out}\n{said.err}"
        (found,) = said.json()["markets"]
        return dict(found)

    def statuses(self, code: int = 0) -> list[str]:
        return sorted({hole["status"] for hole in self.certificate(code)["holes"]})

    # ------------------------------------------------------------ what must be true

    def rows(self) -> list[Row]:
        """The table, by SQL, in the order of its ids."""
        sql = (
            "select trade_id, side, price, quantity, epoch_us(trade_ts) as at from trades "
            f"where exchange = '{self.exchange}' order by trade_id"
        )
        said = self.run("query", sql, "--output", "csv")
        assert said.code == 0, said.err
        return [
            (int(n), side, Decimal(price), Decimal(size), int(at))
            for n, side, price, size, at in list(csv.reader(io.StringIO(said.out)))[1:]
        ]

    def assert_is(self, truth: Iterable[Trade], after: Iterable[Row] = ()) -> None:
        """The table holds these trades, exactly and once, `after` these rows."""
        right = [*after]
        right += [(t.id, t.side, Decimal(t.price), Decimal(t.size), t.at) for t in truth]
        found = self.rows()
        lost, extra = sorted(set(right) - set(found)), sorted(set(found) - set(right))
        assert found == right, f"{len(found)} of {len(right)}: lost {lost[:3]}, extra {extra[:3]}"

    # ------------------------------------------------------------ the lake's files

    def raw(self) -> list[Path]:
        """Data objects, lowest first."""
        folder = self.lake / f"raw_{self.exchange}_trades" / "BTC-USD"
        return sorted(folder.glob("*.jsonl.zst"))

    def lines(self) -> int:
        """How many answers raw holds."""
        return sum(len(unpacked(path).splitlines()) for path in self.raw())

    def files(self) -> Files:
        return snapshot(self.lake)


Open = Callable[..., Window]


@pytest.fixture
def window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """`window("gemini", page=20)`: its world; `page` is how many rows an answer holds."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "specs"
    folder.mkdir()
    monkeypatch.setenv("SCHEMAHUB_EXCHANGES", str(folder))
    with ExitStack() as stack:

        def made(name: str, page: int | None = None, **changed: str) -> Window:
            (folder / f"{name}_fast.yaml").write_text(hurried_spec(name, page, changed))
            venue = Venue(KINDS[name], page=page or 0)
            if "history" in changed:
                venue.reach = timedelta(hours=float(changed["history"][:-1]))
            return Window(tmp_path / f"{name}_lake", stack.enter_context(serving(venue)))

        yield made


def hurried_spec(name: str, page: int | None, changed: dict[str, str]) -> str:
    """The built-in spec under another name, with no limit worth waiting for."""
    text = (BUILT_IN / f"{name}.yaml").read_text()
    text = _put(text, rf"^exchange: {name}$", f"exchange: {name}_fast")
    text = _put(text, r"^limits: .*$", "limits: {scope: host, rate: 900.0, burst: 900}")
    if page is not None:
        text = _put(text, r", page: \d+", f", page: {page}")
    for key, value in changed.items():
        text = _put(text, rf"^{key}: .*$|(?=^limits: )", f"{key}: {value}\n")
    return text


def _put(text: str, old: str, new: str) -> str:
    done, times = re.subn(old, new, text, count=1, flags=re.MULTILINE)
    assert times == 1, old
    return done
