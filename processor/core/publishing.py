"""PURE. A series' changes turned into records: candles whose version grew, gaps that differ from what was told."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from processor.core.forgetting import shares_first_sight
from processor.core.frame import chunk_of
from processor.core.gaps import Piece, floor_base, pieces
from processor.core.merge import Shown, damaged, merged, vendor_only
from processor.core.ohlcv import Window
from processor.core.series import Series
from processor.core.telling import candle_of, gap_of
from processor.core.timeline import FOREVER, lost_in
from processor.core.vendor import Starts, Sums, summed
from processor.core.vendor_candles import VendorCandles, versions_of
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
    losses = [x._replace(start=max(x.start, first)) for x in series.timeline() if x.end > first]
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
    timeframe, vendor = series.frames[index].timeframe, series.history.vendor
    sums = _sums(series, index, starts)
    before = _told(series, index, sums)
    fills = sums.seen + _all_answers_in(series, index, sums)
    lossy = damaged(sums, series.timeline())
    versions = versions_of(series.config.generation, fills)
    news = np.flatnonzero(~lossy & (versions > before))
    if news.size:
        reasons = _reasons(series, index, sums.starts[news], before[news])
        made = VendorCandles.of(series.origin, timeframe, sums, news, versions[news], reasons, now)
        series.vendor_candles.append(made)
    tell = [(news, versions[news])]
    for n in np.flatnonzero(lossy).tolist():
        shown = vendor_only(sums, n, vendor.rows, series.timeline())
        told = int(before[n])
        (reason,) = _reasons(series, index, sums.starts[n : n + 1], before[n : n + 1])
        state: CandleState = "revised" if told else "final"
        candle = candle_of(series.origin, timeframe, shown, int(fills[n]), state, reason, now)
        if candle.version > told:
            series.candles.append(candle)
            tell.append((np.array([n]), np.array([candle.version])))
    for at, version in tell:
        _note_told(series, index, sums, at, version)
    series.dirty = True


def _told(series: Series, index: int, sums: Sums) -> Starts:
    # Versions as last told, 0 before the first.
    if index == series.config.base:
        return series.history.vendor.rows["published"][sums.first_row]
    told = series.history.told
    return np.array([told.get((index, start), 0) for start in sums.starts.tolist()], np.int64)


def _note_told(series: Series, index: int, sums: Sums, at: Starts, versions: Starts) -> None:
    starts = sums.starts[at]
    if index == series.config.base:
        series.history.vendor.note_told(sums.first_row[at], versions)
    else:
        series.history.told.update(zip(((index, s) for s in starts.tolist()), versions.tolist(), strict=True))


def _reasons(series: Series, index: int, starts: Starts, before: Starts) -> list[CandleReason]:
    touched = series.touched
    return [touched[index, s] if told else "none" for s, told in zip(starts.tolist(), before.tolist(), strict=True)]


def _is_whole(series: Series, index: int, start: int) -> bool:
    # Below the floor our own part may be forgotten: only what ended before first sight is sure to have had none, and what
    # began before it is kept.
    end = series.frames[index].timeframe.end_of(start)
    return end > series.floor or series.first is None or end <= series.first or shares_first_sight(series, index, start)


def _sums(series: Series, index: int, starts: Collection[int]) -> Sums:
    return summed(series.history.vendor.rows, series.frames[index].timeframe, np.array(sorted(starts), np.int64))


def _vendor_shown(series: Series, index: int, start: int) -> list[Shown]:
    sums = _sums(series, index, [start])
    return [vendor_only(sums, n, series.history.vendor.rows, series.timeline()) for n in range(sums.starts.size)]


def take_live(series: Series, indices: set[int], now: int) -> list[Candle]:
    """Return the open candles of these timeframes that changed since they were last taken."""
    due = [x for x in series.live_due if x[0] in indices]
    series.live_due.difference_update(due)
    live = []
    for i, start in due:
        if start not in series.frames[i].open:
            continue
        window = series.frames[i].windows.get(start)
        shown = [_shown(series, i, window)] if window is not None else _vendor_shown(series, i, start)
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


def _all_answers_in(series: Series, index: int, sums: Sums) -> Starts:
    # `_answers_in` of many windows.
    answers = series.history.results.fills_of(sums.starts, sums.ends)
    if index == series.config.base:
        answers[sums.ends <= (FOREVER if series.first is None else series.first)] = 0
    return answers
