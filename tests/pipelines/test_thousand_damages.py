"""A thousand damages, one at a time: verify finds each and says where, repair heals it.

The lake goes on with what repair made of it, so that later damages meet revisions, markers
and versions that earlier ones left.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from schemahub.core.errors import ConfigError
from schemahub.core.layout import Market
from schemahub.core.proof import Certificate
from schemahub.core.span import Coverage, Span
from schemahub.pipelines.compare import TOLD_TWICE
from schemahub.pipelines.verify import Report
from tests.pipelines.damage import Bench
from tests.pipelines.damage_table import ALL, HARMLESS
from tests.pipelines.damage_world import ENDS, World, the_truth
from tests.pipelines.raw_lake import BTC, small_cells
from tests.pipelines.test_rebuild import other_spec

pytestmark = [pytest.mark.usefixtures("small_cells"), pytest.mark.heavy]
__all__ = ["small_cells"]

# With those of the other tests here and of test_verify_damage.py more than a thousand; a
# longer run asks for more chains.
CHAINS, LENGTH = int(os.environ.get("DAMAGE_CHAINS", "18")), 25
# They harm another market too, or all of the exchange.
FAR_REACHING = {
    "raw moved to another market", "part moved to another market",
    "PLAN lost", "PLAN changed", "older PLAN lost", "COMPLETE removed", "COMPLETE forged",
}  # fmt: skip
# Where overlapping objects tell a row differently, nobody can say which was changed: it is as
# if the exchange had told it twice. Both stay, and verify goes on to say so.
CHANGED_RAW = {"raw row changed", "raw with another price"}
_made: dict[bool, World] = {}


def fresh(*, older: bool) -> World:
    if older not in _made:
        _made[older] = World(other_spec() if older else None)
        _made[older].make()
    return _made[older].copy()


@dataclass
class Tally:
    found: Counter[str] = field(default_factory=Counter)
    harmless: Counter[str] = field(default_factory=Counter)
    disputed: Counter[str] = field(default_factory=Counter)
    nothing: Counter[str] = field(default_factory=Counter)


@dataclass
class Chain:
    """One lake, and what verify said of it when it was whole."""

    world: World
    dice: random.Random
    right: dict[Market, Certificate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for market in ENDS:
            self.right[market] = self.world.lake(market).verify()
            self.assert_truth(market, "at the beginning")

    def assert_truth(self, market: Market, after: str) -> None:
        assert self.world.lake(market).shown() == the_truth(market), f"{market} after {after}"

    def damage(self, kind: str) -> str:
        """Does it, and judges verify and repair: "found", "harmless" or "nothing"."""
        before = self.world.copy()
        for market in self.dice.sample(sorted(ENDS), len(ENDS)):
            other = self.dice.choice([one for one in ENDS if one != market])
            bench = Bench(self.world.lake(market), self.dice, self.world.lake(other))
            spans = ALL[kind](bench)
            if spans:
                outcome = self._judge(kind, market, spans)
                if outcome == "disputed":
                    self.world = before
                return outcome
        return "nothing"

    def _judge(self, kind: str, market: Market, spans: list[Span]) -> str:
        report: Report | None = None
        lake, told = self.world.lake(market), f"{kind} of {market} {spans}"
        try:
            report = lake.report()
        except ConfigError as error:
            assert kind in {"PLAN changed", "COMPLETE removed"}, told
            advice = (error.why, error.do)
            assert ("PLAN" in advice[0], "transform --rebuild" in advice[1]) == (True, True), told
            assert lake.transform(rebuild=True).state == "complete", told
        else:
            found = report.certificate
            if found == self.right[market]:
                assert kind in HARMLESS, f"not found: {told}"
                self.assert_truth(market, told)
                if kind in FAR_REACHING:
                    self._heal(list(ENDS), told, report)
                return "harmless"
            self._named(report.certificate, market, spans, told)
            if kind in CHANGED_RAW and any(TOLD_TWICE in hole.reason for hole in found.holes):
                return "disputed"
        touched = list(ENDS) if kind in FAR_REACHING else [market]
        self._heal(touched, told, report)
        return "found"

    def _named(self, found: Certificate, market: Market, spans: list[Span], told: str) -> None:
        assert not found.passes, told
        new = set(found.holes) - set(self.right[market].holes)
        named = Coverage.of(hole.span for hole in new if "stand twice" not in hole.reason)
        named |= Coverage.of(one.span for one in found.damaged)
        # A page that was fetched as the newest holds all there is, under any name.
        enough = any if told.startswith("raws swapped") else all
        assert enough(named.overlaps(span) for span in spans), f"{told}: {found.holes}"

    def _heal(self, touched: list[Market], told: str, report: Report | None) -> None:
        for market in touched:
            seen = None if report is None or report.certificate.market != market else report
            healed = self.world.heal(market, self.right[market], seen)
            assert healed, f"not healed: {told}: {self.world.lake(market).verify()}"
            self.assert_truth(market, told)

    def assert_whole(self) -> None:
        for market, right in self.right.items():
            assert self.world.lake(market).verify() == right
            self.assert_truth(market, "all")


def test_the_lake_has_everything_in_it() -> None:
    chain = Chain(fresh(older=False), random.Random(1))
    assert {m.symbol: c.status for m, c in chain.right.items()} == {
        "BTC-USD": "absent_at_source", "ETH-USD": "absent_at_source", "SOL-USD": "quarantined",
    }  # fmt: skip
    lake = chain.world.lake(BTC)
    assert lake.parts(1)
    assert {len(span) for span in lake.parts(2)} >= {4, 16, 64}
    ledger = lake.lake.ledger(BTC)
    assert (len(ledger.bad), len(ledger.attested)) == (1, 1)
    assert sum(len(name.span) for name in ledger.objects) > len(ledger.held)


@pytest.mark.parametrize("kind", ALL)
def test_every_kind_of_damage_is_found_or_harmless(kind: str) -> None:
    outcomes = set()
    for seed in range(3):
        dice = random.Random(f"{kind} {seed}")
        chain = Chain(fresh(older=seed == 2), dice)
        outcomes.add(chain.damage(kind))
        chain.assert_whole()
    assert outcomes != {"nothing"}
    assert outcomes & {"found", "disputed"} or kind in HARMLESS


@pytest.mark.parametrize("seed", range(CHAINS))
def test_damage_after_damage_is_found_named_and_healed(seed: int) -> None:
    tally = Tally()
    dice = random.Random(seed)
    chain = Chain(fresh(older=seed % 2 == 1), dice)
    done = 0
    while done < LENGTH:
        kind = dice.choice(sorted(ALL))
        outcome = chain.damage(kind)
        getattr(tally, outcome)[kind] += 1
        done += outcome in {"found", "disputed"}
    chain.assert_whole()
    assert sum((tally.found + tally.disputed).values()) == LENGTH
