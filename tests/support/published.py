"""SHELL (Kafka). What stands on a space's topics, read from the beginning to the end of now."""

from __future__ import annotations

from typing import Any, TypeVar

from confluent_kafka import Consumer, Message, TopicPartition

from schemas.codec import Decoder
from schemas.records import FeedStatus, Quote, Record, Trade
from schemas.registry import Registry
from schemas.topics import DEAD_LETTERS, FEED_STATUS, QUOTES, TRADES, Topic
from tests.support.stack import Space

R = TypeVar("R", bound=Record)
FOREIGN = b"foreign"
"""Key of messages that a test wrote to break the contract on purpose."""


def messages(space: Space, topic: Topic) -> list[Message]:
    """Return every message of a topic, partition by partition, in order."""
    consumer = Consumer({"bootstrap.servers": space.kafka, "group.id": "tests-unused", "enable.auto.commit": False})
    found: list[Message] = []
    try:
        name = topic.name(space.prefix)
        for partition in consumer.list_topics(name, timeout=10).topics[name].partitions:
            _, end = consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=10)
            consumer.assign([TopicPartition(name, partition, 0)])
            at = 0
            while at < end:
                message = consumer.poll(10.0)
                assert message is not None, f"{name} [{partition}] stops at {at} of {end}"
                if message.error() is None:
                    found.append(message)
                    at = (message.offset() or 0) + 1
    finally:
        consumer.close()
    return found


def ends(space: Space, topic: Topic, source: str) -> dict[int, int]:
    """Return, by partition, the offset after the last record of a source, where it has one; keys tell the source."""
    ours = [m for m in messages(space, topic) if (m.key() or b"").startswith(f"{source}:".encode())]
    return {m.partition() or 0: (m.offset() or 0) + 1 for m in ours}


def _records(space: Space, topic: Topic, record: type[R]) -> list[tuple[int, R]]:
    decode = Decoder(record, Registry(space.registry).schema_by_id)
    return [(m.partition() or 0, decode(m.value())) for m in messages(space, topic) if m.key() != FOREIGN]


def trades(space: Space, source: str) -> list[Trade]:
    """Return a source's trades."""
    return [record for _, record in _records(space, TRADES, Trade) if record.source == source]


def quotes(space: Space, source: str) -> list[Quote]:
    """Return a source's quotes."""
    return [record for _, record in _records(space, QUOTES, Quote) if record.source == source]


def statuses(space: Space, source: str) -> dict[int, list[FeedStatus]]:
    """Return a source's statuses by partition."""
    found: dict[int, list[FeedStatus]] = {}
    for partition, status in _records(space, FEED_STATUS, FeedStatus):
        if status.source == source:
            found.setdefault(partition, []).append(status)
    return found


def dead_letters(space: Space, source: str) -> list[tuple[bytes, bytes, dict[str, str]]]:
    """Return key, value and headers of a source's dead letters."""
    found = []
    for m in messages(space, DEAD_LETTERS):
        headers: Any = m.headers() or []
        key = m.key() or b""
        if key == source.encode() or key.startswith(f"{source}:".encode()):
            found.append((key, m.value() or b"", {name: value.decode() for name, value in headers}))
    return found
