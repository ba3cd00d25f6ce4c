"""PURE. The three services from within: rates, lag, latency, errors. All of it is Prometheus."""

from __future__ import annotations

from deploy.grafana.colours import GREEN, RED, Json, steps
from deploy.grafana.panels import dashboard, graph, panel, promql


def _quantile(q: float, metric: str) -> str:
    return f"histogram_quantile({q}, sum by (le) (rate({metric}_bucket[1m])))"


def pipeline() -> Json:
    """Return the dashboard."""
    panels = [
        graph(
            "records a second",
            [
                promql(
                    "sum by (source, dataset) (rate(candlewick_producer_published_total[1m]))", "producer {{source}} {{dataset}}"
                ),
                promql("sum by (topic) (rate(candlewick_processor_records_total[1m]))", "processor {{topic}}"),
                promql("sum by (topic) (rate(candlewick_sink_records_total[1m]))", "sink {{topic}}"),
            ],
            (0, 0, 12, 8),
            "The same stream at three places: where one falls behind the one before, that service is the narrow place.",
            "cps",
        ),
        graph(
            "behind",
            [
                promql("max(candlewick_processor_behind_seconds)", "processor"),
                promql(_quantile(0.5, "candlewick_sink_candle_lag_seconds"), "sink, median"),
                promql(_quantile(0.99, "candlewick_sink_candle_lag_seconds"), "sink, 99 of 100"),
            ],
            (12, 0, 12, 8),
            "processor: wall clock minus the watermark of the slowest live feed. sink: from a candle's publication to its row.",
            "s",
        ),
        graph(
            "candles and gaps published",
            [
                promql("sum by (state) (rate(candlewick_processor_candles_total[1m]))", "candles {{state}}"),
                promql("sum(rate(candlewick_processor_gaps_total[1m]))", "gaps"),
            ],
            (0, 8, 8, 8),
            "What the processor makes.",
            "cps",
        ),
        graph(
            "rows written",
            promql("sum by (table) (rate(candlewick_sink_rows_written_total[1m]))", "{{table}}"),
            (8, 8, 8, 8),
            "Acknowledged by Cassandra.",
            "cps",
        ),
        graph(
            "durations, 99 of 100",
            [
                promql(_quantile(0.99, "candlewick_processor_flush_seconds"), "processor: flush"),
                promql(_quantile(0.99, "candlewick_sink_write_seconds"), "sink: write"),
            ],
            (16, 8, 8, 8),
            "flush: until Kafka has acknowledged all outputs. write: until Cassandra has acknowledged all rows of a turn.",
            "s",
        ),
        graph(
            "trouble",
            [
                promql("sum by (reason) (increase(candlewick_producer_refused_total[5m]))", "producer refused: {{reason}}"),
                promql(
                    "sum by (reason) (increase(candlewick_processor_dead_letters_total[5m]))", "processor refused: {{reason}}"
                ),
                promql("sum by (reason) (increase(candlewick_sink_dead_letters_total[5m]))", "sink refused: {{reason}}"),
                promql("sum by (reason) (increase(candlewick_sink_retries_total[5m]))", "sink retried: {{reason}}"),
                promql("sum(increase(candlewick_sink_rewinds_total[5m]))", "sink rewound"),
                promql("sum(increase(candlewick_producer_backpressure_total[5m]))", "producer held back"),
                promql(
                    "sum by (table) (increase(candlewick_sink_expired_before_write_total[5m]))", "expired before write: {{table}}"
                ),
            ],
            (0, 16, 16, 9),
            "In 5 minutes. Quiet in health; every line has its remedy in the service's log.",
        ),
        panel(
            "stat",
            "Cassandra answers",
            promql("min(candlewick_sink_cassandra_up)", "up"),
            (16, 16, 4, 9),
            "0: the last write of some sink was not acknowledged; it waits and tries again.",
            defaults={"thresholds": steps((None, RED), (1, GREEN))},
            options={"colorMode": "background", "reduceOptions": {"calcs": ["lastNotNull"]}},
        ),
        panel(
            "stat",
            "reading paused",
            promql("max(candlewick_sink_paused)", "paused"),
            (20, 16, 4, 9),
            "1 while a sink reads nothing because its writes fail. Nothing is lost: Kafka keeps it.",
            defaults={"thresholds": steps((None, GREEN), (1, RED))},
            options={"colorMode": "background", "reduceOptions": {"calcs": ["lastNotNull"]}},
        ),
        graph(
            "partitions and series by worker",
            [
                promql("candlewick_processor_partitions", "{{instance}} partitions"),
                promql("candlewick_processor_series", "{{instance}} series"),
            ],
            (0, 25, 8, 8),
            "How the work is shared. Partitions of a worker that died move within 15 seconds.",
        ),
        graph(
            "state and cache",
            [
                promql("sum(rate(candlewick_processor_snapshot_bytes_total[1m]))", "state written, bytes/s"),
                promql("sum(candlewick_processor_cache_bytes)", "cache, bytes"),
            ],
            (8, 25, 8, 8),
            "What recovery will have to read, and the memory of the pages' cache.",
            "bytes",
        ),
        graph(
            "waiting",
            [
                promql("sum(candlewick_processor_waiting_statuses)", "statuses whose records are not processed"),
                promql("max(candlewick_sink_commit_lag_seconds)", "oldest write not committed, s"),
                promql("sum(candlewick_sink_inflight)", "requests at Cassandra"),
            ],
            (16, 25, 8, 8),
            "With one replica, writes are committed 15 s after their acknowledgement on purpose: a power loss is read again.",
        ),
    ]
    return dashboard(
        "pipeline", "Pipeline", "Rates, lag, latency and errors of producer, processor and sink.", panels, since="now-1h"
    )
