"""PURE. The runs of a replay: each is an epoch, begins its series anew, and is told to its end before the next begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.core.series import Series
from schemas.records import Price, series_of

if TYPE_CHECKING:
    from processor.core.partition import Partition


def may_begin(partition: Partition, source: str, epoch: int) -> bool:
    """Say whether a run's records may act now, or have to wait.

    A newer run's records wait for its first status: by then all is told of the run before. Nor does a record pass those of its
    run that wait already: whatever is below a window's offset counts as held by it.
    """
    feed = partition.feed(source)
    last = max((s.run for s in partition.of_source[source]), default=0)
    begins = bool(last) and not feed.finished and epoch > max(last, feed.epoch)
    return not begins and not partition.held.has_run(source, epoch)


def series_of_run(partition: Partition, source: str, symbol: str, price: Price, epoch: int, now: int) -> Series | None:
    """Return the series that a run's records or statuses speak of, or None where the run has nothing more to say.

    A newer run starts its series anew, an older one has nothing more to say, nor has one that was told to its end.
    """
    if is_told(partition, series_of(source, symbol, price), epoch):
        return None
    series = partition.series_named(source, symbol, price)
    if epoch > series.run and not series.is_new:
        end_run(partition, series, now)
        series = partition.series_named(source, symbol, price)
    series.run = max(series.run, epoch)
    return series if epoch == series.run else None


def end_run(partition: Partition, series: Series, now: int) -> None:
    """End the series of a run that was killed half-way: what it had is told, and nothing made up about what it lacks."""
    # Its records say how far it came, as much as its statuses: whether they were read ahead of those must make no difference.
    series.stop(series.mark - partition.config.lateness_us)
    partition.settle(series, now)
    partition.end(series)


def end_before(partition: Partition, source: str, epoch: int, now: int) -> None:
    """End the series of the runs before `epoch`: its first status says that they are over."""
    for series in list(partition.of_source[source]):
        if series.run and series.run < epoch:
            end_run(partition, series, now)


def is_over(partition: Partition, source: str, epoch: int) -> bool:
    """Say whether a run's feed knows that it has ended."""
    feed = partition.feeds.get(source)
    return feed is not None and feed.finished and epoch <= feed.epoch


def is_told(partition: Partition, series: str, epoch: int) -> bool:
    """Say whether a run's series was told to its end, and its state is not deleted yet."""
    return any(s.run == epoch and s.name == series for s in partition.ended)


def may_go(partition: Partition, series: Series) -> bool:
    """Say whether state of an ended series may be deleted.

    Not while its run's feed does not know yet that the run is over (a flush that was cut, its statuses read again): it
    would begin anew, without the records that are not read again.
    """
    return not series.run or is_over(partition, series.feed.source, series.run) or series.feed.epoch > series.run
