"""The exchange's rate limiter."""

from __future__ import annotations

__all__ = ["Bucket"]


class Bucket:
    """A lazily filled token bucket: `burst` at once, then `rate` a second. Is told the time.

    Over any stretch of t seconds it lets at most burst + rate * t requests through. A clock that
    jumps back fills nothing, and costs nothing.
    """

    def __init__(self, rate: float, burst: float) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError(f"a rate must be positive and a burst at least 1: {rate}, {burst}")
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._filled_at: float | None = None

    def take(self, now: float) -> bool:
        """Whether one more request may pass at `now`."""
        if self._filled_at is not None:
            elapsed = max(0.0, now - self._filled_at)
            self._tokens = min(self.burst, self._tokens + elapsed * self.rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
