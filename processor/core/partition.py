"""PURE. All series and feeds of one Kafka partition: batches and statuses in, candles and gaps out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from processor.core import forgetting, publishing
from processor.core.columns import Columns, too_late
from processor.core.config import CoreConfig
from processor.core.feed import Feed
from processor.core.groups import Groups
from processor.core.journal import Remembered, dump_journal
from processor.core.numbers import Range, ranges_of
from processor.core.ohlcv import Partial, Window
from processor.core.series import Fit, Series
from processor.core.vendor_candles import VendorCandles
from processor.core.waiting import Waiting
from schemas.records import Candle, CandleReason, FeedStatus, Gap, Price, Served, series_of
from schemas.timeframes import BASE_US, DAY, WEEK

HISTORY_ROWS = 4_000
"""Vendor's candles taken in at once (our choice: about 0.1 s), so that a bootstrap never delays what is live."""
LONGEST = WEEK + DAY
"""The longest window, with what a change of clocks can add: losses are kept at least that long after its state."""


Before = dict[tuple[str, int, int], int]
"""Offset of the last record that a window (series, timeframe index, start) held before a batch."""


@dataclass
class Outbox:
    """What is to be published, in order. `refused` holds (reason, rows) with the columns of the batch."""

    candles: list[Candle] = field(default_factory=list)
    vendor_candles: list[VendorCandles] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    late: list[tuple[str, pl.DataFrame]] = field(default_factory=list)
    ignored: int = 0
    """Vendor's candles that were too old to count."""
    refused: list[tuple[str, pl.DataFrame]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.candles or self.vendor_candles or self.gaps or self.late or self.refused or self.ignored)

    def collect(self, series: Series) -> None:
        """Take what a series has made."""
        if series.candles:
            self.candles += series.candles
            series.candles = []
        if series.vendor_candles:
            self.vendor_candles += series.vendor_candles
            series.vendor_candles = []
        if series.gap_records:
            self.gaps += series.gap_records
            series.gap_records = []

    def all_candles(self) -> list[Candle]:
        """Return the candles, those in columns too, as records."""
        return [*self.candles, *(c for many in self.vendor_candles for c in many.records())]


