"""PURE. What an audit can speak of: the range asked for, and what retention has left to rebuild from (ARCHITECTURE R23)."""

from __future__ import annotations

from dataclasses import dataclass, field

from processor.core.timeline import BEFORE, FOREVER
from schemas.records import FeedStatus, Price
from schemas.timeframes import BASE_US, Timeframe


@dataclass(frozen=True)
class Span:
    """A half-open range of event time, microseconds UTC; a candle belongs to it by its start, a gap by its beginning."""

    start: int = BEFORE
    end: int = FOREVER

    @property
    def limited(self) -> bool:
        """True where it leaves anything out."""
        return (self.start, self.end) != (BEFORE, FOREVER)

    def holds(self, moment: int) -> bool:
        """Tell whether `moment` lies in it."""
        return self.start <= moment < self.end

    def minutes(self) -> tuple[int, int]:
        """Return the half-open interval of event time whose 1m windows begin in it."""
        return tuple(x if x in (BEFORE, FOREVER) else -(-x // BASE_US) * BASE_US for x in (self.start, self.end))  # type: ignore[return-value]  # two in, two out


@dataclass(frozen=True)
class Question:
    """What to audit; empty series and timeframes mean all there are."""

    span: Span = field(default_factory=Span)
    series: frozenset[str] = frozenset()
    timeframes: tuple[Timeframe, ...] = ()

    def wanted(self, series: str, moment: int) -> bool:
        """Tell whether a candle by its start, or a gap by its beginning, is asked for."""
        return self.span.holds(moment) and (not self.series or series in self.series)


@dataclass
class Retained:
    """What one partition of the input topics still holds."""

    low: dict[str, int]
    """Offset of the oldest retained record by dataset; above 0 something was deleted."""
    oldest: dict[str, int] = field(default_factory=dict)
    """By dataset from which something was deleted: receive time (a status': sending time) of the oldest live record left."""
    cut_sources: set[str] = field(default_factory=set)
    """Replay sources of which a run has lost its beginning."""
    _runs: set[tuple[str, int]] = field(default_factory=set)

    def saw_record(self, dataset: str, receive_time: int) -> None:
        """Take in the first live record that was read from `dataset`."""
        if self.low[dataset] > 0:
            self.oldest.setdefault(dataset, receive_time)

    def saw_status(self, offset: int, status: FeedStatus) -> None:
        """Take in a status, in offset order."""
        if not status.replay:
            self.saw_record("feed-status", status.sent_at)
        elif (status.source, status.epoch) not in self._runs:
            # A run says at its start where its records begin: one that cannot be read from there is not whole.
            self._runs.add((status.source, status.epoch))
            first = {"trades": status.trades_offset, "quotes": status.quotes_offset, "feed-status": offset - 1}
            if any(self.low[d] > 0 and at < self.low[d] for d, at in first.items()):
                self.cut_sources.add(status.source)

    def checkable(self, source: str, price: Price, start: int, length_us: int, *, replay: bool) -> bool:
        """Tell whether all that a window (or a gap, by its beginning) is made of can still be read.

        A live series' window has to start one window, at least one of 1m, after the oldest retained record and status.
        """
        if replay:
            return source not in self.cut_sources
        needed = ("trades" if price == "trade" else "quotes", "feed-status")
        bound = max((self.oldest.get(d, FOREVER) for d in needed if self.low[d] > 0), default=BEFORE)
        return start >= bound + max(length_us, BASE_US)
