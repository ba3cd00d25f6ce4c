"""SHELL (Kafka). Reads the dead letter topic as it is now, and puts messages back where they were refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from deploy.cli.letters import Letter

TIMEOUT_S = 30.0
MARK = "replayed_from"
"""Header of what was sent again: where it stood when it was refused. Not the letter, of which a crash can make two."""
CLOCKS_MS = 60_000
"""How far the clocks of who wrote the letter and who sent it again may differ. Our choice."""


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
            letters += map(_letter, _messages(consumer, topic, number))
        return letters


def send_again(kafka: str, letters: Sequence[Letter], options: Mapping[str, Any]) -> None:
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
        headers: dict[str, str | bytes | None] = {MARK: letter.source_text}
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


def sent_before(kafka: str, letters: Sequence[Letter], options: Mapping[str, Any]) -> set[str]:
    """Return the names of those letters that `send_again` has sent before: their topics are read from the letters' time on.

    What was sent and is deleted by now is not found; by then no candle can change by it either.

    Raises:
        LetterBoxError: Kafka is not reached.
    """
    since: dict[tuple[str, int], int] = {}
    for letter in letters:
        if letter.origin is not None:
            place = letter.origin[:2]
            since[place] = min(since.get(place, letter.sent_ms), letter.sent_ms)
    found = set()
    with _consumer(kafka, options) as consumer:
        for (topic, number), sent_ms in since.items():
            (start,) = consumer.offsets_for_times([TopicPartition(topic, number, sent_ms - CLOCKS_MS)], timeout=TIMEOUT_S)
            if start.offset < 0:
                continue  # nothing was written since
            for message in _messages(consumer, topic, number, start.offset):
                found |= {(v or b"").decode(errors="replace") for k, v in message.headers() or () if k == MARK}
    return {a.name for a in letters if a.source_text in found}


def _messages(consumer: Consumer, topic: str, number: int, start: int | None = None) -> Iterator[Any]:
    first, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=TIMEOUT_S)
    at = first if start is None else max(first, start)
    if at >= end:
        return
    consumer.assign([TopicPartition(topic, number, at)])
    # The position, not the last message, says that the end is reached: control records and compacted ones leave holes.
    while consumer.position([TopicPartition(topic, number)])[0].offset < end:
        message = consumer.poll(TIMEOUT_S)
        if message is None:
            raise LetterBoxError(f"{topic} [{number}]: nothing came for {TIMEOUT_S:.0f} s")
        if (error := message.error()) is not None:
            raise LetterBoxError(f"{topic} [{number}]: {error.str()}")
        if (message.offset() or 0) < end:
            yield message


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
