"""PURE. Fetched batches wait here for a moment, so that many small ones are folded as one.

Folding a batch costs some milliseconds however small it is, and Kafka hands over what there is: at 1,000 trades a second that is
200 batches of five, which took most of a core. Nothing is lost by waiting until the next live candles are due: content does not
depend on how records were cut into batches (law 7). Statuses do not wait, for they close windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter

from processor.blocks import Message
from schemas.records import FeedStatus

HOLD_S = 0.25
"""Longest wait (our choice: the period of live candles)."""
HOLD_MOST_S = 1.0
"""Longest wait where live candles come less often than set: with thousands of series each fold touches all of them."""
FULL = 20_000
"""Records that are worth folding at once; fewer than one large fetch, so that catching up waits for nothing."""

Place = tuple[str, int]


class Intake:
    """Batches by (topic, partition), each in order of arrival. Times are monotonic seconds."""

    def __init__(self, last: str) -> None:
        """Make it empty.

        Args:
            last: the topic that is folded after all others, because its records speak of theirs.
        """
        self._last = last
        self._waiting: dict[Place, list[Sequence[Message]]] = {}
        self._due = float("inf")
        self._records = 0
        self.hold_s = HOLD_S
        """How long what is not urgent may wait."""

    def put(self, topic: str, number: int, batch: Sequence[Message], now: float, *, urgent: bool) -> None:
        """Let a batch wait: `hold_s` at most, or not at all where it is urgent."""
        runs = self._waiting.setdefault((topic, number), [])
        if runs and runs[-1][-1].offset < batch[0].offset:
            runs[-1] = [*runs[-1], *batch]
        else:  # read again after a seek: who folds it knows what it has
            runs.append(batch)
        self._records += len(batch)
        self._due = now if urgent else min(self._due, now + self.hold_s)

    @property
    def full(self) -> bool:
        """True when enough waits to be folded at once."""
        return self._records >= FULL

    def due_in(self, now: float) -> float:
        """Return in how many seconds what waits must be taken; infinite where nothing does."""
        return max(0.0, self._due - now)

    def take(self) -> list[tuple[Place, Sequence[Message]]]:
        """Return everything, each batch in offset order, and be empty."""
        found = sorted(self._waiting.items(), key=lambda item: (item[0][0] == self._last, item[0]))
        self.clear()
        return [(place, batch) for place, runs in found for batch in runs]

    def clear(self) -> None:
        """Forget what waits: its partitions are gone, and another reads it."""
        self._waiting = {}
        self._due, self._records = float("inf"), 0


def releases(statuses: Iterable[FeedStatus], dataset: str, reached: int, following: int) -> bool:
    """Return whether records of `dataset` from offset `reached` to before `following` are the last that a status waits for.

    Then they are urgent, for windows close behind them. Waiting alone makes nothing urgent: statuses of who lags always wait.
    """
    wanted = attrgetter(f"{dataset}_offset")
    return any(reached < wanted(status) <= following for status in statuses)
