"""PURE. What a replay says of itself: its clock is the recording's, and it names only its own series (SEMANTICS: replay)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from producer.inflight import Progress
from schemas.records import FeedState, FeedStatus, Served
from schemas.timeframes import BASE_US

Kind = Literal["trades", "quotes"]


def window_start(time_us: int) -> int:
    """Return the start of the 1m window that `time_us` lies in."""
    return time_us // BASE_US * BASE_US


@dataclass(frozen=True)
class Plan:
    """What a look over the files found: for each (symbol, kind) the event time of its earliest record, and their lines."""

    earliest_us: Mapping[tuple[str, Kind], int]
    lines: int

    @property
    def good_from(self) -> int:
        """Return the start of the window of the earliest record of all. There has to be one."""
        return window_start(min(self.earliest_us.values()))


@dataclass
class RunStatus:
    """Makes the statuses of one run. What is complete never goes back, also where a recording's receive times do."""

    source: str
    epoch: int
    plan: Plan
    _complete_to: dict[int, int] = field(default_factory=dict)

    def served(self, partition_of: Mapping[str, int], partition: int) -> tuple[Served, ...]:
        """Return the run's series that live on `partition`, each good from the window of its own earliest record on."""
        return tuple(
            Served(symbol, kind, window_start(earliest))
            for (symbol, kind), earliest in sorted(self.plan.earliest_us.items())
            if partition_of[symbol] == partition
        )

    def status(
        self,
        partition: int,
        clock_us: int,
        progress: Progress,
        *,
        symbols: tuple[Served, ...] | None = None,
        state: FeedState = "live",
        since_us: int | None = None,
    ) -> FeedStatus:
        """Return the status of one partition at the recording's time `clock_us`."""
        good_from = self.plan.good_from
        complete_to = max(progress.complete_to(clock_us), self._complete_to.get(partition, good_from))
        self._complete_to[partition] = complete_to
        return FeedStatus(
            source=self.source,
            state=state,
            epoch=self.epoch,
            since=good_from if since_us is None else since_us,
            sent_at=clock_us,
            good_from=good_from,
            good_until=clock_us,
            complete_to=complete_to,
            trades_offset=progress.trades_offset,
            quotes_offset=progress.quotes_offset,
            history_offset=progress.history_offset,
            replay=True,
            symbols=symbols,
        )
