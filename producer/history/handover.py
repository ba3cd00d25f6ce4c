"""SHELL (threads). Exact trades on their way from the history's thread to the feed's loop, which alone numbers records."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition

from producer.errors import FatalError
from schemas.records import Trade

STEP = 200
"""Trades published in one turn of the loop, some milliseconds: the feed's own frames never wait longer. Our choice."""

Publish = Callable[[Trade, Callable[[], None]], None]
"""Publishes a trade of a backfill, numbered and stamped by the loop, and calls back when Kafka has it."""


class Handover:
    """One giver, the history's thread, and one taker, the loop."""

    def __init__(self) -> None:
        self._waiting: deque[Trade] = deque()
        self._stored = 0
        self._changed = Condition()

    def deliver(self, trades: Sequence[Trade], timeout_s: float, stopped: Callable[[], bool]) -> bool:
        """Hand over trades and wait until Kafka has all of them; return False if the process is stopped meanwhile.

        Raises:
            FatalError: Kafka has not taken them within `timeout_s`.
        """
        with self._changed:
            self._stored = 0
            self._waiting.extend(trades)
            done = self._changed.wait_for(lambda: self._stored == len(trades) or stopped(), timeout_s)
            if not done:
                raise FatalError(f"Kafka did not acknowledge {len(trades)} trades of a backfill within {timeout_s:.0f} s")
            return self._stored == len(trades)

    def step(self, publish: Publish) -> bool:
        """Publish some of what waits; return whether more does. The loop's thread, in every turn."""
        for _ in range(min(STEP, len(self._waiting))):
            publish(self._waiting.popleft(), self._note)
        return bool(self._waiting)

    def wake(self) -> None:
        """Let `deliver` look again whether the process is stopped."""
        with self._changed:
            self._changed.notify_all()

    def _note(self) -> None:
        with self._changed:
            self._stored += 1
            self._changed.notify_all()
