"""SHELL (HTTP). The processor's metrics, each with what its rise means, and its health page."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

RECORDS = Counter("candlewick_processor_records_total", "Records taken in.", ["topic"])
DEAD_LETTERS = Counter("candlewick_processor_dead_letters_total", "Input refused; rises = a producer writes rubbish.", ["reason"])
LATE = Counter("candlewick_processor_late_total", "Records too old to enter a candle; rises = a source lags.", ["reason"])
CANDLES = Counter("candlewick_processor_candles_total", "Candles published.", ["state"])
GAPS = Counter("candlewick_processor_gaps_total", "Gap records published.", ["cause", "state"])
FALLBACKS = Gauge(
    "candlewick_processor_block_fallbacks", "Blocks decoded record by record since the start; rises = damaged input."
)
REREADS = Gauge(
    "candlewick_processor_rereads", "Re-seeks after a hole between batches since the start; rises = rebalances lose fetches."
)
FLUSH_SECONDS = Histogram("candlewick_processor_flush_seconds", "From taking outputs until Kafka has acknowledged all of them.")
SNAPSHOT_BYTES = Counter("candlewick_processor_snapshot_bytes_total", "State written to the changelog.")
SERIES = Gauge("candlewick_processor_series", "Series kept on this worker.")
PARTITIONS = Gauge("candlewick_processor_partitions", "Partitions owned by this worker.")
BEHIND_SECONDS = Gauge("candlewick_processor_behind_seconds", "Wall clock minus the watermark of the slowest live feed.")
WAITING = Gauge("candlewick_processor_waiting_statuses", "Statuses whose records are not processed yet; grows = data lags.")
