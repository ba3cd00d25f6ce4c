"""PURE. A series' changes turned into records: candles whose version grew, gaps that differ from what was told."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from processor.core.frame import chunk_of
from processor.core.gaps import Piece, floor_base, pieces
from processor.core.merge import Shown, merged, vendor_only
from processor.core.ohlcv import Window
from processor.core.series import Series
from processor.core.telling import candle_of, gap_of
from processor.core.timeline import FOREVER, lost_in
from processor.core.vendor import Sums, day_of, summed
from schemas.records import Candle, CandleReason, CandleState


def settle(series: Series, now: int) -> None:
    """Turn what changed into records: candles whose version grew, gaps that differ from what was told."""
    if series.touched:
        ends = [(series.frames[i].timeframe.end_of(s), i, s) for i, s in series.touched if s in series.frames[i].windows]
        for _, i, start in sorted(ends):
            _publish(series, i, start, series.touched[i, start], now)
        if series.history.vendor and len(ends) < len(series.touched):
            _publish_vendor(series, now)
        series.touched = {}
    if series.gaps_due is not None and series.first is not None:
        # Below the floor windows are forgotten: what was told there stands.
        low = max(series.book.straddled_by(max(series.gaps_due, series.floor)), series.first)
        series.gaps_due = None
        for piece in series.book.update(low, _pieces(series, low)):
            series.dirty = True
            minute = floor_base(piece.start)
            traded = minute in series.frames[series.config.base].windows or series.history.vendor.has(minute)
            series.gap_records.append(gap_of(series.origin, piece, traded, now))


def _pieces(series: Series, low: int) -> list[Piece]:
    assert series.first is not None
    first = series.first
    losses = [
        x._replace(start=max(x.start, first))
        for x in series.timeline()
        if x.end > first and not (x.cause == "unsubscribed" and x.start < first)
    ]
    starts = series.frames[series.config.base].starts
    if series.history.vendor:
        starts = sorted({*starts, *series.history.vendor.minutes(floor_base(low), FOREVER).tolist()})
    return pieces(low, floor_base(series.watermark), starts, losses, series.ended, series.calendar)


def _publish(series: Series, index: int, start: int, reason: CandleReason, now: int) -> None:
    frame = series.frames[index]
    window = frame.windows[start]
    state: CandleState = "final" if window.published < 0 else "revised"
    shown = _shown(series, index, window)
    candle = _candle(series, index, shown, state, reason if state == "revised" else "none", now)
    if candle.version > window.published:
        window.published = candle.version
        series.dirty = True
        series.candles.append(candle)
    series.chunks_due.add((index, chunk_of(frame.timeframe, start)))


def _publish_vendor(series: Series, now: int) -> None:
    """Publish the touched windows that hold nothing of ours."""
    starts: list[list[int]] = [[] for _ in series.frames]
    for i, start in series.touched:
        if i >= series.config.base and start not in series.frames[i].windows and _is_whole(series, i, start):
            starts[i].append(start)
    for i, alone in enumerate(starts):
        if alone:
            _publish_rows(series, i, alone, now)


def _publish_rows(series: Series, index: int, starts: Collection[int], now: int) -> None:
    timeframe, told, vendor = series.frames[index].timeframe, series.history.told, series.history.vendor
    is_base = index == series.config.base
    published = vendor.rows["published"]
    sums, shown = _vendor_shown(series, index, starts)
    for n, one in enumerate(shown):
        start = one.window.start
        row = sums.groups[n].start
        before = int(published[row]) if is_base else told.get((index, start), 0)
        fills = sums.seen[n] + _answers_in(series, index, start)
        state: CandleState = "revised" if before else "final"
        reason = series.touched[index, start] if before else "none"
        candle = candle_of(series.origin, timeframe, one, fills, state, reason, now)
        if candle.version <= before:
            continue
        series.candles.append(candle)
        if is_base:
            published[row] = candle.version
            vendor.due.add(day_of(start))
        else:
            told[index, start] = candle.version
    series.dirty = True


def _is_whole(series: Series, index: int, start: int) -> bool:
    # Below the floor our own part may be forgotten: only what ended before first sight is sure to have had none.
    end = series.frames[index].timeframe.end_of(start)
    return end > series.floor or series.first is None or end <= series.first


def _vendor_shown(series: Series, index: int, starts: Collection[int]) -> tuple[Sums, list[Shown]]:
    timeframe, rows = series.frames[index].timeframe, series.history.vendor.rows
    sums = summed(rows, timeframe, np.array(sorted(starts), np.int64))
    return sums, vendor_only(sums, rows, series.timeline())


def take_live(series: Series, indices: set[int], now: int) -> list[Candle]:
    """Return the open candles of these timeframes that changed since they were last taken."""
    due = [x for x in series.live_due if x[0] in indices]
    series.live_due.difference_update(due)
    live = []
    for i, start in due:
        if start not in series.frames[i].open:
            continue
        window = series.frames[i].windows.get(start)
        shown = [_shown(series, i, window)] if window is not None else _vendor_shown(series, i, [start])[1]
        live += [_candle(series, i, x, "live", "none", now) for x in shown]
    return live


def _shown(series: Series, index: int, window: Window) -> Shown:
    frame = series.frames[index]
    end = frame.timeframe.end_of(window.start)
    if index < series.config.base:
        return Shown(window, "trades", *lost_in(series.timeline(), window.start, end, own=True))
    rows = series.history.vendor.between(window.start, end)
    return merged(window, end, rows, series.frames[series.config.base], series.timeline())


def _candle(series: Series, index: int, shown: Shown, state: CandleState, reason: CandleReason, now: int) -> Candle:
    frame = series.frames[index]
    fills = _fills(series, index, shown.window.start)
    return candle_of(series.origin, frame.timeframe, shown, fills, state, reason, now)


def _fills(series: Series, index: int, start: int) -> int:
    answers = _answers_in(series, index, start)
    if index < series.config.base or not series.history.vendor:
        return answers
    return answers + int(series.history.vendor.between(start, series.frames[index].timeframe.end_of(start))["seen"].sum())


def _answers_in(series: Series, index: int, start: int) -> int:
    end = series.frames[index].timeframe.end_of(start)
    if index == series.config.base and (series.first is None or end <= series.first):
        return 0  # a minute before first sight has no gap to be filled: its candle is the vendor's row and no more
    return series.history.results.fills(start, end)
