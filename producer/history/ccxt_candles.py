"""PURE. Candles out of the rows that ccxt makes of every exchange's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from producer.history.protocol import Page, Question, VendorCandle
from schemas.timeframes import BASE_US, HOUR, MINUTE

# Our choices: most exchanges give 300 to 1000 candles at once; an hour before a question is asked for with it.
ROWS = 300
AROUND_US = HOUR
LONGEST_US = ROWS * MINUTE - AROUND_US
RECENT_US = ROWS * MINUTE
GOES_ON = "goes on"  # cursor of a question whose beginning is answered
NOT_SO_FAR = "the exchange gives no candle so far back"


def since_of(question: Question) -> int:
    """Return from when on to ask, microseconds UTC: a candle of before the question shows that the exchange reaches back."""
    return question.start if question.cursor == GOES_ON else question.start - AROUND_US


def page_of(candles: Sequence[VendorCandle], question: Question, now_us: int) -> Page:
    """Return what a reply says about a question, and what is left of it.

    Exchanges differ. Many give fewer rows than they are asked for, so a reply goes on where it ends, until one has nothing more
    of the question. Some, such as kraken, give their newest rows whatever the question was; then minutes without a row are no
    silence: only if a row lies at the question's beginning or before it, or the question is among the newest rows of any
    exchange, the minutes that are left out had no trades.

    Args:
        candles: as `read_candles` gave them; since `since_of`, or whatever the exchange made of it.
        question: what was asked.
        now_us: the time.
    """
    starts = [candle.start for candle in candles if candle.start >= 0]
    reaches = question.cursor == GOES_ON or question.start >= now_us - RECENT_US or any(s <= question.start for s in starts)
    inside = [start for start in starts if question.start <= start < question.end]
    before = [start for start in starts if start < question.start]
    rest: Question | None = None
    if inside and max(inside) < question.end - BASE_US:
        rest = replace(question, start=max(inside) // BASE_US * BASE_US + BASE_US, cursor=GOES_ON)
    elif not inside and before and len(before) == len(starts) and question.cursor != GOES_ON:
        rest = replace(question, cursor=GOES_ON)  # fewer rows than the hour before has
    return Page(tuple(candles), rest=rest, missing="" if reaches else NOT_SO_FAR)


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
