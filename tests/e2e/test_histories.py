"""Any history of faults, damage, growth and half-done jobs; then one healthy run of each."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from schemahub.sandbox import Fault, Faults
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, World

ETH = "ETH-USD"
# What a bad day may bring. None of these changes what the exchange has.
TOXICS: list[tuple[str, dict[str, Any]]] = [
    ("http_500", {}), ("html_200", {}), ("garbage", {}), ("error_200", {}), ("truncate", {}),
    ("reset", {"after": 500}), ("non_utf8", {}), ("wrong_length", {}), ("stale", {}),
    ("lag", {"by": 40}), ("lag", {"by": 700}), ("cap", {"rows": 60}), ("empty_list", {}),
    ("short_page", {"keep": 0.3}), ("duplicate", {"rows": 9}), ("unsorted", {}),
]  # fmt: skip


class Day:
    """One random step after another, each of them allowed to fail but not to lie."""

    def __init__(self, w: World, seed: int) -> None:
        self.w, self.rng = w, random.Random(seed)
        self.log: list[str] = []
        self.damaged = False
        self.hidden: set[int] = set()

    def step(self) -> None:
        steps: list[tuple[int, Callable[[], None]]] = [
            (6, self.work), (3, self.grow), (3, self.poison), (2, self.wait), (1, self.damage),
            (1, self.hide),
        ]  # fmt: skip
        (step,) = self.rng.choices([one for _, one in steps], [weight for weight, _ in steps])
        step()

    def work(self) -> None:
        market = self.rng.choice([BTC, BTC, ETH])
        command = self.rng.choice(
            [
                ("ingest", market), ("ingest", market, "--full"), ("run", BTC, ETH),
                ("ingest", market, "--since", f"{self.rng.randrange(1, 40)}m"), ("transform",),
                ("transform",), ("repair",), ("transform", "--rebuild"),
            ]
        )  # fmt: skip
        said = self.w.run(*command)
        self.log.append(f"{' '.join(command)} -> {said.code}")
        assert said.code in {0, 1, 2, 3, 4}
        if not self.damaged:
            self.look()

    def look(self) -> None:
        """Whatever is shown is the truth and nothing twice, also in the middle of it all."""
        if not self.w.lake.exists():
            return
        for market in (BTC, ETH):
            if not (self.w.lake / "raw_coinbase_trades" / market).exists():
                continue
            ids = set(self.w.ids(market))
            self.w.assert_table(
                [one for one in self.w.box.truth(market) if one.trade_id in ids], market
            )

    def grow(self) -> None:
        self.w.box.grow(self.rng.choice([BTC, ETH]), self.rng.choice([1, 7, 99, 600, 1_100]))

    def poison(self) -> None:
        chosen = self.rng.sample(TOXICS, self.rng.randrange(0, 4))
        faults = [Fault(kind, p=self.rng.choice([0.1, 0.3]), **args) for kind, args in chosen]
        self.w.box.set_faults(Faults(*faults, seed=self.rng.randrange(10**6)))
        self.log.append(f"faults {[kind for kind, _ in chosen]}")

    def hide(self) -> None:
        low = self.rng.randrange(1, 1_500)
        ids = range(low, low + self.rng.randrange(1, 5))
        self.hidden.update(ids)
        self.w.box.set_faults([Fault("hole", ids=ids)])
        self.log.append(f"hole at {ids}")

    def heal(self) -> None:
        """One healthy run of each job; where holes were shown twice, somebody looks again."""
        self.w.box.set_faults()
        self.w.ok("ingest", BTC, ETH, "--full")
        self.w.run("transform")
        markets = [market for market in (BTC, ETH) if self.w.box.head(market)]
        for market in [] if self.damaged else markets:
            lost = {one.trade_id for one in self.w.box.truth(market)} - set(self.w.ids(market))
            assert lost <= self.hidden, f"{market} lost {sorted(lost)[:9]}"
        self.w.ok("repair", "--audit")
        for market in markets:
            self.w.assert_whole(market)

    def wait(self) -> None:
        self.w.clock.ahead += self.rng.choice([5, 61, 200])

    def damage(self) -> None:
        found = [
            path
            for path in self.w.lake.rglob("*")
            if path.is_file() and path.name.endswith((".zst", ".parquet", "D.json"))
        ]
        if not found:
            return
        path = self.rng.choice(sorted(found))
        self.log.append(f"damage {path.relative_to(self.w.lake)}")
        self.damaged = True
        if self.rng.random() < 0.3:
            path.unlink()
        else:
            data = bytearray(path.read_bytes())
            data[self.rng.randrange(len(data))] ^= 1 << self.rng.randrange(8)
            path.write_bytes(data)


SEEDS = [1, 2, *(pytest.param(n, marks=pytest.mark.heavy) for n in range(3, 8))]


@pytest.mark.parametrize("seed", SEEDS)
def test_after_any_history_one_healthy_run_of_each_job_is_enough(
    make: Make, hurried: None, seed: int
) -> None:
    w = make({BTC: 900, ETH: 300})
    day = Day(w, seed)
    try:
        for _ in range(14):
            day.step()
        day.heal()
    except AssertionError as error:
        error.add_note("\n".join(day.log))
        raise
