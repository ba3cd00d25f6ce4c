"""SHELL (Kafka, QuestDB). Candles into QuestDB by its PostgreSQL wire: to_questdb.py <kafka> <registry> <dsn> <group> <topic>...

QuestDB's upserts know no condition, so every version is a row, and the same version again is no second one. The reader takes
the highest: `SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY series, start ORDER BY candle_version DESC) n
FROM candles_1m) WHERE n = 1`. The column is not called version, which QuestDB takes for the server's own.
A table a timeframe, for a table has one TTL, counted in whole days.
"""

import sys
from datetime import timedelta

import psycopg  # type: ignore[import-not-found]  # in requirements.txt beside this file, not among the project's
from batches import RETENTION, batches, newest  # type: ignore[import-not-found]  # the file beside this one

FIELDS = ("series", "start", "open", "high", "low", "close", "volume", "trade_count", "coverage", "gap_cause", "candle_version")
TABLE = """
CREATE TABLE IF NOT EXISTS candles_{timeframe} (
    series SYMBOL, start TIMESTAMP, open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume DOUBLE, trade_count LONG,
    coverage DOUBLE, gap_cause SYMBOL, candle_version LONG
) TIMESTAMP(start) PARTITION BY DAY {ttl} DEDUP UPSERT KEYS(start, series, candle_version)
"""
INSERT = f"INSERT INTO candles_{{timeframe}} ({', '.join(FIELDS)}) VALUES ({', '.join('%s' for _ in FIELDS)})"  # noqa: S608 - our own names


def main() -> None:
    """Write until stopped."""
    kafka, registry, dsn, group, *topics = sys.argv[1:]
    known: set[str] = set()
    with psycopg.connect(dsn, autocommit=True) as store:
        for batch in batches(kafka, registry, topics, group):
            rows: dict[str, list[tuple[object, ...]]] = {}
            for candle in newest(batch):
                # Instants without a zone are UTC here, as QuestDB keeps them.
                values = {**candle, "start": candle["start"].replace(tzinfo=None), "candle_version": candle["version"]}
                rows.setdefault(candle["timeframe"], []).append(tuple(values[f] for f in FIELDS))
            for timeframe, some in rows.items():
                if timeframe not in known:
                    kept: timedelta | None = RETENTION.get(timeframe)
                    store.execute(TABLE.format(timeframe=timeframe, ttl=f"TTL {kept.days} DAYS" if kept else ""))
                    known.add(timeframe)
                with store.cursor() as cursor:
                    cursor.executemany(INSERT.format(timeframe=timeframe), some)


if __name__ == "__main__":
    main()
