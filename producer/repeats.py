"""PURE. Which trades were delivered before, by their ids or by their content within a short time."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Hashable

from schemas.timeframes import SECOND

# Our choices: a provider repeats a frame at once or never, and 100,000 contents are some 20 MB.
WINDOW_US = 10 * SECOND
MAX_REMEMBERED = 100_000
_CHUNK_BITS = 6


class IdMemory:
    """Remembers every id of a run exactly.

    Numeric ids, which mostly come densely, take one bit each in chunks of 64: some 2 bytes an id, against 100 for a set.
    """

    def __init__(self) -> None:
        self._chunks: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._words: set[tuple[str, str]] = set()

    def is_repeat(self, symbol: str, trade_id: str) -> bool:
        """Remember the id and tell whether the symbol had it already."""
        # 007 and 7 are different ids, so only the canonical form of a number is kept as a number.
        if trade_id.isascii() and trade_id.isdecimal() and (trade_id[0] != "0" or trade_id == "0"):
            number = int(trade_id)
            chunks = self._chunks[symbol]
            chunk = number >> _CHUNK_BITS
            seen = chunks.get(chunk, 0)
            bit = 1 << (number & 63)
            chunks[chunk] = seen | bit
            return bool(seen & bit)
        key = (symbol, trade_id)
        if key in self._words:
            return True
        self._words.add(key)
        return False


class FrameMemory:
    """Tells repeated frames from genuine twins where a venue gives no ids.

    4-19 % of real trades equal another in time, price and size. So equal trades WITHIN one frame are taken as genuine; the
    n-th of them in a later frame is a repeat when an earlier frame within the window held n. Memory is bounded twice: by
    age and by number.
    """

    def __init__(self, window_us: int = WINDOW_US, max_remembered: int = MAX_REMEMBERED) -> None:
        self._window_us = window_us
        self._max = max_remembered
        self._seen: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()  # content -> (how many in one frame, when)
        self._frame: dict[Hashable, int] = {}

    def begin_frame(self, now_us: int) -> None:
        """Forget what is older than the window, and begin to count a frame's trades."""
        self._frame = {}
        while self._seen:
            content, (_, when) = next(iter(self._seen.items()))
            if when > now_us - self._window_us:
                break
            del self._seen[content]

    def is_repeat(self, content: Hashable) -> bool:
        """Count one trade of the frame and tell whether an earlier frame held it."""
        nth = self._frame.get(content, 0) + 1
        self._frame[content] = nth
        return nth <= self._seen.get(content, (0, 0))[0]

    def end_frame(self, now_us: int) -> None:
        """Remember the frame for those that follow."""
        for content, count in self._frame.items():
            before = self._seen.pop(content, (0, 0))[0]
            self._seen[content] = (max(count, before), now_us)
        while len(self._seen) > self._max:
            self._seen.popitem(last=False)
        self._frame = {}
