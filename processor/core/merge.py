"""PURE. Own and vendor put together: what a window shows is a function of our aggregate, the vendor's rows and the losses.

A vendor's minute wins where something was lost in it that trades did not fill and its volume and count (if it has any) are not
smaller than ours, and where we have nothing (ARCHITECTURE, R19). Its high and low are widened by our own trades, for those
happened; so a parent's range is that of our aggregate and of the rows, and everything else of a replaced minute can be taken
out exactly.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from processor.core.frame import Frame
from processor.core.ohlcv import Window
from processor.core.timeline import Loss, lost_in, touched_by
from processor.core.vendor import Rows, Sums, notional_n, volume_n
from schemas.records import GapCause, Provenance
from schemas.timeframes import BASE_US


class Shown(NamedTuple):
    """What a candle says: the aggregate to show, whose word it is, and what is lost (microseconds, and the cause of most)."""

    window: Window
    provenance: Provenance
    lost_us: int
    cause: GapCause


def merged(own: Window, end: int, rows: Rows, base: Frame, timeline: Sequence[Loss]) -> Shown:
    """Return what a window of ours (1m or a multiple) shows.

    Args:
        own: our aggregate of the window.
        end: of the window, exclusive, microseconds.
        rows: the vendor's rows in it.
        base: our own 1m windows, of which those that have a row are kept as long as it is.
        timeline: the disjoint losses.
    """
    start = own.start
    replaced: list[Window] = []
    if rows.size:
        kept = np.ones(rows.size, bool)
        for index, child in _shared(rows, base, start, end):
            if _wins(rows[index : index + 1], child, timeline):
                replaced.append(child)
            else:
                kept[index] = False
        rows = rows[kept]
    if not rows.size:
        return Shown(own, "trades", *lost_in(timeline, start, end))
    others = own.records > sum(w.records for w in replaced)
    lost = lost_in(timeline, start, end, rows["start"].tolist())
    return Shown(_joined(own, rows, replaced), "mixed" if others else "vendor", *lost)


def damaged(sums: Sums, timeline: Sequence[Loss]) -> npt.NDArray[np.bool_]:
    """Say of windows made of rows alone whether something in them may be lost: nothing is where each minute has a row."""
    lost = np.zeros(sums.starts.size, bool)
    for loss in timeline:
        if not loss.is_filled:
            lost |= (sums.starts < loss.known_to) & (loss.start < sums.ends)
    return lost & ((sums.after_row - sums.first_row) * BASE_US < sums.ends - sums.starts)


def vendor_only(sums: Sums, index: int, rows: Rows, timeline: Sequence[Loss]) -> Shown:
    """Return what the window `index` of `sums`, without any record of ours, shows."""
    start, first, last = int(sums.starts[index]), int(sums.first[index]), int(sums.last[index])
    w = Window.blank(start)
    w.open, w.high, w.low, w.close = (float(x[index]) for x in (sums.open, sums.high, sums.low, sums.close))
    w.open_key, w.close_key = (first, 0, 0, 0), (last + BASE_US - 1, 0, 0, 0)
    w.size_n, w.notional_n = sums.size_n[index], sums.notional_n[index]
    covered = rows["start"][sums.first_row[index] : sums.after_row[index]].tolist()
    return Shown(w, "vendor", *lost_in(timeline, start, int(sums.ends[index]), covered))


def _shared(rows: Rows, base: Frame, start: int, end: int) -> list[tuple[int, Window]]:
    # Minutes that have both: there are few, for history comes before first sight and for what was lost.
    own = base.starts[bisect_left(base.starts, start) : bisect_left(base.starts, end)]
    if not own:
        return []
    at = np.searchsorted(rows["start"], own)
    return [(int(i), base.windows[s]) for i, s in zip(at, own, strict=True) if i < rows.size and rows["start"][i] == s]


def _wins(row: Rows, child: Window, timeline: Sequence[Loss]) -> bool:
    if not touched_by(timeline, child.start, child.start + BASE_US):
        return False
    volume, count = float(row["volume"][0]), float(row["count"][0])
    smaller = volume == volume and volume_n(row) < child.size_n  # noqa: PLR0124 - NaN: the vendor gives none
    return not smaller and not count < child.trades


def _joined(own: Window, rows: Rows, replaced: Sequence[Window]) -> Window:
    w = own.copy()
    first, last = rows[0], rows[-1]
    if first["start"] <= own.open_key[0] // BASE_US * BASE_US:
        w.open, w.open_key = float(first["open"]), (int(first["start"]), 0, 0, 0)
    if last["start"] >= own.close_key[0] // BASE_US * BASE_US:
        w.close, w.close_key = float(last["close"]), (int(last["start"]) + BASE_US - 1, 0, 0, 0)
    w.high, w.low = max(own.high, float(rows["high"].max())), min(own.low, float(rows["low"].min()))
    without_volume = set(rows["start"][np.isnan(rows["volume"])].tolist()) if replaced else set()
    gone = [c for c in replaced if c.start not in without_volume]
    w.size_n += volume_n(rows) - sum(c.size_n for c in gone)
    w.notional_n += notional_n(rows) - sum(c.notional_n for c in gone)
    return w
