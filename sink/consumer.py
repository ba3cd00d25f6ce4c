"""SHELL (Kafka). One consumer of the sink's group over some of its topics: take, pause, commit, and the rebalances between.

The sink reads in two lanes, so that a burst of trades never stands before a candle: both are members of one group with different
subscriptions, and one thread serves both. Between two calls of `take` everything taken has been written, unless the store
does not answer; then `idle` keeps the membership alive.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from sink.errors import FatalError
from sink.offsets import Offsets, Partition, Span

_log = structlog.get_logger()
_FATAL = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,
    KafkaError._INVALID_ARG,
    KafkaError._FATAL,
}
_LINGER_S = 0.005
"""After the first record of a poll: lets the candles of one moment share batches, at little cost to their latency."""


class Lane:
    """A consumer with the bookkeeping of its partitions."""

    def __init__(
        self,
        name: str,
        topics: Sequence[str],
        group: str,
        kafka: str,
        options: dict[str, Any],
        lag_us: int,
    ) -> None:
        self.name = name
        self._group = group
        self.offsets = Offsets(lag_us)
        self._stash: list[Message] = []
        self._paused = False
        self.before_handover: Callable[[], None] = lambda: None
        """Called when partitions are about to go to another sink, within `take` or `idle`; must not call these."""
        self.assigned: set[Partition] = set()
        common = {
            "bootstrap.servers": kafka,
            "group.id": group,
            "client.id": f"candlewick-sink-{name}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            # A killed sink is missed after 6 s (the broker's smallest), heartbeats come from the client's own thread.
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 2000,
            "max.poll.interval.ms": 300_000,
            "log_level": 3,
            # The default of 1 s stops reading whenever the local queue was full.
            "fetch.queue.backoff.ms": 5,
            "queued.min.messages": 20_000,
            "queued.max.messages.kbytes": 16_384,
        }
        self._consumer = Consumer({**common, **options})
        self._consumer.subscribe(list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def take(self, most: int, timeout_s: float) -> tuple[list[Message], list[Span]]:
        """Return up to `most` records and the spans they make; waits up to `timeout_s` for the first.

        Raises:
            FatalError: a topic is missing, or Kafka refuses us.
        """
        messages, self._stash = self._stash, []
        if len(messages) < most:
            first = self._consumer.poll(timeout_s if not messages else 0)
            if first is not None:
                messages.append(first)
                linger_s = _LINGER_S if timeout_s else 0
                messages += self._consumer.consume(max(1, most - len(messages)), linger_s)
        messages = [m for m in messages if self._is_record(m)]
        return messages, self._spans(messages)

    def _spans(self, messages: list[Message]) -> list[Span]:
        ends: dict[Partition, tuple[int, int]] = {}
        for message in messages:
            partition, offset = (str(message.topic()), int(message.partition() or 0)), int(message.offset() or 0)
            first = ends[partition][0] if partition in ends else offset
            ends[partition] = (first, offset + 1)
        return [self.offsets.take(partition, first, end) for partition, (first, end) in ends.items()]

    def pause(self) -> None:
        """Stop fetching; partitions assigned meanwhile are paused too."""
        self._paused = True
        self._consumer.pause(self._consumer.assignment())

    def resume(self) -> None:
        """Fetch again."""
        self._paused = False
        self._consumer.resume(self._consumer.assignment())

    def idle(self, timeout_s: float) -> None:
        """Stay in the group for `timeout_s` while paused; records that were already on their way are kept for `take`."""
        self._stash += self._consumer.consume(100, timeout_s)

    def rewind(self) -> None:
        """Read again from where the store is known to hold everything, for the node was lost."""
        self._stash.clear()
        for (topic, number), offset in self.offsets.rewind().items():
            if (topic, number) in self.assigned:
                self._consumer.seek(TopicPartition(topic, number, offset))

    def commit(self, *, wait: bool = False) -> dict[Partition, int]:
        """Commit what may be committed now, and return it: offsets that Kafka was told, and not yet whether it has them.

        A failure is no loss: the next commit says more, and writes are idempotent.
        """
        ripe = self.offsets.committable(time.time_ns() // 1000)  # noqa: TID251 - a shell's clock
        if not ripe:
            return {}
        wanted = [TopicPartition(topic, number, offset) for (topic, number), offset in ripe.items()]
        try:
            if wait:
                self._consumer.commit(offsets=wanted, asynchronous=False)
            else:
                self._consumer.commit(offsets=wanted, asynchronous=True)
        except KafkaException as error:
            _log.warning("commit.failed", lane=self.name, reason=error.args[0].str())
            return {}
        self.offsets.committed(ripe)
        return ripe

    def close(self) -> None:
        """Commit what may be committed, and leave the group."""
        self.commit(wait=True)
        self._consumer.close()

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.fatal() or error.code() in _FATAL:
            raise FatalError(
                f"Kafka, {message.topic() or self._group}: {error.str()} (see `candlewick topics apply`, `topics users`)"
            )
        _log.warning("kafka.complained", lane=self.name, reason=error.str())  # the client recovers by itself
        return False

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.assigned |= {(p.topic, p.partition) for p in partitions}
        consumer.incremental_assign(partitions)
        if self._paused:
            consumer.pause(partitions)
        _log.info("partitions.assigned", lane=self.name, partitions=len(partitions), topics=_topics(partitions))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.before_handover()
        self.commit(wait=True)
        self._drop(partitions)
        consumer.incremental_unassign(partitions)
        _log.info("partitions.revoked", lane=self.name, partitions=len(partitions), topics=_topics(partitions))

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._drop(partitions)  # no commit: they have another owner already
        consumer.incremental_unassign(partitions)
        _log.warning("partitions.lost", lane=self.name, partitions=len(partitions), topics=_topics(partitions))

    def _drop(self, partitions: list[TopicPartition]) -> None:
        gone = [(p.topic, p.partition) for p in partitions]
        self.assigned -= set(gone)
        self.offsets.drop(gone)
        self._stash = [m for m in self._stash if (m.topic(), m.partition()) not in gone]


def missing_topics(kafka: str, topics: Sequence[str], options: dict[str, Any], timeout_s: float) -> list[str]:
    """Return which of `topics` the broker does not have.

    Raises:
        KafkaException: no broker answered within `timeout_s`.
    """
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "candlewick-sink-check", "log_level": 3, **options})
    try:
        return sorted(set(topics) - set(consumer.list_topics(timeout=timeout_s).topics))
    finally:
        consumer.close()


def _topics(partitions: list[TopicPartition]) -> int:
    return len({p.topic for p in partitions})
