"""PURE. What was sent to one partition and what of it Kafka has acknowledged: the ground of `complete_to`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


class Lane:
    """Records on their way to one partition of one topic, in the order they were sent.

    An idempotent producer delivers a partition's records in order, so an acknowledgement is always the oldest's.
    ``next_offset`` is the offset after our last acknowledged record; at the start, the end of the topic.
    """

    __slots__ = ("next_offset", "waiting")

    def __init__(self, next_offset: int) -> None:
        self.next_offset = next_offset
        self.waiting: deque[int] = deque()

    def sent(self, receive_us: int) -> None:
        """Note a record received at `receive_us` that has been given to the client."""
        self.waiting.append(receive_us)

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
    """Return the progress of one partition number over the three topics."""
    # Not only the head: receive times of a recording need not ascend. The head alone would claim too much.
    oldest = [min(lane.waiting) for lane in (trades, quotes, history) if lane.waiting]
    return Progress(trades.next_offset, quotes.next_offset, history.next_offset, min(oldest, default=None))
