"""PURE. One series: its windows in every timeframe, its timeline and its gaps, joined."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable

from processor.core.calendar import calendar_of
from processor.core.config import CoreConfig
from processor.core.feed import Feed
from processor.core.frame import Frame, chunk_of
from processor.core.gaps import GapBook, Piece, floor_base, pieces
from processor.core.ohlcv import Partial, Window
from processor.core.telling import Origin, candle_of, gap_of
from processor.core.timeline import BEFORE, Loss, lost_in, overlay, within_hours
from schemas.records import Candle, CandleReason, CandleState, Gap, Price, instrument_of, series_of
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
        self.partition = partition
        self._origin = Origin(self.name, feed.source, symbol, price, partition, config.generation)
        self.calendar = calendar_of(config.sessions, instrument_of(feed.source, symbol))
        self.run = 0
        """Epoch of the replay's run its windows belong to; 0 for a live series."""
        self.begin()

    def begin(self) -> None:
        """Forget everything: the state of a series never seen."""
        self.frames = [Frame(t) for t in self.config.timeframes]
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
        self.ended = False
        self.dirty = True
        """True when the next snapshot must write it."""
        self.candles: list[Candle] = []
        self.gap_records: list[Gap] = []
        self.touched: dict[tuple[int, int], CandleReason] = {}
        self.live_due: set[tuple[int, int]] = set()
        self.chunks_due: set[tuple[int, int]] = set()
        """(timeframe index, chunk) whose closed windows changed since the last snapshot."""
        self.chunks_written: set[tuple[int, int]] = set()
        """Chunks that the last snapshots hold."""
        self._gaps_due: int | None = None
        self._timeline: tuple[Loss, ...] = ()
        self._timeline_of: tuple[int, int | None] = (-1, None)

    # What is known of the feed

    def timeline(self) -> tuple[Loss, ...]:
        """Return the disjoint losses that concern this series."""
        key = (self.feed.revision, self.good_from)
        if key != self._timeline_of:
            losses = self.feed.losses_of(self.symbol)
            if self.good_from is not None:
                losses = [*losses, Loss(BEFORE, self.good_from, "partial_start", self.good_from)]
            if self.calendar.zone is not None:
                since = min(x for x in (self.first, self.good_from, self.feed.clock) if x is not None)
                losses = within_hours(losses, self.calendar, since - 2 * WEEK)
            self._timeline, self._timeline_of = overlay(losses), key
        return self._timeline

    def named(self, good_from: int) -> None:
        """Take in that a status names this symbol, good from `good_from` on."""
        if self.good_from is None or good_from < self.good_from:
            self.good_from = good_from
            self.dirty = True
            self.losses_changed(self.first if self.first is not None else good_from)
        self._sight(floor_base(good_from))

    def reconcile(self) -> None:
        """Judge everything anew (after a restore): what was told already is not told again."""
        self.losses_changed(self.floor if self.first is None else max(self.first, self.floor))

    def losses_changed(self, since: int) -> None:
        """Take in that the losses changed from `since` on: closed windows there are judged anew."""
        for i, frame in enumerate(self.frames):
            for start in frame.since(since):
                if start in frame.open:
                    self.live_due.add((i, start))
                else:
                    self.touched.setdefault((i, start), "status")
        self._gaps_from(since)

    # Records

    def add(self, index: int, partial: Partial, fit: Fit | None) -> None:
        """Merge what a batch adds to a window of timeframe `index`; from 1m it goes on into every parent."""
        base = self.config.base
        self._merge(index, partial.start, partial, fit)
        if index != base:
            return
        self.mark = max(self.mark, partial.mark)
        self.taken = max(self.taken, partial.offset_max)
        self._sight(partial.start)
        for parent in range(base + 1, len(self.frames)):
            self._merge(parent, self.frames[parent].timeframe.start_of(partial.start), partial, fit)

    def _merge(self, index: int, start: int, partial: Partial, fit: Fit | None) -> None:
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
            insort(frame.starts, start)
            if start + frame.timeframe.us > self.watermark:
                frame.open.add(start)
            if index == self.config.base:
                self._gaps_from(start)
        else:
            window.absorb(partial)
        self.dirty = True
        if start in frame.open:
            self.live_due.add((index, start))
        else:
            self.touched[index, start] = "late_trade"

    def _sight(self, window_start: int) -> None:
        if self.first is None or window_start < self.first:
            self.first = window_start
            self.dirty = True
            self._gaps_from(window_start)

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
            for start in [s for s in frame.open if s + frame.timeframe.us <= watermark]:
                self._close(i, start)
        if floor_base(watermark) != floor_base(before) and self.first is not None:
            self._gaps_from(max(self.first, floor_base(before)))

    def _close(self, index: int, start: int) -> None:
        self.frames[index].open.discard(start)
        self.live_due.discard((index, start))
        self.touched.setdefault((index, start), "none")

    def finish(self, moment: int) -> None:
        """End the series (a finished replay): every window closes, nothing is accounted for after `moment`'s window."""
        self.advance(-(-moment // BASE_US) * BASE_US)
        for i, frame in enumerate(self.frames):
            for start in list(frame.open):
                self._close(i, start)
        self.ended = True
        if self.first is not None:
            self._gaps_from(max(self.first, self.book.straddled_by(floor_base(self.watermark))))

    def forget_before(self, floor: int) -> None:
        """Drop the windows and gaps that ended before `floor`."""
        if floor <= self.floor:
            return
        self.floor = floor
        self.dirty = True
        for i, frame in enumerate(self.frames):
            keep = bisect_left(frame.starts, floor - frame.timeframe.us)
            for start in frame.starts[:keep]:
                if start in frame.open:
                    keep = frame.starts.index(start)
                    break
                del frame.windows[start]
                self.chunks_due.add((i, chunk_of(frame.timeframe, start)))
            del frame.starts[:keep]
        self.book.forget_before(floor)

    # Publishing

    def settle(self, now: int) -> None:
        """Turn what changed into records: candles whose version grew, gaps that differ from what was told."""
        if self.touched:
            ends = [(s + self.frames[i].timeframe.us, i, s) for i, s in self.touched]
            for _, i, start in sorted(ends):
                self._publish(i, start, self.touched[i, start], now)
            self.touched = {}
        if self._gaps_due is not None and self.first is not None:
            # Below the floor windows are forgotten: what was told there stands.
            low = max(self.book.straddled_by(max(self._gaps_due, self.floor)), self.first)
            self._gaps_due = None
            for piece, state, version in self.book.update(low, self._pieces(low)):
                self.dirty = True
                traded = floor_base(piece.start) in self.frames[self.config.base].windows
                self.gap_records.append(gap_of(self._origin, piece, state, version, traded, now))

    def _pieces(self, low: int) -> list[Piece]:
        assert self.first is not None
        losses = [x._replace(start=max(x.start, self.first)) for x in self.timeline() if x.end > self.first]
        return pieces(low, floor_base(self.watermark), self.frames[self.config.base].starts, losses, self.ended, self.calendar)

    def _gaps_from(self, moment: int) -> None:
        if self._gaps_due is None or moment < self._gaps_due:
            self._gaps_due = moment

    def _publish(self, index: int, start: int, reason: CandleReason, now: int) -> None:
        frame = self.frames[index]
        window = frame.windows.get(start)
        if window is None:
            return
        state: CandleState = "final" if window.published < 0 else "revised"
        candle = self._candle(frame, window, state, reason if state == "revised" else "none", now)
        if candle.version > window.published:
            window.published = candle.version
            self.dirty = True
            self.candles.append(candle)
        self.chunks_due.add((index, chunk_of(frame.timeframe, start)))

    def take_live(self, indices: set[int], now: int) -> list[Candle]:
        """Return the open candles of these timeframes that changed since they were last taken."""
        due = [x for x in self.live_due if x[0] in indices]
        self.live_due.difference_update(due)
        live = []
        for i, start in due:
            window = self.frames[i].windows.get(start)
            if window is not None and start in self.frames[i].open:
                live.append(self._candle(self.frames[i], window, "live", "none", now))
        return live

    def _candle(self, frame: Frame, window: Window, state: CandleState, reason: CandleReason, now: int) -> Candle:
        lost = lost_in(self.timeline(), window.start, window.start + frame.timeframe.us)
        return candle_of(self._origin, frame.timeframe, window, lost, state, reason, now)
