"""Whole lives of a lake: crashes, zombies, torn views, damage, deletion, rebuilds, repair."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.core import parts
from schemahub.core.errors import ObjectCorrupt, ObjectMissing
from schemahub.core.layout import RawName, part_key, raw_key
from schemahub.core.span import Coverage, Span, cut
from schemahub.pipelines.build import PartTask
from tests.pipelines.exchange import FakeExchange
from tests.pipelines.raw_lake import BTC, RawLake, expected, small_cells, truth, wire
from tests.pipelines.stores import Killed, Mortal, Torn

pytestmark = pytest.mark.usefixtures("small_cells")
__all__ = ["small_cells"]

HEAD = 150


@dataclass
class Life:
    """What happens to one lake; `damaged` once anything was harmed on purpose."""

    lake: RawLake = field(default_factory=RawLake)
    zombies: list[PartTask] = field(default_factory=list)
    damaged: bool = False

    def land(self, span: Span) -> None:
        for piece in cut(span, 50):
            name = self.lake.lake.ledger(BTC).name_for(piece)
            answers = self.lake.answers(piece)
            self.lake.store.create(raw_key(BTC, name), self.lake.packed(answers))

    def run(self, seed: int, how: str) -> None:
        """A transform that sees all, or not, or dies, or rebuilds."""
        store = self.lake.store
        if how == "torn":
            store = Torn(store, seed)
        elif how == "killed":
            store = Mortal(store, seed % 9 + 1, after=seed % 2 == 0)
        with suppress(Killed):
            RawLake(store=store).transform(markets=[BTC], rebuild=how == "rebuild")

    def plan(self, seed: int) -> None:
        for version in self.lake.lake.versions("coinbase"):
            self.zombies += self.lake.pipeline().plan([BTC], {"coinbase": version})

    def zombie(self, seed: int) -> None:
        if self.zombies:
            with suppress(ObjectMissing, ObjectCorrupt):
                self.lake.builder()(self.zombies.pop(seed % len(self.zombies)))

    def sweep(self, seed: int) -> None:
        """What compaction will do: superseded parts go, in the order that is safe."""
        for version in self.lake.lake.versions("coinbase"):
            gone = parts.superseded(self.lake.parts(version))
            for span in gone[: seed % (len(gone) + 1)]:
                self.lake.store.delete(part_key(version, BTC, span))

    def harm(self, seed: int) -> None:
        """A stored object loses its end."""
        keys = [
            entry.key
            for entry in self.lake.store.list("")
            if entry.size > 9 and entry.key.endswith((".zst", ".parquet"))
        ]
        if keys:
            key = keys[seed % len(keys)]
            self.lake.store.put(key, self.lake.store.read(key)[:-9])
            self.damaged = True

    def held(self) -> Coverage:
        return self.lake.lake.ledger(BTC).held


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["land", "land", "land", "run", "run", "torn", "killed", "rebuild", "plan", "zombie",
             "zombie", "sweep", "harm"]
        ),
        st.integers(1, HEAD - 1),
        st.integers(1, 60),
    ),
    max_size=16,
)  # fmt: skip


Step = tuple[str, int, int]


@settings(max_examples=12)
@given(steps)
def test_no_life_shows_a_row_twice_or_wrong_and_every_life_can_be_healed(
    history: list[Step],
) -> None:
    live(history)


@pytest.mark.heavy
@settings(max_examples=25)
@given(steps)
def test_nor_do_many_more_lives(history: list[Step]) -> None:
    live(history)


def live(history: list[Step]) -> None:
    life = Life()
    life.lake.origin(1)
    for what, start, length in history:
        if what == "land":
            life.land(Span(start, min(start + length, HEAD)))
        elif what in {"run", "torn", "killed", "rebuild"}:
            life.run(start, what)
        else:
            getattr(life, what)(start)
        if not life.damaged:
            shown = life.lake.shown()
            assert len({row[2] for row in shown}) == len(shown)
            assert all(row == expected(row[2]) for row in shown)
            report = life.lake.report()
            assert (report.bad_raw, report.bad_parts) == ((), ())
            assert {hole.status for hole in report.certificate.holes} <= {"missing"}

    exchange = FakeExchange(life.lake, head=HEAD - 1)
    for run in range(6):
        exchange.repair(f"run{run}")
        if life.lake.verify().status == "proven":
            break
    assert life.lake.verify().status == "proven"
    assert life.lake.shown() == truth(1, HEAD)
    assert life.held().covers(Span(1, HEAD))


def test_a_bad_row_is_asked_again_then_held_and_quarantined_and_stays_so() -> None:
    """Two runs see the same bad row; from then on it is raw's, and transform's quarantine."""
    lake = RawLake()
    lake.origin(1)
    rows = [wire(n, size="-1") if n == 7 else wire(n) for n in range(1, 20)]
    lake.put(1, 7, [lake.answer(rows)])
    lake.put(8, 20, [lake.answer(rows)])
    lake.transformed()
    assert [hole.status for hole in lake.verify().holes] == ["missing"]
    assert lake.lake.ledger(BTC).held.missing(Span(1, 20)).spans == (Span(7, 8),)
    lake.put(7, 8, [lake.answer(rows)])
    lake.transformed()
    assert [hole.status for hole in lake.verify().holes] == ["quarantined"]
    assert lake.shown() == [expected(n) for n in range(1, 20) if n != 7]
    assert RawName(Span(7, 8)) in lake.lake.ledger(BTC).objects
