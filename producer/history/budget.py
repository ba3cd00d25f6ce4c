"""PURE. How many requests may be made, and when: never more than the provider allows in any stretch of time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from producer.history.protocol import Limit

LOW_SHARE = 0.75
"""Our choice: of what is allowed, a bootstrap takes three quarters, so that an outage in the middle of it is filled at once."""
# Our choices: a provider that comes back is found within a minute; one that is busy is not asked more than every quarter hour.
FAILED_MAX_S = 60.0
BUSY_S = 60.0
BUSY_MAX_S = 900.0


class Budget:
    """The requests made lately, against all limits. Times are seconds of a clock that never jumps.

    A bucket that refills lets twice its size through in the first period; providers count differently and cut off (Finnhub
    also for the second in which they came), so what is kept here is exact: the times of the last requests.
    """

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._limits = tuple(limits)
        self._made: deque[float] = deque(maxlen=max((limit.requests for limit in limits), default=1))
        self._closed_until_s = float("-inf")
        self._failures = self._refusals = 0

    def wait_s(self, now_s: float, *, low: bool = False) -> float:
        """Return how long to wait before the next request; 0.0 = it may be made now. ``low`` is what can wait, a bootstrap."""
        ready = self._closed_until_s
        for limit in self._limits:
            allowed = max(1, int(limit.requests * LOW_SHARE)) if low else limit.requests
            if len(self._made) >= allowed:
                ready = max(ready, self._made[-allowed] + limit.seconds)
        return max(0.0, ready - now_s)

    def made(self, now_s: float) -> None:
        """Note a request made at `now_s`."""
        self._made.append(now_s)

    def answered(self) -> None:
        """Note that the provider answers: what it was busy or unavailable with is over."""
        self._failures = self._refusals = 0

    def failed(self, now_s: float) -> None:
        """Note a request without a usable reply: each in a row doubles the wait."""
        self._failures += 1
        self._closed_until_s = now_s + min(FAILED_MAX_S, 2.0 ** (self._failures - 1))

    def busy(self, now_s: float, wait_s: float | None) -> None:
        """Note that the provider wants fewer requests: wait as long as it says, else a minute, doubling."""
        self._refusals += 1
        own = min(BUSY_MAX_S, BUSY_S * 2.0 ** (self._refusals - 1))
        self._closed_until_s = now_s + (own if wait_s is None else wait_s)
