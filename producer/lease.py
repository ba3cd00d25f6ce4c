"""SHELL (Kafka, thread). One active producer a source: the others wait, silent, until the lease is theirs."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Condition, Event, Thread
from time import monotonic
from typing import Any

import structlog
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from producer.errors import FatalError
from producer.tenure import PROVE_EVERY_S, SESSION_S, Tenure
from schemas.topics import LEASES, lease_group
from schemas.waiting import AwayError

_log = structlog.get_logger()
BEAT_S = 0.5  # a standby hears of a lease that was given back with its next heartbeat
REACH_S = 20.0
CLOSE_S = 5.0
_REFUSALS = (
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)


class Lease:
    """Asks for the lease from ``start`` to ``release``, in a thread of its own; everything else may be called from anywhere."""

    def __init__(self, kafka: str, prefix: str, source: str, options: Mapping[str, Any]) -> None:
        self._source = source
        self._topic = LEASES.name(prefix)
        self._tenure = Tenure()
        self._changed = Condition()
        self._closing = Event()
        self._failure: str | None = None
        self._is_told = False
        self._proofs: dict[int, tuple[int, float]] = {}  # offset committed -> term and time of the asking
        self._asked = 0
        self._consumer = Consumer(
            {
                "client.id": f"candlewick-lease-{source}",
                "log_level": 3,  # what it warns of, we say in our own words
                **options,
                "bootstrap.servers": kafka,
                "group.id": lease_group(source, prefix),
                "session.timeout.ms": int(SESSION_S * 1000),
                "heartbeat.interval.ms": int(BEAT_S * 1000),
                # Who has the lease keeps it when another joins.
                "partition.assignment.strategy": "cooperative-sticky",
                "enable.auto.commit": False,
                "on_commit": self._on_commit,
                "error_cb": self._on_error,
            }
        )
        self._thread = Thread(target=self._run, name="lease", daemon=True)

    def start(self) -> None:
        """Begin to ask.

        Raises:
            FatalError: the topic is missing.
            AwayError: Kafka is not reached; may be called again.
        """
        try:
            known = self._consumer.list_topics(self._topic, timeout=REACH_S).topics[self._topic]
        except KafkaException as error:
            raise AwayError("kafka", f"Kafka: {error.args[0].str()}") from error
        if known.error is not None:
            raise FatalError(f"the topic {self._topic} does not exist: run `candlewick topics apply` first")
        if len(known.partitions) != 1:
            raise FatalError(
                f"the topic {self._topic} has {len(known.partitions)} partitions: with more than one, several were active"
            )
        self._thread.start()

    def await_proof(self, timeout_s: float) -> bool:
        """Wait until the lease is held and proved, at most `timeout_s`; return whether it is.

        Raises:
            FatalError: as `fresh`.
        """
        limit = monotonic() + timeout_s
        with self._changed:
            while not self.fresh() and (left := limit - monotonic()) > 0.0:
                self._changed.wait(left)
        return self.fresh()

    def fresh(self) -> bool:
        """Tell whether nobody else can have the lease now; cheap, asked before every frame.

        Raises:
            FatalError: there is nobody to ask any more.
        """
        if self._failure is not None:
            raise FatalError(f"the lease on {self._source}: {self._failure}")
        return self._tenure.fresh(monotonic())

    @property
    def term(self) -> int:
        """How often the lease was gained."""
        return self._tenure.term

    def release(self) -> None:
        """Give the lease back at once, so that a standby need not wait for the session's end."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        try:
            self._consumer.subscribe([self._topic], on_assign=self._on_assign, on_revoke=self._on_lost, on_lost=self._on_lost)
            while not self._closing.is_set():
                message = self._consumer.poll(PROVE_EVERY_S / 4)  # brings the callbacks; the topic has no records
                if message is not None and (error := message.error()) is not None:
                    self._refuse_or_tell(error)
                self._ask()
            self._consumer.close()
        except Exception as error:  # the loop ends the process with it
            self._failure = f"{type(error).__name__}: {error}"
        with self._changed:
            self._tenure.lost()
            self._changed.notify_all()

    def _ask(self) -> None:
        now_s = monotonic()
        with self._changed:
            if not self._tenure.is_due(now_s):
                return
            self._asked += 1
            # Answers name the offset, which means nothing else: so an answer finds its question.
            self._proofs[self._asked] = self._tenure.term, now_s
            self._proofs.pop(self._asked - 100, None)  # questions that were never answered
        try:
            self._consumer.commit(offsets=[TopicPartition(self._topic, 0, self._asked)], asynchronous=True)
        except KafkaException as error:
            self._refuse_or_tell(error.args[0])

    def _on_commit(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        for offset in offsets:
            asked = self._proofs.pop(offset.offset, None)
            failure = error or offset.error
            if failure is not None and failure.code() == KafkaError.REBALANCE_IN_PROGRESS:
                continue  # somebody joins or leaves; the next question is answered again
            if failure is not None:
                self._refuse_or_tell(failure)
            elif asked is not None:
                self._is_told = False
                with self._changed:
                    self._tenure.proved(*asked)
                    self._changed.notify_all()

    def _refuse_or_tell(self, error: KafkaError) -> None:
        # A right that is missing does not come by waiting; anything else may pass, and is told once.
        if error.code() in _REFUSALS:
            self._failure = self._failure or error.str()
        elif not self._is_told:
            self._is_told = True
            _log.warning("lease.went_unproved", source=self._source, reason=error.str())

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if not partitions:
            return
        consumer.incremental_assign([TopicPartition(self._topic, p.partition, OFFSET_END) for p in partitions])
        consumer.pause(partitions)
        with self._changed:
            self._tenure.gained()
        _log.info("lease.was_gained", source=self._source, term=self._tenure.term)
        self._ask()

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        with self._changed:
            self._tenure.lost()
            self._changed.notify_all()
        if not self._closing.is_set():
            _log.warning("lease.was_lost", source=self._source)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._failure = error.str()
