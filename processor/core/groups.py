"""PURE. The groups of one partition: what their instruments publish and close is heard, candles and gaps of theirs are made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from processor.core.config import CoreConfig
from processor.core.consolidated import word_of, word_without
from processor.core.gaps import floor_base
from processor.core.minutes import Consolidated
from processor.core.series import Series
from processor.core.timeline import BEFORE, FOREVER, Loss
from schemas.records import Candle, Gap, Price
from schemas.timeframes import BASE_US

if TYPE_CHECKING:
    from processor.core.partition import Partition

_BASE = "1m"


class Groups:
    """The consolidated series of a partition. A group whose instruments are elsewhere stays without effect."""

    def __init__(self, config: CoreConfig, partition: int) -> None:
        prices: tuple[Price, ...] = ("trade", *config.quote_prices)
        self.config = config
        self.all = [Consolidated(config, g, price, partition) for g in config.groups for price in prices]
        self.of = {member: c for c in self.all for member in c.members}
        """The consolidated series that a series is part of, by name."""
        self.foreign: list[bytes] = []
        """Keys of restored state that belong to no group any more: to be deleted."""
        self._begun: set[str] = set()
        self._floors: dict[str, int] = {}
        """By series restored: its minutes before this moment are not asked about, for they were heard before, or by no group."""
        self._heard: dict[str, tuple[int, Sequence[Loss]]] = {}
        """By series: up to when its empty minutes were heard of, and the losses that they were judged by."""

    def __bool__(self) -> bool:
        return bool(self.all or self.foreign)

    def hears(self, series: str) -> bool:
        """Say whether a series is part of a group."""
        return series in self.of

    def listen(self, partition: Partition, series: Series) -> None:
        """Hear of a series' empty minutes as it tells of them itself: what it learns once they are forgotten changes neither."""
        if (group := self.of.get(series.name)) is not None:
            self._listen(group, series, _front(partition, series, series.feed.source))

    def follow(self, partition: Partition, candles: Sequence[Candle], now: int) -> tuple[list[Candle], list[Gap]]:
        """Hear what a partition publishes and how far its series are closed; return the candles and gaps that follow from it.

        Args:
            partition: as it is after `candles` were made.
            candles: what it is about to publish, in order.
            now: wall clock, microseconds, stamped on what is made.
        """
        for candle in candles:
            if candle.timeframe == _BASE and (group := self.of.get(candle.series)) is not None:
                feed = partition.feeds.get(candle.source)
                if feed is None or not feed.replay:
                    group.hear(candle.series, candle.start, word_of(candle))
        made: list[Candle] = []
        gaps: list[Gap] = []
        for group in self.all:
            if self._has_begun(partition, group):
                for source, member in zip(group.sources, group.members, strict=True):
                    series = partition.series.get(member)
                    front = _front(partition, series, source)
                    if series is not None:
                        self._listen(group, series, front)
                    group.reach(member, front)
                made += group.publish(now)
                gaps += group.tell_gaps(now)
                if not partition.held.is_due:  # what history is due may speak of minutes that the clock has left far behind
                    group.forget()
        return made, gaps

    def restored(self, partition: Partition) -> None:
        """Take in that a partition and these groups' minutes were restored."""
        for group in self.all:
            members = zip(group.sources, group.members, strict=True)
            fronts = {m: _front(partition, partition.series.get(m), source) for source, m in members}
            if group.minutes:
                self._begun.add(group.name)
                group.restored(fronts)
            for member in group.members:
                if (series := partition.series.get(member)) is not None:
                    heard = any(member in m.words for m in group.minutes.values())
                    # What was never named in a status has told nothing of its empty minutes, to whomever: all are still to come.
                    named = series.good_from is not None
                    self._floors[member] = fronts[member] if named and not heard else floor_base(series.floor)

    def watermarks(self) -> dict[str, int]:
        """Return up to when each consolidated series is closed."""
        return {g.name: g.clock for g in self.all if g.name in self._begun}

    def _has_begun(self, partition: Partition, group: Consolidated) -> bool:
        if group.name not in self._begun and (group.minutes or any(m in partition.series for m in group.members)):
            self._begun.add(group.name)
        return group.name in self._begun

    def _listen(self, group: Consolidated, series: Series, front: int) -> None:
        if series.run or series.first is None:
            return
        group.gaps.seen_from(max(series.first, self._floors.get(series.name, BEFORE)))
        if series.good_from is None:
            return
        timeline = series.timeline()
        at, judged_by = self._heard.get(series.name, (BEFORE, timeline))
        if timeline is not judged_by:
            # What its own gaps say of before its floor stands, whatever is learned later: so does its word on those minutes.
            standing = -(-series.book.straddled_by(series.floor) // BASE_US) * BASE_US
            at = min(at, max(_changed_from(judged_by, timeline), standing))
        ours = series.frames[series.config.base].windows
        # Before its good_from it does not vouch for anything.
        for start in range(max(floor_base(series.good_from), self._floors.get(series.name, BEFORE), at), front, BASE_US):
            # Where it has a candle, that is its word, which comes as it is published.
            if start not in ours and not group.has_candle(series.name, start) and not series.history.vendor.has(start):
                group.hear(series.name, start, word_without(timeline, start))
        self._heard[series.name] = (front, timeline)


def _front(partition: Partition, series: Series | None, source: str) -> int:
    """Return up to when the windows of a series are closed: where there is none, as its source's clock says."""
    feed = partition.feeds.get(source)
    if series is not None:
        return BEFORE if series.run or series.watermark == BEFORE else floor_base(series.watermark)
    if feed is None or not feed.epoch or feed.replay:
        return BEFORE
    return floor_base(feed.clock - partition.config.lateness_us)


def _changed_from(before: Sequence[Loss], after: Sequence[Loss]) -> int:
    """Return the minute from which on two timelines may differ, FOREVER where they are equal."""
    for a, b in zip_longest(before, after):
        if a is None or b is None:
            return floor_base((a or b).start)
        if a != b:
            same = a._replace(end=0, known_to=0) == b._replace(end=0, known_to=0)
            return floor_base(min(a.known_to, b.known_to) if same else min(a.start, b.start))
    return FOREVER
