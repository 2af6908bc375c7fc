"""What a bad day does to answers: by chance, at a seed, or at the n-th answer."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.e2e.foreign.venue import Venue

HTML = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Soon</body></html>"


@dataclass(frozen=True)
class Sent:
    """An answer on the wire; `missing` bytes of it are announced and never come."""

    status: int
    body: bytes
    kind: str = "application/json"
    missing: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


# Nobody can take these for an answer.
REFUSED = (
    "http_500", "http_503", "http_429", "http_429_after", "truncated", "cut", "html", "html_503",
)  # fmt: skip
KRAKEN_SAYS = ("EGeneral:Internal error", "EService:Unavailable", "EAPI:Rate limit exceeded")
# These are answers by their looks.
LIES = (
    "empty", "lacks_front", "lacks_end", "lacks_middle", "lacks_some", "stale", "duplicated",
    "shuffled", "bad_price", "bad_time", "bad_id", "elsewhere", "far_elsewhere",
)  # fmt: skip


@dataclass
class Faults:
    """`p`: how likely an answer is faulty; `at`: the fault of the n-th answer, from 1."""

    kinds: Sequence[str] = ()
    p: float = 0.0
    seed: int = 0
    at: dict[int, str] = field(default_factory=dict)
    answers: int = 0
    count: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    @property
    def lagged(self) -> bool:
        """Whether it may have shown an older head than it has."""
        return bool(self.count.keys() & {"stale", "elsewhere", "far_elsewhere", "lacks_end"})

    def sent(self, venue: Venue, symbol: str, asked: Mapping[str, str]) -> Sent:
        self.answers += 1
        kind = self.at.get(self.answers)
        if kind is None and self.kinds and self.rng.random() < self.p:
            kind = self.rng.choice(self.kinds)
        if kind is not None:
            self.count[kind] += 1
        return self._sent(kind, venue, symbol, asked)

    def _sent(self, kind: str | None, venue: Venue, symbol: str, asked: Mapping[str, str]) -> Sent:
        behind = self.rng.randrange(1, 1500) if kind == "stale" else 0
        if kind in {"elsewhere", "far_elsewhere"}:
            far = 400 if kind == "elsewhere" else 50_000
            asked = venue.shifted(asked, self.rng.choice([-far, far]))
        rows = venue.rows(venue.books[symbol], asked, behind)
        if kind in _ROWS:
            rows = _ROWS[kind](self.rng, rows)
        body = venue.body(symbol, rows, asked)
        if kind == "error_200":
            return Sent(200, b'{"error":["%s"]}' % self.rng.choice(KRAKEN_SAYS).encode())
        return _PLAIN[kind](body) if kind in _PLAIN else Sent(200, body)


_PLAIN: dict[str | None, Callable[[bytes], Sent]] = {
    "http_500": lambda _: Sent(500, b"{}"),
    "http_503": lambda _: Sent(503, b"{}"),
    "http_429": lambda _: Sent(429, b"{}"),
    "http_429_after": lambda _: Sent(429, b"{}", headers={"Retry-After": "0"}),
    "truncated": lambda body: Sent(200, body[: len(body) * 2 // 3]),
    "cut": lambda body: Sent(200, body[: len(body) // 2], missing=len(body) - len(body) // 2),
    "html": lambda _: Sent(200, HTML, "text/html"),
    "html_503": lambda _: Sent(503, HTML, "text/html"),
}


def _some(rng: random.Random, rows: list[Any]) -> int:
    return rng.randrange(1, max(2, len(rows)))


def _lacks_middle(rng: random.Random, rows: list[Any]) -> list[Any]:
    start = _some(rng, rows)
    return rows[:start] + rows[start + rng.randrange(1, 60) :]


def _duplicated(rng: random.Random, rows: list[Any]) -> list[Any]:
    start = _some(rng, rows)
    return rows[: start + 7] + rows[start:]


def _shuffled(rng: random.Random, rows: list[Any]) -> list[Any]:
    return rng.sample(rows, len(rows))


def _damaged(names: tuple[str, int], values: Sequence[Any]) -> Any:
    def damage(rng: random.Random, rows: list[Any]) -> list[Any]:
        found = list(rows)
        for index in rng.sample(range(len(found)), min(3, len(found))):
            one = found[index].copy()
            one[names[isinstance(one, list)]] = rng.choice(values)
            found[index] = one
        return found

    return damage


def _wrong_id(rng: random.Random, rows: list[Any]) -> list[Any]:
    """Two rows under ids that are not theirs, and look as good as any."""
    found = list(rows)
    for index in rng.sample(range(len(found)), min(2, len(found))):
        one = found[index].copy()
        one[6 if isinstance(one, list) else "id"] += rng.choice([1, 5, 1_000, 10**7, 10**12])
        found[index] = one
    return found


_ROWS: dict[str | None, Any] = {
    "wrong_id": _wrong_id,
    "empty": lambda rng, rows: [],
    "lacks_front": lambda rng, rows: rows[_some(rng, rows) :],
    "lacks_end": lambda rng, rows: rows[: _some(rng, rows)],
    "lacks_middle": _lacks_middle,
    "lacks_some": lambda rng, rows: [one for one in rows if rng.random() < 0.98],
    "duplicated": _duplicated,
    "shuffled": _shuffled,
    "bad_price": _damaged(("price", 0), ["", "NaN", "-1", None, 7, "1.2.3", "0.00000"]),
    "bad_time": _damaged(("time", 2), [None, "", 0, -5, 12, "yesterday", 1e19]),
    "bad_id": _damaged(("id", 6), [None, -1, "x", 1.5, True, 2**63]),
}
