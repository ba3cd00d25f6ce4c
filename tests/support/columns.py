"""PURE. Vendor's candles in columns, as the core makes them."""

from __future__ import annotations

import numpy as np

from processor.core.telling import Origin
from processor.core.vendor import ROW, summed
from processor.core.vendor_candles import VendorCandles, versions_of
from schemas.records import CandleReason
from schemas.timeframes import DAY, parse


def vendor_candles(reasons: list[CandleReason], timeframe: str = "1m") -> VendorCandles:
    """Return one candle a reason, of consecutive windows of sim:X, each of one minute's row; its third has no volume."""
    length = parse(timeframe)
    rows = np.zeros(len(reasons), ROW)
    rows["start"] = 20_000 * DAY + np.arange(len(reasons)) * length.us
    rows["open"], rows["high"], rows["low"], rows["close"] = 100.25, 101.5, 99.125, 100.1
    rows["volume"] = [float("nan") if n == 2 else 0.1 * n + 3 for n in range(len(reasons))]
    rows["received"], rows["seen"] = 20_000 * DAY + 10 * DAY, 1
    rows["offset"] = np.arange(len(reasons))
    sums = summed(rows, length, rows["start"])
    origin = Origin("sim:X", "sim", "X", "trade", 3, 0)
    every = np.arange(len(reasons))
    return VendorCandles.of(origin, length, sums, every, versions_of(0, sums.seen), reasons, 20_001 * DAY)
