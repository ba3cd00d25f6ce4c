"""SHELL (Kafka). What is on the topics, read to their present end; for the demo's account."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from deploy.cli.account import Identity
from schemas.codec import Decoder
from schemas.records import Trade
from schemas.registry import Registry
from schemas.topics import TRADES, Topic
from schemas.wire import WireError

_CALL_S = 10.0
_STALL_S = 20.0


def trades(kafka: str, registry: str, prefix: str, source: str) -> Counter[Identity]:
    """Return the trades of `source` that reached Kafka, each once whatever was delivered twice; not price updates."""
    decode: Decoder[Trade] = Decoder(Trade, Registry(registry).schema_by_id)
    found: Counter[Identity] = Counter()
    seen: set[tuple[str, int, int]] = set()
    for message in _read(kafka, TRADES.name(prefix)):
        try:
            trade = decode(message.value())
        except WireError:
            continue  # counted where it went: among the dead letters
        number = (trade.symbol, trade.epoch, trade.sequence)
        if trade.source == source and trade.kind == "trade" and number not in seen:
            seen.add(number)
            found[Identity(trade.symbol, trade.event_time, trade.price, trade.size)] += 1
    return found


def count(kafka: str, topic: Topic, prefix: str) -> int:
    """Return how many records are on a topic."""
    consumer = _consumer(kafka)
    try:
        return sum(end - begin for begin, end in _bounds(consumer, topic.name(prefix)).values())
    finally:
        consumer.close()


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
