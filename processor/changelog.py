"""SHELL (Kafka). The state topic of this worker's partitions, read to its end in bulk.

Faust's own recovery hands every record through its streams (1.8 k records/s measured); here a consumer of its own, outside of the
group, reads some hundred thousand a second. What it costs depends on the topic's length, which compaction bounds, not on history.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from threading import Event

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

LIMIT_S = 60.0
"""Longest time without any answer from Kafka (our choice: the time in which a rebalance has to be over)."""
ANSWER_S = 10.0
AT_ONCE = 10_000

State = dict[bytes, bytes]


class ChangelogError(Exception):
    """The state topic could not be read to its end; the process must restart and try again."""


def read(
    bootstrap: str, options: Mapping[str, str], topic: str, numbers: Iterable[int], given_up: Event
) -> dict[int, State] | None:
    """Return the latest value of every key, by partition; None once `given_up` is set. Blocks: for a thread.

    Raises:
        ChangelogError: Kafka did not answer in time, or refused.
    """
    state: dict[int, State] = {number: {} for number in numbers}
    if not state:
        return state
    consumer = Consumer(
        {
            **options,
            "bootstrap.servers": bootstrap,
            "client.id": "candlewick-processor-state",
            "group.id": "unused",  # required by the client; nothing is committed and no group is joined
            "enable.auto.commit": False,
            "auto.offset.reset": "error",  # anything else could read nothing and call it the state
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
            "queued.min.messages": 100_000,
        }
    )
    try:
        consumer.list_topics(topic, ANSWER_S)
        # The first offsets by number: the client asks for "the beginning" half a second after it was told to.
        consumer.assign([_first(consumer, topic, number) for number in state])
        return _read_all(consumer, state, given_up)
    except KafkaException as error:
        raise ChangelogError(str(error)) from error
    finally:
        consumer.close()


def _first(consumer: Consumer, topic: str, number: int) -> TopicPartition:
    found = consumer.get_watermark_offsets(TopicPartition(topic, number), ANSWER_S)
    if found is None:
        raise ChangelogError(f"no answer about partition {number} in {ANSWER_S:.0f} s")
    return TopicPartition(topic, number, found[0])


def _read_all(consumer: Consumer, state: dict[int, State], given_up: Event) -> dict[int, State] | None:
    unread = set(state)
    deadline = time.monotonic() + LIMIT_S
    while unread:
        if given_up.is_set():
            return None
        messages = consumer.consume(AT_ONCE, 0.02)
        if messages:
            deadline = time.monotonic() + LIMIT_S
        elif time.monotonic() > deadline:
            raise ChangelogError(f"no answer for partitions {sorted(unread)} in {LIMIT_S:.0f} s")
        for m in messages:
            error = m.error()
            number = m.partition() or 0
            if error is None:
                key, value = m.key() or b"", m.value()
                if value is None:
                    state[number].pop(key, None)
                else:
                    state[number][key] = value
            elif error.code() == KafkaError._PARTITION_EOF:
                unread.discard(number)
            else:
                raise ChangelogError(str(error))
    return state
