"""SHELL (Kafka). What a processor published on a space's topics, reduced to what a consumer keeps: the highest versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.codec import Decoder
from schemas.records import Candle, Gap
from schemas.registry import Registry
from schemas.topics import FEED_STATUS, GAPS, PROCESSOR_GROUP, TRADES, Topic, candles_dataset, group_name
from tests.support.published import messages
from tests.support.stack import Space

Place = tuple[str, int]


class Span(NamedTuple):
    """A gap as a consumer sees it: to is None while it is open."""

    series: str
    cause: str
    start: int
    end: int | None


def candle_topic(timeframe: str) -> Topic:
    """Return the topic of a timeframe's closed candles."""
    return Topic(candles_dataset(timeframe), Candle, "series", "")


def candles(space: Space, timeframe: str) -> list[Candle]:
    """Return every closed candle ever published, in the order of each partition."""
    decode = Decoder(Candle, Registry(space.registry).schema_by_id)
    return [decode(m.value()) for m in messages(space, candle_topic(timeframe))]


def latest(published: Iterable[Candle]) -> dict[tuple[str, int], Candle]:
    """Return the highest version by (series, start), content only: how and when it was published is taken off."""
    found: dict[tuple[str, int], Candle] = {}
    for candle in published:
        place = candle.series, candle.start
        if place not in found or candle.version > found[place].version:
            found[place] = candle
    return {place: content(candle) for place, candle in found.items()}


def content(candle: Candle) -> Candle:
    """Return the candle without what tells how and when it was published (ARCHITECTURE, R1)."""
    return replace(candle, state="final", reason="none", updated_at=0, input_partition=-1, input_offset=-1)


def buried(published: Iterable[Candle]) -> list[tuple[str, int, int, int]]:
    """Return (series, start, highest version, last version) where a lower version was published after the highest."""
    highest: dict[tuple[str, int], int] = {}
    last: dict[tuple[str, int], int] = {}
    for candle in published:
        place = candle.series, candle.start
        highest[place] = max(highest.get(place, 0), candle.version)
        last[place] = candle.version
    return [(*place, highest[place], version) for place, version in last.items() if version < highest[place]]


def gap_records(space: Space) -> list[Gap]:
    """Return every gap record ever published."""
    decode = Decoder(Gap, Registry(space.registry).schema_by_id)
    return [decode(m.value()) for m in messages(space, GAPS)]


def spans(records: Iterable[Gap]) -> set[Span]:
    """Return the gaps that are left when the highest version of each wins and empty ones are taken off."""
    top: dict[str, Gap] = {}
    for gap in records:
        if gap.gap_id not in top or gap.version >= top[gap.gap_id].version:
            top[gap.gap_id] = gap
    return {Span(g.series, g.cause, g.from_time, g.to_time) for g in top.values() if g.to_time != g.from_time}


def clipped(found: Iterable[Span], cut: int) -> set[Span]:
    """Return the gaps before `cut`, those that reach over it ending there."""
    return {s._replace(end=cut if s.end is None else min(s.end, cut)) for s in found if s.start < cut}


def ends(space: Space) -> dict[Place, int]:
    """Return the present end of every partition of trades and statuses."""
    consumer = Consumer({"bootstrap.servers": space.kafka, "group.id": "unused"})
    try:
        names = [t.name(space.prefix) for t in (TRADES, FEED_STATUS)]
        numbers = consumer.list_topics(names[0], timeout=60).topics[names[0]].partitions
        return {(n, p): consumer.get_watermark_offsets(TopicPartition(n, p), timeout=60)[1] for n in names for p in numbers}
    finally:
        consumer.close()


def committed(space: Space, upto: Mapping[Place, int]) -> bool:
    """Tell whether the processor's group has committed at least these offsets."""
    consumer = Consumer({"bootstrap.servers": space.kafka, "group.id": group_name(PROCESSOR_GROUP, space.prefix)})
    try:
        found = consumer.committed([TopicPartition(*place) for place in upto], timeout=60)
        return all(t.offset >= upto[t.topic, t.partition] for t in found)
    finally:
        consumer.close()


def copy(source: Space, target: Space, upto: Mapping[Place, int]) -> dict[Place, int]:
    """Write a space's trades and statuses below `upto` to another space, each to its partition; return the ends there."""
    producer = Producer({"bootstrap.servers": target.kafka, "enable.idempotence": True, "linger.ms": 20})
    for topic in (TRADES, FEED_STATUS):
        for m in messages(source, topic):
            if (m.offset() or 0) < upto[topic.name(source.prefix), m.partition() or 0]:
                while True:
                    try:
                        producer.produce(topic.name(target.prefix), m.value(), m.key(), m.partition() or 0)
                        break
                    except BufferError:
                        producer.poll(0.1)
    assert producer.flush(60) == 0
    return ends(target)
