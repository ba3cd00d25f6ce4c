"""SHELL (Kafka). What stands on a space's topics, read from the beginning to the end of now."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from confluent_kafka import Consumer, Message, TopicPartition

from deploy.cli import subjects, topics
from schemas import timeframes
from schemas.codec import Decoder
from schemas.records import Candle, FeedStatus, Gap, HistoryCandle, Quote, Record, Trade
from schemas.registry import Registry
from schemas.topics import CANDLES_LIVE, DEAD_LETTERS, FEED_STATUS, GAPS, HISTORY, QUOTES, TRADES, Topic, candles_dataset
from tests.support.stack import Servers, Space

R = TypeVar("R", bound=Record)
_counter = itertools.count()
FOREIGN = b"foreign"
"""Key of messages that a test wrote to break the contract on purpose."""


@contextmanager
def corner(servers: Servers, names: str = "1m") -> Iterator[Space]:
    """Yield topics and subjects of their own, without tables: there in a second. `names` are the timeframes."""
    name = f"p{os.getpid()}x{next(_counter)}"
    frames = timeframes.parse_list(names)
    wanted = topics.wanted_topics(name, frames, 4, 1)
    topics.apply(servers.kafka, wanted)
    subjects.apply(Registry(servers.registry), name, frames)
    env = servers.targets().env() | {
        "CANDLEWICK_TOPIC_PREFIX": name,
        "CANDLEWICK_METRICS_PORT": "0",
        "CANDLEWICK_TIMEFRAMES": names,
    }
    yield Space(name, "none", env, servers.kafka, servers.registry, servers.cassandra)
    topics.delete(servers.kafka, [t.topic for t in wanted])


def count(space: Space, topic: Topic) -> int:
    """Return how many messages stand on a topic."""
    with _consumer(space) as consumer:
        return sum(end for _, end in _ends(consumer, topic.name(space.prefix)))


def messages(space: Space, topic: Topic, only: int | None = None) -> list[Message]:
    """Return every message of a topic, or of one partition, partition by partition, in order."""
    found: list[Message] = []
    with _consumer(space) as consumer:
        name = topic.name(space.prefix)
        for partition, end in _ends(consumer, name):
            if only not in (None, partition):
                continue
            consumer.assign([TopicPartition(name, partition, 0)])
            at = 0
            while at < end:
                message = consumer.poll(20.0)
                assert message is not None, f"{name} [{partition}] stops at {at} of {end}"
                if message.error() is None:
                    found.append(message)
                    at = (message.offset() or 0) + 1
    return found


@contextmanager
def _consumer(space: Space) -> Iterator[Consumer]:
    options = {"bootstrap.servers": space.kafka, "group.id": "tests-unused", "enable.auto.commit": False, "fetch.wait.max.ms": 50}
    consumer = Consumer(options)
    try:
        yield consumer
    finally:
        consumer.close()


def _ends(consumer: Consumer, name: str) -> list[tuple[int, int]]:
    partitions = consumer.list_topics(name, timeout=60).topics[name].partitions
    return [(p, consumer.get_watermark_offsets(TopicPartition(name, p), timeout=60)[1]) for p in sorted(partitions)]


def ends(space: Space, topic: Topic, source: str) -> dict[int, int]:
    """Return, by partition, the offset after the last record of a source, where it has one; keys tell the source."""
    ours = [m for m in messages(space, topic) if (m.key() or b"").startswith(f"{source}:".encode())]
    return {m.partition() or 0: (m.offset() or 0) + 1 for m in ours}


def _records(space: Space, topic: Topic, record: type[R], only: int | None = None) -> list[tuple[int, R]]:
    decode = Decoder(record, Registry(space.registry).schema_by_id)
    return [(m.partition() or 0, decode(m.value())) for m in messages(space, topic, only) if m.key() != FOREIGN]


def trades(space: Space, source: str) -> list[Trade]:
    """Return a source's trades."""
    return [record for _, record in _records(space, TRADES, Trade) if record.source == source]


def quotes(space: Space, source: str) -> list[Quote]:
    """Return a source's quotes."""
    return [record for _, record in _records(space, QUOTES, Quote) if record.source == source]


def history(space: Space, source: str) -> list[HistoryCandle]:
    """Return a source's history records: candles and results."""
    return [record for _, record in _records(space, HISTORY, HistoryCandle) if record.source == source]


def gaps(space: Space, source: str) -> list[Gap]:
    """Return every record of a source's gaps, all versions."""
    return [record for _, record in _records(space, GAPS, Gap) if record.source == source]


def candles(space: Space, timeframe: str) -> list[Candle]:
    """Return every record of the candles of a timeframe, closed and live, all versions."""
    closed = Topic(candles_dataset(timeframe), Candle, "", "")
    return [c for topic in (closed, CANDLES_LIVE) for _, c in _records(space, topic, Candle) if c.timeframe == timeframe]


def statuses(space: Space, source: str, only: int | None = None) -> dict[int, list[FeedStatus]]:
    """Return a source's statuses by partition, of all or of one."""
    found: dict[int, list[FeedStatus]] = {}
    for partition, status in _records(space, FEED_STATUS, FeedStatus, only):
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
