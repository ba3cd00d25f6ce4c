"""SHELL (Kafka, PostgreSQL). Candles into PostgreSQL: to_postgres.py <kafka> <registry> <dsn> <group> <topic>...

TimescaleDB takes the same table: `SELECT create_hypertable('candles', by_range('start'))` and `add_retention_policy` (untested).
"""

import sys

import psycopg  # type: ignore[import-not-found]  # in requirements.txt beside this file, not among the project's
from batches import RETENTION, batches, newest  # type: ignore[import-not-found]  # the file beside this one

FIELDS = (
    "series",
    "timeframe",
    "start",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "trade_count",
    "coverage",
    "gap_cause",
    "version",
)
TABLE = """
CREATE TABLE IF NOT EXISTS candles (
    series text, timeframe text, start timestamptz,
    open float8, high float8, low float8, close float8, volume float8, trade_count bigint,
    coverage float8, gap_cause text, version bigint,
    PRIMARY KEY (series, timeframe, start))
"""
# The condition is the whole contract of corrections: an older version, or the same again, changes nothing.
UPSERT = f"""
INSERT INTO candles ({", ".join(FIELDS)}) VALUES ({", ".join(f"%({f})s" for f in FIELDS)})
ON CONFLICT (series, timeframe, start) DO UPDATE SET {", ".join(f"{f} = excluded.{f}" for f in FIELDS[3:])}
WHERE excluded.version > candles.version
"""  # noqa: S608 - our own names
EXPIRE = "DELETE FROM candles WHERE timeframe = %s AND start <= now() - %s"


def main() -> None:
    """Write until stopped."""
    kafka, registry, dsn, group, *topics = sys.argv[1:]
    with psycopg.connect(dsn, autocommit=True) as store:
        store.execute(TABLE)
        for batch in batches(kafka, registry, topics, group):
            with store.transaction(), store.cursor() as cursor:
                cursor.executemany(UPSERT, newest(batch))
                # Cheap where nothing is due; a busy table is better partitioned by time, and partitions dropped.
                cursor.executemany(EXPIRE, list(RETENTION.items()))


if __name__ == "__main__":
    main()
