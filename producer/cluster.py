"""SHELL (Kafka and registry, at the start). What a producer has to know before it may write: ids, partitions, ends, epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # exported, not declared

from producer.errors import FatalError
from schemas.avro import schema_text
from schemas.codec import Decoder
from schemas.records import FeedStatus, HistoryCandle, Quote, Record, Trade
from schemas.registry import Registry, RegistryError
from schemas.topics import DEAD_LETTERS, FEED_STATUS, HISTORY, QUOTES, TRADES, Topic
from schemas.wire import WireError

TIMEOUT_S = 20.0
EPOCHS_BACK = 1000
"""Statuses looked at for the newest epoch. Our choice: a quarter of an hour of one source; epochs are clock times, so this
only matters when the clock was set back."""


@dataclass(frozen=True)
class Cluster:
    """``ends`` maps (topic, partition) of trades, quotes and history to the topic's end; ``last_epoch`` is the source's."""

    schema_ids: dict[type[Record], int]
    partitions: int
    ends: dict[tuple[str, int], int]
    last_epoch: int | None


def survey(kafka: str, registry: str, prefix: str, source: str, options: Mapping[str, Any]) -> Cluster:
    """Ask the registry and the brokers.

    Raises:
        FatalError: one does not answer, a schema is not registered, or a topic is missing or has another number of partitions.
    """
    subjects: tuple[tuple[Topic, type[Record]], ...] = (
        (TRADES, Trade),
        (QUOTES, Quote),
        (FEED_STATUS, FeedStatus),
        (HISTORY, HistoryCandle),
    )
    client = Registry(registry)
    try:
        ids = {record: client.lookup(topic.subject(prefix), schema_text(record)) for topic, record in subjects}
    except RegistryError as error:
        raise FatalError(str(error)) from error
    try:
        admin = AdminClient({**options, "bootstrap.servers": kafka})
        partitions = _partitions(admin, prefix)
        tps = [TopicPartition(t.name(prefix), p) for t in (TRADES, QUOTES, HISTORY) for p in range(partitions)]
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        answers = admin.list_offsets(dict.fromkeys(tps, latest), request_timeout=TIMEOUT_S)
        ends = {(tp.topic, tp.partition): int(f.result().offset) for tp, f in answers.items()}
        last_epoch = _last_epoch(kafka, options, client, FEED_STATUS.name(prefix), source)
    except KafkaException as error:
        raise FatalError(f"Kafka at {kafka}: {error.args[0].str()}") from error
    return Cluster(ids, partitions, ends, last_epoch)


def _partitions(admin: AdminClient, prefix: str) -> int:
    known = admin.list_topics(timeout=TIMEOUT_S).topics
    counts: dict[str, int] = {}
    for topic in (TRADES, QUOTES, HISTORY, FEED_STATUS, DEAD_LETTERS):
        name = topic.name(prefix)
        if name not in known:
            raise FatalError(f"the topic {name} does not exist: run `candlewick topics apply` first")
        counts[name] = len(known[name].partitions)
    if len(set(counts.values())) != 1:
        raise FatalError(f"these topics need one number of partitions, and have {counts}")
    return next(iter(counts.values()))


def _last_epoch(kafka: str, options: Mapping[str, Any], registry: Registry, topic: str, source: str) -> int | None:
    # Every partition holds the same states, so the end of one is enough.
    decode = Decoder(FeedStatus, registry.schema_by_id)
    consumer = Consumer({**options, "bootstrap.servers": kafka, "group.id": "candlewick-unused", "enable.auto.commit": False})
    newest: int | None = None
    try:
        low, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=TIMEOUT_S)
        consumer.assign([TopicPartition(topic, 0, max(low, end - EPOCHS_BACK) if end > low else OFFSET_END)])
        deadline = monotonic() + TIMEOUT_S
        at = max(low, end - EPOCHS_BACK)
        while at < end and monotonic() < deadline:
            message = consumer.poll(1.0)
            if message is None or message.error() is not None:
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
