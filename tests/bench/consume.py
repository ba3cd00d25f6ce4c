"""SHELL (Kafka). How fast records can be read at all: confluent-kafka, no work."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, TopicPartition

from schemas import topics
from tests.bench.load import Load


def bare(kafka: str, prefix: str, load: Load) -> dict[str, object]:
    """Read the trades of `load` in one process and do nothing with them."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": f"{prefix}-bare",
            "enable.auto.commit": False,
            "queued.min.messages": 1_000_000,  # the default backs off for a second whenever 100,000 wait
            "fetch.queue.backoff.ms": 10,
        }
    )
    topic = topics.TRADES.name(prefix)
    consumer.assign([TopicPartition(topic, p, 0) for p in range(load.partitions)])
    read, began = 0, None
    while read < load.trades:
        messages = consumer.consume(20_000, 10)
        if not messages:
            raise TimeoutError(f"{read} of {load.trades} records read")
        if began is None:
            began = time.perf_counter()
        read += len(messages)
    seconds = time.perf_counter() - (began or 0)
    consumer.close()
    return {"benchmark": "bare_consume", "records": read, "seconds": round(seconds, 2), "per_s": round(read / seconds)}
