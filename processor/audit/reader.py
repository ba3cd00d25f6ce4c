"""SHELL (Kafka). Topics read again at full speed, without a group and between two offsets."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # exported, not declared

from processor.audit.rebuild import Row
from schemas import topics

CALL_S = 30.0
"""Limit of a request, and of waiting for the next record of a partition that has one."""
PORTION = 50_000
"""Records read at once (our choice: what the processor decodes at once)."""
_WAIT_S = 0.1
_EARLIEST: Any = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]
Part = tuple[str, int]
"""(dataset, partition)."""
Bounds = tuple[int, int]
"""Offset of the oldest retained record, and the offset after the newest."""


class ReadError(Exception):
    """Kafka does not answer, or a topic is missing; one line for people."""


class Reader:
    """Asks for offsets, and reads partitions: inputs one by one, outputs all at once."""

    def __init__(self, bootstrap: str, options: Mapping[str, str], prefix: str) -> None:
        self._bootstrap: dict[str, str | int | float | bool] = {"bootstrap.servers": bootstrap, **options}
        self._prefix = prefix
        self._admin = AdminClient(self._bootstrap)
        self._consumers: dict[Part, tuple[Consumer, int]] = {}
        """Inputs being read, with the offset that comes next: reading on from there loses no prefetch."""

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number in {p for _, p in self._consumers}:
            self.leave(number)

    # Offsets

    def bounds(self, datasets: Iterable[str]) -> dict[Part, Bounds]:
        """Return the offsets of every partition of the datasets' topics.

        Raises:
            ReadError: a topic is missing, or Kafka does not answer.
        """
        dataset_of = {topics.topic_name(d, self._prefix): d for d in datasets}
        try:
            known = self._admin.list_topics(timeout=CALL_S).topics
            if absent := sorted(dataset_of.keys() - known.keys()):
                raise ReadError(f"there is no topic {absent[0]}")
            parts = [TopicPartition(t, p) for t in dataset_of for p in known[t].partitions]
            first, end = (self._offsets(parts, spec) for spec in (_EARLIEST, _LATEST))
        except (KafkaException, TimeoutError) as error:
            raise ReadError(f"no answer from Kafka: {error or 'in time'}") from error
        return {(dataset_of[topic], p): (first[topic, p], end[topic, p]) for topic, p in sorted(first)}

    def _offsets(self, parts: Sequence[TopicPartition], spec: Any) -> dict[tuple[str, int], int]:
        answers = self._admin.list_offsets(dict.fromkeys(parts, spec), request_timeout=CALL_S)
        return {(tp.topic, tp.partition): int(f.result(timeout=CALL_S).offset) for tp, f in answers.items()}

    def committed(self, parts: Iterable[Part]) -> dict[Part, int]:
        """Return how far the processor's group has committed, where it has; everything below has had its effect.

        Raises:
            ReadError: Kafka does not answer.
        """
        part_of = {(topics.topic_name(d, self._prefix), p): (d, p) for d, p in parts}
        group = topics.group_name(topics.PROCESSOR_GROUP, self._prefix)
        request = ConsumerGroupTopicPartitions(group, [TopicPartition(t, p) for t, p in part_of])
        try:
            answer = self._admin.list_consumer_group_offsets([request], request_timeout=CALL_S)[group].result(timeout=CALL_S)
        except (KafkaException, TimeoutError) as error:
            raise ReadError(f"no answer from Kafka: {error or 'in time'}") from error
        found = answer.topic_partitions or []
        return {part_of[tp.topic, tp.partition]: tp.offset for tp in found if tp.error is None and tp.offset >= 0}

    # Inputs

    def prepare(self, number: int, starts: Mapping[str, int]) -> None:
        """Begin to fetch one partition of the datasets in `starts` in the background, from these offsets."""
        for dataset, first in starts.items():
            self._assigned((dataset, number), first)

    def leave(self, number: int) -> None:
        """Cease to fetch one partition of the inputs."""
        for part in [part for part in self._consumers if part[1] == number]:
            self._consumers.pop(part)[0].close()

    def _assigned(self, part: Part, first: int) -> Consumer:
        consumer, following = self._consumers.get(part, (None, -1))
        if consumer is None:
            consumer = self._new_consumer()
        if following != first:
            consumer.assign([TopicPartition(topics.topic_name(part[0], self._prefix), part[1], first)])
        self._consumers[part] = consumer, first
        return consumer

    def _new_consumer(self) -> Consumer:
        return Consumer(
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

    def read(self, dataset: str, number: int, first: int, end: int) -> Iterator[tuple[list[Row], int]]:
        """Yield portions of an input's partition between two offsets, each with the offset it reaches; the last reaches `end`.

        Raises:
            ReadError: no record comes although there should be one.
        """
        if first >= end:
            return
        part = dataset, number
        consumer = self._assigned(part, first)
        while first < end:
            messages = _some(consumer, end - first, f"{dataset} partition {number}")
            if any(map(Message.error, messages)):
                first = max(first, *(_end_told(m) for m in messages if m.error() is not None))
                messages = [m for m in messages if m.error() is None]
            # Column by column and without calling Row: one by one it would cost as much as decoding does.
            offsets: list[int] = list(map(Message.offset, messages))  # type: ignore[arg-type]  # only an error has none
            fields = zip(offsets, map(Message.key, messages), map(Message.value, messages), strict=True)
            rows = list(map(partial(tuple.__new__, Row), fields))
            if offsets:
                first = max(first, offsets[-1] + 1)
                if first > end:  # there were holes, so that more came than was asked for
                    rows = [r for r in rows if r.offset < end]
            self._consumers[part] = consumer, first
            yield rows, min(first, end)

    # Outputs

    def read_all(self, ends: Mapping[Part, Bounds]) -> Iterator[tuple[Part, Any]]:
        """Yield every message of these partitions between their bounds, in order within each.

        Raises:
            ReadError: no record comes although there should be one.
        """
        part_of = {(topics.topic_name(d, self._prefix), p): (d, p) for d, p in ends}
        left = {part: bounds for part, bounds in ends.items() if bounds[0] < bounds[1]}
        at = {part: low for part, (low, _) in left.items()}
        if not left:
            return
        consumer = self._new_consumer()
        consumer.assign([TopicPartition(topics.topic_name(d, self._prefix), p, low) for (d, p), low in at.items()])

        try:
            while (remaining := sum(max(0, left[part][1] - at[part]) for part in left)) > 0:
                for m in _some(consumer, remaining, "the outputs"):
                    part = part_of[m.topic(), m.partition()]
                    if m.error() is not None:
                        at[part] = max(at[part], _end_told(m))
                        continue
                    at[part] = m.offset() + 1
                    if at[part] <= left[part][1]:
                        yield part, m
        finally:
            consumer.close()


def _some(consumer: Consumer, wanted: int, what: str) -> list[Any]:
    deadline = time.monotonic() + CALL_S
    while time.monotonic() < deadline:
        messages: list[Any] = consumer.consume(min(PORTION, wanted), _WAIT_S)
        if messages:
            return messages
    raise ReadError(f"{what}: nothing came for {CALL_S:.0f} s although {wanted} records are left")


def _end_told(message: Any) -> int:
    error = message.error()
    if error.code() != KafkaError._PARTITION_EOF:
        raise ReadError(f"{message.topic()}: {error}")
    return int(message.offset())
