"""SHELL (HTTP). The processor's metrics, each with what its rise means, and its health page."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from processor.core.vendor_candles import VendorCandles
from schemas.records import Candle, Gap
from schemas.timeframes import BASE_US

RECORDS = Counter("candlewick_processor_records_total", "Records taken in.", ["topic"])
DEAD_LETTERS = Counter("candlewick_processor_dead_letters_total", "Input refused; rises = a producer writes rubbish.", ["reason"])
LATE = Counter("candlewick_processor_late_total", "Records too old to enter a candle; rises = a source lags.", ["reason"])
CANDLES = Counter("candlewick_processor_candles_total", "Candles published.", ["state"])
GAPS = Counter("candlewick_processor_gaps_total", "Gap records published.", ["cause", "state"])
WINDOW_SECONDS = Counter("candlewick_processor_window_seconds_total", "Time of the 1m windows that became final candles.")
LOST_SECONDS = Counter(
    "candlewick_processor_lost_seconds_total", "Of these windows, the time in which the feed was not known to deliver."
)
FALLBACKS = Gauge(
    "candlewick_processor_block_fallbacks",
    "Blocks halved since the start, for something in them was damaged; rises = damaged input.",
)
REREADS = Gauge(
    "candlewick_processor_rereads", "Re-seeks after a hole between batches since the start; rises = rebalances lose fetches."
)
FLUSH_SECONDS = Histogram("candlewick_processor_flush_seconds", "From taking outputs until Kafka has acknowledged all of them.")
SNAPSHOT_BYTES = Counter("candlewick_processor_snapshot_bytes_total", "State written to the changelog.")
STATE_PERIOD_SECONDS = Gauge(
    "candlewick_processor_state_period_seconds",
    "Period of state and commits; above FLUSH_MS = taking the state of so many series would cost too much of the time.",
)
SERIES = Gauge("candlewick_processor_series", "Series kept on this worker.")
PARTITIONS = Gauge("candlewick_processor_partitions", "Partitions owned by this worker.")
BEHIND_SECONDS = Gauge("candlewick_processor_behind_seconds", "Wall clock minus the watermark of the slowest live feed.")
WAITING = Gauge("candlewick_processor_waiting_statuses", "Statuses whose records are not processed yet; grows = data lags.")
CACHE_BYTES = Gauge("candlewick_processor_cache_bytes", "Memory of the hot cache, by our estimate; bounded by CACHE_MB.")
CACHE_RECORDS = Gauge("candlewick_processor_cache_records", "Candles and gaps in the hot cache.")
CACHE_EVICTIONS = Gauge(
    "candlewick_processor_cache_evictions", "Entries given up to the byte budget since the start; rises = CACHE_MB is small."
)
CACHE_PENDING = Gauge(
    "candlewick_processor_cache_pending_partitions", "Partitions not read back into the cache yet; 0 = the cache is rebuilt."
)
CACHE_REBUILD_SECONDS = Gauge("candlewick_processor_cache_rebuild_seconds", "How long the last rebuild of the cache took.")
REQUESTS = Counter("candlewick_processor_http_requests_total", "Questions answered over HTTP.", ["page", "status"])
EVENT_CLIENTS = Gauge("candlewick_processor_event_clients", "Open streams of live changes.")
EVENT_CLIENTS_DROPPED = Counter(
    "candlewick_processor_event_clients_dropped_total", "Streams cut because their reader did not keep up."
)
START_WAITING = Gauge("candlewick_processor_start_waiting", "1 while the start waits for this server.", ["server"])
LIVE_STRETCH = Gauge(
    "candlewick_processor_live_stretch", "By how much live periods are longer than set; above 1 = over the budget."
)


def count_coverage(published: Iterable[Candle | Gap | VendorCandles]) -> None:
    """Count the time and the lost time of 1m candles that are out for the first time after closing."""
    for what in published:
        if isinstance(what, VendorCandles):
            if what.timeframe.us == BASE_US:
                WINDOW_SECONDS.inc(60 * (len(what) - what.revised))
        elif isinstance(what, Candle) and what.timeframe == "1m" and what.state == "final":
            WINDOW_SECONDS.inc(60)
            LOST_SECONDS.inc(60 * (1 - what.coverage))


class Counters:
    """The engine's counts as metrics."""

    def records(self, topic: str, number: int) -> None:
        """Count messages taken in."""
        RECORDS.labels(topic).inc(number)

    def dead_letter(self, reason: str) -> None:
        """Count one message refused."""
        DEAD_LETTERS.labels(reason).inc()

    def late(self, reason: str, number: int) -> None:
        """Count records too old to enter a candle."""
        LATE.labels(reason).inc(number)

    def candle(self, state: str, number: int) -> None:
        """Count candles made."""
        CANDLES.labels(state).inc(number)

    def gap(self, cause: str, state: str) -> None:
        """Count one gap record made."""
        GAPS.labels(cause, state).inc()
