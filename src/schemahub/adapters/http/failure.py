"""How one attempt fails."""

from __future__ import annotations

from schemahub.core.errors import BadAnswer
from schemahub.core.gate import Outcome


class Failed(Exception):
    """One attempt failed; never leaves this package.

    `reason` is a word for metrics, `cause` a line for people.
    """

    def __init__(
        self,
        reason: str,
        cause: str,
        outcome: Outcome = Outcome.FAILED,
        retry_after: float | None = None,
        bad: BadAnswer | None = None,
    ) -> None:
        super().__init__(cause)
        self.reason = reason
        self.cause = cause
        self.outcome = outcome
        self.retry_after = retry_after
        self.bad = bad


def line(text: str) -> str:
    # What a stranger sends must not move the terminal's cursor.
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]
