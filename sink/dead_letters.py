"""SHELL (Kafka). Keep refused records: original key and bytes, and in headers why and where they came from.

A record can be as long as the broker takes, and is then too long for it with our headers on top. Of such a one the beginning is
kept: waiting for the whole to be taken would hold up everything behind it for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.wire import WireError, schema_id_of
from sink.errors import FatalError
from sink.mapping import Poison

_VERSION = version("candlewick")
LONGEST_BYTES = 16_777_216
"""For the client to try: whether it is too long is the broker's to say, which counts compressed bytes."""
KEPT_BYTES = 65_536
"""Of a key or value that is too long. Our choice, more than enough to see what it is."""


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
            "message.max.bytes": LONGEST_BYTES,
            "log_level": 3,
        }
        self._producer = Producer({**common, **options})
        self._failed: list[tuple[Poison, KafkaError]] = []

    def send(self, letters: Sequence[Poison], timeout_s: float) -> bool:
        """Send and wait for the acknowledgements; return whether all came. Sending again after False only repeats letters.

        Raises:
            FatalError: writing there is forbidden; no waiting helps.
        """
        left = self._flown([(letter, False) for letter in letters], timeout_s)
        too_long = [letter for letter, error in self._failed if error.code() == KafkaError.MSG_SIZE_TOO_LARGE]
        if left == 0 and too_long and len(too_long) == len(self._failed):
            left = self._flown([(letter, True) for letter in too_long], timeout_s)
        if any(error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED for _, error in self._failed):
            raise FatalError(f"Kafka does not allow us to write {self._topic}: rights are made by `candlewick topics users`")
        return left == 0 and not self._failed

    def _flown(self, letters: Sequence[tuple[Poison, bool]], timeout_s: float) -> int:
        # Sends letters, whole or cut, and waits; returns how many are unanswered, `_failed` has those that were refused.
        self._failed.clear()
        for letter, cut in letters:
            key, value, headers = _content(letter, cut)
            try:
                self._producer.produce(self._topic, value, key, on_delivery=partial(self._delivered, letter), headers=headers)
            except KafkaException as error:
                self._failed.append((letter, error.args[0]))
            except BufferError:
                return len(letters)
        return self._producer.flush(timeout_s)

    def _delivered(self, letter: Poison, error: KafkaError | None, _message: Any) -> None:
        if error is not None:
            self._failed.append((letter, error))

    def close(self) -> None:
        """Give the producer's last records a moment."""
        self._producer.flush(1)


def _content(letter: Poison, cut: bool) -> tuple[bytes | None, bytes | None, dict[str, str | bytes | None]]:
    key, value, headers = letter.message.key(), letter.message.value(), _headers(letter)
    size = len(value or b"")
    if cut and max(size, len(key or b"")) > KEPT_BYTES:
        key, value = key and key[:KEPT_BYTES], value and value[:KEPT_BYTES]
        headers["original_bytes"] = str(size)
    return key, value, headers


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
