"""PURE. A provider's candles as our records: what is taken of a reply, and how results look."""

from __future__ import annotations

from collections import Counter
from math import isfinite
from typing import Literal, NamedTuple

from producer.history.protocol import Page, Question, VendorCandle
from schemas.records import HistoryCandle, Price
from schemas.timeframes import BASE_US

MAX_REASON = 300


class Stamp(NamedTuple):
    """What all records of one question have in common."""

    source: str
    symbol: str
    price: Price
    origin: Literal["bootstrap", "backfill"]
    gap_id: str | None
    epoch: int


def candles_of(
    page: Page, question: Question, stamp: Stamp, now_us: int, finished_to_us: int
) -> tuple[list[HistoryCandle], Counter[str]]:
    """Return the candles of a reply that answer the question, oldest first, and how many were dropped, by reason.

    Args:
        page: the reply.
        question: what was asked.
        stamp: what the records carry besides.
        now_us: when the reply was read.
        finished_to_us: windows that end later may still change: a vendor's unfinished candle is never published (R19).
    """
    dropped = Counter[str]()
    taken: dict[int, HistoryCandle] = {}
    for candle in page.candles:
        if not _is_sound(candle):
            dropped["damaged"] += 1
        elif candle.start + BASE_US > finished_to_us:
            dropped["unfinished"] += 1
        elif not question.start <= candle.start < question.end:
            dropped["outside"] += 1  # asked for on purpose by clients that look at what lies around
        else:
            taken[candle.start] = _record(candle, stamp, now_us)
    return [taken[start] for start in sorted(taken)], dropped


def result_of(
    stamp: Stamp,
    asked: tuple[int, int],
    outcome: Literal["complete", "partial", "refused"],
    reason: str,
    retry_at: int | None,
    now_us: int,
) -> HistoryCandle:
    """Return the record that ends a question; `asked` is what it was about."""
    return HistoryCandle(
        source=stamp.source,
        symbol=stamp.symbol,
        price=stamp.price,
        record="result",
        origin=stamp.origin,
        start=asked[0],
        end=asked[1],
        gap_id=stamp.gap_id,
        outcome=outcome,
        reason=reason[:MAX_REASON],
        retry_at=retry_at,
        receive_time=now_us,
        epoch=stamp.epoch,
    )


def _is_sound(candle: VendorCandle) -> bool:
    if candle.start % BASE_US or candle.start < 0:
        return False
    if not all(isfinite(price) for price in candle[1:5]) or not 0 < candle.low <= min(candle.open, candle.close):
        return False
    if candle.high < max(candle.open, candle.close):
        return False
    volume, count = candle.volume, candle.trade_count
    return (volume is None or (isfinite(volume) and volume >= 0)) and (count is None or count >= 0)


def _record(candle: VendorCandle, stamp: Stamp, now_us: int) -> HistoryCandle:
    return HistoryCandle(
        stamp.source,
        stamp.symbol,
        stamp.price,
        "candle",
        stamp.origin,
        candle.start,
        candle.start + BASE_US,
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        candle.volume,
        candle.trade_count,
        candle.approximate,
        stamp.gap_id,
        receive_time=now_us,
        epoch=stamp.epoch,
    )
