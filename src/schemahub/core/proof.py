"""Certificates: what is proven about a market, and why anything is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from schemahub.core.axis import AXES, Axis, Kind
from schemahub.core.layout import Market
from schemahub.core.numbering import Tally
from schemahub.core.span import Coverage, Span
from schemahub.core.spec import Provable

Status = Literal["proven", "absent_at_source", "unproven", "quarantined", "missing", "conflict"]
# From best to worst; a market's status is the worst of its spans.
STATUSES: tuple[Status, ...] = (
    "proven", "absent_at_source", "unproven", "quarantined", "missing", "conflict",
)  # fmt: skip
PASSING: frozenset[Status] = frozenset({"proven", "absent_at_source", "unproven"})


@dataclass(frozen=True, order=True, slots=True)
class Hole:
    """A span of positions that are not proven rows of the table, and why.

    On an axis of time, of which trades are missing: from the trade before them to the one
    after.
    """

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
    """`span` runs from the origin to one past the highest known position; `count` rows are in it.

    `span`, `first_id` and `last_id` are None if nothing is there; on an axis whose positions
    are not trades `count` and they are None as well if nobody read the rows. `damaged` objects
    make a certificate fail even where others hold all that they should. `provable` says what
    the proof rests on.
    """

    market: Market
    span: Span | None
    count: int | None
    first_id: int | None
    last_id: int | None
    status: Status
    holes: tuple[Hole, ...]
    duplicates: int
    damaged: tuple[Damaged, ...] = ()
    axis: Kind = "ids"
    provable: Provable | None = None

    @property
    def passes(self) -> bool:
        return self.status in PASSING and not self.damaged

    @property
    def line(self) -> Axis:
        return AXES[self.axis]

    def as_json(self) -> dict[str, object]:
        return {
            "market": str(self.market),
            "axis": self.axis,
            "provable": None if self.provable is None else self.provable.model_dump(),
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
    provable: Provable | None = None,
) -> Certificate:
    """The certificate of `rows` (positions that are rows of the table) over `span`.

    `holes` say why positions are not rows; positions that none of them explains are
    missing. Proven means: the ids are contiguous, count == last - first + 1.
    """
    said = _explained(span, rows, holes)
    if duplicates and span is not None and all(hole.status in PASSING for hole in said):
        said.append(Hole(span, "conflict", f"{duplicates} ids stand twice"))
    return Certificate(
        market=market,
        span=span,
        count=len(rows) + duplicates,
        first_id=rows.start if rows else None,
        last_id=rows.stop - 1 if rows else None,
        status=_worst(span, said),
        holes=tuple(sorted(said)),
        duplicates=duplicates,
        damaged=_once(damaged),
        provable=provable,
    )


def certify_sparse(  # noqa: PLR0913  (all that a certificate says)
    market: Market,
    axis: Axis,
    provable: Provable,
    *,
    span: Span | None,
    covered: Coverage,
    tally: Tally | None,
    holes: Iterable[Hole],
    duplicates: int,
    damaged: Iterable[Damaged] = (),
) -> Certificate:
    """The same where most positions are no trade.

    `covered` is where table and raw were compared, `tally` what the rows add up to (None:
    nobody read them). `holes` name the ids that are missing between trades, too. Proven
    means that there are none; where ids prove nothing, or there are none, it is unproven.
    """
    said = _explained(span, covered, holes)
    if tally is None:
        doubt: str | None = "nobody looked at the ids: that was by the names of the objects alone"
    elif provable.by == "nothing":
        doubt = provable.why
    else:
        doubt = None if tally.count else "there is no trade whose id could prove it"
    if doubt is not None:
        said += [Hole(held, "unproven", doubt) for held in covered]
    ids = None if tally is None else tally.ids
    return Certificate(
        market=market,
        span=span,
        count=None if tally is None else tally.count,
        first_id=None if ids is None else ids.start,
        last_id=None if ids is None else ids.stop - 1,
        status=_worst(span, said),
        holes=tuple(sorted(said)),
        duplicates=duplicates,
        damaged=_once(damaged),
        axis=axis.kind,
        provable=provable,
    )


def _explained(span: Span | None, rows: Coverage, holes: Iterable[Hole]) -> list[Hole]:
    """`holes`, and what is neither in `rows` nor explained by them as missing."""
    said = list(holes)
    if span is not None:
        known = rows | Coverage.of(hole.span for hole in said)
        said += [Hole(gap, "missing", "not held") for gap in known.missing(span)]
    return said


def _worst(span: Span | None, said: Iterable[Hole]) -> Status:
    if span is None:
        return "missing"
    return max((hole.status for hole in said), key=STATUSES.index, default=STATUSES[0])


def _once(damaged: Iterable[Damaged]) -> tuple[Damaged, ...]:
    return tuple(sorted({one.key: one for one in damaged}.values()))


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


def doubt(one: Certificate, window: Span | None = None) -> str | None:
    """Why not every position of `window` is proven (None: of the certificate); None if all are.

    What the source attests to lack is proven; what passes `verify` as unproven is not.
    """
    if one.span is None:
        return "nothing is held"
    if one.duplicates:
        return f"{one.duplicates} ids stand twice"
    for hole in one.holes:
        if hole.status not in {"proven", "absent_at_source"} and _meets(hole.span, window):
            return f"{one.line.between(hole.span)} is {hole.status}: {hole.reason}"
    for damaged in one.damaged:
        if _meets(damaged.span, window):
            return f"{damaged.key} is damaged: {damaged.why}"
    return None


def _meets(span: Span, window: Span | None) -> bool:
    return window is None or span.overlaps(window)
