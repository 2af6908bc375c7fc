"""Certificates: what is proven about a market, and why anything is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from schemahub.core.layout import Market
from schemahub.core.span import Coverage, Span

Status = Literal["proven", "absent_at_source", "unproven", "quarantined", "missing", "conflict"]
# From best to worst; a market's status is the worst of its spans.
STATUSES: tuple[Status, ...] = (
    "proven", "absent_at_source", "unproven", "quarantined", "missing", "conflict",
)  # fmt: skip
PASSING: frozenset[Status] = frozenset({"proven", "absent_at_source", "unproven"})


@dataclass(frozen=True, order=True, slots=True)
class Hole:
    """A span of ids that are not rows of the table, and why."""

    span: Span
    status: Status
    reason: str

    def as_json(self) -> dict[str, object]:
        return {
            "span": [self.span.start, self.span.stop],
            "status": self.status,
            "reason": self.reason,
        }


@dataclass(frozen=True, order=True, slots=True)
class Damaged:
    """A stored object that is not what it should be, what its name says it is about, and why.

    What it damages of the proof are holes of their own; where another object holds the same
    there are none.
    """

    key: str
    span: Span
    why: str

    def as_json(self) -> dict[str, object]:
        return {"key": self.key, "span": [self.span.start, self.span.stop], "why": self.why}


@dataclass(frozen=True, order=True, slots=True)
class Dispute:
    """Rows of which raw and a part, both sound, say different things."""

    span: Span
    key: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """`span` runs from the origin to one past the highest known id; `count` rows are in it.

    `span`, `first_id` and `last_id` are None if nothing is there. `damaged` objects make a
    certificate fail even where others hold all that they should.
    """

    market: Market
    span: Span | None
    count: int
    first_id: int | None
    last_id: int | None
    status: Status
    holes: tuple[Hole, ...]
    duplicates: int
    damaged: tuple[Damaged, ...] = ()

    @property
    def passes(self) -> bool:
        return self.status in PASSING and not self.damaged

    def as_json(self) -> dict[str, object]:
        return {
            "market": str(self.market),
            "span": None if self.span is None else [self.span.start, self.span.stop],
            "count": self.count,
            "first_id": self.first_id,
            "last_id": self.last_id,
            "status": self.status,
            "holes": [hole.as_json() for hole in self.holes],
            "duplicates": self.duplicates,
            "damaged": [one.as_json() for one in self.damaged],
        }


def certify(  # noqa: PLR0913, PLR0917  (all that a certificate says)
    market: Market,
    span: Span | None,
    rows: Coverage,
    holes: Iterable[Hole],
    duplicates: int,
    damaged: Iterable[Damaged] = (),
) -> Certificate:
    """The certificate of `rows` (positions that are rows of the table) over `span`.

    `holes` say why positions are not rows; positions that none of them explains are
    missing. Proven means: the ids are contiguous, count == last - first + 1.
    """
    said = list(holes)
    explained = Coverage.of(hole.span for hole in said)
    if span is not None:
        said += [Hole(gap, "missing", "not held") for gap in (rows | explained).missing(span)]
    if duplicates and span is not None and all(hole.status in PASSING for hole in said):
        said.append(Hole(span, "conflict", f"{duplicates} ids stand twice"))
    worst = max((STATUSES.index(hole.status) for hole in said), default=0)
    if span is None:
        worst = STATUSES.index("missing")
    return Certificate(
        market=market,
        span=span,
        count=len(rows) + duplicates,
        first_id=rows.start if rows else None,
        last_id=rows.stop - 1 if rows else None,
        status=STATUSES[worst],
        holes=tuple(sorted(said)),
        duplicates=duplicates,
        damaged=tuple(sorted({one.key: one for one in damaged}.values())),
    )


def merged(holes: Iterable[Hole]) -> list[Hole]:
    """Neighbouring holes of one kind and reason, as one."""
    by_kind: dict[tuple[Status, str], list[Span]] = {}
    for hole in holes:
        by_kind.setdefault((hole.status, hole.reason), []).append(hole.span)
    return [
        Hole(span, status, reason)
        for (status, reason), spans in by_kind.items()
        for span in Coverage.of(spans)
    ]
