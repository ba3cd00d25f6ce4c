"""PURE. Whether the silence of all symbols together is suspicious. One symbol's silence never is: some valid ones never trade."""

from __future__ import annotations

from dataclasses import dataclass

from producer.hours import Hours
from schemas.timeframes import SECOND

RETRY_US = 900 * SECOND
"""Our choice: a connection that was renewed once for silence is renewed again after a quarter of an hour, not in a loop."""


@dataclass
class Quiet:
    """The third watchdog, over all connections: it looks at records, where the other two look at frames.

    A feed that is silent in an open market has either nothing to say or does not deliver, and pings do not tell which. So it is
    called stale since its newest record, and only a record makes it good again. Where nobody has said when records are
    expected (no ``hours``), silence is never suspicious. Times are microseconds UTC.
    """

    hours: Hours | None
    limit_us: int
    told_closed: bool = False
    """The provider says itself that all its markets are closed."""
    _since_us: int | None = None
    _renewed_us: int | None = None

    def is_closed(self, now_us: int) -> bool:
        """Tell whether nothing is expected now."""
        return self.told_closed or (self.hours is not None and not self.hours.is_open(now_us))

    def begin(self, at_us: int) -> None:
        """A record could be expected from `at_us` on: the feed has become good, or the market is still closed."""
        self._since_us = max(self._since_us or 0, at_us)

    def heard(self, at_us: int) -> None:
        """Note a record of any symbol."""
        self._since_us = at_us
        self._renewed_us = None

    def silent_since(self) -> int:
        """Return since when there could have been a record, and was none."""
        return self._since_us or 0

    def is_suspicious(self, now_us: int) -> bool:
        """Tell whether to renew the connection for silence now; if so, not again for a while."""
        if self.hours is None or self._since_us is None or now_us - self._since_us <= self.limit_us:
            return False
        if self._renewed_us is not None and now_us - self._renewed_us < RETRY_US:
            return False
        self._renewed_us = now_us
        return True
