"""PURE. The windows of one series in one timeframe, by start, and the chunks in which closed ones are kept as state."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from processor.core.ohlcv import Window
from schemas.timeframes import Timeframe

CHUNK_WINDOWS = 60
"""Closed windows per piece of state."""


class Frame:
    """The windows of one timeframe that are kept."""

    def __init__(self, timeframe: Timeframe) -> None:
        self.timeframe = timeframe
        self.windows: dict[int, Window] = {}
        self.starts: list[int] = []
        """Sorted starts of all windows with records."""
        self.passing: dict[int, Window] = {}
        """Windows forgotten since the last snapshot, which holds them still."""
        self.open: set[int] = set()
        """Starts of the windows that are not closed yet."""

    def since(self, moment: int) -> Iterator[int]:
        """Yield the starts of the windows that end after `moment`, in order."""
        first = bisect_left(self.starts, self.timeframe.start_of(moment))
        yield from self.starts[first:]

    def starts_in(self, chunk: int) -> list[int]:
        """Return the starts of the windows in one chunk of state, in order."""
        length = self.timeframe.us * CHUNK_WINDOWS
        first, last = bisect_left(self.starts, chunk * length), bisect_left(self.starts, (chunk + 1) * length)
        return self.starts[first:last]


def chunk_of(timeframe: Timeframe, start: int) -> int:
    """Return the number of the chunk of closed windows, written as one piece of state, that `start` belongs to."""
    return start // (timeframe.us * CHUNK_WINDOWS)
