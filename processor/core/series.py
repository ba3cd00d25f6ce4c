"""PURE. One series: its windows in every timeframe, its timeline and its gaps, joined."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection

import numpy as np
import polars as pl

from processor.core.calendar import calendar_of
from processor.core.config import CoreConfig
from processor.core.feed import Feed
from processor.core.frame import Frame, chunk_of
from processor.core.gaps import FILLABLE, GapBook, Piece, floor_base, pieces
from processor.core.history import Bounds, History, segments
from processor.core.merge import Shown, merged, vendor_only
from processor.core.ohlcv import Partial, Window
from processor.core.telling import Origin, candle_of, gap_of
from processor.core.timeline import BEFORE, FOREVER, Loss, lost_in, overlay, within_hours
from processor.core.vendor import Starts, Sums, day_of, starts_of, summed
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
        self.left: int | None = None
        """When its symbol was unsubscribed: then the series ends."""
        self.floor = BEFORE
        """Windows that end before it are forgotten."""
        self.book = GapBook()
        self.history = History()
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
        self._timeline_of: tuple[int | None, ...] = ()
        self._answers = 0
        """Grows with each result, as `feed.revision` with each loss."""

    # What is known of the feed

    def timeline(self) -> tuple[Loss, ...]:
        """Return the disjoint losses that concern this series, with what became of them."""
        key = (self.feed.revision, self.good_from, self.first, self.left, self._answers)
        if key != self._timeline_of:
            losses = self.feed.losses_of(self.symbol)
            if self.good_from is not None:
                losses = [*losses, Loss(BEFORE, self.good_from, "partial_start", self.good_from)]
            if self.calendar.zone is not None:
                since = min(x for x in (self.first, self.good_from, self.feed.clock) if x is not None)
                losses = within_hours(losses, self.calendar, since - 2 * WEEK)
            if self.left is not None:
                losses = _until(losses, self.left)
            self._timeline, self._timeline_of = self.history.results.judged(overlay(losses), self.first), key
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
        self._gaps_from(since)

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
            bounds = Bounds(self.first, self.config.horizon_us, self.config.backfill_us, asked)
            change = self.history.take(segment, bounds)
            ignored += change.ignored
            if change.starts.size:
                self.dirty = True
                for i in range(self.config.base, len(self.frames)):
                    self._vendor_changed(i, change.starts, change.reason)
                self._gaps_from(int(change.starts[0]))
            if change.judged is not None:
                self._answers += 1
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
            if start not in frame.windows and start + frame.timeframe.us > self.watermark:
                frame.open.add(start)
            self._changed(index, start, reason)

    def history_restored(self) -> None:
        """Take in that `history` was restored: windows made of it alone are open until the watermark passes."""
        for frame in self.frames[self.config.base :]:
            newest = self.history.vendor.minutes(self.watermark - frame.timeframe.us, FOREVER)
            ends = np.unique(starts_of(frame.timeframe, newest)) + frame.timeframe.us
            frame.open |= {e - frame.timeframe.us for e in ends[ends > self.watermark].tolist()}

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
        self.close()
        if self.first is not None:
            self._gaps_from(max(self.first, self.book.straddled_by(floor_base(self.watermark))))

    def close(self) -> None:
        """End the series where it is: every window closes, and nothing more is said of what it lacks."""
        for i, frame in enumerate(self.frames):
            for start in list(frame.open):
                self._close(i, start)
        self.ended = self.dirty = True

    def rejoined(self, left: int, moment: int, now: int) -> Gap:
        """Return the end of the gap of a series that was left at `left` and is served again from `moment` on."""
        piece = Piece(left, max(left, floor_base(moment)), "unsubscribed")
        return gap_of(self._origin, piece, False, now)

    def inherit(self, before: Series) -> None:
        """Take over the pieces of state that an ended series of the same name and run has written: they are to be replaced."""
        self.chunks_due |= before.chunks_written
        self.chunks_written |= before.chunks_written
        days = before.history.vendor.written
        self.history.vendor.due |= days
        self.history.vendor.written |= days

    @property
    def is_new(self) -> bool:
        """True while nothing is known of it."""
        return self.first is None and not any(f.windows for f in self.frames)

    def leave(self, moment: int) -> None:
        """End the series: its symbol is no longer served from `moment` on (ARCHITECTURE, R15)."""
        self.left = moment
        self.losses_changed(moment)
        self.finish(moment)

    def forget_before(self, floor: int) -> None:
        """Drop the windows and gaps that ended before `floor`."""
        if floor <= self.floor:
            return
        self.floor = floor
        self.dirty = True
        self._forget_history(floor - self.config.timeframes[-1].us)
        for i, frame in enumerate(self.frames):
            end = bisect_left(frame.starts, floor - frame.timeframe.us)
            kept = [s for s in frame.starts[:end] if self._outlives(i, s)]
            for start in set(frame.starts[:end]).difference(kept):
                chunk = chunk_of(frame.timeframe, start)
                window = frame.windows.pop(start)
                if (i, chunk) in self.chunks_written:
                    frame.passing[start] = window
                self.chunks_due.add((i, chunk))
            frame.starts[:end] = kept
        self.book.forget_before(floor)

    def drop_forgotten(self) -> None:
        """Take in that windows were restored: those before the floor had been forgotten, their deletion was not written yet."""
        for i, frame in enumerate(self.frames):
            for start in [s for s in frame.windows if s + frame.timeframe.us < self.floor and not self._outlives(i, s)]:
                del frame.windows[start]

    def _outlives(self, index: int, start: int) -> bool:
        # What a vendor's row stands beside is kept as long as the row: a parent may have to take it out.
        return start in self.frames[index].open or (index == self.config.base and self.history.vendor.has(start))

    def _forget_history(self, floor: int) -> None:
        # Rows live as long as a parent can, and some time after they came; answers as long as rows they speak of.
        history = self.history
        if history.vendor.drop(floor, self.floor):
            history.told = {(i, s): v for (i, s), v in history.told.items() if s + self.frames[i].timeframe.us > floor}
        rows = history.vendor.rows
        if history.results.forget_before(min(floor, int(rows["start"][0])) if rows.size else floor):
            self._answers += 1

    def floor_for(self, clock: int) -> int:
        """Return before when state may be forgotten: a gap that can still be filled holds it back, for a day at most."""
        now = min(clock, self.watermark)
        oldest = now - self.config.backfill_us
        waiting = [
            floor_base(x.start)
            for x in self.timeline()
            if x.cause in FILLABLE and x.cause != "partial_start" and x.start >= oldest and self._may_be_filled(x, oldest)
        ]
        return min([now - self.config.kept_us, *waiting])

    def _may_be_filled(self, loss: Loss, oldest: int) -> bool:
        if not loss.outcome:
            return True
        retry_at = loss.retry_at
        return loss.outcome == "unfillable" and retry_at is not None and retry_at - self.config.backfill_us <= loss.start

    # Publishing

    def settle(self, now: int) -> None:
        """Turn what changed into records: candles whose version grew, gaps that differ from what was told."""
        if self.touched:
            ends = [(s + self.frames[i].timeframe.us, i, s) for i, s in self.touched if s in self.frames[i].windows]
            for _, i, start in sorted(ends):
                self._publish(i, start, self.touched[i, start], now)
            if self.history.vendor and len(ends) < len(self.touched):
                self._publish_vendor(now)
            self.touched = {}
        if self._gaps_due is not None and self.first is not None:
            # Below the floor windows are forgotten: what was told there stands.
            low = max(self.book.straddled_by(max(self._gaps_due, self.floor)), self.first)
            self._gaps_due = None
            for piece in self.book.update(low, self._pieces(low)):
                self.dirty = True
                minute = floor_base(piece.start)
                traded = minute in self.frames[self.config.base].windows or self.history.vendor.has(minute)
                self.gap_records.append(gap_of(self._origin, piece, traded, now))

    def _pieces(self, low: int) -> list[Piece]:
        assert self.first is not None
        first = self.first
        losses = [
            x._replace(start=max(x.start, first))
            for x in self.timeline()
            if x.end > first and not (x.cause == "unsubscribed" and x.start < first)
        ]
        starts = self.frames[self.config.base].starts
        if self.history.vendor:
            starts = sorted({*starts, *self.history.vendor.minutes(floor_base(low), FOREVER).tolist()})
        return pieces(low, floor_base(self.watermark), starts, losses, self.ended, self.calendar)

    def _gaps_from(self, moment: int) -> None:
        if self._gaps_due is None or moment < self._gaps_due:
            self._gaps_due = moment

    def _publish(self, index: int, start: int, reason: CandleReason, now: int) -> None:
        frame = self.frames[index]
        window = frame.windows[start]
        state: CandleState = "final" if window.published < 0 else "revised"
        shown = self._shown(index, window)
        candle = self._candle(index, shown, state, reason if state == "revised" else "none", now)
        if candle.version > window.published:
            window.published = candle.version
            self.dirty = True
            self.candles.append(candle)
        self.chunks_due.add((index, chunk_of(frame.timeframe, start)))

    def _publish_vendor(self, now: int) -> None:
        """Publish the touched windows that hold nothing of ours."""
        rows = self.history.vendor.rows
        for i in range(self.config.base, len(self.frames)):
            starts = [s for j, s in self.touched if j == i and s not in self.frames[i].windows and self._is_whole(i, s)]
            sums, shown = self._vendor_shown(i, starts)
            for n, one in enumerate(shown):
                start = one.window.start
                is_base = i == self.config.base
                before = int(rows["published"][sums.groups[n].start]) if is_base else self.history.told.get((i, start), 0)
                fills = sums.seen[n] + self._answers_in(i, start)
                state: CandleState = "revised" if before else "final"
                reason = self.touched[i, start] if before else "none"
                candle = candle_of(self._origin, self.frames[i].timeframe, one, fills, state, reason, now)
                if candle.version <= before:
                    continue
                self.candles.append(candle)
                self.dirty = True
                if is_base:
                    rows["published"][sums.groups[n].start] = candle.version
                    self.history.vendor.due.add(day_of(start))
                else:
                    self.history.told[i, start] = candle.version

    def _is_whole(self, index: int, start: int) -> bool:
        # Below the floor our own part may be forgotten: only what ended before first sight is sure to have had none.
        end = start + self.frames[index].timeframe.us
        return end > self.floor or self.first is None or end <= self.first

    def _vendor_shown(self, index: int, starts: Collection[int]) -> tuple[Sums, list[Shown]]:
        length, rows = self.frames[index].timeframe.us, self.history.vendor.rows
        sums = summed(rows, np.array(sorted(starts), np.int64), length)
        return sums, vendor_only(sums, rows, length, self.timeline())

    def take_live(self, indices: set[int], now: int) -> list[Candle]:
        """Return the open candles of these timeframes that changed since they were last taken."""
        due = [x for x in self.live_due if x[0] in indices]
        self.live_due.difference_update(due)
        live = []
        for i, start in due:
            if start not in self.frames[i].open:
                continue
            window = self.frames[i].windows.get(start)
            shown = [self._shown(i, window)] if window is not None else self._vendor_shown(i, [start])[1]
            live += [self._candle(i, x, "live", "none", now) for x in shown]
        return live

    def _shown(self, index: int, window: Window) -> Shown:
        frame = self.frames[index]
        end = window.start + frame.timeframe.us
        if index < self.config.base:
            return Shown(window, "trades", *lost_in(self.timeline(), window.start, end, own=True))
        rows = self.history.vendor.between(window.start, end)
        return merged(window, frame.timeframe.us, rows, self.frames[self.config.base], self.timeline())

    def _candle(self, index: int, shown: Shown, state: CandleState, reason: CandleReason, now: int) -> Candle:
        frame = self.frames[index]
        fills = self._fills(index, shown.window.start)
        return candle_of(self._origin, frame.timeframe, shown, fills, state, reason, now)

    def _fills(self, index: int, start: int) -> int:
        answers = self._answers_in(index, start)
        if index < self.config.base or not self.history.vendor:
            return answers
        return answers + int(self.history.vendor.between(start, start + self.frames[index].timeframe.us)["seen"].sum())

    def _answers_in(self, index: int, start: int) -> int:
        end = start + self.frames[index].timeframe.us
        if index == self.config.base and (self.first is None or end <= self.first):
            return 0  # a minute before first sight has no gap to be filled: its candle is the vendor's row and no more
        return self.history.results.fills(start, end)


def _until(losses: list[Loss], left: int) -> list[Loss]:
    # What is lost after a series was left is nobody's: from there on it is unsubscribed, until it is named again.
    before = [x._replace(end=min(x.end, left), known_to=min(x.known_to, left)) for x in losses if x.start < left]
    return [*before, Loss(left, FOREVER, "unsubscribed", -(-left // BASE_US) * BASE_US)]
