"""PURE. The producer's own numbers: each run counts an instrument's records, so a jump is a loss on the way (lost_sequence).

What was seen is kept as ranges without holes. A hole is judged by a status that names records after it: until then its
neighbours may only have been swapped. What the processor refused had a number too: it is lost to the candle.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from processor.core.timeline import INSTANT_US, Loss

RUNS = 2
"""Runs of a producer whose numbers are kept: two overlap while one takes over from the other."""


class Range(NamedTuple):
    """Numbers of one run seen without a hole, first and last with their event times (microseconds)."""

    first: int
    first_time: int
    last: int
    last_time: int


class Numbers:
    """What of one instrument's numbers was seen."""

    def __init__(self) -> None:
        self.seen: dict[int, list[Range]] = {}
        """Ranges by epoch, in order; more than one only while there are holes."""

    def take(self, epoch: int, new: Range) -> bool:
        """Take in numbers of one run; return whether that was news."""
        if not self.seen:
            self.seen[epoch] = [new]
            return True
        if epoch not in self.seen:
            if epoch < min(self.seen):
                return False
            self.seen[epoch] = []
            for old in sorted(self.seen)[:-RUNS]:
                del self.seen[old]
        ranges = self.seen[epoch]
        if ranges and ranges[0].first <= new.first and new.last <= ranges[0].last:
            return False
        self.seen[epoch] = _joined([*ranges, new])
        return True

    def judge(self, clock: int) -> list[Loss]:
        """Return the losses between ranges whose upper neighbour lies before `clock`, and count them as seen."""
        found: list[Loss] = []
        for epoch in self.seen:
            while len(ranges := self.seen[epoch]) > 1 and max(ranges[0].last_time, ranges[1].first_time) <= clock:
                low, high = ranges[0], ranges[1]
                a, b = sorted((low.last_time, high.first_time))
                b = max(b, a + INSTANT_US)
                found.append(Loss(a, b, "lost_sequence", b, high.first - low.last - 1))
                self.seen[epoch] = [Range(low.first, low.first_time, high.last, high.last_time), *ranges[2:]]
        return found

    @property
    def has_holes(self) -> bool:
        """True while a hole waits to be judged."""
        return any(len(ranges) > 1 for ranges in self.seen.values())


def _joined(ranges: list[Range]) -> list[Range]:
    joined: list[Range] = []
    for r in sorted(ranges):
        if joined and r.first <= joined[-1].last + 1:
            low = joined[-1]
            if r.last > low.last:
                joined[-1] = Range(low.first, low.first_time, r.last, r.last_time)
        else:
            joined.append(r)
    return joined


def ranges_of(frame: pl.DataFrame) -> Iterator[tuple[str, int, Range]]:
    """Yield (instrument, epoch, range) of a batch of live records: one range each where no number is missing in it."""
    live = frame
    if frame["replay"].any() or (frame["epoch"] == 0).any():
        live = frame.filter(~pl.col("replay") & (pl.col("epoch") > 0))
    number, time = pl.col("sequence"), pl.col("event_time")
    columns = live.group_by("key", "epoch").agg(
        number.min().alias("low"),
        time.get(number.arg_min()).alias("low_time"),
        number.max().alias("high"),
        time.get(number.arg_max()).alias("high_time"),
        number.n_unique().alias("numbers"),
    )
    for key, epoch, low, low_time, high, high_time, numbers in columns.iter_rows():
        if high - low + 1 == numbers:
            yield key, epoch, Range(low, low_time, high, high_time)
            continue
        mine = live.filter((pl.col("key") == key) & (pl.col("epoch") == epoch)).select("sequence", "event_time")
        for n, t in mine.unique("sequence").sort("sequence").iter_rows():
            yield key, epoch, Range(n, t, n, t)
