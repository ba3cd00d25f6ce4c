"""SHELL (Kafka). What the history's thread hears: the source's gaps, and the results of earlier runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from producer.bodies import is_result
from producer.errors import FatalError
from producer.history.planner import Planner
from schemas.codec import Decoder
from schemas.records import Gap, HistoryCandle
from schemas.registry import Registry, RegistryUnavailableError
from schemas.timeframes import DAY
from schemas.topics import GAPS, HISTORY
from schemas.wire import WireError, schema_id_of

_log = structlog.get_logger()
GAPS_BACK_US = 8 * DAY
"""Our choice. A gap is told anew when it is closed, so what was told longer ago was answered, or is not asked any more."""
TIMEOUT_S = 20.0
BATCH = 2_000
POLL_S = 0.25
AGAIN_S = 10.0  # a registry that is away is asked again after that
MAX_UNREAD = 10_000  # records kept meanwhile; a gap beyond them is asked about after the next start


class Reader:
    """Follows the gaps topic from some days back; reads the history topic once, from its beginning to the end of now.

    No consumer group: every active producer of a source hears everything, and what it did is told by results, not offsets.
    """

    def __init__(
        self,
        kafka: str,
        registry: Registry,
        source: str,
        *,
        prefix: str,
        history_schema_id: int,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._source = source
        self._key = f"{source}:".encode()
        self._gaps_topic = GAPS.name(prefix)
        self._history_topic = HISTORY.name(prefix)
        self._history_schema_id = history_schema_id
        self._unread: deque[Message] = deque(maxlen=MAX_UNREAD)  # of a schema that only the registry knows
        self._again_s = 0.0
        self._gap = Decoder(Gap, registry.schema_by_id)
        self._result = Decoder(HistoryCandle, registry.schema_by_id)
        group = {"group.id": "candlewick-unused", "enable.auto.commit": False}
        own = {"client.id": f"candlewick-history-{source}", "fetch.wait.max.ms": 100}
        self._consumer = Consumer({**(options or {}), "bootstrap.servers": kafka, **group, **own})

    def catch_up(self, planner: Planner, now_us: int, stopped: Callable[[], bool]) -> None:
        """Hear everything there is, and go on with gaps alone; returns early when `stopped`.

        Raises:
            FatalError: Kafka does not answer.
        """
        try:
            starts, ends = self._borders(now_us)
            gaps = [TopicPartition(t, p, start) for (t, p), start in starts.items() if t == self._gaps_topic]
            history = [TopicPartition(t, p, start) for (t, p), start in starts.items() if t == self._history_topic]
            left = {tp: end for tp, end in ends.items() if end > starts[tp]}
            self._consumer.assign([*gaps, *history])
            silent_s = 0.0
            while left and not stopped():
                messages = self._consumer.consume(BATCH, POLL_S)
                silent_s = 0.0 if messages else silent_s + POLL_S
                if silent_s >= TIMEOUT_S:
                    raise FatalError(f"Kafka: nothing read of {sorted(left)} for {TIMEOUT_S:.0f} s")
                for message in messages:
                    self.take(message, planner)
                for tp in self._consumer.position([TopicPartition(*tp) for tp in left]):
                    if tp.offset >= left[tp.topic, tp.partition]:
                        del left[tp.topic, tp.partition]
            self._consumer.incremental_unassign([TopicPartition(tp.topic, tp.partition) for tp in history])
        except KafkaException as error:
            raise FatalError(f"Kafka: {error.args[0].str()}") from error

    def hear(self, planner: Planner, timeout_s: float) -> None:
        """Hear new gaps, waiting at most `timeout_s` for the first."""
        while self._unread and monotonic() >= self._again_s:
            self.take(self._unread.popleft(), planner)
        message = self._consumer.poll(timeout_s)
        while message is not None:
            self.take(message, planner)
            message = self._consumer.poll(0)

    def take(self, message: Message, planner: Planner) -> None:
        """Tell the planner what a message of one of the two topics says; one that cannot be read yet is taken again later."""
        key, value = message.key(), message.value()
        if message.error() is not None or key is None or value is None or not key.startswith(self._key):
            return
        if self._unread and monotonic() < self._again_s:
            self._unread.append(message)
            return
        try:
            if message.topic() == self._gaps_topic:
                gap = self._gap(value)
                if gap.source == self._source:
                    planner.heard_gap(gap)
            elif self._may_be_result(key, value):
                record = self._result(value)
                if record.record == "result" and record.source == self._source:
                    planner.heard_result(record)
        except RegistryUnavailableError as error:
            # The feed goes on, and so does the gap: it only waits for its answer. Order does not matter, for versions do.
            if not self._unread:
                _log.warning("history.record_waits", topic=message.topic(), offset=message.offset(), reason=str(error))
            self._unread.append(message)
            self._again_s = monotonic() + AGAIN_S
        except WireError as error:
            # Somebody broke the contract of a topic that we only listen to; the processor and the sink keep such letters.
            _log.warning("history.record_refused", topic=message.topic(), offset=message.offset(), reason=error.reason)

    def close(self) -> None:
        """End it."""
        self._consumer.close()

    def _borders(self, now_us: int) -> tuple[dict[tuple[str, int], int], dict[tuple[str, int], int]]:
        starts: dict[tuple[str, int], int] = {}
        ends: dict[tuple[str, int], int] = {}
        for topic in (self._gaps_topic, self._history_topic):
            known = self._consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
            if known.error is not None:
                raise FatalError(f"the topic {topic} does not exist: run `candlewick topics apply` first")
            for partition in known.partitions:
                low, end = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT_S)
                starts[topic, partition], ends[topic, partition] = low, end
        back = [TopicPartition(t, p, (now_us - GAPS_BACK_US) // 1000) for t, p in starts if t == self._gaps_topic]
        for tp in self._consumer.offsets_for_times(back, timeout=TIMEOUT_S):
            end = ends[tp.topic, tp.partition]
            starts[tp.topic, tp.partition] = tp.offset if 0 <= tp.offset < end else end
        return starts, ends

    def _may_be_result(self, key: bytes, value: bytes) -> bool:
        if schema_id_of(value) != self._history_schema_id:
            return True  # written with another version of the schema, whose order of fields is not looked at here
        symbol = key[len(self._key) :].decode(errors="replace")
        return is_result(value, self._source, symbol)
