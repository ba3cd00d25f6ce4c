"""PURE. A status at work: what it tells of its feed moves the series of that feed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.core import folding, runs
from processor.core.absences import Place
from processor.core.feed import Feed
from processor.core.gaps import floor_base
from processor.core.series import Series
from schemas.records import FeedStatus, Price, Served
from schemas.timeframes import DAY, WEEK

if TYPE_CHECKING:
    from processor.core.partition import Partition

LONGEST = WEEK + DAY
"""The longest window, with what a change of clocks can add: losses are kept at least that long after its state."""


def says_the_same(old: FeedStatus, new: FeedStatus) -> bool:
    """Say whether only the clock and the offsets moved on: the newer one then stands for both."""
    return (
        old.source == new.source
        and old.state == new.state == "live"
        and old.epoch == new.epoch
        and old.good_from == new.good_from
        and not old.losses
        and not new.losses
        and old.symbols is None
    )


def apply(partition: Partition, offset: int, status: FeedStatus, now: int) -> None:
    """Apply a status that is reached; `now` is the wall clock, microseconds."""
    feed = partition.feed(status.source)
    was_finished = feed.finished
    again = offset <= feed.offset
    if status.epoch > feed.epoch and status.replay and not again:
        runs.end_before(partition, status.source, status.epoch, now)
    changed: int | None = None
    clock = status.complete_to
    before, was_away = floor_base(feed.clock), set(feed.absences.away)
    if not again:
        changed = _learn(partition, feed, offset, status)
        clock = feed.clock
    is_away = set(feed.absences.away)
    # An absence that lasts is known in whole minutes.
    moved = was_away | is_away if before < floor_base(clock) else was_away ^ is_away
    if status.epoch < feed.epoch or (was_finished and feed.finished):
        return
    for kind, part in partition.held.take_runs(feed.source, feed.epoch):
        folding.fold(partition, kind, part, now, {})
    for served in status.symbols or ():
        _name(partition, feed, served, now)
    partition.held.reach_history(feed.source, status.history_offset)
    for series in list(partition.of_source[status.source]):
        if feed.replay and series.run != feed.epoch:
            continue
        if again:
            series.reconcile()  # restored from an older record than the feed was: it has yet to learn what the feed knows
        elif series.place in moved:
            series.losses_changed(before if changed is None else min(before, changed))
        elif changed is not None:
            series.losses_changed(changed)
        _move_on(partition, feed, series, clock)
        partition.settle(series, now)
        if series.ended:
            partition.end(series)
    if not feed.replay:
        feed.forget_before(feed.clock - partition.config.kept_us - LONGEST)


def _learn(partition: Partition, feed: Feed, offset: int, status: FeedStatus) -> int | None:
    # Since when losses are others than before, None if they are not.
    feed.offset = offset
    partition.dirty_feeds.add(status.source)
    gone = set(feed.absences.away)
    changed = feed.apply(status)
    if new := set(feed.absences.away) - gone:
        _forget_unseen(partition, feed, new)
    return changed


def _move_on(partition: Partition, feed: Feed, series: Series, clock: int) -> None:
    if series.numbers.has_holes:
        series.judge_numbers(clock - partition.config.lateness_us)
    if feed.finished:
        series.finish(clock)
    else:
        series.advance(clock - partition.config.lateness_us)


def _name(partition: Partition, feed: Feed, served: Served, now: int) -> None:
    prices: tuple[Price, ...] = ("trade",) if served.kind == "trades" else partition.config.quote_prices
    good_from = feed.good_from_of(served)
    if good_from is None:
        return
    for price in prices:
        series = (
            runs.series_of_run(partition, feed.source, served.symbol, price, feed.epoch, now)
            if feed.replay
            else partition.series_named(feed.source, served.symbol, price)
        )
        if series is not None:
            series.named(good_from)


def _forget_unseen(partition: Partition, feed: Feed, gone: set[Place]) -> None:
    # A symbol that was named and never good has no series that could be away.
    for place in gone - {s.place for s in partition.of_source[feed.source]}:
        feed.absences.forget(place)
