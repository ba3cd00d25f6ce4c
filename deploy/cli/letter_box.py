"""SHELL (Kafka). Reads the dead letter topic as it is now, and puts messages back where they were refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from deploy.cli.letters import Letter

TIMEOUT_S = 30.0


class LetterBoxError(RuntimeError):
    """Kafka is not reached, the topic is not there, or a message was not taken."""


def read(kafka: str, topic: str, options: Mapping[str, Any]) -> list[Letter]:
    """Return every dead letter up to the ends of now, partition by partition.

    Raises:
        LetterBoxError: Kafka is not reached, or there is no such topic.
    """
    with _consumer(kafka, options) as consumer:
        found = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
        if found.error is not None:
            raise LetterBoxError(f"{topic}: {found.error.str()}")
        letters: list[Letter] = []
        for number in sorted(found.partitions):
            letters += _partition(consumer, topic, number)
        return letters


def send_again(kafka: str, letters: Sequence[Letter], from_topic: str, options: Mapping[str, Any]) -> None:
    """Write the original bytes to the topics and partitions they came from, with the same key; returns when all are acknowledged.

    Raises:
        LetterBoxError: a message was not taken; others may have been, and sending again is seen as a return.
    """
    producer = Producer(
        {
            "client.id": "candlewick-dead-letters",
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "compression.type": "zstd",
            "message.timeout.ms": int(TIMEOUT_S * 1000),
            "log_level": 2,
            **options,
            "bootstrap.servers": kafka,
        }
    )
    failed: list[str] = []

    def delivered(error: KafkaError | None, message: Any) -> None:
        if error is not None:
            failed.append(f"{message.topic()}: {error.str()}")

    for letter in letters:
        assert letter.origin is not None
        topic, partition, _ = letter.origin
        headers: dict[str, str | bytes | None] = {"replayed_from": f"{from_topic} {letter.name}"}
        while True:
            try:
                producer.produce(topic, letter.value, letter.key, partition, on_delivery=delivered, headers=headers)
                break
            except BufferError:
                producer.poll(0.1)  # full until some are acknowledged, or given up after message.timeout.ms
            except KafkaException as error:
                raise LetterBoxError(f"{topic}: {error.args[0].str()}") from error
    left = producer.flush(TIMEOUT_S + 5)
    if left or failed:
        raise LetterBoxError("; ".join(sorted(set(failed))) or f"{left} messages were not acknowledged")


def _partition(consumer: Consumer, topic: str, number: int) -> Iterator[Letter]:
    first, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=TIMEOUT_S)
    if first == end:
        return
    consumer.assign([TopicPartition(topic, number, first)])
    # The position, not the last message, says that the end is reached: control records and compacted ones leave holes.
    while consumer.position([TopicPartition(topic, number)])[0].offset < end:
        message = consumer.poll(TIMEOUT_S)
        if message is None:
            raise LetterBoxError(f"{topic} [{number}]: nothing came for {TIMEOUT_S:.0f} s")
        if (error := message.error()) is not None:
            raise LetterBoxError(f"{topic} [{number}]: {error.str()}")
        if (message.offset() or 0) < end:
            yield _letter(message)


def _letter(message: Any) -> Letter:
    headers = {k: (v or b"").decode(errors="replace") for k, v in message.headers() or ()}
    return Letter(message.partition(), message.offset(), message.timestamp()[1], message.key(), message.value(), headers)


@contextmanager
def _consumer(kafka: str, options: Mapping[str, Any]) -> Iterator[Consumer]:
    settings = {"group.id": "candlewick-unused", "enable.auto.commit": False, "socket.timeout.ms": 10_000, "log_level": 2}
    try:
        consumer = Consumer({**settings, **options, "bootstrap.servers": kafka})
    except KafkaException as error:
        raise LetterBoxError(f"Kafka: {error.args[0].str()}") from error
    try:
        yield consumer
    except KafkaException as error:
        raise LetterBoxError(f"Kafka at {kafka}: {error.args[0].str()}") from error
    finally:
        consumer.close()
