"""PURE. All series and feeds of one Kafka partition: batches and statuses in, candles and gaps out.

How a batch becomes part of windows is in `folding`, what a status does in `statuses`, history in `answers`, a replay's runs in
`runs`; what they have in common is here.
"""

from __future__ import annotations

import polars as pl

from processor.core import answers, folding, forgetting, publishing, statuses
from processor.core.config import CoreConfig
from processor.core.feed import Feed
from processor.core.group_gap_state import dump_news
from processor.core.groups import Groups
from processor.core.journal import Remembered, dump_journal
from processor.core.outbox import Outbox
from processor.core.series import Series
from processor.core.waiting import Waiting
from schemas.records import Candle, FeedStatus, Price, series_of
from schemas.timeframes import BASE_US


class Partition:
    """State of one partition. `positions` are the next offsets per data topic, which statuses wait for."""

    def __init__(self, config: CoreConfig, number: int) -> None:
        self.config = config
        self.number = number
        self.positions: dict[str, int] = {"trades": 0, "quotes": 0, "history": 0}
        self.begins: dict[str, int] = {}
        """Offset of the oldest trade and quote that could be read, where nothing was known and older ones were deleted."""
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

    def feed(self, source: str) -> Feed:
        """Return the feed of `source`, new where none was known."""
        if source not in self.feeds:
            feed = self.feeds[source] = Feed(source)
            self.of_source.setdefault(source, [])
            if self.begins:
                feed.trades_from, feed.quotes_from = self.begins.get("trades", 0), self.begins.get("quotes", 0)
                self.dirty_feeds.add(source)
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
                self.end(series)

    # In

    def take(self, kind: str, frame: pl.DataFrame, now: int) -> None:
        """Take in a batch of trades or quotes.

        Args:
            kind: ``trades`` or ``quotes``.
            frame: the record's columns, ``key`` and ``offset``; every row has passed `columns.refusal`.
            now: wall clock, microseconds, only stamped on what is published.
        """
        self.now = now
        folding.take(self, kind, frame, now)

    def take_history(self, frame: pl.DataFrame) -> None:
        """Take in a batch of the history topic: columns of HistoryCandle, ``key`` and ``offset``, that passed `history_refusal`.

        It acts in `release`, at the first status of its source that names it: what is known of gaps by then decides.
        """
        self.held.add_history(frame)

    def take_status(self, offset: int, status: FeedStatus) -> None:
        """Take in a status; it acts in `release` once the records it speaks of have been processed."""
        feed = self.feed(status.source) if self.begins else self.feeds.get(status.source)
        if feed is not None and feed.looks_back:
            feed.look_back(status)  # now, for while it waits a newer one may come to stand for it
            self.dirty_feeds.add(status.source)
        if not self.waiting:
            self.oldest_waiting = offset
        if self.waiting and statuses.says_the_same(self.waiting[-1][1], status):
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
                statuses.apply(self, offset, status, now)
        self.waiting = still
        if still:
            self.oldest_waiting = still[0][0]
        answers.act(self, now)

    def _reached(self, status: FeedStatus) -> bool:
        at = self.positions
        return (
            at["trades"] >= status.trades_offset
            and at["quotes"] >= status.quotes_offset
            and at["history"] >= status.history_offset
        )

    # What each of them ends with

    def settle(self, series: Series, now: int) -> None:
        """Tell what changed of a series, forget what is past, note what the next snapshot must write."""
        remembered = self.remembered.get((series.name, series.run)) if self.remembered else None
        # Not while history is due, which may teach a live series something; of a run it never speaks.
        waits = not series.run and self.held.is_due
        if remembered is not None and remembered.is_known_to(series) and not waits:
            series.recall(self.remembered.pop((series.name, series.run)).told)
        publishing.settle(series, now)
        if series.book.new:
            self.journal += dump_journal(series)
        if series.ended and (left := self.remembered.pop((series.name, series.run), None)) is not None:
            # Ended knowing less than before the crash: what it said then stays said.
            series.book.journaled += left.told
        if self.groups:
            self.groups.listen(self, series)
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

    def end(self, series: Series) -> None:
        """Set a series aside: all is told of it, its state is still to be deleted."""
        del self.series[series.name]
        self.of_source[series.feed.source].remove(series)
        self.live_series.discard(series.name)
        self.dirty_series.discard(series.name)
        self.ended.append(series)

    # Out

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
        journal, self.journal = self.journal + dump_news(self.groups), []
        return journal

    def take_out(self) -> Outbox:
        """Return what is to be published and start a new outbox; the journal taken after it speaks of all that is in it."""
        out, self.out = self.out, Outbox()
        self.consolidate(out)
        return out

    def consolidate(self, out: Outbox) -> None:
        """Add to `out` what follows for the groups from its candles, and from the windows closed by now."""
        if self.groups:
            of_groups = (c for many in out.vendor_candles if self.groups.hears(many.origin.series) for c in many.records())
            candles, gaps = self.groups.follow(self, [*out.candles, *of_groups], self.now)
            out.candles += candles
            out.gaps += gaps
