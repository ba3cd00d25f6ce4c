"""PURE. A vendor's 1m candles of one series, kept apart from our own windows (ARCHITECTURE, R19).

They are rows of one sorted array, for a bootstrap brings tens of thousands a series. Of several candles of one minute the one
of the highest offset counts; how many were seen is kept, for it is part of the version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from processor.core.ohlcv import UNIT
from processor.core.rolls import ends_of
from processor.core.timeline import BEFORE
from schemas.timeframes import BASE_US, Timeframe

ROW = np.dtype(
    [
        ("start", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),  # NaN: the vendor gives none
        ("count", "<f8"),  # likewise
        ("received", "<i8"),
        ("offset", "<i8"),
        ("seen", "<i8"),
        ("published", "<i8"),  # version of a candle made of the row alone, as last told; 0 before the first
    ]
)
Rows = npt.NDArray[np.void]
"""Rows of `ROW`, sorted by start."""
Starts = npt.NDArray[np.int64]
NONE: Rows = np.empty(0, ROW)
DAY_ROWS = 1440


def day_bounds(day: int) -> tuple[int, int]:
    """Return the first moment of a day, and the one after its last."""
    return day * DAY_ROWS * BASE_US, (day + 1) * DAY_ROWS * BASE_US


class VendorBook:
    """The vendor's candles of one series."""

    def __init__(self) -> None:
        self.rows: Rows = NONE
        self.due: set[int] = set()
        """Numbers of the days (pieces of state) that changed since the last snapshot."""
        self.written: set[int] = set()
        """Days that the last snapshots hold."""

    def __bool__(self) -> bool:
        return bool(self.rows.size)

    def between(self, start: int, end: int) -> Rows:
        """Return the rows whose minute begins in ``[start, end)``: a view, not to be kept."""
        if not self.rows.size:
            return NONE
        first, last = np.searchsorted(self.rows["start"], (start, end))
        return self.rows[first:last]

    def minutes(self, start: int, end: int) -> Starts:
        """Return the starts of the minutes in ``[start, end)`` that have a candle."""
        found: Starts = self.between(start, end)["start"].copy()
        return found

    def has(self, start: int) -> bool:
        """Say whether there is a candle of the minute `start`."""
        return bool(self.between(start, start + 1).size)

    def add(self, new: Rows) -> Starts:
        """Take in candles in the order of their offsets; return the starts of the minutes that changed, sorted.

        A candle that was taken in before (its offset is not above the one known) changes nothing.
        """
        taken: list[Starts] = []
        for part in _each_minute_once(new):
            at = np.searchsorted(self.rows["start"], part["start"])
            known = np.zeros(part.size, bool)
            inside = at < self.rows.size
            known[inside] = self.rows["start"][at[inside]] == part["start"][inside]
            newer = known.copy()
            newer[known] = self.rows["offset"][at[known]] < part["offset"][known]
            old = at[newer]
            for name in ROW.names or ():
                if name not in ("seen", "published"):
                    self.rows[name][old] = part[name][newer]
            self.rows["seen"][old] += 1
            fresh = part[~known]
            self.rows = np.insert(self.rows, at[~known], fresh) if self.rows.size else fresh.copy()
            taken += [part["start"][newer], fresh["start"]]
        starts = np.unique(np.concatenate(taken)) if taken else np.empty(0, np.int64)
        self.due.update(np.unique(starts // (DAY_ROWS * BASE_US)).tolist())
        return starts

    def note_told(self, at: Starts, versions: Starts) -> None:
        """Keep the versions that were told of the rows with the indices `at`."""
        self.rows["published"][at] = versions
        self.due.update(np.unique(self.rows["start"][at] // (DAY_ROWS * BASE_US)).tolist())

    def drop(self, before: int, received_before: int, begun_before: int = BEFORE, given_up: int = BEFORE) -> bool:
        """Forget minutes that begin before `before` and were received before `received_before`; say whether there were any.

        Those that begin before `begun_before` stay, for what comes next may join them, unless received before `given_up`.
        """
        if not self.rows.size or int(self.rows["start"][0]) >= before:
            return False
        old = (self.rows["start"] < before) & (self.rows["received"] < received_before)
        old &= (self.rows["start"] >= begun_before) | (self.rows["received"] < given_up)
        if old.any():
            self.due.update(np.unique(self.rows["start"][old] // (DAY_ROWS * BASE_US)).tolist())
            self.rows = self.rows[~old]
        return bool(old.any())


def _each_minute_once(rows: Rows) -> list[Rows]:
    # Parts in which no minute appears twice, in order: nearly always one. The n-th row of a minute is in the n-th part.
    rows = rows[np.argsort(rows["start"], kind="stable")]
    begins = np.ones(rows.size, bool)
    begins[1:] = rows["start"][1:] != rows["start"][:-1]
    if begins.all():
        return [rows]
    places = np.arange(rows.size)
    nth = places - np.maximum.accumulate(np.where(begins, places, 0))
    return [rows[nth == n] for n in range(int(nth.max()) + 1)]


class Sums(NamedTuple):
    """Windows made of rows alone, one entry each, in order of `starts`."""

    starts: Starts
    ends: Starts
    open: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    close: npt.NDArray[np.float64]
    size_n: list[int]
    notional_n: list[int]
    seen: Starts
    first: Starts
    """Start of the first minute that has a candle."""
    last: Starts
    first_row: Starts
    """Index of the first of the rows that belong to each window."""
    after_row: Starts
    """Index after the last of them."""


def summed(rows: Rows, timeframe: Timeframe, starts: Starts) -> Sums:
    """Return the windows that begin at `starts` (sorted) and have rows (sorted by start)."""
    ends = ends_of(timeframe, starts)
    first, after = np.searchsorted(rows["start"], starts), np.searchsorted(rows["start"], ends)
    filled = after > first
    starts, ends, first, after = starts[filled], ends[filled], first[filled], after[filled]
    low, high = (int(first[0]), int(after[-1])) if first.size else (0, 0)
    bounds = np.stack((first, after), axis=1).ravel() - low
    padded = np.append(rows[low:high], np.zeros(1, ROW))  # reduceat wants each bound to be an index

    def each(operation: np.ufunc, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = operation.reduceat(values, bounds)[::2] if bounds.size else values[:0]
        return found

    return Sums(
        starts,
        ends,
        rows["open"][first],
        each(np.maximum, padded["high"]),
        each(np.minimum, padded["low"]),
        rows["close"][after - 1],
        _nano(padded["volume"], each),
        _nano(padded["volume"] * typical(padded), each),
        each(np.add, padded["seen"]),
        rows["start"][first],
        rows["start"][after - 1],
        first,
        after,
    )


def typical(rows: Rows) -> npt.NDArray[np.float64]:
    """Return the typical price of each row, (high + low + close) / 3: vendors give no vwap, this stands for it."""
    price: npt.NDArray[np.float64] = (rows["high"] + rows["low"] + rows["close"]) / 3
    return price


def volume_n(rows: Rows) -> int:
    """Return the volume of the rows that have one, in 10^-9 units: exact, whatever the order."""
    return _nano(rows["volume"], _all)[0]


def notional_n(rows: Rows) -> int:
    """Return volume times typical price of the rows that have a volume, in 10^-9 units."""
    return _nano(rows["volume"] * typical(rows), _all)[0]


def _all(operation: np.ufunc, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.array([operation.reduce(values)], values.dtype)


def _nano(values: npt.NDArray[np.float64], each: Callable[[np.ufunc, npt.NDArray[Any]], npt.NDArray[Any]]) -> list[int]:
    # Whole units and the rest apart, as objects (Python's own integers) where a sum could leave 64 bits.
    given = np.nan_to_num(values, nan=0.0)
    whole = np.floor(given)
    rest = each(np.add, np.rint((given - whole) * UNIT).astype(np.int64))
    fits = not whole.size or float(whole.max()) * whole.size < 2.0**62
    units = each(np.add, whole.astype(np.int64) if fits else np.array([int(x) for x in whole], object))
    return [w * UNIT + r for w, r in zip(units.tolist(), rest.tolist(), strict=True)]
