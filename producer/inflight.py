"""PURE. What was sent to one partition and what of it Kafka has acknowledged: the ground of `complete_to`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


class Lane:
    """Records on their way to one partition of one topic, in the order they were sent.

    An idempotent producer delivers a partition's records in order, so an acknowledgement is always the oldest's.
    ``next_offset`` is the offset after our last acknowledged record; at the start, the end of the topic.
    """

    __slots__ = ("_ascending", "next_offset", "waiting")

    def __init__(self, next_offset: int) -> None:
        self.next_offset = next_offset
        self.waiting: deque[int] = deque()
        self._ascending = True

    def sent(self, receive_us: int) -> None:
        """Note a record received at `receive_us` that has been given to the client."""
        waiting = self.waiting
        if not waiting:
            self._ascending = True
        elif receive_us < waiting[-1]:
            self._ascending = False
        waiting.append(receive_us)

    def oldest_us(self) -> int | None:
        """Return the earliest receive time of the records on their way; None when there are none."""
        # A recording's receive times need not ascend; the head alone would then claim too much.
        if not self.waiting:
            return None
        return self.waiting[0] if self._ascending else min(self.waiting)

    def acknowledged(self, offset: int) -> None:
        """Note that the oldest record is stored, at `offset`."""
        self.waiting.popleft()
        self.next_offset = offset + 1


@dataclass(frozen=True)
class Progress:
    """What one partition's status says of our records: offsets, and the receive time of the oldest unacknowledged (or None)."""

    trades_offset: int
    quotes_offset: int
    history_offset: int
    oldest_waiting_us: int | None

    def complete_to(self, processed_to_us: int) -> int:
        """Return the receive time up to which everything is acknowledged.

        Args:
            processed_to_us: the receive time up to which everything has been handed to the client, microseconds UTC.
        """
        if self.oldest_waiting_us is None:
            return processed_to_us
        return min(processed_to_us, self.oldest_waiting_us - 1)


def progress_of(trades: Lane, quotes: Lane, history: Lane) -> Progress:
    """Return the progress of one partition number over the three topics.

    Of history only the offset counts: no window waits for it, and a month of it on its way must not hold back live candles.
    """
    oldest = [us for lane in (trades, quotes) if (us := lane.oldest_us()) is not None]
    return Progress(trades.next_offset, quotes.next_offset, history.next_offset, min(oldest, default=None))
