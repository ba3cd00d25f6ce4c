"""SHELL (Kafka). A topic full of made-up trades, with the statuses that a producer would have written beside them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from confluent_kafka import Consumer, Producer, TopicPartition, murmur2

from schemas import topics
from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import FeedStatus, Served, Trade
from schemas.registry import Registry
from schemas.timeframes import DAY, HOUR, SECOND

START = 20_000 * DAY
CHUNK = 100_000


@dataclass(frozen=True)
class Load:
    """What was written: trades in all, and their number of partitions."""

    trades: int
    partitions: int


def fill(
    kafka: str, registry: str, prefix: str, *, trades: int, symbols: int, seed: int = 1, first: int = START, span: int = HOUR
) -> Load:
    """Write `trades` trades of `symbols` symbols, spread over `span` of event time from `first` on, and a status a chunk."""
    rng = random.Random(seed)
    client = Registry(registry)
    trade_topic, status_topic = topics.TRADES.name(prefix), topics.FEED_STATUS.name(prefix)
    encode = Encoder(Trade, client.lookup(topics.TRADES.subject(prefix), schema_text(Trade)))
    encode_status = Encoder(FeedStatus, client.lookup(topics.FEED_STATUS.subject(prefix), schema_text(FeedStatus)))
    producer = Producer(
        {
            "bootstrap.servers": kafka,
            "linger.ms": 50,
            "compression.type": "zstd",
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    reader = Consumer({"bootstrap.servers": kafka, "group.id": f"{prefix}-fill"})
    partitions = len(reader.list_topics(trade_topic, timeout=10).topics[trade_topic].partitions)
    names = [f"SYM{i}" for i in range(symbols)]
    keys = [f"bench:{n}".encode() for n in names]
    prices = [rng.uniform(10, 500) for _ in names]
    counts = [0] * symbols
    step = span // trades
    for n in range(trades):
        i = rng.randrange(symbols)
        prices[i] = round(max(1.0, prices[i] + rng.gauss(0, 0.02)), 2)
        time = first + n * step + rng.randrange(20_000)
        side = "buy" if rng.random() < 0.5 else "sell"
        size = rng.randrange(1, 500) / 100
        record = Trade("bench", names[i], time, time + 30_000, prices[i], size, "trade", side, None, None, 1, counts[i])  # type: ignore[arg-type]
        counts[i] += 1
        producer.produce(trade_topic, encode(record), keys[i])
        if n % 1000 == 0:
            producer.poll(0)
        if (n + 1) % CHUNK == 0 or n == trades - 1:
            _wait(producer)
            last = n == trades - 1
            clock = first + span + 10 * SECOND if last else first + n * step
            for p in range(partitions):
                ours = (s for s, key in zip(names, keys, strict=True) if murmur2(key, partitions) == p)
                served = tuple(Served(s, "trades", START) for s in ours) if n < CHUNK else None
                end = reader.get_watermark_offsets(TopicPartition(trade_topic, p), timeout=10)[1]
                status = FeedStatus(
                    "bench", "live", epoch=1, sent_at=clock, good_from=START, good_until=clock, complete_to=clock,
                    trades_offset=end, symbols=served,
                )  # fmt: skip
                producer.produce(status_topic, encode_status(status), b"bench", p)
            _wait(producer)
    reader.close()
    return Load(trades, partitions)


def _wait(producer: Producer) -> None:
    left = producer.flush(60)
    if left:
        raise TimeoutError(f"{left} records not acknowledged after 60 s")
