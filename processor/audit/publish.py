"""SHELL (Kafka). Repairs on their way out: the processor's topics, partitions, keys and schemas."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor.audit.repair import Repair
from processor.settings import Settings
from schemas import topics
from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import Candle
from schemas.registry import Registry

TIMEOUT_S = 60.0
"""Until everything is acknowledged (our choice)."""


class PublishError(Exception):
    """Kafka did not acknowledge every repair; the rebuild is to be run again."""


def publish(repairs: Sequence[Repair], settings: Settings, registry: Registry) -> None:
    """Send repairs and return when Kafka has acknowledged all.

    Raises:
        PublishError: Kafka did not acknowledge.
        RegistryError: a schema is not registered.
    """
    encoders: dict[str, Encoder] = {}
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer(
        {
            "bootstrap.servers": settings.kafka,
            "client.id": "candlewick-rebuild",
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "compression.type": "zstd",
            "queue.buffering.max.messages": 1_000_000,
            **settings.kafka_options,
        }
    )
    try:
        for repair in repairs:
            record = repair.record
            dataset = topics.candles_dataset(record.timeframe) if isinstance(record, Candle) else topics.GAPS.dataset
            name = topics.topic_name(dataset, settings.topic_prefix)
            if dataset not in encoders:
                encoders[dataset] = Encoder(type(record), registry.lookup(f"{name}-value", schema_text(type(record))))
            value = encoders[dataset](record)
            producer.produce(name, value, record.series.encode(), repair.partition, on_delivery=delivered)
            if len(producer) > 100_000:
                producer.flush(TIMEOUT_S)
        left = producer.flush(TIMEOUT_S)
    except KafkaException as error:
        raise PublishError(str(error)) from error
    if failed or left:
        raise PublishError(f"{len(failed) + left} of {len(repairs)} records not acknowledged{f': {failed[0]}' if failed else ''}")
