"""PURE. When refused records are no longer single accidents, but a fault that somebody has to look at.

A peer that writes with a wrong schema would have everything drained into the dead letters at full speed. So the sink ends when
too large a part of the last minute's records was refused; the supervisor's restarts slow it down, and somebody sees them. What
is buried is committed before the end (`sink.worker`), so that each start goes on behind it.
"""

from __future__ import annotations

from collections import deque

SHARE, AT_LEAST, SPAN_S = 0.05, 100, 60.0
"""Our choice: 5 % of a minute's records, and no fewer than 100: a handful in a quiet minute is no flood."""


class PoisonLimit:
    """Counts records, and the refused among them, over the last `SPAN_S` seconds."""

    def __init__(self) -> None:
        self._polls: deque[tuple[float, int, int]] = deque()
        self._records = self._refused = 0

    def exceeded(self, records: int, refused: int, now_s: float) -> str | None:
        """Note one poll's numbers; return what is wrong, in words, where it is too much.

        Args:
            records: taken, those refused included.
            refused: dead letters of ours among them; not those that are another service's to judge.
            now_s: of a clock that does not go back.
        """
        self._polls.append((now_s, records, refused))
        self._records += records
        self._refused += refused
        while self._polls[0][0] <= now_s - SPAN_S:
            _, old_records, old_refused = self._polls.popleft()
            self._records -= old_records
            self._refused -= old_refused
        if self._refused < AT_LEAST or self._refused <= self._records * SHARE:
            return None
        return f"{self._refused} of the {self._records} records of the last minute were refused"
