"""SHELL (Kafka). The newest epoch that a source's statuses tell: who was its producer last."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from schemas.codec import Decoder, SchemaById
from schemas.records import FeedStatus
from schemas.topics import FEED_STATUS
from schemas.wire import WireError

EPOCHS_BACK = 1000
"""Statuses looked at. Our choice: a quarter of an hour of one source; epochs are clock times, so this only matters when the
clock was set back."""


class UnansweredError(Exception):
    """Kafka did not give all statuses in time."""


def newest_epoch(
    kafka: str, options: Mapping[str, Any], schema_by_id: SchemaById, prefix: str, source: str, timeout_s: float
) -> int | None:
    """Return the newest epoch among the last statuses; None where none is the source's.

    Raises:
        UnansweredError: not within `timeout_s`.
        KafkaException: Kafka is not reached.
    """
    # Every partition holds the same states, so the end of one is enough.
    topic = FEED_STATUS.name(prefix)
    decode = Decoder(FeedStatus, schema_by_id)
    consumer = Consumer({**options, "bootstrap.servers": kafka, "group.id": "candlewick-unused", "enable.auto.commit": False})
    newest: int | None = None
    deadline = monotonic() + timeout_s
    try:
        low, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=timeout_s)
        at = max(low, end - EPOCHS_BACK)
        consumer.assign([TopicPartition(topic, 0, at if end > low else OFFSET_END)])
        while at < end:
            message = consumer.poll(max(0.0, min(1.0, deadline - monotonic())))
            if message is None or message.error() is not None:
                if monotonic() > deadline:
                    raise UnansweredError
                continue
            at = (message.offset() or 0) + 1
            if message.key() != source.encode():
                continue
            try:
                status = decode(message.value())
            except WireError:
                continue  # written by somebody who broke the contract; says nothing about our epochs
            newest = status.epoch if newest is None else max(newest, status.epoch)
    finally:
        consumer.close()
    return newest
