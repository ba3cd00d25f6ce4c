"""SHELL (Kafka). Batches of candles for a store: read, let them be written, and only then commit the offsets."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

Candle = dict[str, Any]
RETENTION = {
    "1m": timedelta(days=30),
    "5m": timedelta(days=90),
    "15m": timedelta(days=180),
    "1h": timedelta(days=365),
    "4h": timedelta(days=730),
}
"""As in Cassandra by default, for the timeframes there are by default; what is not named is kept for ever, as days are."""
SUBJECTS = {"subject.name.strategy.type": "TOPIC"}
"""Subjects are `<topic>-value`. Unsaid, the deserializer first asks the registry for an association of the topic, of which there
is none; Apicurio 3.3 now and then leaves just that question without an answer, and without a time limit nothing ends the wait."""


def batches(kafka: str, registry: str, topics: Sequence[str], group: str) -> Iterator[list[Candle]]:
    """Yield batches without end. What was yielded is committed when the next batch is asked for: by then it is written.

    A crash in between brings the batch again, which is harmless as long as the store keeps the highest version.
    """
    decode = AvroDeserializer(SchemaRegistryClient({"url": registry, "timeout": 10}), conf=SUBJECTS)
    options = {"bootstrap.servers": kafka, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer(options)
    # Asked to end, leave the group: otherwise whoever comes next waits until this member's session has timed out (45 s).
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    consumer.subscribe(list(topics))
    try:
        while True:
            messages = []
            for message in consumer.consume(1000, 1.0):
                if message.error() is None:
                    messages.append(message)
                else:  # the client goes on by itself; an operator wants to know why nothing comes
                    print(message.error(), file=sys.stderr, flush=True)
            if messages:
                yield [decode(m.value(), SerializationContext(str(m.topic()), MessageField.VALUE)) for m in messages]
                consumer.commit(asynchronous=False)
    finally:
        consumer.close()


def newest(batch: Sequence[Candle]) -> list[Candle]:
    """Return the highest version of each window in the batch, those left out that would expire at once.

    The store compares again: this only saves it work.
    """
    best: dict[tuple[str, str, datetime], Candle] = {}
    for candle in batch:
        key = candle["series"], candle["timeframe"], candle["start"]
        if key not in best or candle["version"] > best[key]["version"]:
            best[key] = candle
    now = datetime.now(UTC)
    return [c for c in best.values() if (end := expires(c)) is None or end > now]


def expires(candle: Candle) -> datetime | None:
    """Return when a candle's time is over, counted from its start, however late it is written; None for never."""
    kept = RETENTION.get(candle["timeframe"])
    start: datetime = candle["start"]
    return None if kept is None else start + kept
