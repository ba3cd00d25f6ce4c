"""PURE. One series: its windows in every timeframe, its timeline and its gaps, joined."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from processor.core.calendar import calendar_of
from processor.core.config import CoreConfig
from processor.core.feed import Feed
from processor.core.frame import Frame
from processor.core.gaps import GapBook, Published, floor_base
from processor.core.history import Bounds, History, segments
from processor.core.numbers import Numbers
from processor.core.ohlcv import Partial, Window
from processor.core.rolls import starts_of, timeframes_of
from processor.core.telling import Origin
from processor.core.timeline import BEFORE, FOREVER, Loss, overlay, within_hours
from processor.core.vendor import Starts
from processor.core.vendor_candles import VendorCandles
from schemas.records import Candle, CandleReason, Gap, Price, instrument_of, series_of
from schemas.timeframes import BASE_US, WEEK

Fit = Callable[["Series", int, int, Window | None, Partial], Partial | None]
"""Returns the part of a partial that a window (None: a fresh one) does not hold yet; see Partition."""


class Series:
    """State of one series on one partition. What it publishes is collected in `candles` and `gaps` until taken."""

    def __init__(self, config: CoreConfig, feed: Feed, symbol: str, price: Price, partition: int) -> None:
        self.config = config
        self.feed = feed
        self.symbol = symbol
        self.price: Price = price
        self.name = series_of(feed.source, symbol, price)
        self.place = (symbol, "trades" if price == "trade" else "quotes")
        """What lists of symbols call it."""
        self.partition = partition
        self.origin = Origin(self.name, feed.source, symbol, price, partition, config.generation)
        instrument = instrument_of(feed.source, symbol)
        self.calendar = calendar_of(config.sessions, instrument)
        self.run = 0
        """Epoch of the replay's run its windows belong to; 0 for a live series."""
        self.frames = [Frame(t) for t in timeframes_of(config.timeframes, config.rolls, instrument)]
        self.first: int | None = None
        """Start of the 1m window of first sight: accounting begins here."""
        self.good_from: int | None = None
        """When this symbol's data began to be known good."""
        self.taken = -1
        """Offset of the last record judged."""
        self.known = -1
        """Offset of the last record that restored state had judged: below the floor it is not judged again."""
        self.mark = BEFORE
        """Largest min(event_time, receive_time) of its records."""
        self.watermark = BEFORE
        self._next_border = BEFORE
        self.floor = BEFORE
        """Windows that end before it are forgotten."""
        self.book = GapBook()
        self.history = History()
        self.numbers = Numbers()
        self.lost: list[Loss] = []
        """Losses that the producer's own numbers reveal."""
        self.ended = False
        self.dirty = True
        """True when the next snapshot must write it."""
        self.candles: list[Candle] = []
        self.vendor_candles: list[VendorCandles] = []
        self.gap_records: list[Gap] = []
        self.touched: dict[tuple[int, int], CandleReason] = {}
        self.live_due: set[tuple[int, int]] = set()
        self.chunks_due: set[tuple[int, int]] = set()
        """(timeframe index, chunk) whose closed windows changed since the last snapshot."""
        self.chunks_written: set[tuple[int, int]] = set()
        """Chunks that the last snapshots hold."""
        self.gaps_due: int | None = None
        self._timeline: tuple[Loss, ...] = ()
        self._timeline_of: tuple[int | None, ...] = ()
        self.answers = 0
        """Grows with each result and each loss of its own, as `feed.revision` with each loss of the feed."""

    # What is known of the feed

    def timeline(self) -> tuple[Loss, ...]:
        """Return the disjoint losses that concern this series, with what became of them."""
        absences = self.feed.absences.of(self.place, self.feed.clock)
        key = (self.feed.revision, self.good_from, self.first, absences[-1].known_to if absences else None, self.answers)
        if key != self._timeline_of:
            losses = self.feed.losses_of(self.symbol) + self.lost
            if self.good_from is not None:
                losses = [*losses, Loss(BEFORE, self.good_from, "partial_start", self.good_from)]
            if not self.calendar.never_closes:
                since = min(x for x in (self.first, self.good_from, self.feed.clock) if x is not None)
                losses = within_hours(losses, self.calendar, since - 2 * WEEK)
            # Whether a market was open makes no difference to who did not listen.
            self._timeline = self.history.results.judged(overlay([*losses, *absences]), self.first)
            self._timeline_of = key
        return self._timeline

    def named(self, good_from: int) -> None:
        """Take in that a status names this symbol, good from `good_from` on."""
        if self.good_from is None or good_from < self.good_from:
            self.good_from = good_from
            self.dirty = True
            self.losses_changed(self.first if self.first is not None else good_from)
        self._sight(floor_base(good_from))

    def judge_numbers(self, clock: int) -> None:
        """Take in that no record before `clock` is on its way any more: numbers that are missing are lost."""
        found = self.numbers.judge(clock)
        if found:
            self.lost += found
            self.answers += 1
            self.dirty = True
            self.losses_changed(min(x.start for x in found))

    def reconcile(self) -> None:
        """Judge everything anew (after a restore): what was told already is not told again."""
        self.losses_changed(self.floor if self.first is None else max(self.first, self.floor))

    def losses_changed(self, since: int, until: int | None = None, reason: CandleReason = "status") -> None:
        """Take in that the losses changed from `since` on (`until` a moment): windows there are judged anew."""
        for i, frame in enumerate(self.frames):
            for start in frame.since(since):
                if until is not None and start >= until:
                    break
                self._changed(i, start, reason)
        if self.history.vendor:
            for i in range(self.config.base, len(self.frames)):
                first = self.frames[i].timeframe.start_of(since)
                self._vendor_changed(i, self.history.vendor.minutes(first, FOREVER if until is None else until), reason)
        self.gaps_from(since)

    def _changed(self, index: int, start: int, reason: CandleReason) -> None:
        if start in self.frames[index].open:
            self.live_due.add((index, start))
        else:
            self.touched.setdefault((index, start), reason)

    # History

    def take_history(self, batch: pl.DataFrame) -> int:
        """Take in vendor's candles and results, in offset order; return how many candles were too old to count."""
        ignored = 0
        for segment in segments(batch):
            asked = {(x.cause, self._from_of(x)): (x.start, x.known_to) for x in self.timeline()}
            away = [(x.start, x.end) for x in self.timeline() if x.cause == "unsubscribed"]
            bounds = Bounds(self.first, self.config.horizon_us, self.config.backfill_us, asked, away)
            change = self.history.take(segment, bounds)
            ignored += change.ignored
            if change.starts.size:
                self.dirty = True
                for i in range(self.config.base, len(self.frames)):
                    self._vendor_changed(i, change.starts, change.reason)
                self.gaps_from(int(change.starts[0]))
            if change.judged is not None:
                self.answers += 1
                self.dirty = True
                self.losses_changed(*change.judged, change.reason)
        return ignored

    def _from_of(self, loss: Loss) -> int:
        # A gap begins where accounting does: losses before first sight are nobody's.
        return loss.start if self.first is None else max(loss.start, self.first)

    def _vendor_changed(self, index: int, minutes: Starts, reason: CandleReason) -> None:
        frame = self.frames[index]
        starts = minutes if index == self.config.base else np.unique(starts_of(frame.timeframe, minutes))
        for start in starts.tolist():
            if start not in frame.windows and frame.timeframe.end_of(start) > self.watermark:
                frame.open.add(start)
            self._changed(index, start, reason)

    def history_restored(self) -> None:
        """Take in that `history` was restored: windows made of it alone are open until the watermark passes."""
        for frame in self.frames[self.config.base :]:
            newest = self.history.vendor.minutes(frame.timeframe.start_of(self.watermark), FOREVER)
            frame.open |= set(np.unique(starts_of(frame.timeframe, newest)).tolist())

    # Records

    def add(self, index: int, partial: Partial, fit: Fit | None, reason: CandleReason = "late_trade") -> None:
        """Merge what a batch adds to a window of timeframe `index`; from 1m it goes on into every parent.

        `reason`: why a window that is closed already changes; a backfill tells nothing of when a series began.
        """
        base = self.config.base
        self._merge(index, partial.start, partial, fit, reason)
        if index != base:
            return
        self.mark = max(self.mark, partial.mark)
        self.taken = max(self.taken, partial.offset_max)
        if reason != "backfill":
            self._sight(partial.start)
        for parent in range(base + 1, len(self.frames)):
            self._merge(parent, self.frames[parent].timeframe.start_of(partial.start), partial, fit, reason)

    def _merge(self, index: int, start: int, partial: Partial, fit: Fit | None, reason: CandleReason) -> None:
        frame = self.frames[index]
        window = frame.windows.get(start)
        if fit is not None:
            fitting = fit(self, index, start, window, partial)
            if fitting is None:
                return
            partial = fitting
        if window is None:
            window = frame.windows[start] = Window(partial)
            window.start = start
            window.published = self._vendor_told(index, start)
            insort(frame.starts, start)
            if frame.timeframe.end_of(start) > self.watermark:
                frame.open.add(start)
            if index == self.config.base:
                self.gaps_from(start)
        else:
            window.absorb(partial)
        self.dirty = True
        if start in frame.open:
            self.live_due.add((index, start))
        else:
            self.touched[index, start] = reason

    def _vendor_told(self, index: int, start: int) -> int:
        # A window that a vendor's rows alone have made is out already: what we add revises it.
        if not self.history.vendor or index < self.config.base:
            return -1
        if index > self.config.base:
            return self.history.told.get((index, start), -1)
        row = self.history.vendor.between(start, start + 1)
        return int(row["published"][0]) or -1 if row.size else -1

    def _sight(self, window_start: int) -> None:
        if self.first is None or window_start < self.first:
            self.first = window_start
            self.dirty = True
            self.gaps_from(window_start)

    # Time

    def advance(self, watermark: int) -> None:
        """Move the watermark on: windows it reaches are closed."""
        if watermark <= self.watermark or self.ended:
            return
        before, self.watermark = self.watermark, watermark
        if watermark < self._next_border:
            return
        shortest = self.frames[0].timeframe.us
        self._next_border = (watermark // shortest + 1) * shortest
        for i, frame in enumerate(self.frames):
            for start in [s for s in frame.open if frame.timeframe.end_of(s) <= watermark]:
                self._close(i, start)
        if floor_base(watermark) != floor_base(before) and self.first is not None:
            self.gaps_from(max(self.first, floor_base(before)))

    def _close(self, index: int, start: int) -> None:
        self.frames[index].open.discard(start)
        self.live_due.discard((index, start))
        self.touched.setdefault((index, start), "none")

    def finish(self, moment: int) -> None:
        """End the series (a finished replay): every window closes, nothing is accounted for after `moment`'s window."""
        self.stop(-(-moment // BASE_US) * BASE_US)

    def stop(self, watermark: int) -> None:
        """End the series where it is, or at `watermark` if that is later: every window closes, and all is said up to there."""
        self.advance(watermark)
        for i, frame in enumerate(self.frames):
            for start in list(frame.open):
                self._close(i, start)
        self.ended = self.dirty = True
        if self.first is not None:
            self.gaps_from(max(self.first, self.book.straddled_by(floor_base(self.watermark))))

    def recall(self, told: Sequence[Published]) -> None:
        """Take in gaps that were told before a crash and are in no state: what is wanted no more of them will be taken back."""
        first = self.book.recall(told)
        self.dirty = True
        if first is not None:
            self.gaps_from(first)

    def gaps_from(self, moment: int) -> None:
        """Take in that the gaps from `moment` on are to be looked at when changes are told."""
        if self.gaps_due is None or moment < self.gaps_due:
            self.gaps_due = moment

    @property
    def is_new(self) -> bool:
        """True while nothing is known of it."""
        return self.first is None and not any(f.windows for f in self.frames)
