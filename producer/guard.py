"""SHELL (lease, Kafka). What the feed's loop asks before it takes anything: is this still the source's active producer?"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import structlog

from producer.errors import FatalError
from producer.lease import Lease

_log = structlog.get_logger()
LOOK_EVERY_S = 1.0


class Guard:
    """The lease as one run sees it, whose epoch began in one of the lease's terms.

    While the lease is not proved, nothing may be taken or said; what arrives waits. A lease that was lost and came back, as it
    does when the broker is away for longer than a session, is as good as before if no newer epoch has been seen in the topic:
    a successor says its first status before it connects.
    """

    def __init__(self, lease: Lease, epoch: int, newest_epoch: Callable[[], int | None]) -> None:
        """Guard a run that begins now.

        Args:
            lease: held by this process.
            epoch: the run's.
            newest_epoch: reads the source's newest epoch from feed-status; None where Kafka does not say.
        """
        self._lease = lease
        self._epoch = epoch
        self._newest_epoch = newest_epoch
        self._term = lease.term
        self._looked_s = float("-inf")
        self._waits = False

    def may_write(self) -> bool:
        """Tell whether nobody else can be this source's producer now; cheap while the lease holds.

        Raises:
            FatalError: another process has taken over, or the lease cannot be asked for any more.
        """
        if self._lease.fresh() and self._lease.term == self._term:
            if self._waits:
                self._waits = False
                _log.info("producer.goes_on", epoch=self._epoch)
            return True
        if not self._waits:
            self._waits = True
            _log.warning("producer.waits", epoch=self._epoch, reason="Kafka has not confirmed that this is the active producer")
        now_s = monotonic()
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            self._look()
        return False

    def _look(self) -> None:
        term = self._lease.term if self._lease.fresh() else self._term
        newest = self._newest_epoch()
        if newest is None:
            return
        if newest > self._epoch:
            raise FatalError(f"another producer has taken over, with epoch {newest}; this one (epoch {self._epoch}) is done")
        self._term = term
