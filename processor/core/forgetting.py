"""PURE. What a series may forget: windows past the horizon, but for gaps that can still be filled."""

from __future__ import annotations

from bisect import bisect_left

from processor.core.frame import chunk_of
from processor.core.gaps import FILLABLE, floor_base
from processor.core.series import Series
from processor.core.timeline import BEFORE, FOREVER, Loss
from schemas.timeframes import DAY

LOADING_US = 8 * DAY
"""How long a bootstrap may pause (IG's allowance returns after a week) and go on in the middle of a day without harm to it."""


def forget_before(series: Series, floor: int) -> None:
    """Drop the windows and gaps that ended before `floor`."""
    if floor <= series.floor:
        return
    series.floor = floor
    series.dirty = True
    _forget_history(series)
    for i, frame in enumerate(series.frames):
        end = bisect_left(frame.starts, frame.timeframe.start_of(floor - 1))
        kept = [s for s in frame.starts[:end] if _outlives(series, i, s)]
        for start in set(frame.starts[:end]).difference(kept):
            chunk = chunk_of(frame.timeframe, start)
            window = frame.windows.pop(start)
            if (i, chunk) in series.chunks_written:
                frame.passing[start] = window
            series.chunks_due.add((i, chunk))
        frame.starts[:end] = kept
    series.book.forget_before(floor)


def drop_forgotten(series: Series) -> None:
    """Take in that windows were restored: those before the floor had been forgotten, their deletion was not written yet."""
    for i, frame in enumerate(series.frames):
        for start in [s for s in frame.windows if frame.timeframe.end_of(s) < series.floor and not _outlives(series, i, s)]:
            del frame.windows[start]


def _outlives(series: Series, index: int, start: int) -> bool:
    # What a vendor's row stands beside is kept as long as the row: a parent may have to take it out.
    if start in series.frames[index].open or (index == series.config.base and series.history.vendor.has(start)):
        return True
    return shares_first_sight(series, index, start)


def shares_first_sight(series: Series, index: int, start: int) -> bool:
    """Say whether a window is a parent that began before first sight and is kept as long as rows of its minutes can be.

    A bootstrap may come hours later; its candles count before first sight, and so they must count in this one, too.
    """
    if series.first is None or index <= series.config.base:
        return False
    end = series.frames[index].timeframe.end_of(start)
    return start < series.first < end and end > series.floor - LOADING_US


def _forget_history(series: Series) -> None:
    # Rows live as long as a parent can, and some time after they came; answers as long as rows they speak of. The earliest day
    # is kept for longer: a bootstrap goes back in time, so what it brings next, after whatever pause, belongs to that day.
    history = series.history
    floor = series.floor - series.frames[-1].timeframe.longest_us
    since, until = _earliest_day(series)
    if history.vendor.drop(floor, series.floor, until, series.floor - LOADING_US):
        ends = {(i, s): series.frames[i].timeframe.end_of(s) for i, s in history.told}
        history.told = {place: v for place, v in history.told.items() if ends[place] > floor or since < ends[place] <= until}
    series.lost = [x for x in series.lost if x.end > floor]
    later = history.vendor.minutes(until, FOREVER)
    if history.results.forget_before(min(floor, int(later[0])) if later.size else floor, until):
        series.answers += 1


def _earliest_day(series: Series) -> tuple[int, int]:
    # The longest window of a day or less that the earliest row lies in.
    rows = series.history.vendor.rows
    if not rows.size:
        return BEFORE, BEFORE
    timeframe = next(f.timeframe for f in reversed(series.frames) if f.timeframe.us <= DAY)
    start = timeframe.start_of(int(rows["start"][0]))
    return start, timeframe.end_of(start)


def floor_for(series: Series, clock: int) -> int:
    """Return before when state may be forgotten: a gap that can still be filled holds it back, for a day at most."""
    now, day = min(clock, series.watermark), series.config.backfill_us
    waiting = [
        floor_base(x.start)
        for x in series.timeline()
        if x.cause in FILLABLE and x.cause != "partial_start" and x.start >= now - day and _may_be_filled(x, day)
    ]
    return min([now - series.config.kept_us, *waiting, *_absent(series, now)])


def _may_be_filled(loss: Loss, backfill_us: int) -> bool:
    if not loss.outcome:
        return True
    retry_at = loss.retry_at
    return loss.outcome == "unfillable" and retry_at is not None and retry_at - backfill_us <= loss.start


def _absent(series: Series, now: int) -> list[int]:
    # Of an absence nothing of ours is kept but the windows that it shares: what is served again goes on with them, and what
    # went by may be loaded for a day.
    kept = series.config.backfill_us + series.config.kept_us - series.config.horizon_us
    return [floor_base(x.start) for x in series.timeline() if x.cause == "unsubscribed" and x.end + kept > now]
