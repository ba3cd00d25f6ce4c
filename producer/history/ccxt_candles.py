"""PURE. Candles out of the rows that ccxt makes of every exchange's."""

from __future__ import annotations

from typing import Any

from producer.history.protocol import VendorCandle


def read_candles(rows: object) -> tuple[VendorCandle, ...]:
    """Return the candles of rows such as [1787628960000, 80691.5, 80702.5, 80690.0, 80700.0, 1.25]: time in milliseconds, open,
    high, low, close, volume; volume may be null, numbers may be texts. Rows that are no such thing are given as a candle that
    its reader finds unsound.
    """
    return tuple(_candle(row) for row in rows) if isinstance(rows, list) else ()


def _candle(row: Any) -> VendorCandle:
    try:
        at_ms, *prices, volume = row
        begin, high, low, end = (float(price) for price in prices)
        return VendorCandle(int(at_ms) * 1000, begin, high, low, end, None if volume is None else float(volume))
    except (TypeError, ValueError, OverflowError):
        return VendorCandle(-1, 0.0, 0.0, 0.0, 0.0)
