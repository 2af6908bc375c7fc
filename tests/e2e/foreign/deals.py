"""The trades that a foreign exchange has: made up, but as unruly as measured ones."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

SECOND = 1_000_000_000  # ns


@dataclass(frozen=True, slots=True)
class Deal:
    """One trade as its exchange knows it: `ns` exactly, `buys` the taker's side."""

    number: int
    ns: int
    price: str
    size: str
    buys: bool


def deals(seed: int, count: int, *, ends: int, first: int = 1) -> list[Deal]:
    """`count` trades with ids from `first` on; the last one no later than `ends` (ns).

    Four of ten share the time of the one before; now and then hundreds do, a second holds more
    than a page, hours hold nothing, or a time lies a few ns below a full second.
    """
    rng = random.Random(seed)
    steps = list(_steps(rng, count))
    now = ends - sum(steps) - SECOND
    made = []
    for number, step in enumerate(steps, first):
        now += step
        if step and rng.random() < 0.03:
            # A float rounds it up to the second.
            now += max(0, -now % SECOND - rng.randrange(1, 119))
        whole, cents = rng.randrange(1, 120_000), rng.randrange(10_000_000)
        size = Decimal(rng.randrange(1, 10**10)).scaleb(-8)
        made.append(Deal(number, now, f"{whole}.{cents:07}", f"{size:.8f}", rng.random() < 0.5))
    return [_earlier(one, made[-1].ns - ends) for one in made] if made else []


def _earlier(deal: Deal, ns: int) -> Deal:
    # By full seconds, so that what lies below one stays there.
    late = -(-max(0, ns) // SECOND) * SECOND
    return Deal(deal.number, deal.ns - late, deal.price, deal.size, deal.buys)


def _steps(rng: random.Random, count: int) -> Iterator[int]:
    left = count
    while left > 0:
        kind = rng.random()
        if kind < 0.0007:
            run = [0] * rng.randrange(200, 700)
        elif kind < 0.001:
            # A float tells some of these times apart, and blurs others.
            size = rng.randrange(1_100, 2_500)
            run = [rng.choice([0, rng.randrange(1, 400_000)]) for _ in range(size)]
        elif kind < 0.002:
            run = [rng.randrange(3_600, 20_000) * SECOND]
        elif kind < 0.43:
            run = [0]
        else:
            run = [round(rng.expovariate(1 / (3 * SECOND)))]
        yield from run[:left]
        left -= len(run)


def shares_of_equal_times(made: Sequence[Deal]) -> float:
    """How many trades have the time of the one before them."""
    same = sum(one.ns == two.ns for one, two in pairwise(made))
    return same / max(1, len(made))
