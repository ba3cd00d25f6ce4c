"""SHELL (Kafka). Gaps written by hand, as the processor would, for tests of those who fill them."""

from __future__ import annotations

from confluent_kafka import Producer, murmur2

from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import Gap, GapCause, instrument_of
from schemas.registry import Registry
from schemas.topics import GAPS
from tests.support.stack import Space

VERSION = 10**13


def a_gap(source: str, symbol: str, cause: GapCause, from_us: int, to_us: int) -> Gap:
    """Return a closed gap that may be filled."""
    series = instrument_of(source, symbol)
    version = max(1, VERSION - (to_us - from_us))
    name = f"{series}|{cause}|{from_us}"
    return Gap(name, series, source, symbol, "trade", from_us, to_us, cause, state="closed", version=version, fillable=True)


def tell(space: Space, *gaps: Gap) -> None:
    """Write gaps to their topic, each in its instrument's partition."""
    topic = GAPS.name(space.prefix)
    encode = Encoder(Gap, Registry(space.registry).lookup(GAPS.subject(space.prefix), schema_text(Gap)))
    producer = Producer({"bootstrap.servers": space.kafka})
    partitions = len(producer.list_topics(topic, timeout=60).topics[topic].partitions)
    for gap in gaps:
        partition = murmur2(instrument_of(gap.source, gap.symbol).encode(), partitions)
        producer.produce(topic, encode(gap), gap.series.encode(), partition)
    assert producer.flush(20) == 0
