"""An answer row by row: what came, and the unified row that it becomes, or why it is none."""

from __future__ import annotations

from dataclasses import dataclass

from schemahub.core import trade as trades
from schemahub.core.page import Answer
from schemahub.core.trade import Trade
from schemahub.core.wire import Reader, RowRefused


@dataclass(frozen=True, slots=True)
class Sampled:
    """A row as it came; with its trade, or with the reason why the table refuses it.

    `position` is its place on the axis, None if that cannot be read.
    """

    raw: bytes
    position: int | None
    trade: Trade | None = None
    reason: str = ""

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
        return Sampled(raw, refused.position, None, refused.reason)
    return Sampled(raw, trade.position, trade)
