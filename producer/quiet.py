"""PURE. Whether the silence of all symbols together is suspicious. One symbol's silence never is: some valid ones never trade."""

from __future__ import annotations

from dataclasses import dataclass

from producer.hours import Hours

RETRY_S = 900.0
"""Our choice: a connection that was renewed once for silence is renewed again after a quarter of an hour, not in a loop."""


@dataclass
class Quiet:
    """The third watchdog, over all connections: it looks at records, where the other two look at frames.

    A feed that is silent in an open market has either nothing to say or does not deliver, and pings do not tell which. So it is
    called stale since its newest record, and only a record makes it good again. Where nobody has said when records are
    expected (no ``hours``), silence is never suspicious.

    How long it lasts is judged by when records came, on the clock that never jumps (``_s``): a trade that is reported late, or
    a delayed feed, is no silence, and neither is a wall clock that is set. Since when it lasts is told by their event times,
    microseconds UTC (``_us``).
    """

    hours: Hours | None
    limit_s: float
    told_closed: bool = False
    """The provider says itself that all its markets are closed."""
    _since_us: int = 0
    _came_s: float | None = None
    _renewed_s: float | None = None

    def is_closed(self, now_us: int) -> bool:
        """Tell whether nothing is expected now."""
        return self.told_closed or (self.hours is not None and not self.hours.is_open(now_us))

    def begin(self, at_us: int, at_s: float) -> None:
        """A record could be expected from now on: the feed has become good, or the market is still closed."""
        self._since_us = max(self._since_us, at_us)
        self._came_s = at_s

    def heard(self, at_us: int, at_s: float) -> None:
        """Note a record of any symbol: of an event at `at_us`, come at `at_s`."""
        self._since_us = max(self._since_us, at_us)
        self._came_s = at_s
        self._renewed_s = None

    def silent_since(self) -> int:
        """Return since when there could have been a record, and was none."""
        return self._since_us

    def is_suspicious(self, now_s: float) -> bool:
        """Tell whether to renew the connection for silence now; if so, not again for a while."""
        if self.hours is None or self._came_s is None or now_s - self._came_s <= self.limit_s:
            return False
        if self._renewed_s is not None and now_s - self._renewed_s < RETRY_S:
            return False
        self._renewed_s = now_s
        return True
