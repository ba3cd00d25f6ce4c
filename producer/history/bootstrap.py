"""PURE. What is to be loaded before live: per series the last days before its first sight, less what has its result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from producer.history.spans import Span, length, newest_first, without
from schemas.records import Gap, HistoryCandle, Price
from schemas.timeframes import BASE_US, HOUR

SEAM_US = HOUR
"""Our choice. Up to this long after loading began, the first sight's own backfill asks for the minutes between, one request
for both; later ones are loaded like the days before."""


class Piece(NamedTuple):
    """One question's worth of a series' past; ``again_at`` is when it may be asked."""

    symbol: str
    price: Price
    start: int
    end: int
    again_at: int = 0


@dataclass
class _Series:
    settled: list[Span] = field(default_factory=list)
    later: dict[Span, int] = field(default_factory=dict)  # asked in vain, until when
    newest: int | None = None  # end of the newest result: where an earlier run began to load
    first_seen: int | None = None  # where live began: the processor tells the part of a window before it as partial_start
    end: int | None = None  # up to where this run loads; None before it is decided
    absences: set[int] = field(default_factory=set)  # beginnings of those that are loaded


class Bootstrap:
    """The series' past, newest first and side by side, so that every chart has its last week before any has its last month.

    It ends where the series' live data begin: at its first sight, where the processor has told that; else at the end of the
    newest result there is (the first run loaded up to its own start); else now. From there on the feed and backfills answer
    for every minute, and nothing is loaded twice. The minutes between loading and first sight are the seam (`seam`).
    """

    def __init__(self, prices: tuple[Price, ...], back_us: int, longest_us: int, delay_us: int) -> None:
        self._prices = prices
        self._back_us = back_us
        self._longest_us = longest_us
        self._delay_us = delay_us
        self._series: dict[tuple[str, Price], _Series] = {}
        self._pieces: list[Piece] = []
        self.wanted_us = 0

    @property
    def left_us(self) -> int:
        """Return how much of `wanted_us` has no final result."""
        return length((p.start, p.end) for p in self._pieces)

    def heard_result(self, result: HistoryCandle) -> None:
        """Take in a result; those of backfills are not ours."""
        if result.origin != "bootstrap":
            return
        series = self._of(result.symbol, result.price)
        span = (result.start, result.end)
        series.newest = max(series.newest or 0, result.end)
        final = result.outcome == "complete" or result.retry_at is None
        if final:
            series.settled.append(span)
            series.later.pop(span, None)
        else:
            series.later[span] = result.retry_at or 0
        for number, piece in enumerate(self._pieces):
            if (piece.symbol, piece.price, piece.start, piece.end) == (result.symbol, result.price, *span):
                if final:
                    del self._pieces[number]
                else:
                    self._pieces[number] = piece._replace(again_at=result.retry_at or 0)
                break

    def heard_gap(self, gap: Gap) -> None:
        """Take in a gap: a partial_start says where a series was first seen, a closed `unsubscribed` when it was not wanted."""
        if gap.cause == "unsubscribed" and gap.to_time is not None:
            self._came_back(self._of(gap.symbol, gap.price), gap, gap.to_time)
        if gap.cause != "partial_start":
            return
        series = self._of(gap.symbol, gap.price)
        series.first_seen = min(series.first_seen or gap.from_time, gap.from_time)
        if series.end is not None and gap.from_time - series.end > SEAM_US:
            self._add(gap.symbol, gap.price, (series.end, gap.from_time // BASE_US * BASE_US))

    def _came_back(self, series: _Series, gap: Gap, good_from: int) -> None:
        # Only what is told while we run: of absences that are over, what could be loaded was.
        if series.end is None or gap.from_time in series.absences:
            return
        series.absences.add(gap.from_time)
        span = (gap.from_time // BASE_US * BASE_US, good_from // BASE_US * BASE_US)
        if good_from - gap.from_time > SEAM_US:
            self._add(gap.symbol, gap.price, span)

    def seam(self, gap: Gap) -> int:
        """Return from where to ask for `gap`: earlier than it begins where that closes the seam to what was loaded."""
        end = self._of(gap.symbol, gap.price).end
        if gap.cause != "partial_start" or end is None or not 0 < gap.from_time - end <= SEAM_US:
            return gap.from_time
        return end

    def begin(self, symbols: tuple[str, ...], now_us: int) -> None:
        """Decide what is to be loaded for `symbols`; once for each, when everything known has been heard."""
        for symbol in symbols:
            for price in self._prices:
                series = self._of(symbol, price)
                if series.end is None:
                    span = ((now_us - self._back_us) // BASE_US * BASE_US, self._end(series, now_us))
                    self._add(symbol, price, span)

    def due(self, now_us: int) -> Iterator[Piece]:
        """Yield the pieces that may be asked now, in the order in which to ask."""
        return (piece for piece in self._pieces if piece.again_at <= now_us)

    def _end(self, series: _Series, now_us: int) -> int:
        newest, first_seen = series.newest, series.first_seen
        if newest is not None and (first_seen is None or first_seen - newest <= SEAM_US):
            return newest
        return min(now_us - self._delay_us, first_seen or now_us) // BASE_US * BASE_US

    def _add(self, symbol: str, price: Price, span: Span) -> None:
        series = self._of(symbol, price)
        series.end = span[1]
        if not self._back_us or span[0] >= span[1]:
            return
        self.wanted_us += span[1] - span[0]
        for start, end in newest_first(without(span, series.settled), self._longest_us):
            again_at = max((at for (a, b), at in series.later.items() if a < end and start < b), default=0)
            self._pieces.append(Piece(symbol, price, start, end, again_at))
        self._pieces.sort(key=lambda p: -p.end)

    def _of(self, symbol: str, price: Price) -> _Series:
        return self._series.setdefault((symbol, price), _Series())
