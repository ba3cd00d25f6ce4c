"""PURE. Windows and gaps put into the records that are published."""

from __future__ import annotations

from typing import NamedTuple

from processor.core.gaps import FILLABLE, Piece
from processor.core.merge import Shown
from processor.core.ohlcv import UNIT, share_lost_ppm, version_of
from schemas.records import Candle, CandleReason, CandleState, Gap, Price
from schemas.timeframes import Timeframe


class Origin(NamedTuple):
    """Whose records these are: the fields that all of a series' candles and gaps share."""

    series: str
    source: str
    symbol: str
    price: Price
    partition: int
    generation: int


def candle_of(
    origin: Origin,
    timeframe: Timeframe,
    shown: Shown,
    fills: int,
    state: CandleState,
    reason: CandleReason,
    now: int,
) -> Candle:
    """Return what a window shows as a candle; `fills` is that part of its version, `now` is stamped on it."""
    w, provenance, lost_us, cause = shown
    end = timeframe.end_of(w.start)
    length = end - w.start
    # By its fields and not by its constructor: a frozen class's takes several times as long, for every candle there is.
    candle = object.__new__(Candle)
    candle.__dict__.update(
        series=origin.series,
        source=origin.source,
        symbol=origin.symbol,
        price=origin.price,
        timeframe=timeframe.name,
        start=w.start,
        end=end,
        open=w.open,
        high=w.high,
        low=w.low,
        close=w.close,
        volume=w.size_n / UNIT,
        buy_volume=w.buy_n / UNIT,
        vwap=w.notional_n / w.size_n if w.size_n else 0.0,
        trade_count=w.trades,
        update_count=w.updates,
        first_event_time=w.open_key[0],
        last_event_time=w.close_key[0],
        version=version_of(origin.generation, fills, w.records, share_lost_ppm(lost_us, length), state != "live"),
        state=state,
        reason=reason,
        provenance=provenance,
        coverage=(length - lost_us) / length,
        gap_cause=cause,
        late_count=w.late,
        updated_at=now,
        input_partition=origin.partition,
        input_offset=w.offset,
        fingerprint=w.signed_fingerprint,
    )
    return candle


def gap_of(origin: Origin, piece: Piece, traded: bool, now: int) -> Gap:
    """Return a gap as a record; `traded` says that records entered where it began, which may have left nothing of it."""
    empty = piece.end == piece.start
    return Gap(
        gap_id=f"{origin.series}|{piece.cause}|{piece.start}",
        series=origin.series,
        source=origin.source,
        symbol=origin.symbol,
        price=origin.price,
        from_time=piece.start,
        to_time=piece.end,
        cause=piece.cause,
        detail="traded" if empty and traded else piece.detail,
        missing=piece.missing,
        state=piece.state,
        version=piece.version,
        fillable=piece.cause in FILLABLE and not empty and piece.state in ("open", "closed"),
        why_not=piece.why_not,
        updated_at=now,
    )
