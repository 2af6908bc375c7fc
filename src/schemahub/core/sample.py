"""An answer row by row: what came, and the unified row that it becomes, or why it is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import msgspec

from schemahub.core import trade as trades
from schemahub.core.page import Answer
from schemahub.core.spec_fields import Fields
from schemahub.core.trade import Trade
from schemahub.core.values import NUMBERS, READERS, No, exact, plain
from schemahub.core.wire import COLUMNS, Reader, RowRefused


@dataclass(frozen=True, slots=True)
class Sampled:
    """A row as it came; with its trade, or with the reason why the table refuses it.

    `position` is its place on the axis, None if that cannot be read. `advice` is what the spec
    may mean instead, if that is plain.
    """

    raw: bytes
    position: int | None
    trade: Trade | None = None
    reason: str = ""
    advice: str = ""

    @property
    def void(self) -> bool:
        """Whether the exchange itself marks its id as void: no trade, and no fault either."""
        return self.reason.startswith(trades.VOID)


def sampled(answer: Answer, reader: Reader) -> tuple[Sampled, ...]:
    """The rows of an answer, in its order. Raises ValueError if it is an error, or has none."""
    if complaint := reader.complaint(answer.body):
        kind, said = complaint
        raise ValueError(f"it is an error ({kind}) by the rules in errors: {said}")
    return tuple(_row(raw, answer.latest, reader) for raw in reader.split(answer.body))


def _row(raw: bytes, now: int, reader: Reader) -> Sampled:
    try:
        trade = reader.trade(raw, now)
    except RowRefused as refused:
        advice = _advice(raw, refused.reason, now, reader)
        return Sampled(raw, refused.position, None, refused.reason, advice)
    return Sampled(raw, trade.position, trade)


def _advice(raw: bytes, reason: str, now: int, reader: Reader) -> str:
    """Which field, or which way to read it, a spec may mean that refuses this row."""
    column = reason.partition(":")[0]
    try:
        cells = reader.cells(raw)
    except RowRefused:
        return ""
    if column not in COLUMNS:
        return ""
    source = reader.sources[column]
    if source not in cells:
        return f"there is no field {source} in it, but {', '.join(map(str, cells))}"
    if column == "side":
        said = reader.spec.trades.fields.side
        return f"the spec says buy: {_yaml(said.buy)}, sell: {_yaml(said.sell)}"
    others = (kind for kind in _kinds(column) if _reads(kind, column, cells, now, reader))
    found = next(others, None)
    return f"as: {found} would read it" if found else ""


def _kinds(column: str) -> tuple[str, ...]:
    model = Fields.model_fields[column].annotation
    return get_args(model.model_fields["as_"].annotation) if model else ()


def _reads(
    kind: str, column: str, cells: Mapping[str | int, msgspec.Raw], now: int, reader: Reader
) -> bool:
    """Whether a value of `kind` stands there; a sign is no way to read what has none."""
    raw = cells[reader.sources[column]]
    if kind.startswith("signed_") and not reader.signed:
        return False
    try:
        value = READERS[kind](exact(raw) if kind in NUMBERS else plain(raw))
    except No:
        return False
    return column != "trade_ts" or reader.believable(value, now)


def _yaml(word: object) -> str:
    """A word as it stands in a spec."""
    return msgspec.json.encode(word).decode()
