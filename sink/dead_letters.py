"""SHELL (Kafka). Keep refused records: original key and bytes, and in headers why and where they came from."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.wire import WireError, schema_id_of
from sink.errors import FatalError
from sink.mapping import Poison

_VERSION = version("candlewick")


class DeadLetters:
    """An idempotent producer to the dead letter topic."""

    def __init__(self, kafka: str, topic: str, options: dict[str, Any]) -> None:
        self._topic = topic
        common = {
            "bootstrap.servers": kafka,
            "client.id": "candlewick-sink",
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "compression.type": "zstd",
            "log_level": 3,
        }
        self._producer = Producer({**common, **options})
        self._failed: list[KafkaError] = []

    def send(self, letters: Sequence[Poison], timeout_s: float) -> bool:
        """Send and wait for the acknowledgements; return whether all came. Sending again after False only repeats letters.

        Raises:
            FatalError: writing there is forbidden; no waiting helps.
        """
        self._failed.clear()
        for letter in letters:
            message = letter.message
            try:
                self._producer.produce(
                    self._topic,
                    message.value(),
                    message.key(),
                    on_delivery=self._delivered,
                    headers=_headers(letter),
                )
            except (BufferError, KafkaException):
                return False
        left = self._producer.flush(timeout_s)
        if any(error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED for error in self._failed):
            raise FatalError(f"Kafka does not allow us to write {self._topic}: rights are made by `candlewick topics users`")
        return left == 0 and not self._failed

    def _delivered(self, error: KafkaError | None, _message: Any) -> None:
        if error is not None:
            self._failed.append(error)

    def close(self) -> None:
        """Give the producer's last records a moment."""
        self._producer.flush(1)


def _headers(letter: Poison) -> dict[str, str | bytes | None]:
    message = letter.message
    try:
        schema_id = str(schema_id_of(message.value()))
    except WireError:
        schema_id = ""
    # Kafka Connect's names, where it has one: existing tools read them.
    return {
        "reason": letter.reason,
        "schema_id": schema_id,
        "service": "sink",
        "service_version": _VERSION,
        "__connect.errors.topic": str(message.topic()),
        "__connect.errors.partition": str(message.partition()),
        "__connect.errors.offset": str(message.offset()),
        "__connect.errors.exception.class.name": type(letter.fault).__name__,
        "__connect.errors.exception.message": str(letter.fault)[:500],
    }
