"""PURE. When the next status is due: with every whole second of the wall clock, and once a second whatever that clock does."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.timeframes import SECOND


@dataclass
class Cadence:
    """Our wall clock never goes back: where the machine's is set back, it stands still until that has caught up.

    By it alone nothing would be due meanwhile, and who hears nothing of us for seconds calls us down. So the clock that never
    jumps counts too.
    """

    _next_us: int = 0
    _next_s: float = 0.0

    def said(self, now_us: int, now_s: float) -> None:
        """Note that a status was said at `now_us` (microseconds UTC), `now_s` of the monotonic clock."""
        self._next_us = (now_us // SECOND + 1) * SECOND
        self._next_s = now_s + 1.0

    def until_due_s(self, now_us: int, now_s: float) -> float:
        """Return the seconds until the next status; 0.0 when it is due, as before the first."""
        return max(0.0, min((self._next_us - now_us) / SECOND, self._next_s - now_s))
