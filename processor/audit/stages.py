"""PURE. In which portions a partition is read again.

Order does not matter to content, with one exception: a replay's run ends where the next begins, so its statuses have to act
before the next run's records are read. And records far ahead of the statuses would keep every window in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.records import FeedStatus

RECORDS = 500_000
"""Records after which the statuses are given time to act (our choice: a window is forgotten only when they did)."""


class Offsets(NamedTuple):
    """Next offsets by data topic."""

    trades: int
    quotes: int
    history: int


class Stage(NamedTuple):
    """Statuses to take, then how far to read each data topic; `ends`: the source whose run is over after that."""

    statuses: list[tuple[int, FeedStatus]]
    upto: Offsets
    ends: str | None = None


class Stages:
    """Cuts one partition's statuses, given in offset order, into stages."""

    def __init__(self, records: int = RECORDS) -> None:
        self._records = records
        self._runs: dict[str, FeedStatus] = {}
        self._upto, self._before = Offsets(0, 0, 0), 0

    def __call__(self, statuses: Iterable[tuple[int, FeedStatus]]) -> Iterator[Stage]:
        """Yield the stages of the next statuses; what they name beyond the last stage is for the caller to read."""
        taken: list[tuple[int, FeedStatus]] = []
        for offset, status in statuses:
            run = self._runs.get(status.source)
            if run is not None and status.epoch > run.epoch:
                yield Stage(taken, _named_by(run), status.source)
                taken = []
            if status.replay and (run is None or status.epoch >= run.epoch):
                self._runs[status.source] = status
            taken.append((offset, status))
            self._upto = Offsets(*(max(a, b) for a, b in zip(self._upto, _named_by(status), strict=True)))
            if sum(self._upto) - self._before >= self._records:
                yield Stage(taken, self._upto)
                taken, self._before = [], sum(self._upto)
        yield Stage(taken, self._upto)


def _named_by(status: FeedStatus) -> Offsets:
    return Offsets(status.trades_offset, status.quotes_offset, status.history_offset)
