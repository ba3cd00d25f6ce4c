"""PURE. One record to its row: columns, write timestamp and expiry.

Write timestamps come from content alone (SEMANTICS: version), so any order of delivery ends in the same rows: candles
start + version, gaps from_time + version, trades and quotes receive_time. They are never clamped: what lies more than a day
ahead is refused, because one stamp far ahead would move the newest compaction window of its table for good.
"""

from __future__ import annotations

from math import isfinite

from schemas.records import Candle, Gap, Quote, Trade, instrument_of
from schemas.timeframes import DAY, HOUR
from sink.overrides import Retention
from sink.retention import VERSIONS
from sink.tables import Row, candles_table

OPEN_ENDED_US = 4_102_444_800_000_000
"""2100-01-01: the end of a gap that is still open. A null would be drawn as year 1; the column state tells the truth."""
UNKNOWN_MISSING = -1
AHEAD_US = DAY
INVALID = "invalid"
TOO_FAR_AHEAD = "too_far_ahead"


class RefusedError(ValueError):
    """The record cannot become a row; it belongs to the dead letters. ``reason`` is a short stable word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def candle_row(candle: Candle, retention: Retention, now_us: int, origin: object = None) -> Row:
    """Return the row of one candle, live ones included: the version decides which publication stays.

    Raises:
        RefusedError: ``too_far_ahead``, ``unknown_timeframe``, or ``invalid`` numbers.
    """
    if candle.timeframe not in retention.by_name:
        raise RefusedError("unknown_timeframe", f"{candle.timeframe} is none of this sink's timeframes")
    prices = (candle.open, candle.high, candle.low, candle.close, candle.volume)
    _check_numbers(*prices, candle.buy_volume, candle.vwap, candle.coverage)
    _check_ahead(candle.start, now_us)
    values = (
        candle.series,
        candle.start // 1000,
        *prices,
        candle.buy_volume,
        candle.vwap,
        candle.trade_count,
        candle.update_count,
        candle.late_count,
        candle.first_event_time,
        candle.last_event_time,
        candle.version,
        candle.state,
        candle.reason,
        candle.provenance,
        candle.coverage,
        candle.gap_cause,
        candle.fingerprint,
        candle.updated_at // 1000,
        candle.source,
    )
    expires_us = retention.expires_us(candle.timeframe, candle.start, candle.series)
    stamp = candle.start + candle.version
    return Row(candles_table(candle.timeframe), candle.series, candle.start, stamp, expires_us, values, origin)


def version_row(candle: Candle, row: Row, retention: Retention) -> Row | None:
    """Return the row that keeps this publication of a candle for questions about the past, None for a candle still open.

    One row a version. The same version may be published again after a crash; the first publication has to stay, for since
    then it was known: so the earlier it was published, the higher the stamp, `start` minus what has passed since.

    Args:
        candle: as published.
        row: what `candle_row` made of it.
        retention: of all versions alike (see `sink.retention.TABLES`).
    """
    if candle.state == "live":
        return None
    stamp = candle.start - (candle.updated_at - candle.start)
    expires_us = retention.expires_us(VERSIONS, candle.start, candle.series)
    values = (candle.timeframe, candle.updated_at, *row.values)
    partition, key = (candle.series, candle.timeframe), (candle.start, candle.version)
    return Row(VERSIONS, partition, key, stamp, expires_us, values, row.origin)


def gap_row(gap: Gap, retention: Retention, now_us: int, origin: object = None) -> Row:
    """Return the row of one gap.

    Raises:
        RefusedError: ``too_far_ahead``.
    """
    _check_ahead(gap.from_time, now_us)
    to_us = OPEN_ENDED_US if gap.to_time is None else gap.to_time
    values = (
        gap.series,
        gap.from_time // 1000,
        gap.gap_id,
        to_us // 1000,
        gap.from_time,
        to_us,
        gap.cause,
        gap.detail,
        gap.state,
        UNKNOWN_MISSING if gap.missing is None else gap.missing,
        gap.version,
        gap.fillable,
        gap.why_not,
        gap.updated_at // 1000,
    )
    expires_us = retention.expires_us("gaps", gap.from_time, gap.series)
    return Row("gaps", gap.series, (gap.from_time // 1000, gap.gap_id), gap.from_time + gap.version, expires_us, values, origin)


def trade_row(trade: Trade, retention: Retention, now_us: int, origin: object = None) -> Row:
    """Return the row of one trade or price update.

    Raises:
        RefusedError: ``invalid`` price or size, ``too_far_ahead``.
    """
    if not (isfinite(trade.price) and trade.price > 0 and isfinite(trade.size) and trade.size >= 0):
        raise RefusedError(INVALID, f"price {trade.price}, size {trade.size}")
    _check_ahead(max(trade.event_time, trade.receive_time), now_us)
    key = identity(trade.trade_id, trade.venue_sequence, trade.epoch, trade.sequence)
    event_us = trade.event_time
    hour_ms = event_us // HOUR * (HOUR // 1000)
    instrument = instrument_of(trade.source, trade.symbol)
    values = (
        instrument,
        hour_ms,
        event_us,
        key,
        event_us // 1000,
        trade.kind,
        trade.price,
        trade.size,
        trade.side,
        trade.receive_time,
        trade.epoch,
        trade.sequence,
        trade.backfill,
    )
    expires_us = retention.expires_us("trades", event_us, instrument)
    return Row("trades", (instrument, hour_ms), (event_us, key), trade.receive_time, expires_us, values, origin)


def quote_row(quote: Quote, retention: Retention, now_us: int, origin: object = None) -> Row:
    """Return the row of one quote.

    Raises:
        RefusedError: ``invalid`` price or size, ``too_far_ahead``.
    """
    if not (isfinite(quote.bid) and quote.bid > 0 and isfinite(quote.ask) and quote.ask > 0):
        raise RefusedError(INVALID, f"bid {quote.bid}, ask {quote.ask}")
    _check_numbers(quote.bid_size, quote.ask_size)
    _check_ahead(max(quote.event_time, quote.receive_time), now_us)
    key = identity(None, quote.venue_sequence, quote.epoch, quote.sequence)
    event_us = quote.event_time
    hour_ms = event_us // HOUR * (HOUR // 1000)
    instrument = instrument_of(quote.source, quote.symbol)
    values = (
        instrument,
        hour_ms,
        event_us,
        key,
        event_us // 1000,
        quote.bid,
        quote.ask,
        quote.bid_size,
        quote.ask_size,
        quote.receive_time,
        quote.epoch,
        quote.sequence,
    )
    expires_us = retention.expires_us("quotes", event_us, instrument)
    return Row("quotes", (instrument, hour_ms), (event_us, key), quote.receive_time, expires_us, values, origin)


def identity(trade_id: str | None, venue_sequence: int | None, epoch: int, sequence: int) -> str:
    """Return what tells a repeat from a twin: the venue's id, else its sequence, else our own epoch and sequence."""
    if trade_id is not None:
        return trade_id
    return str(venue_sequence) if venue_sequence is not None else f"{epoch}-{sequence}"


def position_row(group: str, topic: str, partition: int, next_offset: int, now_us: int) -> Row:
    """Return the row that tells how far a partition has been written; stamped now, for after a rewind it may go back."""
    return Row("positions", group, (topic, partition), now_us, None, (group, topic, partition, next_offset, now_us // 1000), None)


def _check_numbers(*numbers: float) -> None:
    if not all(map(isfinite, numbers)):
        raise RefusedError(INVALID, f"not a finite number among {numbers}")


def _check_ahead(time_us: int, now_us: int) -> None:
    if time_us > now_us + AHEAD_US:
        raise RefusedError(TOO_FAR_AHEAD, f"{(time_us - now_us) / DAY:.1f} days ahead of this machine's clock")
