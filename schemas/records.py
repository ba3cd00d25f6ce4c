"""PURE. The records that travel on the topics, as frozen dataclasses.

Every field is documented, with its unit, once: in the record's ``.avsc`` file of the same name. Field names and
order are those of the schema. All instants are integer microseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Price = Literal["trade", "mid", "bid", "ask"]
TradeKind = Literal["trade", "update"]
Side = Literal["unknown", "buy", "sell"]
FeedState = Literal[
    "unknown", "connecting", "live", "stale", "down", "refused", "market_closed", "stopping", "finished", "producer_down"
]
IdOrder = Literal["none", "increasing", "contiguous"]
CandleState = Literal["unknown", "live", "final", "revised"]
CandleReason = Literal["none", "late_trade", "status", "backfill", "bootstrap", "rebuild"]
Provenance = Literal["trades", "vendor", "mixed"]
GapState = Literal["unknown", "open", "closed", "filled", "unfillable"]
GapCause = Literal[
    "none",
    "producer_down",
    "refused",
    "feed_down",
    "feed_stale",
    "overflow",
    "lost_updates",
    "skipped_ids",
    "lost_sequence",
    "partial_start",
    "market_closed",
    "no_trades",
    "unsubscribed",
]
LossCause = Literal[
    "unknown", "producer_down", "refused", "feed_down", "feed_stale", "overflow", "lost_updates", "skipped_ids", "lost_sequence"
]


@dataclass(frozen=True)
class Record:
    """What all records have in common: they are values, equal when their fields are."""


@dataclass(frozen=True)
class Trade(Record):
    """One executed transaction or price update; see trade.avsc."""

    source: str
    symbol: str
    event_time: int
    receive_time: int
    price: float
    size: float
    kind: TradeKind = "trade"
    side: Side = "unknown"
    trade_id: str | None = None
    venue_sequence: int | None = None
    epoch: int = 0
    sequence: int = 0
    conditions: str = ""
    backfill: bool = False
    replay: bool = False


@dataclass(frozen=True)
class Quote(Record):
    """Best bid and ask at one moment; see quote.avsc."""

    source: str
    symbol: str
    event_time: int
    receive_time: int
    bid: float
    ask: float
    bid_size: float = 0.0
    ask_size: float = 0.0
    venue_sequence: int | None = None
    epoch: int = 0
    sequence: int = 0
    snapshot: bool = False
    replay: bool = False


@dataclass(frozen=True)
class Loss:
    """An interval known to be missing although the feed was up; part of FeedStatus."""

    symbol: str | None
    cause: LossCause
    from_time: int
    to_time: int
    missing: int | None = None
    detail: str = ""


@dataclass(frozen=True)
class Served:
    """One symbol that a source serves on a partition; part of FeedStatus."""

    symbol: str
    kind: Literal["trades", "quotes"] = "trades"
    good_from: int | None = None


@dataclass(frozen=True)
class FeedStatus(Record):
    """What a source knows of its own feed; see feed_status.avsc."""

    source: str
    state: FeedState
    reason: str = ""
    epoch: int = 0
    since: int = 0
    sent_at: int = 0
    good_from: int | None = None
    good_until: int | None = None
    complete_to: int = 0
    trades_offset: int = 0
    quotes_offset: int = 0
    history_offset: int = 0
    ids: IdOrder = "none"
    replay: bool = False
    losses: tuple[Loss, ...] = ()
    symbols: tuple[Served, ...] | None = None
    attempts: int = 0
    last_frame: int | None = None
    writer: str = "producer"


@dataclass(frozen=True)
class HistoryCandle(Record):
    """A vendor's finished 1m candle, or a backfill's result; see history_candle.avsc."""

    source: str
    symbol: str
    price: Price = "trade"
    record: Literal["candle", "result"] = "candle"
    origin: Literal["bootstrap", "backfill"] = "bootstrap"
    start: int = 0
    end: int = 0
    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    close: float = 0.0
    volume: float | None = None
    trade_count: int | None = None
    approximate: bool = False
    gap_id: str | None = None
    outcome: Literal["none", "complete", "partial", "refused"] = "none"
    reason: str = ""
    retry_at: int | None = None
    receive_time: int = 0
    epoch: int = 0


@dataclass(frozen=True)
class Candle(Record):
    """OHLCV of one series over one window, with its completeness; see candle.avsc."""

    series: str
    source: str
    symbol: str
    price: Price
    timeframe: str
    start: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    buy_volume: float
    vwap: float
    trade_count: int
    update_count: int
    first_event_time: int
    last_event_time: int
    version: int
    state: CandleState
    reason: CandleReason = "none"
    provenance: Provenance = "trades"
    coverage: float = 1.0
    gap_cause: GapCause = "none"
    late_count: int = 0
    updated_at: int = 0
    input_partition: int = -1
    input_offset: int = -1
    fingerprint: int = 0


@dataclass(frozen=True)
class Gap(Record):
    """An interval without trades, or without all of them, with its cause; see gap.avsc."""

    gap_id: str
    series: str
    source: str
    symbol: str
    price: Price
    from_time: int
    to_time: int | None
    cause: GapCause
    detail: str = ""
    missing: int | None = None
    state: GapState = "open"
    version: int = 0
    fillable: bool = False
    why_not: str = ""
    updated_at: int = 0


def instrument_of(source: str, symbol: str) -> str:
    """Return ``source:symbol``, the Kafka key of everything that comes in."""
    return f"{source}:{symbol}"


def series_of(source: str, symbol: str, price: Price) -> str:
    """Return the series' name: the instrument for trades, ``instrument@price`` for quotes."""
    return f"{source}:{symbol}" if price == "trade" else f"{source}:{symbol}@{price}"