class Partition:
    """State of one partition. `positions` are the next offsets per data topic, which statuses wait for."""

    def __init__(self, config: CoreConfig, number: int) -> None:
        self.config = config
        self.number = number
        self.positions: dict[str, int] = {"trades": 0, "quotes": 0, "history": 0}
        self.caught_up = False
        """True once feed-status has been read to its end: until then only statuses close windows."""
        self.restored_to = -1
        """Largest offset that restored state may hold: batches up to it are compared window by window."""
        self.series: dict[str, Series] = {}
        self.feeds: dict[str, Feed] = {}
        self.of_source: dict[str, list[Series]] = {}
        self.waiting: list[tuple[int, FeedStatus]] = []
        self.oldest_waiting = 0
        """Offset of the first status that waits, while any does."""
        self.held = Waiting()
        """Records that were read and have no effect yet."""
        self.out = Outbox()
        self.groups = Groups(config, number)
        self.now = 0
        """Wall clock as last told, microseconds."""
        self.dirty_series: set[str] = set()
        self.dirty_feeds: set[str] = set()
        self.ended: list[Series] = []
        """Series that ended since the last snapshot: it still writes them, the one after deletes them."""
        self.gone: list[Series] = []
        self.remembered: dict[tuple[str, int], Remembered] = {}
        """What was told before a crash and is in no state, by series and run, until a series knows as much again."""
        self.journal: list[tuple[bytes, bytes | None]] = []
        """What must be in the changelog before the gaps are sent that `out` holds."""
        self.live_series: set[str] = set()
        """Series that may have live candles to tell."""
        self._sub = [i for i, t in enumerate(config.timeframes) if t.us <= BASE_US]

    def feed(self, source: str) -> Feed:
        """Return the feed of `source`, new where none was known."""
        if source not in self.feeds:
            self.feeds[source] = Feed(source)
            self.of_source.setdefault(source, [])
        return self.feeds[source]

    def series_named(self, source: str, symbol: str, price: Price) -> Series:
        """Return a series, new where none was known."""
        name = series_of(source, symbol, price)
        found = self.series.get(name)
        if found is None:
            found = self.adopt(Series(self.config, self.feed(source), symbol, price, self.number))
        return found

    def adopt(self, series: Series) -> Series:
        """Take in a series made elsewhere (restored from a snapshot)."""
        self.series[series.name] = series
        self.of_source[series.feed.source].append(series)
        return series

    def resume(self) -> None:
        """Set aside the series that had ended when the state was written; their deletion was not."""
        for series in list(self.series.values()):
            if series.ended:
                self._end(series)

    # Records

    def take(self, kind: str, frame: pl.DataFrame, now: int) -> None:
        """Take in a batch of trades or quotes.

        Args:
            kind: ``trades`` or ``quotes``.
            frame: the record's columns, ``key`` and ``offset``; every row has passed `columns.refusal`.
            now: wall clock, microseconds, only stamped on what is published.
        """
        self.now = now
        if not frame.height:
            return
        # For the whole batch, for its parts are taken in one after the other.
        before: Before | None = {} if int(frame["offset"][0]) <= self.restored_to else None
        numbers = list(ranges_of(frame))
        late = frame.select(too_late(kind, self.config.horizon_us, self.config.backfill_us)).to_series()
        if late.any():
            self._too_late(kind, frame.filter(late), "horizon")
            frame = frame.filter(~late)
        replay = frame["replay"]
        if replay.any():
            self._take_runs(kind, frame.filter(replay), now, before)
            frame = frame.filter(~replay)
        if kind == "trades" and frame["backfill"].any():
            self._fold_all(kind, frame.filter("backfill"), now, before, "backfill")
            frame = frame.filter(~pl.col("backfill"))
        self._fold_all(kind, frame, now, before)
        self._take_numbers(kind, numbers)

    def _take_numbers(self, kind: str, numbers: Iterable[tuple[str, int, Range]]) -> None:
        prices = ("trade",) if kind == "trades" else self.config.quote_prices
        for key, epoch, seen in numbers:
            for price in prices:
                series = self.series.get(key if price == "trade" else f"{key}@{price}")
                if series is not None and series.numbers.take(epoch, seen):
                    series.dirty = True
                    self.dirty_series.add(series.name)

    def _take_runs(self, kind: str, frame: pl.DataFrame, now: int, before: Before | None) -> None:
        # A replay's run is an epoch. A newer run's records wait for its first status: by then all is told of the run before.
        for (source, epoch), part in sorted(frame.partition_by("source", "epoch", as_dict=True).items()):
            feed = self.feed(str(source))
            last = max((s.run for s in self.of_source[feed.source]), default=0)
            begins = bool(last) and not feed.finished and epoch > max(last, feed.epoch)
            # Nor does a record pass those of its run that wait already: whatever is below a window's offset counts as held by it.
            if begins or self.held.has_run(feed.source, epoch):
                self.held.add_run(feed.source, (kind, part))
            else:
                self._fold_all(kind, part, now, before)

    def _fold_all(
        self, kind: str, frame: pl.DataFrame, now: int, before: Before | None, reason: CandleReason = "late_trade"
    ) -> None:
        for price in ("trade",) if kind == "trades" else self.config.quote_prices:
            if frame.height:
                self._fold(kind, frame, price, now, before, reason)

    def _fold(self, kind: str, frame: pl.DataFrame, price: Price, now: int, before: Before | None, reason: CandleReason) -> None:
        columns = Columns(frame, price, self.config.lateness_us)
        replay = bool(frame["replay"][0])
        epoch = int(frame["epoch"][0])
        fit = None if before is None else self._fit(columns, before)
        touched: dict[str, Series] = {}
        refused: set[str] = set()
        for index in reversed(self._sub):  # 1m first: it decides what is refused
            length = self.config.timeframes[index].us
            for key, partial in columns.partials(length):
                series = touched.get(key)
                if series is None:
                    if key in refused:
                        continue
                    source, _, symbol = key.partition(":")
                    if replay and (self._run_is_over(source, epoch) or self._is_told(series_of(source, symbol, price), epoch)):
                        refused.add(key)  # read again after a crash: this run is finished and told
                        continue
                    named = (
                        self._series_of_run(source, symbol, price, epoch, now)
                        if replay
                        else self.series_named(source, symbol, price)
                    )
                    if named is None:
                        refused.add(key)
                        self._too_late(kind, frame.filter(pl.col("key") == key), "superseded_run")
                        continue
                    series = named
                    touched[key] = series
                if partial.start + length <= series.floor and partial.start not in series.frames[index].windows:
                    if index == self.config.base:
                        time = pl.col("event_time")
                        gone = (pl.col("key") == key) & (time >= partial.start) & (time < partial.start + length)
                        rows = frame.filter(gone & (pl.col("offset") > series.known))
                        if rows.height:
                            self._too_late(kind, rows, "state_gone")
                    continue
                series.add(index, partial, fit, reason)
        for series in touched.values():
            if self.caught_up:
                series.advance(series.mark - self.config.lateness_us)
            self._settle(series, now)

    def _series_of_run(self, source: str, symbol: str, price: Price, epoch: int, now: int) -> Series | None:
        # A newer run starts its series anew, an older one has nothing more to say, nor has one that was told to its end.
        if self._is_told(series_of(source, symbol, price), epoch):
            return None
        series = self.series_named(source, symbol, price)
        if epoch > series.run and not series.is_new:
            self._end_run(series, now)
            series = self.series_named(source, symbol, price)
        series.run = max(series.run, epoch)
        return series if epoch == series.run else None

    def _end_run(self, series: Series, now: int) -> None:
        # Killed half-way: what it had is told, and nothing made up about what it lacks. Its records say how far it came, as much
        # as its statuses: whether they were read ahead of those must make no difference.
        series.stop(series.mark - self.config.lateness_us)
        self._settle(series, now)
        self._end(series)

    def _run_is_over(self, source: str, epoch: int) -> bool:
        feed = self.feeds.get(source)
        return feed is not None and feed.finished and epoch <= feed.epoch

    def _is_told(self, name: str, epoch: int) -> bool:
        return any(s.run == epoch and s.name == name for s in self.ended)

    def may_go(self, series: Series) -> bool:
        """Say whether state of an ended series may be deleted.

        Not while its run's feed does not know yet that the run is over (a flush that was cut, its statuses read again): it
        would begin anew, without the records that are not read again.
        """
        return not series.run or self._run_is_over(series.feed.source, series.run) or series.feed.epoch > series.run

    def _fit(self, columns: Columns, before: Before) -> Fit:
        # A window restored from a snapshot may hold some of this batch: only what lies above the offset it held
        # before the batch is new to it. These offsets are remembered for the whole batch, for absorbing moves them on.
        def fit(series: Series, index: int, start: int, window: Window | None, partial: Partial) -> Partial | None:
            place = (series.name, index, start)
            if place not in before:
                before[place] = -1 if window is None else window.offset
            offset = before[place]
            if partial.offset_min > offset:
                return partial
            if partial.offset_max <= offset:
                return None
            length = min(BASE_US, self.config.timeframes[index].us)
            key = series.name if series.price == "trade" else series.name.removesuffix(f"@{series.price}")
            return columns.partial_after(key, partial.start, length, offset)

        return fit

    def _too_late(self, kind: str, rows: pl.DataFrame, reason: str) -> None:
        if kind == "trades":
            self.out.late.append((reason, rows))
        else:
            self.out.refused.append(("late_quote" if reason == "horizon" else reason, rows))

    # Statuses

    def take_history(self, frame: pl.DataFrame) -> None:
        """Take in a batch of the history topic: columns of HistoryCandle, ``key`` and ``offset``, that passed `history_refusal`.

        It acts in `release`, at the first status of its source that names it: what is known of gaps by then decides.
        """
        self.held.add_history(frame)

    def _act_on_history(self, now: int) -> None:
        left = HISTORY_ROWS
        while left and (due := self.held.next_history(left)) is not None:
            left -= due.height
            by_series = due.partition_by("source", "symbol", "price", as_dict=True, maintain_order=True)
            for (source, symbol, price), part in by_series.items():
                self._act_on_answers(self.feed(str(source)), str(symbol), price, part, now)

    def _act_on_answers(self, feed: Feed, symbol: str, price: Price, part: pl.DataFrame, now: int) -> None:
        if feed.replay or price not in ("trade", *self.config.quote_prices):
            self.out.ignored += part.height
            return
        series = self.series_named(feed.source, symbol, price)
        self.out.ignored += series.take_history(part)
        series.advance(feed.clock - self.config.lateness_us)
        self._settle(series, now)

    def take_status(self, offset: int, status: FeedStatus) -> None:
        """Take in a status; it acts in `release` once the records it speaks of have been processed."""
        if not self.waiting:
            self.oldest_waiting = offset
        if self.waiting and _says_the_same(self.waiting[-1][1], status):
            self.waiting[-1] = (offset, status)
        else:
            self.waiting.append((offset, status))

    def release(self, now: int) -> None:
        """Apply every waiting status whose offsets are reached, per source in order, and a portion of the history that is due."""
        self.now = now
        blocked: set[str] = set()
        still: list[tuple[int, FeedStatus]] = []
        for offset, status in self.waiting:
            if status.source in blocked or not self._reached(status):
                blocked.add(status.source)
                still.append((offset, status))
            else:
                self._apply(offset, status, now)
        self.waiting = still
        if still:
            self.oldest_waiting = still[0][0]
        self._act_on_history(now)

    def _reached(self, status: FeedStatus) -> bool:
        at = self.positions
        return (
            at["trades"] >= status.trades_offset
            and at["quotes"] >= status.quotes_offset
            and at["history"] >= status.history_offset
        )

    def _apply(self, offset: int, status: FeedStatus, now: int) -> None:
        feed = self.feed(status.source)
        was_finished = feed.finished
        again = offset <= feed.offset
        if status.epoch > feed.epoch and status.replay and not again:
            for series in list(self.of_source[status.source]):
                if series.run and series.run < status.epoch:
                    self._end_run(series, now)
        changed: int | None = None
        clock = status.complete_to
        if not again:
            feed.offset = offset
            self.dirty_feeds.add(status.source)
            gone = set(feed.left)
            changed = feed.apply(status)
            if feed.left.keys() != gone:
                self._forget_unseen(feed, gone)
            clock = feed.clock
        if status.epoch < feed.epoch or (was_finished and feed.finished):
            return
        for kind, part in self.held.take_runs(feed.source, feed.epoch):
            self._fold_all(kind, part, now, {})
        for served in status.symbols or ():
            self._name(feed, served, now)
        self.held.reach_history(feed.source, status.history_offset)
        for series in list(self.of_source[status.source]):
            if feed.replay and series.run != feed.epoch:
                continue
            if again:
                series.reconcile()  # restored from an older record than the feed was: it has yet to learn what the feed knows
            elif changed is not None:
                series.losses_changed(changed)
            if series.numbers.has_holes:
                series.judge_numbers(clock - self.config.lateness_us)
            if (left := self._left(feed, series)) is not None:
                series.leave(left)
            elif feed.finished:
                series.finish(clock)
            else:
                series.advance(clock - self.config.lateness_us)
            self._settle(series, now)
            if series.ended:
                self._end(series)
        if not feed.replay:
            feed.forget_before(feed.clock - self.config.kept_us - LONGEST)

    def _name(self, feed: Feed, served: Served, now: int) -> None:
        prices: tuple[Price, ...] = ("trade",) if served.kind == "trades" else self.config.quote_prices
        left = feed.left.pop((served.symbol, served.kind), None)
        for price in prices:
            if left is not None:
                self._rejoins(feed, served.symbol, price, left, now)
            # A symbol that is refused was never good: it is accounted for from there, so that it can be seen.
            good_from = served.good_from if served.good_from is not None else feed.refused_from(served.symbol)
            if good_from is not None:
                series = (
                    self._series_of_run(feed.source, served.symbol, price, feed.epoch, now)
                    if feed.replay
                    else self.series_named(feed.source, served.symbol, price)
                )
                if series is not None:
                    series.named(good_from)

    def _forget_unseen(self, feed: Feed, known: set[tuple[str, str]]) -> None:
        # A symbol that was named and never good has no series that could end.
        seen = {(s.symbol, "trades" if s.price == "trade" else "quotes") for s in self.of_source[feed.source]}
        for place in feed.left.keys() - known - seen:
            del feed.left[place]

    def _left(self, feed: Feed, series: Series) -> int | None:
        kind = "trades" if series.price == "trade" else "quotes"
        return feed.left.get((series.symbol, kind)) if feed.left else None

    def _rejoins(self, feed: Feed, symbol: str, price: Price, left: int, now: int) -> None:
        # The series begins anew; what is left of the old one is its last gap, which ends here.
        series = Series(self.config, feed, symbol, price, self.number)
        self.out.gaps.append(series.rejoined(left, feed.clock, now))

    def _settle(self, series: Series, now: int) -> None:
        remembered = self.remembered.get((series.name, series.run)) if self.remembered else None
        if remembered is not None and remembered.is_known_to(series) and not self.held.is_due:
            series.recall(self.remembered.pop((series.name, series.run)).told)
        publishing.settle(series, now)
        if series.book.new:
            self.journal += dump_journal(series)
        if series.ended and (left := self.remembered.pop((series.name, series.run), None)) is not None:
            # Ended knowing less than before the crash (a newer run's feed was restored): what it said then stays said.
            series.book.journaled += left.told
        # Only after settling: one step may both close a window and leave it behind.
        # By the feed's own clock where it has one: records read ahead of statuses must not make us forget what those will change.
        clock = series.feed.clock if series.feed.epoch else series.mark
        # Nor while history is due: it was sent before the status that names it, so what it speaks of must still be there.
        if not series.run and not self.held.is_due and clock - series.floor > self.config.kept_us + BASE_US:
            forgetting.forget_before(series, forgetting.floor_for(series, clock))
        self.out.collect(series)
        if series.live_due:
            self.live_series.add(series.name)
        if series.dirty or series.chunks_due:
            self.dirty_series.add(series.name)

    def _end(self, series: Series) -> None:
        del self.series[series.name]
        self.of_source[series.feed.source].remove(series)
        self.live_series.discard(series.name)
        self.dirty_series.discard(series.name)
        self.ended.append(series)

    def take_live(self, indices: set[int], now: int) -> list[Candle]:
        """Return the live candles of these timeframes that changed since they were last taken."""
        live: list[Candle] = []
        done = []
        for name in self.live_series:
            series = self.series.get(name)
            if series is None:
                done.append(name)
                continue
            live += publishing.take_live(series, indices, now)
            if not series.live_due:
                done.append(name)
        self.live_series.difference_update(done)
        return live

    def take_journal(self) -> list[tuple[bytes, bytes | None]]:
        """Return the journal and start a new one."""
        journal, self.journal = self.journal, []
        return journal

    def take_out(self) -> Outbox:
        """Return what is to be published and start a new outbox."""
        out, self.out = self.out, Outbox()
        if self.groups:
            of_groups = (c for many in out.vendor_candles if self.groups.hears(many.origin.series) for c in many.records())
            out.candles += self.groups.follow(self, [*out.candles, *of_groups], self.now)
        return out


def _says_the_same(old: FeedStatus, new: FeedStatus) -> bool:
    """True where only the clock and the offsets moved on: the newer one then stands for both."""
    return (
        old.source == new.source
        and old.state == new.state == "live"
        and old.epoch == new.epoch
        and old.good_from == new.good_from
        and not old.losses
        and not new.losses
        and old.symbols is None
    )
