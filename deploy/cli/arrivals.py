"""SHELL (Kafka). What is on the topics, read to their present end; for the demo's account."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from deploy.cli.account import Identity
from schemas.codec import Decoder
from schemas.records import Quote, Record, Trade
from schemas.registry import Registry
from schemas.topics import QUOTES, TRADES, Topic
from schemas.wire import WireError

R = TypeVar("R", bound=Record)
_CALL_S = 10.0
_STALL_S = 20.0


def trades(kafka: str, registry: str, prefix: str, source: str) -> Counter[Identity]:
    """Return the trades of `source` that reached Kafka, each once whatever was delivered twice; not price updates."""
    found = _records(kafka, registry, TRADES.name(prefix), Trade)
    kept = {_number(t): t for t in found if t.source == source and t.kind == "trade"}
    return Counter(Identity(t.symbol, t.event_time, (t.price, t.size)) for t in kept.values())


def quotes(kafka: str, registry: str, prefix: str, source: str) -> Counter[Identity]:
    """Return the quotes of `source` that reached Kafka, each once whatever was delivered twice."""
    found = _records(kafka, registry, QUOTES.name(prefix), Quote)
    kept = {_number(q): q for q in found if q.source == source}
    return Counter(Identity(q.symbol, q.event_time, (q.bid, q.ask, q.bid_size, q.ask_size)) for q in kept.values())


def _number(record: Trade | Quote) -> tuple[str, int, int]:
    return record.symbol, record.epoch, record.sequence


def _records(kafka: str, registry: str, name: str, kind: type[R]) -> Iterator[R]:
    decode: Decoder[R] = Decoder(kind, Registry(registry).schema_by_id)
    for message in _read(kafka, name):
        with contextlib.suppress(WireError):  # counted where it went: among the dead letters
            yield decode(message.value())


def count(kafka: str, topic: Topic, prefix: str, source: str) -> int:
    """Return how many records on a topic have a key of `source`: its own name, or that of an instrument."""
    return sum((message.key() or b"").partition(b":")[0] == source.encode() for message in _read(kafka, topic.name(prefix)))


def ends(kafka: str, topics: Iterable[Topic], prefix: str) -> dict[tuple[str, int], int]:
    """Return (topic, partition) -> the offset after its last record."""
    consumer = _consumer(kafka)
    try:
        names = [topic.name(prefix) for topic in topics]
        return {(name, part): end for name in names for part, (_, end) in _bounds(consumer, name).items()}
    finally:
        consumer.close()


def _read(kafka: str, name: str) -> Iterator[Message]:
    consumer = _consumer(kafka)
    try:
        bounds = {part: (begin, end) for part, (begin, end) in _bounds(consumer, name).items() if end > begin}
        consumer.assign([TopicPartition(name, part, OFFSET_BEGINNING) for part in bounds])
        open_parts, heard = set(bounds), time.monotonic()
        while open_parts:
            messages = consumer.consume(5000, 0.2)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > _STALL_S:
                raise ConnectionError(f"Kafka at {kafka} has not sent the rest of {name} for {_STALL_S:g} s")
            for message in messages:
                part, offset = message.partition(), message.offset()
                if message.error() or part is None or offset is None or part not in open_parts:
                    continue
                end = bounds[part][1]
                if offset < end:
                    yield message
                if offset + 1 >= end:
                    open_parts.discard(part)
    finally:
        consumer.close()


def _consumer(kafka: str) -> Consumer:
    # The group's name is needed and never used: nothing is committed.
    return Consumer({"bootstrap.servers": kafka, "group.id": "candlewick-demo-reader", "enable.auto.commit": False})


def _bounds(consumer: Consumer, name: str) -> dict[int, tuple[int, int]]:
    parts = consumer.list_topics(name, timeout=_CALL_S).topics[name].partitions
    bounds = {}
    for part in parts:
        limits = consumer.get_watermark_offsets(TopicPartition(name, part), timeout=_CALL_S)
        if limits is None:
            raise ConnectionError(f"Kafka does not say how long {name} is")
        bounds[part] = limits
    return bounds
