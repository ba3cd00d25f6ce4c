"""PURE. The names of all settings, so that each service can refuse a misspelt one although it reads only its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

PREFIX = "CANDLEWICK_"
SETTINGS: dict[str, str] = {
    # shared
    "KAFKA": "Kafka bootstrap servers, host:port[,host:port]",
    "REGISTRY": "Schema registry URL (Confluent API v7)",
    "SCHEMA_IDS": "Ids by subject (JSON, from `schemas apply --json`): with them a service starts while the registry is away",
    "TOPIC_PREFIX": "First part of every topic and group name",
    "KAFKA_OPTIONS": "Further librdkafka properties as a JSON object; sasl.* and ssl.* hold for every client",
    "KAFKA_OPTIONS_FILE": "File with more of them, likewise JSON: where a password is among them",
    "REGISTRY_CA_FILE": "PEM file of the authority that the registry's certificate is signed by; empty = those the system trusts",
    "TIMEFRAMES": "Comma-separated timeframes, 1s to 1w, with 1m",
    "METRICS_PORT": "Port of /metrics and /health; 0 = any free one; empty = none",
    "HTTP_HOST": "Address that /metrics, /health and the processor's pages listen on; they are open to whoever reaches them",
    "GROUPS": "Instruments that are one market, in order of trust: name=source:symbol,source:symbol[;name=...]",
    "OTEL_SAMPLE": "Share of batches followed by OpenTelemetry's spans, 0 to 1 (extra otel; OTEL_* say where to); 0 = none",
    # deploy
    "HOME": "Folder of the local stack: jars, data, logs",
    "ARTIFACTS": "Folder of the downloaded servers, shared by all homes",
    "PARTITIONS": "Partitions of every topic when created",
    "REPLICATION": "Replication factor of every topic when created",
    # producer
    "LIVENESS_TRANSPORT_S": "Nothing at all received for this long: the connection is dead",
    "LIVENESS_FEED_S": "No text frame for this long: the feed is stale",
    "LIVENESS_RECORDS_S": "No record of any symbol for this long in an open market: the feed is stale",
    "LIVENESS_LOOP_S": "The loop that takes and tells has not turned for this long: it hangs, and /health answers 503",
    "LIVENESS_HOURS": "When records are expected: 24/7, fx, Mon-Fri 04:00-20:00 America/New_York; unset = as the provider knows",
    "SYMBOLS_FILE": "File with the symbols, instead of the provider's own setting; watched, so that they can change at run time",
    "BACKOFF_MAX_S": "Longest wait between connection attempts",
    "BOOTSTRAP_DAYS": "Days of the vendor's 1m candles loaded before live; 0 = none",
    # processor
    "QUOTE_PRICES": "Which prices of quotes make candles: mid, bid, ask",
    "LATENESS_MS": "How long a window stays open after its end",
    "HORIZON_S": "How old at receipt a trade may be and still revise a closed candle",
    "AHEAD_S": "How far a trade's event time may lie ahead of its receipt",
    "LIVE_MS": "Shortest period between live updates of the base timeframe",
    "LIVE_PERIODS": "Other periods of live updates: timeframe=ms[,...], as in 1h=5000; else 4 times LIVE_MS, 8 above 5m",
    "LIVE_BUDGET": "Live candles a second and worker above which their period stretches",
    "FLUSH_MS": "Period of state snapshots and commits",
    "SESSIONS": "Market hours: instrument-pattern=calendar[,...]: 24/7, fx, or exchanges (extra calendars), as ig:*=fx,a:*=xnys",
    "SESSION_ROLLS": "Where days do not begin at midnight UTC: pattern=HH:MM zone[,...], as in ig:*=17:00 America/New_York",
    "GENERATION": "Part of every version; raised by hand after a rebuild, so that later corrections outweigh it",
    "PRODUCER_SILENT_S": "Silence of a source after which its producer is declared down",
    "ADVERTISED_URL": "Where other processors reach these pages, {hostname} = this machine's name; empty = http://HTTP_HOST:METRICS_PORT",
    "CACHE_MB": "Memory for the newest candles and gaps that the processor's pages answer from",
    # sink
    "CASSANDRA": "Cassandra contact points, host:port[,host:port]",
    "KEYSPACE": "Cassandra keyspace",
    "CASSANDRA_USER": "User of Cassandra; empty = it asks for none",
    "CASSANDRA_PASSWORD_FILE": "File with that user's password",
    "CASSANDRA_CA_FILE": "PEM file of the authority that Cassandra's certificate is signed by; empty = no TLS",
    "CASSANDRA_REPLICATION": "Replication factor of the keyspace when created",
    "COMMIT_LAG_S": "How long a write must be acknowledged before its offset is committed",
}
RETENTION = "RETENTION_"
"""RETENTION_<timeframe> (also TRADES, QUOTES, GAPS): days a row is kept from its own time on; 0 = for ever."""


def unknown(environ: Iterable[str] | Mapping[str, str]) -> list[str]:
    """Return the variables that carry our prefix and are no setting of any service, sorted."""
    names = [n[len(PREFIX) :] for n in environ if n.startswith(PREFIX)]
    return sorted(PREFIX + n for n in names if n not in SETTINGS and not n.startswith(RETENTION))
