"""SHELL (Kafka). Topics read again at full speed: inputs partition by partition, outputs to their highest versions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from processor.audit.book import CandleKey
from processor.audit.content import Out, Published
from processor.audit.rebuild import Place, Row
from schemas import topics
from schemas.codec import Decoder, SchemaById
from schemas.records import Candle, Gap
from schemas.timeframes import Timeframe
from schemas.wire import WireError

CALL_S = 30.0
"""Limit of a request, and of waiting for the next record of a partition that has one."""
PORTION = 50_000
"""Records read at once (our choice: what the processor decodes at once)."""
_WAIT_S = 0.2
_INPUTS = frozenset(t.dataset for t in topics.INPUTS)
Bounds = tuple[int, int]
"""Offset of the oldest retained record, and the offset after the newest."""


class ReadError(Exception):
    """Kafka does not answer, or a topic is missing; one line for people."""


class Reader:
    """Reads single partitions between two offsets, without a group. Reading on where a dataset was left loses no prefetch."""

    def __init__(self, bootstrap: str, options: Mapping[str, str], prefix: str) -> None:
        self._bootstrap: dict[str, str | int | float | bool] = {"bootstrap.servers": bootstrap, **options}
        self._prefix = prefix
        self._consumers: dict[str, Consumer] = {}
        """By input dataset; all outputs share one."""
        self._next: dict[str, tuple[str, int, int]] = {}
        """What each consumer reads next: topic, partition, offset."""

    def _consumer(self, dataset: str = "") -> Consumer:
        if dataset not in self._consumers:
            self._consumers[dataset] = Consumer(
                {
                    **self._bootstrap,
                    "group.id": f"{self._prefix}-audit",  # demanded by the client; nothing is ever committed
                    "enable.auto.commit": False,
                    "auto.offset.reset": "error",
                    "enable.partition.eof": True,
                    "queued.min.messages": 1_000_000,  # the default backs off for a second whenever 100,000 wait
                    "queued.max.messages.kbytes": 256_000,
                    "fetch.queue.backoff.ms": 10,
                    "fetch.wait.max.ms": 50,
                }
            )
        return self._consumers[dataset]

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for consumer in self._consumers.values():
            consumer.close()

    def bounds(self, dataset: str) -> dict[int, Bounds]:
        """Return the offsets of every partition of a dataset's topic.

        Raises:
            ReadError: it is not there, or Kafka does not answer.
        """
        name = topics.topic_name(dataset, self._prefix)
        try:
            consumer = self._consumer()
            found = consumer.list_topics(timeout=CALL_S).topics.get(name)
            if found is None or found.error is not None:
                raise ReadError(f"there is no topic {name}")
            parts = sorted(found.partitions)
            return {p: consumer.get_watermark_offsets(TopicPartition(name, p), timeout=CALL_S) for p in parts}
        except KafkaException as error:
            raise ReadError(f"no answer from Kafka: {error.args[0]}") from error

    def committed(self, datasets: Sequence[str], partitions: Sequence[int]) -> dict[tuple[str, int], int]:
        """Return how far the processor's group has committed, where it has; everything below has had its effect.

        Raises:
            ReadError: Kafka does not answer.
        """
        dataset_of = {topics.topic_name(d, self._prefix): d for d in datasets}
        group = topics.group_name(topics.PROCESSOR_GROUP, self._prefix)
        request = ConsumerGroupTopicPartitions(group, [TopicPartition(t, p) for t in dataset_of for p in partitions])
        try:
            admin = AdminClient(self._bootstrap)  # held until it has answered: a client that is gone never does
            answer = admin.list_consumer_group_offsets([request], request_timeout=CALL_S)[group].result(timeout=CALL_S)
        except (KafkaException, TimeoutError) as error:
            raise ReadError(f"no answer from Kafka: {error or 'in time'}") from error
        return {
            (dataset_of[tp.topic], tp.partition): tp.offset
            for tp in answer.topic_partitions or []
            if tp.error is None and tp.offset >= 0
        }

    def read(self, dataset: str, partition: int, first: int, end: int) -> Iterator[tuple[list[Row], int]]:
        """Yield portions of a partition's records between two offsets, each with the offset it reaches; the last reaches `end`.

        Raises:
            ReadError: no record comes although there should be one.
        """
        for messages, reached in self._messages(dataset, partition, first, end):
            yield [Row(m.offset(), m.key(), m.value()) for m in messages], reached

    def origins(self, partition: int, first: int, end: int) -> Iterator[Place]:
        """Yield where the records of one partition of dead-letters came from, for those that say it."""
        dataset_of = {t.name(self._prefix): t.dataset for t in topics.INPUTS}
        for messages, _ in self._messages(topics.DEAD_LETTERS.dataset, partition, first, end):
            for m in messages:
                told = {name: value.decode(errors="replace") for name, value in m.headers() or []}
                part, offset = (told.get(f"__connect.errors.{name}", "") for name in ("partition", "offset"))
                if told.get("__connect.errors.topic") in dataset_of and part.isdecimal() and offset.isdecimal():
                    yield Place(dataset_of[told["__connect.errors.topic"]], int(part), int(offset))

    def _messages(self, dataset: str, partition: int, first: int, end: int) -> Iterator[tuple[list[Any], int]]:
        if first >= end:
            return
        name = topics.topic_name(dataset, self._prefix)
        which = dataset if dataset in _INPUTS else ""
        consumer = self._consumer(which)
        if self._next.get(which) != (name, partition, first):
            consumer.assign([TopicPartition(name, partition, first)])
        deadline = time.monotonic() + CALL_S
        while first < end:
            messages: list[Any] = consumer.consume(min(PORTION, end - first), _WAIT_S)
            if not messages:
                if time.monotonic() > deadline:
                    raise ReadError(f"{name} partition {partition}: nothing after offset {first} for {CALL_S:.0f} s")
                continue
            deadline = time.monotonic() + CALL_S
            good = [m for m in messages if m.error() is None]
            if len(good) < len(messages):
                first = max(first, *(self._reached(m, name) for m in messages if m.error() is not None))
            if good:
                first = max(first, good[-1].offset() + 1)
                if first > end:  # there were holes, so that more came than was asked for
                    good = [m for m in good if m.offset() < end]
            self._next[which] = (name, partition, first)
            yield good, min(first, end)

    @staticmethod
    def _reached(message: Any, name: str) -> int:
        error = message.error()
        if error.code() != KafkaError._PARTITION_EOF:
            raise ReadError(f"{name}: {error}")
        return int(message.offset())


def read_published(
    reader: Reader,
    timeframes: Sequence[Timeframe],
    schema_by_id: SchemaById,
    wanted: Callable[[str, int], bool],
    ends: Mapping[tuple[str, int], Bounds],
) -> Published:
    """Return the highest versions on the candle and gap topics, between `ends`.

    Args:
        reader: reads the topics.
        timeframes: whose candles.
        schema_by_id: finds a writer's schema.
        wanted: says by series and start (a gap's beginning) what is of interest.
        ends: bounds by (dataset, partition).
    """
    published = Published()
    candle, gap = Decoder(Candle, schema_by_id), Decoder(Gap, schema_by_id)
    datasets = {topics.candles_dataset(t.name) for t in timeframes} | {topics.GAPS.dataset}
    for (dataset, partition), (low, end) in ends.items():
        if dataset not in datasets:
            continue
        for rows, _ in reader.read(dataset, partition, low, end):
            for row in rows:
                try:
                    record: Candle | Gap = gap(row.value) if dataset == topics.GAPS.dataset else candle(row.value)
                except WireError:
                    published.undecodable.append((dataset, partition, row.offset))
                    continue
                if low > 0:
                    published.begins.setdefault((dataset, partition), record.updated_at)
                if wanted(record.series, record.from_time if isinstance(record, Gap) else record.start):
                    _keep_highest(published, record, partition, row.offset)
    return published


def _keep_highest(published: Published, record: Candle | Gap, partition: int, offset: int) -> None:
    out = Out(vars(record), partition, offset)
    if isinstance(record, Gap):
        told = published.gaps.get(record.gap_id)
        if told is None or record.version >= told.content["version"]:
            published.gaps[record.gap_id] = out
    else:
        key = CandleKey(record.series, record.timeframe, record.start)
        known = published.candles.get(key)
        if known is None or record.version >= known.content["version"]:
            published.candles[key] = out


def read_late(reader: Reader, ends: Mapping[tuple[str, int], Bounds]) -> set[tuple[bytes | None, bytes | None]]:
    """Return key and value of everything on late-trades."""
    dataset = topics.LATE_TRADES.dataset
    return {
        (row.key, row.value)
        for (name, partition), (low, end) in ends.items()
        if name == dataset
        for rows, _ in reader.read(dataset, partition, low, end)
        for row in rows
    }


def read_dead(reader: Reader, ends: Mapping[tuple[str, int], Bounds]) -> set[Place]:
    """Return where the input stands that is on dead-letters."""
    dataset = topics.DEAD_LETTERS.dataset
    return {
        place
        for (name, partition), (low, end) in ends.items()
        if name == dataset
        for place in reader.origins(partition, low, end)
    }
