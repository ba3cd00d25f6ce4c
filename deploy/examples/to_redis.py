"""SHELL (Kafka, Redis). Candles into plain Redis: to_redis.py <kafka> <registry> <redis url> <group> <topic>...

A hash a candle, `candle:{series}:timeframe:start`, and a sorted set of the starts a series and timeframe,
`candles:{series}:timeframe`. Starts are milliseconds. The braces keep a series on one node of a cluster.
"""

import sys

import redis  # type: ignore[import-not-found]  # in requirements.txt beside this file, not among the project's
from batches import RETENTION, batches, expires, newest  # type: ignore[import-not-found]  # the file beside this one

FIELDS = ("open", "high", "low", "close", "volume", "trade_count", "coverage", "gap_cause")
# Runs as one step in the server, so that two writers cannot overtake each other between comparing and writing.
UPSERT = """
local known = redis.call('HGET', KEYS[1], 'version')
if known and tonumber(known) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], unpack(ARGV, 5))
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[2])
if ARGV[3] ~= '' then redis.call('PEXPIREAT', KEYS[1], ARGV[3]) end
if ARGV[4] ~= '' then redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[4]) end
return 1
"""


def main() -> None:
    """Write until stopped."""
    kafka, registry, url, group, *topics = sys.argv[1:]
    store = redis.Redis.from_url(url)
    upsert = store.register_script(UPSERT)
    for batch in batches(kafka, registry, topics, group):
        with store.pipeline(transaction=False) as pipe:
            for c in newest(batch):
                start_ms, end = round(c["start"].timestamp() * 1000), expires(c)
                keys = [f"candle:{{{c['series']}}}:{c['timeframe']}:{start_ms}", f"candles:{{{c['series']}}}:{c['timeframe']}"]
                # The index is cut at this candle's start less the retention: what is older than that has expired.
                kept = RETENTION.get(c["timeframe"])
                floor = "" if kept is None else start_ms - round(kept.total_seconds() * 1000)
                values = [v for f in FIELDS for v in (f, c[f])]
                upsert(keys, [c["version"], start_ms, "" if end is None else round(end.timestamp() * 1000), floor, *values], pipe)
            pipe.execute()


if __name__ == "__main__":
    main()
