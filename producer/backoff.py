"""PURE. How long to wait before the next attempt to connect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from schemas.timeframes import SECOND

# Our choices, not the provider's: a tenth of a second at least; doubling from 0.4 s; a link that lived for a minute was good.
FIRST_S = 0.1
STEP_S = 0.2
STEADY_S = 60.0
REFUSED_S = 300.0  # a wrong key or plan does not heal by asking often
BUSY_S = 60.0
BUSY_MAX_S = 900.0
RETRY_AFTER_MAX_S = 24 * 3600.0


@dataclass
class Backoff:
    """Full jitter: uniform between `FIRST_S` and a ceiling that doubles with every attempt, up to `max_s`.

    Full, because many clients that were cut off together must not come back together.
    """

    max_s: float
    attempts: int = 0
    _busy: int = 0

    def was_live(self, seconds: float) -> None:
        """Note how long a connection delivered; one that was steady makes the next failure a first one."""
        if seconds >= STEADY_S:
            self.attempts = self._busy = 0

    def after_failure(self, chance: float) -> float:
        """Return the wait, in seconds, after an ordinary failure; `chance` is uniform in [0, 1)."""
        self.attempts += 1
        ceiling = min(self.max_s, STEP_S * 2.0 ** min(self.attempts, 32))
        return FIRST_S + chance * max(0.0, ceiling - FIRST_S)

    def after_refusal(self) -> float:
        """Return the wait after HTTP 401 or 403: a person has to act."""
        self.attempts += 1
        return REFUSED_S

    def after_busy(self, retry_after_s: float | None) -> float:
        """Return the wait after HTTP 429: what the provider asks for, else a minute, doubling to a quarter of an hour."""
        self.attempts += 1
        if retry_after_s is not None:
            return max(retry_after_s, FIRST_S)
        self._busy += 1
        return float(min(BUSY_MAX_S, BUSY_S * 2.0 ** min(self._busy - 1, 8)))


def retry_after_s(header: str | None, now_us: int) -> float | None:
    """Return the seconds that a Retry-After header asks for, a day at most; it has seconds or a date (RFC 9110, 10.2.3).

    None where it is absent, unreadable, or a date that has passed, by our clock: then our own wait is used.

    Args:
        header: such as ``120`` or ``Wed, 25 Nov 2026 17:00:00 GMT``.
        now_us: when it came, microseconds UTC.
    """
    text = (header or "").strip()
    if text.isdecimal():
        return min(float(text), RETRY_AFTER_MAX_S)
    try:
        date = parsedate_to_datetime(text)
        wait_s = date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now_us / SECOND
    except (ValueError, OverflowError):
        return None
    return min(wait_s, RETRY_AFTER_MAX_S) if wait_s > 0 else None
